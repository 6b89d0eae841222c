"""progress - what happens right now: one line that changes on a terminal, a line now and then elsewhere."""

import sys
import time

SPARSE_S = 3.0


class Progress:
    """`step` says that something begins, `update` how far it is, `done` closes the step with its time."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._begun = self._told = time.monotonic()
        self._step = ""

    def step(self, text: str) -> None:
        self._step, self._begun, self._told = text, time.monotonic(), time.monotonic()
        if self._live:
            self._show(text)
        else:
            print(f"{text} ...", flush=True)

    def update(self, text: str) -> None:
        if self._live:
            self._show(f"{self._step}: {text}")
        elif time.monotonic() - self._told > SPARSE_S:
            self._told = time.monotonic()
            print(f"  {text}", flush=True)

    def done(self, text: str = "") -> None:
        line = f"{self._step}{': ' + text if text else ''} ({time.monotonic() - self._begun:.1f} s)"
        if self._live:
            self._show(line)
            print(flush=True)
        elif text:
            print(f"  {text} ({time.monotonic() - self._begun:.1f} s)", flush=True)

    def say(self, text: str) -> None:
        """A line of its own, below which the step goes on."""
        if self._live:
            self._show("")
        print(f"  {text}", flush=True)

    def _show(self, line: str) -> None:
        print(f"\r\033[K{line}", end="", flush=True)
