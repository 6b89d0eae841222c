"""part - what Kafka, PostgreSQL and the registry have in common: a folder, a port, a life that a test disturbs."""

import signal
from pathlib import Path
from typing import Mapping, Optional, Sequence

from .process import Process
from .wait import GaveUp, until


class Part:
    """Subclasses say how it is started (`command`) and when it answers (`answers`); its data outlives a restart."""

    name = "part"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path):
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder.parent / f"{self.name}.log"
        self.process: Optional[Process] = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """May raise: that means no."""
        raise NotImplementedError

    def env(self) -> Optional[Mapping[str, str]]:
        return None

    def user(self) -> Optional[str]:
        return None

    def start(self, wait: bool = True) -> None:
        assert self.process is None, f"{self.name} runs already"
        self.process = Process(self.command(), self.log_file, env=self.env(), user=self.user(), cwd=self.folder)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 300) -> None:
        """Kafka, killed, looks through each partition that the tests before have left: on a busy machine for more than a minute."""
        until(f"{self.name} answers, see {self.log_file}", self._is_ready, seconds, every=0.05)

    def _is_ready(self) -> bool:
        if self.process is None or not self.process.alive():
            raise GaveUp(f"{self.name} has ended:\n{self.log_text()[-2000:]}")
        return self.answers()

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        assert self.process is not None
        self.process.freeze()

    def thaw(self) -> None:
        assert self.process is not None
        self.process.thaw()

    def stop(self) -> None:
        """An orderly end; also of one that is frozen or dead."""
        if self.process is not None:
            self.process.stop(self.stop_signal, 15)
            self.process = None

    def discard(self) -> None:
        """The end of it and its data: nothing that takes time."""
        self.kill()

    def restart(self, wait: bool = True) -> None:
        """Starts it again, after `kill` or else after an orderly end, on the same port with the same data."""
        self.stop()
        self.start(wait)

    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log_text(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
