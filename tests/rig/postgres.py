"""postgres - one PostgreSQL 15 on 127.0.0.1, durable, with the two roles that usaged wants."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence

import psycopg

from . import reaper
from .part import Part
from .ports import free_port

OWNER = "usaged_owner"
RUNTIME = "usaged"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # In the data folder, so that a SIGKILL leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "max_connections": 200,
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_buffers": "16MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "log_line_prefix": "%m [%p] %a %d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Part):
    """`settings` are added to those above. Roles may log in without a password."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends sessions instead of waiting for them

    def __init__(self, folder: Path, settings: Optional[Mapping[str, object]] = None):
        super().__init__(folder)
        self.port = free_port()
        self.data = folder / "data"
        self._bin = _programs()
        self._user = _unprivileged_user()
        self._settings = {**SETTINGS, "port": self.port, **(settings or {})}

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def user(self) -> Optional[str]:
        return self._user

    def env(self) -> Mapping[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}

    def command(self) -> Sequence[str]:
        return [str(self._bin / "postgres"), "-D", str(self.data)]

    def start(self, wait: bool = True) -> None:
        fresh = not self.data.exists()
        if fresh:
            self._initdb()
        super().start(wait or fresh)
        if fresh:
            with self.connect() as db:
                db.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
                db.execute(f"CREATE ROLE {RUNTIME} LOGIN")
            self.create_database("usaged")

    def _initdb(self) -> None:
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        command = [self._bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--locale=C",
                   "-E", "UTF8", "--no-sync", "--no-instructions"]
        done = subprocess.run(command, user=self._user, extra_groups=[] if self._user else None, cwd=self.folder,
                              env=self.env(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stderr}")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            for name, value in self._settings.items():
                file.write(f"{name} = '{value}'\n")

    def answers(self) -> bool:
        with psycopg.connect(self.url(), connect_timeout=2) as db:
            return db.execute("SELECT 1").fetchone() is not None

    def connect(self, database: str = "postgres", role: str = "postgres") -> psycopg.Connection:
        """A connection in autocommit mode, by default as the superuser."""
        return psycopg.connect(self.url(database, role), autocommit=True, connect_timeout=10,
                               options="-c search_path=usaged,public")

    def create_database(self, name: str) -> None:
        with self.connect() as db:
            db.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')

    def kill(self) -> None:
        super().kill()
        # A start after the kill would do the same, but there may be none.
        reaper.remove_shared_memory(self.data / "postmaster.pid")


def _programs() -> Path:
    folder = Path("/usr/lib/postgresql/15/bin")
    if (folder / "initdb").exists():
        return folder
    found = shutil.which("initdb")
    if found is None:
        raise SystemExit("PostgreSQL's initdb is not there: run tests/install.sh first")
    return Path(found).resolve().parent


def _unprivileged_user() -> Optional[str]:
    """PostgreSQL refuses to run as root: another user then; None stays who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            pass
    raise SystemExit("neither a user postgres nor nobody exists to run PostgreSQL")
