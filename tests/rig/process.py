"""process - one started program with all its children: signal it, freeze it, wait for it, leave nothing of it."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence

from . import reaper
from .tree import adopt_orphans, kill_tree, signal_tree, state, tree
from .wait import until


class Process:
    """A child in a session of its own. Output goes to the end of `log`."""

    def __init__(self, command: Sequence[str], log: Path, env: Optional[Mapping[str, str]] = None,
                 user: Optional[str] = None, cwd: Optional[Path] = None):
        adopt_orphans()
        with open(log, "ab") as out:
            self._child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           env=env, user=user, group=_group_of(user), cwd=cwd,
                                           extra_groups=[] if user else None, start_new_session=True)
        self.pid = self._child.pid
        self.frozen = False
        reaper.watch(self.pid)

    def alive(self) -> bool:
        return self.exit_code() is None

    def exit_code(self) -> Optional[int]:
        """None while it runs; negative is the signal that ended it."""
        code = self._child.poll()
        if code is not None:
            reaper.forget(self.pid)
        return code

    def send(self, number: int) -> None:
        """Sends a signal to the program itself."""
        if self.alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the program and all its children, as a power cut would."""
        if self.alive():
            kill_tree(self.pid)
        self.wait(10)

    def freeze(self) -> None:
        """SIGSTOP to the program and all its children; returns when they have stopped."""
        signal_tree(self.pid, signal.SIGSTOP)
        until(f"process {self.pid} has stopped", lambda: all(state(pid) in "TtZX" for pid in tree(self.pid)), 10)
        self.frozen = True

    def thaw(self) -> None:
        signal_tree(self.pid, signal.SIGCONT)
        self.frozen = False

    def wait(self, seconds: float) -> int:
        """The exit code; TimeoutError if it still runs."""
        try:
            code = self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} still runs after {seconds:g} s") from None
        reaper.forget(self.pid)
        return code

    def stop(self, number: int = signal.SIGTERM, seconds: float = 10) -> int:
        """Asks it to end, and kills it if it has not by then."""
        if self.frozen:
            self.thaw()
        self.send(number)
        try:
            return self.wait(seconds)
        except TimeoutError:
            self.kill()
            return self.wait(1)


def _group_of(user: Optional[str]) -> Optional[int]:
    if user is None:
        return None
    import pwd
    return pwd.getpwnam(user).pw_gid
