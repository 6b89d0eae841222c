"""writers - clients that change usages over HTTP while parts die, and what must be right afterwards.

Each remembers what it was answered. What was answered 2xx is stored and has its event; every event belongs to something
that is stored; each change has one.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Optional

from .consume import Decoder, read_all
from .http import BASE, Answer, Client, client_of
from rig.wait import until

if TYPE_CHECKING:
    from rig import Scene, Service

_JSON = {"Content-Type": "application/json"}


@dataclass
class Acknowledged:
    """One change that was answered 2xx."""

    usage: str
    revision: Optional[int]  # of a deletion the answer does not say
    deleted: bool = False


@dataclass
class Writer:
    """One client: creates a usage, changes it a few times, sometimes deletes it; on any failure it goes on with the next
    one, but for a POST, which it sends again with the same key until it is answered."""

    services: list[Service]
    seed: int
    told: list[Acknowledged] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    strange: list[Answer] = field(default_factory=list)

    def service(self) -> Service:
        return self.services[self.seed % len(self.services)]

    def run(self) -> None:
        dice = random.Random(self.seed)
        for number in range(10 ** 9):
            if self.stop.is_set():
                return
            made = self._post(f"writer-{self.seed}-{number}", dice)
            if made is not None:
                self._live(made, dice)

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> Optional[Answer]:
        client: Optional[Client] = None
        try:
            client = client_of(self.service())
            answer = client.ask(method, BASE + path, json.dumps(body).encode() if body is not None else None,
                                {**(_JSON if body is not None else {}), **headers})
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
            return None
        finally:
            if client is not None:
                client.close()
        if answer.status == 503:
            time.sleep(0.05)
            return None
        if answer.status not in (200, 201, 204, 404, 409):
            self.strange.append(answer)
        return answer

    def _post(self, key: str, dice: random.Random) -> Optional[str]:
        body = {"usageSpecification": {"id": "written"}, "description": key,
                "relatedParty": [{"id": f"p-{dice.randrange(20)}", "@referredType": "Customer"}]}
        while not self.stop.is_set():
            answer = self._ask("POST", "/usage", body, **{"Idempotency-Key": key})
            if answer is not None and answer.status == 201:
                usage = answer.json()["id"]
                self.told.append(Acknowledged(usage, 1))
                return usage
        return None

    def _live(self, usage: str, dice: random.Random) -> None:
        status = "received"
        for step in range(dice.randrange(4)):
            body: dict[str, Any] = {"x-step": step}
            if status == "received" and dice.random() < 0.5:
                body["status"] = status = "guided"
            answer = self._ask("PATCH", f"/usage/{usage}", body)
            if answer is not None and answer.status == 200:
                self.told.append(Acknowledged(usage, int((answer.header("ETag") or '"0"').strip('"'))))
        if dice.random() < 0.3:
            answer = self._ask("DELETE", f"/usage/{usage}")
            if answer is not None and answer.status == 204:
                self.told.append(Acknowledged(usage, None, deleted=True))


class Writers:
    """`count` clients at once, dealt out to the services. Used with `with`: they end with the block."""

    def __init__(self, services: list[Service], count: int = 4, seed: int = 1):
        self.writers = [Writer(services, seed + number) for number in range(count)]
        self._threads = [threading.Thread(target=one.run, daemon=True) for one in self.writers]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.writers:
            one.stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def told(self) -> list[Acknowledged]:
        return [one for writer in self.writers for one in list(writer.told)]

    def more(self, count: int, seconds: float = 60) -> None:
        """Waits until so many more changes were acknowledged."""
        goal = len(self.told()) + count
        until(f"{count} more changes are acknowledged", lambda: len(self.told()) >= goal, seconds)

    def told_by(self, service: Service) -> int:
        """How many changes this service has acknowledged."""
        return sum(len(one.told) for one in self.writers if one.service() is service)

    def strange(self) -> list[Answer]:
        return [one for writer in self.writers for one in writer.strange]


def published(scene: Scene) -> bool:
    """All that is stored through @http is out."""
    with scene.connect() as db:
        return db.execute("SELECT count(*) FROM outbox WHERE topic = '@http'").fetchone()[0] == 0


def problems(scene: Scene, told: list[Acknowledged]) -> list[str]:
    """All discrepancies between what was answered, what is stored and what is published."""
    decoder = Decoder(scene.rig.registry.url)
    events: dict[str, dict[int, str]] = defaultdict(dict)
    lines, seen = [], set()
    for one in read_all(scene.rig.kafka, [topic for topic in scene.outbound if topic != scene.topic["dead-letter"]]):
        event = decoder.decode(one.value or b"")
        usage = event["event"]["usage"]
        if event["eventId"] in seen:
            lines.append(f"event {event['eventId']} is there twice")
        seen.add(event["eventId"])
        if usage["revision"] in events[str(usage["id"])]:
            lines.append(f"{usage['id']}: revision {usage['revision']} has two events")
        events[str(usage["id"])][usage["revision"]] = event["eventType"]
    with scene.connect() as db:
        stored = {usage: (revision, gone) for usage, revision, gone in db.execute(
            "SELECT id::text, revision, deleted_at IS NOT NULL FROM usage_row").fetchall()}
    for usage, (revision, gone) in stored.items():
        if sorted(events[usage]) != list(range(1, revision + 1)):
            lines.append(f"{usage}: stored at revision {revision}, events are of {sorted(events[usage])}")
        elif (events[usage][revision] == "UsageDeleteEvent") != gone:
            lines.append(f"{usage}: deleted is {gone}, its last event {events[usage][revision]}")
    lines += [f"{usage}: has events and is not stored" for usage in events.keys() - stored.keys() if events[usage]]
    for one in told:
        revision, gone = stored.get(one.usage, (0, False))
        if revision < (one.revision or 1) or (one.deleted and not gone):
            lines.append(f"{one}: was answered, and stored is revision {revision}, deleted {gone}")
    return lines


def settled(scene: Scene, writers: Writers, seconds: float = 60, ready: Callable[[], bool] = lambda: True) -> None:
    until("all that is written over HTTP is published", lambda: ready() and published(scene), seconds)
    found = problems(scene, writers.told())
    assert not found, "\n".join(found[:20])
    assert not writers.strange(), writers.strange()[:3]
