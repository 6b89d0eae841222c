"""outages - a part of the system goes away, loudly or silently, and comes back: the plays of flow/test_outages.py and of
their long forms in faults/."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from .faults import QUICK, Episode, throughout, waits_for
from .traffic import Traffic
from rig.wait import until

if TYPE_CHECKING:
    from .publish import Publisher
    from rig import Scene, Service
    from rig.part import Part

WAYS = ("killed", "frozen")


def take_away(part: Part, way: str) -> None:
    if way == "killed":
        part.kill()
    else:
        part.freeze()


def give_back(part: Part, way: str) -> None:
    if way == "killed":
        part.start()
    else:
        part.thaw()


def flowing(scene: Scene, publisher: Publisher, seed: int, **settings: object) -> tuple[Service, Traffic]:
    """One service, ready, with records on their way through it."""
    service = scene.service(settings={**QUICK, **settings})
    service.migrate()
    service.start()
    traffic = Traffic(scene, publisher, seed)
    traffic.flows(300)
    return service, traffic


def outage(service: Service, traffic: Traffic, part: Part, key: str, way: str, seconds: float = 2,
           meanwhile: Callable[[], bool] = lambda: True) -> Episode:
    """In mid-load. The service says that it waits, goes on saying it for so long, and goes on by itself afterwards."""
    episode = Episode(service, key)
    take_away(part, way)
    if key == "kafka":  # nothing can be sent, so nobody waits for an event either
        traffic.send(300)
        until(f"/readyz says {key}", lambda: waits_for(service, key), 30)
    else:
        traffic.until(f"/readyz says {key}", lambda: waits_for(service, key), 30)
    throughout(f"/readyz says {key}", lambda: waits_for(service, key) and meanwhile(), seconds)
    give_back(part, way)
    until(f"{service.name} is ready again, see {service.log_file}", lambda: service.readyz()[0] == 200, 60)
    traffic.flows(300)
    return episode
