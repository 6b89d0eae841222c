"""terminal - a terminal for a command to write to, and all that it wrote."""

import os
import pty
import threading


class Terminal:
    """`theirs` is the command's side. Ours is read all the while: who writes to one that nobody reads stands still after 4 KB."""

    def __init__(self) -> None:
        self._ours, self.theirs = pty.openpty()
        self._told = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                more = os.read(self._ours, 65536)
            except OSError:  # so Linux says that nobody has it open any more
                more = b""
            if not more:
                os.close(self._ours)
                return
            self._told += more

    def told(self) -> str:
        """Once the command has ended."""
        os.close(self.theirs)
        self._reader.join(60)
        return self._told.decode()
