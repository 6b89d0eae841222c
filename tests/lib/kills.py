"""kills - processes that die at every named place while records flow, and are started again: the play of flow/test_kills.py
and of its long form in faults/."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

from .faults import QUICK, Failpoint, found
from .traffic import Traffic

if TYPE_CHECKING:
    from .publish import Publisher
    from rig import Scene, Service

# In the order in which a batch passes them. "before-kafka-commit" is also "after send_offsets".
BATCH_PLACES = ("before-claim", "in-copy", "before-commit", "after-commit", "before-send-offsets", "before-kafka-commit",
                "after-kafka-commit")
REBALANCE_PLACES = ("in-rebalance", "in-assign")


class Kills:
    """Two processes. Each start takes the next failpoint of the list; whoever dies is started again at once."""

    def __init__(self, scene: Scene, publisher: Publisher, seed: int, rounds: int = 1, settings: dict | None = None,
                 times_max: int = 25):
        self._scene, self._times_max = scene, times_max
        self._dice = random.Random(seed)
        self.traffic = Traffic(scene, publisher, seed)
        self.services: list[Service] = [scene.service(name, {**QUICK, **(settings or {})}) for name in ("a", "b")]
        self._armed: dict[str, Failpoint | None] = {}
        self.fired: list[Failpoint] = []
        self._left = [place for _ in range(rounds) for place in (*BATCH_PLACES, *REBALANCE_PLACES)]
        self._dice.shuffle(self._left)

    def run(self, records: int) -> None:
        self.services[0].migrate()
        for service in self.services:
            self._start(service)
        while self._left or any(self._armed.values()):
            victim = self._next_victim()
            point = self._armed[victim.name]
            assert point is not None and point.fired(), f"{victim.name} has ended by itself, see {victim.log_file}"
            self.fired.append(point)
            self._start(victim)
        self.traffic.send(max(0, records - self.traffic.sent))
        self.traffic.finish(120)

    def armed(self) -> str:
        return ", ".join(f"{name} {point}" for name, point in self._armed.items() if point)

    def _start(self, service: Service) -> None:
        point = None
        if self._left:
            place = self._left.pop()
            times = {"in-rebalance": 1, "in-assign": self._dice.randint(1, 2)}.get(
                place, self._dice.randint(3, self._times_max))
            point = Failpoint(self._scene, place, "kill", times)
        self._armed[service.name] = point
        service.start(wait=False, env=point.env if point else None)

    def _dead(self) -> Service | None:
        return next((service for service in self.services if not service.alive()), None)

    def _next_victim(self) -> Service:
        """Who comes and goes while the other one is not in the group yet is no rebalance for it: then it does so again."""
        for _ in range(4):
            stirred = self._stir()
            try:
                return self.traffic.until(f"one of {self.armed()} fires", self._dead, 25 if stirred else 90)
            except TimeoutError:
                if not stirred:
                    raise
        raise TimeoutError(f"none of {self.armed()} fires, whoever comes and goes")

    def _stir(self) -> bool:
        """A place in a rebalance is reached only if somebody comes or goes: if nobody has anything else to die of, one
        goes by itself and comes again. True: that was so."""
        armed = {name: point for name, point in self._armed.items() if point}
        if not armed or any(point.name not in REBALANCE_PLACES for point in armed.values()):
            return False
        wanted = self.traffic.rated + 100
        self.traffic.until("records pass", lambda: self._dead() or self.traffic.rated >= wanted)
        other = next(service for service in self.services if service.name != next(iter(armed)))
        if self._dead() is None:
            other.process.send(signal.SIGTERM)
            other.wait_exit(20)
            point = self._armed[other.name]
            if point is None or not point.fired():
                other.start(wait=False, env=point.env if point else None)
        return True


def check_kills(kills: Kills, rounds: int = 1) -> None:
    """Each place was reached, and each row of the takeover table that a kill leads to."""
    places = [point.name for point in kills.fired]
    for place in (*BATCH_PLACES, *REBALANCE_PLACES):
        assert places.count(place) == rounds, f"{place} fired {places.count(place)} times"
    assert {"first", "equal", "ahead"} <= found(*kills.services)


class Mayhem:
    """Kills whatever it meets, the parts as well as the two processes, and starts it again while others may be away still."""

    def __init__(self, scene: Scene, publisher: Publisher, seed: int, settings: dict | None = None):
        self._rig = scene.rig
        self._dice = random.Random(seed)
        self.traffic = Traffic(scene, publisher, seed)
        self.services: list[Service] = [scene.service(name, {**QUICK, **(settings or {})}) for name in ("a", "b")]

    def run(self, rounds: int = 1) -> None:
        self.services[0].migrate()
        for service in self.services:
            service.start(wait=False)
        self.traffic.flows(300)
        victims = [*self.services, self._rig.postgres, self._rig.kafka] * rounds
        self._dice.shuffle(victims)
        for victim in victims:
            self.traffic.send(self._dice.randint(50, 500))
            victim.kill()
            self.traffic.send(self._dice.randint(50, 500))
            victim.start(wait=False)
            if self._dice.random() < 0.7:  # else the next one dies while this one is away
                victim.wait_ready()
                self.traffic.flows(self._dice.randint(100, 600), 120)
        for part in self._rig.parts:
            part.wait_ready()
        for service in self.services:
            service.wait_ready(90)
        self.traffic.flows(300, 120)
        self.traffic.finish(120)
