"""writing - a service that takes changes over HTTP, and what it says of them in Kafka."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Mapping, Optional

from rig.wait import until

from .consume import Decoder, read_all
from .http import BASE, Answer, client_of

if TYPE_CHECKING:
    from rig import Scene

MONEY = {"unit": "CNY", "value": 0.60}
RATING = {"ratingDate": "2026-11-20T08:18:41.007Z", "taxExcludedRatingAmount": MONEY,
          "taxIncludedRatingAmount": {"unit": "CNY", "value": 0.636}, "taxRate": 6, "productRef": {"id": "prod-7781"}}
DATE = "2026-11-20T08:15:30.250Z"
EVENTS = ("create", "state-change", "attribute-change", "delete", "specification")
PRICED = ("rated", "rerated", "billed")


class Writing:
    """`public` is the URL that links begin with."""

    def __init__(self, scene: Scene, settings: Optional[Mapping[str, object]] = None):
        self.scene = scene
        self.service = scene.service(settings=settings)
        self.service.migrate()
        self.service.start()
        self.public = self.service.settings.get("http.base-url", self.service.base)
        self.client = client_of(self.service)
        self.decoder = Decoder(scene.rig.registry.url)

    def get(self, path: str) -> Answer:
        return self.client.get(path)

    def send(self, method: str, path: str, body: Any = None, headers: Optional[dict] = None,
             kind: str = "application/json") -> Answer:
        """`body` is written as JSON, numbers that were read back too; bytes are sent as they are."""
        head = {**({"Content-Type": kind} if body is not None else {}), **(headers or {})}
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body, default=float).encode()
        return self.client.ask(method, BASE + path, raw, head)

    def post(self, body: Any, **headers: str) -> Answer:
        return self.send("POST", "/usage", body, {name.replace("_", "-"): value for name, value in headers.items()})

    def made(self, **attributes: Any) -> dict:
        """A usage that is there; one with a price has a rating."""
        rated = {"ratedProductUsage": [RATING]} if attributes.get("status") in PRICED else {}
        answer = self.post({"usageSpecification": {"id": "x"}, **rated, **attributes})
        assert answer.status == 201, answer
        return answer.json()

    def made_specification(self, **attributes: Any) -> dict:
        answer = self.send("POST", "/usageSpecification", {"name": "x", **attributes})
        assert answer.status == 201, answer
        return answer.json()

    def patch(self, usage: str, body: Any, **more: Any) -> Answer:
        return self.send("PATCH", f"/usage/{usage}", body, **more)

    def events(self, resource: str, count: int) -> list[dict]:
        """Of one usage or specification, in the order of their revisions, once there are `count`; and no more a little
        later."""
        return self.events_of({resource: count})[resource]

    def events_of(self, counts: Mapping[str, int]) -> dict[str, list[dict]]:
        """The same of several."""
        def of_them() -> dict[str, list[dict]]:
            found = defaultdict(list)
            for one in read_all(self.scene.rig.kafka, [self.scene.topic[word] for word in EVENTS]):
                resource = next((name for name in counts if name.encode() in one.value), None)
                if resource is None:
                    continue  # decoding takes longer than reading
                event = self.decoder.decode(one.value)
                payload = event["event"].get("usage") or json.loads(event["event"]["usageSpecification"]["json"])
                found[str(payload["id"])].append(event)
            return found

        def enough() -> bool:
            found = of_them()
            return all(len(found[one]) >= count for one, count in counts.items())

        until(f"the events of {counts}", enough, 15)
        made = of_them()
        for one, count in counts.items():
            assert len(made[one]) == count, made[one]
            assert len({event["eventId"] for event in made[one]}) == count
            made[one].sort(key=lambda event: (event["event"].get("usage", {}).get("revision", 0), event["eventTime"]))
        return made

    def close(self) -> None:
        self.client.close()
        self.scene.stop()
