"""rig - the parts that usaged works with, as one thing: in a test, and at the keyboard.

    python tests/rig/rig.py up      starts them, prints their addresses, stays until Ctrl-C
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Mapping, Optional

if __package__ in (None, ""):
    # Run as a file: the folder above is where the package is.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rig import reaper
from rig.kafka import Kafka
from rig.postgres import OWNER, RUNTIME, Postgres
from rig.registry import Registry
from rig.scene import Scene


class Rig:
    """Starts with `start()` or `with Rig() as rig`; whatever way its process ends, nothing stays behind.

    `kafka_quick=False` gives the broker's virtual machine its full compiler: for figures.
    `broker_defaults=True` leaves the broker's time-outs as Kafka ships them.
    `kafka_acls=True` makes clients log in, and a right is only what was granted (`Kafka.grant`).
    USAGED_RIG_KEEP=1 keeps the folder with all logs.
    """

    def __init__(self, kafka_quick: bool = True, broker_defaults: bool = False,
                 kafka_settings: Optional[Mapping[str, object]] = None,
                 postgres_settings: Optional[Mapping[str, object]] = None,
                 kafka_acls: bool = False,
                 say: Callable[[str], None] = lambda text: None):
        self.folder = Path(tempfile.mkdtemp(prefix="usaged-rig-"))
        self.folder.chmod(0o755)  # PostgreSQL may run as another user
        self._keep = os.environ.get("USAGED_RIG_KEEP", "") not in ("", "0")
        if not self._keep:
            reaper.watch_folder(self.folder)
        self.kafka = Kafka(self.folder / "kafka", kafka_quick, broker_defaults, kafka_settings,
                           kafka_acls)
        self.postgres = Postgres(self.folder / "postgres", postgres_settings)
        self.registry = Registry(self.folder / "registry")
        self.parts = (self.kafka, self.postgres, self.registry)
        self.services: list = []
        self._scenes = 0
        self._say = say

    def start(self) -> "Rig":
        begun = time.monotonic()

        def up(part) -> None:
            part.start()
            self._say(f"{part.name} is up after {time.monotonic() - begun:.1f} s")

        try:
            with ThreadPoolExecutor(len(self.parts)) as pool:
                list(pool.map(up, self.parts))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends services first, then the parts, and removes the folder."""
        for service in self.services:
            service.kill()
        with ThreadPoolExecutor(len(self.parts)) as pool:
            list(pool.map(lambda part: part.discard(), self.parts))
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            reaper.forget_folder(self.folder)

    def __enter__(self) -> "Rig":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def scene(self, name: str = "scene", partitions: int = 4, create_topics: bool = True,
              settings: Optional[Mapping[str, object]] = None) -> Scene:
        """A database, topics, a group and a folder that no other scene of this rig has."""
        self._scenes += 1
        return Scene(self, f"{name}-{self._scenes}", partitions, create_topics, settings or {})

    def mend(self) -> None:
        """Thaws and starts what a test left frozen or dead."""
        for part in self.parts:
            if part.process is not None and part.process.frozen:
                part.thaw()
            if part.process is None or not part.process.alive():
                part.process = None
                part.start(wait=False)
        for part in self.parts:
            part.wait_ready()

    def addresses(self) -> dict[str, str]:
        return {
            "kafka": self.kafka.bootstrap,
            "registry": self.registry.url,
            "postgres, run-time role": self.postgres.url("usaged", RUNTIME),
            "postgres, owner": self.postgres.url("usaged", OWNER),
            "logs": str(self.folder),
        }


def raise_on_signals() -> None:
    """Lets SIGTERM and SIGHUP end a program like Ctrl-C does, so that it cleans up."""
    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGHUP, leave)


def _up() -> int:
    raise_on_signals()
    print("starting Kafka, PostgreSQL and the schema registry", flush=True)
    with Rig(say=lambda text: print(f"  {text}", flush=True)) as rig:
        for name, address in rig.addresses().items():
            print(f"{name:24} {address}")
        print("\nfor a shell:")
        print(f"export USAGED_KAFKA_BOOTSTRAP_SERVERS={rig.kafka.bootstrap}")
        print(f"export USAGED_REGISTRY_URL={rig.registry.url}")
        print(f"export USAGED_DATABASE_URL={rig.postgres.url('usaged', RUNTIME)}")
        print(f"\nthen, once:  USAGED_DATABASE_URL={rig.postgres.url('usaged', OWNER)} build/usaged migrate")
        print("             build/usaged topics --create --partitions 4 --replication 1")
        print("and:         build/usaged run\n\nCtrl-C stops all.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\nstopping", flush=True)
    return 0


def main(arguments: list[str]) -> int:
    if arguments == ["up"]:
        return _up()
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
