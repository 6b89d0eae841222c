"""service - one `usaged` process: its commands, its life, and what it says of itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Optional

import requests

from .ports import free_port
from .process import Process
from .tree import cpu_seconds, memory_kib, peak_memory_kib
from .wait import GaveUp, until

if TYPE_CHECKING:
    from .scene import Scene

_TREE = Path(__file__).resolve().parent.parent.parent


def binary_path(binary: Optional[str] = None) -> str:
    """The program under test: the argument, else USAGED_BIN, else build/usaged of this tree."""
    return str(Path(binary or os.environ.get("USAGED_BIN") or _TREE / "build" / "usaged").resolve())


class Service:
    """Comes from `Scene.service()`. Settings are passed with --set; `env` is for what no setting does (failpoints).

    Its environment is ours without any USAGED_ variable. Ports and `instance.id` stay the same over restarts.
    """

    def __init__(self, scene: Scene, name: str, settings: Mapping[str, object], env: Mapping[str, str],
                 binary: Optional[str]):
        self.scene = scene
        self.name = name
        self.binary = binary_path(binary)
        if not os.access(self.binary, os.X_OK):
            raise FileNotFoundError(f"{self.binary} is not there: run make build first")
        self.http = f"127.0.0.1:{free_port()}"
        self.operate = f"127.0.0.1:{free_port()}"
        self.base = f"http://{self.http}/tmf-api/usageManagement/v4"
        self.log_file = scene.folder / f"{name}.log"
        self.process: Optional[Process] = None
        self.settings = {
            **scene.settings(),
            "http.listen": self.http,
            "operate.listen": self.operate,
            "instance.id": f"{scene.name}-{name}",
            **{key: str(value) for key, value in settings.items()},
        }
        self.env = dict(env)

    def command(self, *words: str, settings: Optional[Mapping[str, object]] = None) -> list[str]:
        """The command line of `usaged WORDS` with this service's settings, some of them replaced."""
        merged = {**self.settings, **{key: str(value) for key, value in (settings or {}).items()}}
        sets = [part for key, value in merged.items() for part in ("--set", f"{key}={value}")]
        return [self.binary, *words, *sets]

    def run(self, *words: str, settings: Optional[Mapping[str, object]] = None, seconds: float = 60,
            check: bool = True) -> subprocess.CompletedProcess:
        """Runs a command such as `offsets` to its end; with `check` an exit code other than 0 is an error."""
        done = subprocess.run(self.command(*words, settings=settings), env=self._environment(), text=True,
                              capture_output=True, timeout=seconds, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"usaged {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def migrate(self) -> None:
        """`usaged migrate`, as the schema's owner."""
        self.run("migrate", settings={"database.url": self.scene.owner_url})

    def topics(self, create: bool = False, partitions: int = 4) -> subprocess.CompletedProcess:
        """`usaged topics`, without a look at the exit code."""
        words = ["topics", *(["--create", "--partitions", str(partitions), "--replication", "1"] if create else [])]
        return self.run(*words, check=False)

    def start(self, wait: bool = True, seconds: float = 30, env: Optional[Mapping[str, str]] = None) -> "Service":
        """`usaged run`; with `wait` until it is ready. `env` is for this start only."""
        assert self.process is None or not self.process.alive(), f"{self.name} runs already"
        self.process = Process(self.command("run"), self.log_file, env={**self._environment(), **(env or {})})
        if wait:
            self.wait_ready(seconds)
        return self

    def kill(self) -> None:
        """kill -9"""
        if self.process is not None:
            self.process.kill()

    def stop(self, seconds: float = 10) -> int:
        """SIGTERM; the exit code, TimeoutError if it does not end in time."""
        assert self.process is not None
        self.process.send(signal.SIGTERM)
        return self.process.wait(seconds)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.freeze()

    def thaw(self) -> None:
        assert self.process is not None
        self.process.thaw()

    def restart(self, wait: bool = True) -> None:
        """After `kill`, or else after an orderly end."""
        if self.alive():
            self.stop()
        self.start(wait)

    def alive(self) -> bool:
        return self.process is not None and self.process.alive()

    def exit_code(self) -> Optional[int]:
        """None while it runs; negative is the signal that ended it."""
        assert self.process is not None
        return self.process.exit_code()

    def wait_exit(self, seconds: float = 30) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def wait_ready(self, seconds: float = 30) -> None:
        until(f"{self.name} is ready, see {self.log_file}", self._is_ready, seconds)

    def _is_ready(self) -> bool:
        if not self.alive():
            raise GaveUp(f"{self.name} has ended:\n{self.log_text()[-2000:]}")
        return self.readyz()[0] == 200

    def readyz(self) -> tuple[int, dict]:
        """Status and body of /readyz; 0 and nothing if nobody answers."""
        try:
            answer = requests.get(f"http://{self.operate}/readyz", timeout=5)
        except requests.RequestException:
            return 0, {}
        return answer.status_code, answer.json()

    def healthz(self) -> int:
        try:
            return requests.get(f"http://{self.operate}/healthz", timeout=5).status_code
        except requests.RequestException:
            return 0

    def metrics(self) -> dict[str, float]:
        """Each sample of /metrics by its name with labels, as printed: `usaged_records_total{topic="t",...}`."""
        answer = requests.get(f"http://{self.operate}/metrics", timeout=5)
        answer.raise_for_status()
        found = {}
        for line in answer.text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found[name] = float(value)
        return found

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels (`_` stands for nothing else)."""
        total = 0.0
        for sample, value in self.metrics().items():
            bare, _, rest = sample.partition("{")
            have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', rest))
            if bare == name and all(have.get(key) == want for key, want in labels.items()):
                total += value
        return total

    def get(self, path: str, **query: str) -> requests.Response:
        """GET below the TMF635 base path: `get("/usage/" + id)`."""
        return requests.get(self.base + path, params=query, timeout=30)

    def log_text(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_log(self, pattern: str, seconds: float = 30) -> re.Match:
        """The first place in the log, over all its starts, that matches the regular expression."""
        return until(f"{pattern!r} in {self.log_file}", lambda: re.search(pattern, self.log_text()), seconds)

    def memory_mib(self) -> float:
        return memory_kib(self.process.pid) / 1024 if self.process else 0.0

    def peak_memory_mib(self) -> float:
        return peak_memory_kib(self.process.pid) / 1024 if self.process else 0.0

    def is_sanitized(self) -> bool:
        """The address sanitizer keeps what is freed: of its program's memory nothing can be said."""
        return b"__asan_init" in Path(self.binary).read_bytes()

    def keeps_within(self, mib: float) -> bool:
        """Its peak."""
        return self.is_sanitized() or self.peak_memory_mib() < mib

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid) if self.process else 0.0

    def _environment(self) -> dict[str, str]:
        ours = {key: value for key, value in os.environ.items() if not key.startswith("USAGED_")}
        return {**ours, **self.env}
