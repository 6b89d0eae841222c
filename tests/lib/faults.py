"""faults - what the fault tests have in common: quick time-outs, failpoints, and what a log says of an episode."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from rig.wait import until

if TYPE_CHECKING:
    from rig import Scene, Service

SESSION_S = 3.0
TRANSACTION_S = 5.0

# Small batches, so that there are many; time-outs that a test can wait for.
QUICK = {
    "kafka.session.timeout.ms": int(SESSION_S * 1000),
    "kafka.heartbeat.interval.ms": 500,
    "kafka.transaction.timeout.ms": int(TRANSACTION_S * 1000),
    "batch.records": 100,
}


class Failpoint:
    """A named place (service/base/failpoint.h) for one start of a service: `service.start(env=failpoint.env)`."""

    _numbers = itertools.count(1)

    def __init__(self, scene: Scene, name: str, action: str, times: int):
        self.name, self.action, self.times = name, action, times
        self.mark = scene.folder / f"mark-{next(self._numbers)}-{name}"
        self._fired = False

    @property
    def env(self) -> dict[str, str]:
        return {"USAGED_FAILPOINT": f"{self.name}:{self.action}:{self.times}", "USAGED_FAILPOINT_MARK": str(self.mark)}

    def fired(self) -> bool:
        """Between the mark and the stop is a moment: whoever freezes and thaws the process then has it stop once more, for ever."""
        self._fired = self._fired or self.mark.exists() and (self.action == "kill" or self._stands_still())
        return self._fired

    def _stands_still(self) -> bool:
        pid = self.mark.read_text().strip()
        stat = Path(f"/proc/{pid}/stat")
        return bool(pid) and (not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "T")

    def __str__(self) -> str:
        return f"{self.name}:{self.action}:{self.times}"


def found(*services: Service) -> set[str]:
    """The rows of the takeover table that these services have entered, over all their starts."""
    logs = "".join(service.log_text() for service in services)
    return set(re.findall(r"partition taken over .*found=(\w+)", logs))


def waits_for(service: Service, key: str) -> bool:
    """/readyz names this key."""
    status, body = service.readyz()
    return status == 503 and key in body.get("waiting", {})


def lines(service: Service, pattern: str) -> list[str]:
    return [line for line in service.log_text().splitlines() if re.search(pattern, line)]


def throughout(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """For the tests in which time itself is the fault: the condition holds all the while."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"not any more: {what}"
        time.sleep(0.1)


class Episode:
    """From now on, one log: that the service says once that it waits for `key`, once that it goes on, and is no storm."""

    LINES_MAX = 30

    def __init__(self, service: Service, key: str):
        self._service, self._key = service, key
        self._from = len(service.log_text())

    def _text(self) -> str:
        return self._service.log_text()[self._from:]

    def waiting(self) -> int:
        return len(re.findall(rf"\bwaiting for={self._key}\b", self._text()))

    def over(self) -> int:
        return len(re.findall(rf"\bgoing on after={self._key}\b", self._text()))

    def check(self) -> None:
        until(f"the log says that it goes on after {self._key}", lambda: self.over() > 0, 30)
        assert (self.waiting(), self.over()) == (1, 1), self._text()
        assert len(self._text().splitlines()) <= self.LINES_MAX, self._text()
