"""traffic - a day's ordinary load with a ledger: call records, some of them twice, the ratings that follow events, and some
that come first.

    traffic = Traffic(scene, publisher, seed=7)
    traffic.until("the process is dead", lambda: not service.alive())    # goes on sending meanwhile
    traffic.finish()
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Callable, Optional, TypeVar

from rig.wait import until

from .consume import Decoder, Follower
from .publish import Publisher
from .records import Record, Records, id_of
from .schemas import PLAIN
from .settle import lag, owed

if TYPE_CHECKING:
    from rig import Scene

DUPLICATES = 0.01
OVERTAKES = 0.02  # ratings that are sent before their usage: whichever is stored first, they must meet
RECENT = 3000
T = TypeVar("T")


class Traffic:
    """One thread. Every second usage is rated, and only after its create event was read, as a rating engine does. `step`
    is how many records go out at once while something is waited for, fifteen times a second or so."""

    def __init__(self, scene: Scene, publisher: Publisher, seed: int = 1, step: int = 50):
        self._scene, self._publisher, self._step = scene, publisher, step
        self._dice = random.Random(seed)
        self._source = Records(seed)
        self._sent: list[Record] = []
        self._to_rate: dict[str, Record] = {}
        self._decoder = Decoder(scene.rig.registry.url)
        self._events = Follower(scene.rig.kafka.client, [scene.topic["create"]])
        self.known: Optional[str] = None  # a usage whose create event was read
        self.sent = 0
        self.rated = 0

    def send(self, count: int) -> None:
        for record in self._source.take(count):
            overtaken = self._dice.random() < OVERTAKES
            if overtaken:
                self._publisher.rated(self._source.rating_of(record), expect=("parked", "changed"))
            self._publisher.raw(record)
            self._sent.append(record)
            if not overtaken and self._dice.random() < 0.5:
                self._to_rate[id_of(record)] = record
            if self._dice.random() < DUPLICATES:
                # Half of the time as another system's schema would put it.
                self._publisher.raw(self._dice.choice(self._sent[-RECENT:]), writer=self._dice.choice((None, PLAIN)))
        self.sent += count

    def work(self, seconds: float = 0.06) -> None:
        """Reads events for at most so long, and rates the usages of those that came."""
        for event in self._events.poll(seconds):
            usage = str(self._decoder.decode(event.value)["event"]["usage"]["id"])
            self.known = usage
            record = self._to_rate.pop(usage, None)
            if record is not None:
                self._publisher.rated(self._source.rating_by_id(record), expect="changed")
                self.rated += 1

    def until(self, what: str, condition: Callable[[], T], seconds: float = 60) -> T:
        """Goes on sending until the condition is true, and returns its value. An exception in it is a "not yet"."""
        def go_on() -> None:
            self.send(self._step)
            self.work()

        return until(what, condition, seconds, meanwhile=go_on)

    def flows(self, records: int = 500, seconds: float = 60) -> None:
        """Until so many more ratings than now were sent: records go in and events come out."""
        wanted = self.rated + records // 2
        self.until(f"{records} records have passed", lambda: self.rated >= wanted, seconds)

    def finish(self, seconds: float = 90) -> None:
        """Sends no more records; waits until each usage that is to be rated is, and all is stored and published."""
        deadline = time.monotonic() + seconds
        self._publisher.flush(seconds)
        while self._to_rate or lag(self._scene, self._publisher.ledger) or owed(self._scene, self._publisher.ledger):
            self.work(0.1)
            self._publisher.flush(seconds)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not settled after {seconds:g} s: {len(self._to_rate)} usages have no event, "
                                   f"{lag(self._scene, self._publisher.ledger)} records are on their way")
        self._events.close()
