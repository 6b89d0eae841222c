"""zombies - one process of two stands still past its time-outs and wakes up as if nothing had happened: the play of
flow/test_zombies.py and of its long form in faults/."""

from __future__ import annotations

import random
import re
import time
from typing import TYPE_CHECKING

from .faults import QUICK, SESSION_S, TRANSACTION_S, Failpoint, lines
from .traffic import Traffic

if TYPE_CHECKING:
    from .publish import Publisher
    from rig import Scene, Service

# Where a batch may be caught, and nothing of it may pass any more: between poll and claim, inside COPY, between the two
# commits, between send_offsets and the Kafka commit.
PLACES = ("before-claim", "in-copy", "before-send-offsets", "before-kafka-commit")

# How PostgreSQL or the broker says no: a refused claim; a session that the successor has ended; a transaction that the
# broker has ended; a member that the group has thrown out.
REFUSED = (r"a claim was refused|57P01|terminating connection due to administrator command|_FENCED|INVALID_TXN_STATE|"
           r"INVALID_PRODUCER_EPOCH|UNKNOWN_MEMBER_ID|ILLEGAL_GENERATION")

TAKEN = "partition taken over"


class Zombie:
    """Two processes share all partitions. `asleep` is caught at `place` with a batch in its hands, and sleeps."""

    def __init__(self, scene: Scene, publisher: Publisher, seed: int, place: str, settings: dict | None = None,
                 session_s: float = SESSION_S, transaction_s: float = TRANSACTION_S):
        self._scene, self._place = scene, place
        self._dice = random.Random(seed)
        # It sleeps past its transaction's time as well. A message that it has not sent yet is then too old by its own client's
        # clock, and the broker would never have to say no: not so between the two commits, and the last place is one where
        # all messages can be sent before it falls asleep.
        self._sleeps_long = place != "before-send-offsets"
        self._action = "rest" if place == "before-kafka-commit" else "stop"
        self._transaction_s = transaction_s if self._sleeps_long else 4 * transaction_s
        self._takes_over_in = session_s + self._transaction_s + 30
        # What the broker says to a transaction's offsets is one of librdkafka's own lines, and those are below info.
        settings = {**QUICK, **(settings or {}), "log.level": "debug", "kafka.session.timeout.ms": int(session_s * 1000),
                    "kafka.transaction.timeout.ms": int(self._transaction_s * 1000)}
        self.traffic = Traffic(scene, publisher, seed)
        self.asleep: Service = scene.service("a", settings)
        self.successor: Service = scene.service("b", settings)

    def run(self, times_max: int = 20, attempts: int = 5) -> bool:
        """False if it was never refused: each time its own client told it first, and it dropped the batch by itself. The
        rest is checked each time."""
        self.asleep.migrate()
        self.successor.start()
        for _ in range(attempts):
            self._sleep(Failpoint(self._scene, self._place, self._action, self._dice.randint(5, times_max)))
            if self._wake():
                self.traffic.finish()
                return True
            self.asleep.stop()
        self.traffic.finish()
        return False

    def _sleep(self, point: Failpoint) -> None:
        self.asleep.start(wait=False, env=point.env)
        self.traffic.until(f"{point} fires", point.fired, 60)
        had = len(lines(self.successor, TAKEN))
        self.asleep.freeze()  # it stands still already; the rig knows now
        begun = time.monotonic()

        # All of them, in one assignment.
        everything = 3 * self._scene.partitions
        self.traffic.until("the successor has taken everything over",
                           lambda: len(lines(self.successor, TAKEN)) >= had + everything, 90)
        took = time.monotonic() - begun
        assert took < self._takes_over_in, f"the successor's takeover took {took:.1f} s"
        if self._sleeps_long:
            self.traffic.flows(300)
            self.traffic.until("the transaction is too old",
                               lambda: time.monotonic() - begun > self._transaction_s + 2, 60)

    def _wake(self) -> bool:
        slept = len(self.asleep.log_text())
        self.asleep.thaw()
        # It lives, and gets its share again.
        self.traffic.until("the sleeper has partitions again",
                           lambda: re.search(TAKEN, self.asleep.log_text()[slept:]), 90)
        self.traffic.flows(300)
        self.asleep.wait_ready()
        assert self.successor.alive()
        assert self._scene.rig.kafka.group_members(self._scene.group) == 2
        return re.search(REFUSED, self.asleep.log_text()[slept:]) is not None
