"""hub - services that tell listeners, their API, and events for them without the way through ingestion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Optional

from confluent_kafka import Producer

from .http import BASE, Answer, client_of
from .listener import Listener, Told
from .publish import framed, register

if TYPE_CHECKING:
    from rig import Scene

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
# A delivery has time enough: a listener that was slow for a moment would be told twice.
QUICK = {"hub.allow-networks": "127.0.0.1/32", "hub.retry-ms": 50, "hub.timeout-ms": 10_000,
         "kafka.session.timeout.ms": 3000, "kafka.heartbeat.interval.ms": 500}
DIGITS = "12345678901234567890.50"  # "DIGITS" in a body: more than Python's floats have


class Hub:
    """Services of one group, and the API of the first."""

    def __init__(self, scene: Scene, settings: Optional[Mapping[str, object]] = None, count: int = 1,
                 env: Optional[Mapping[str, str]] = None):
        self.scene = scene
        self.group = f"{scene.group}-hub"
        self.services = [scene.service(name, {**QUICK, **(settings or {})}, env) for name in "abc"[:count]]
        self.service = self.services[0]
        self.service.migrate()
        for service in self.services:
            service.start(wait=False)
        for service in self.services:
            service.wait_ready()
        self.client = client_of(self.service)
        self._schema: Optional[int] = None

    def send(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Answer:
        head = {"Content-Type": kind} if body is not None else {}
        text = json.dumps(body).replace('"DIGITS"', DIGITS)
        return self.client.ask(method, BASE + path, text.encode() if body is not None else None, head)

    def register(self, callback: str, query: Optional[str] = None) -> str:
        """The id of a new listener."""
        answer = self.send("POST", "/hub", {"callback": callback, **({"query": query} if query is not None else {})})
        assert answer.status == 201, answer
        return answer.json()["id"]

    def made(self, **attributes: object) -> dict:
        """A new usage, as the API shows it."""
        answer = self.send("POST", "/usage", {"usageSpecification": {"id": "x"}, **attributes})
        assert answer.status == 201, answer
        return answer.json()

    def many(self, count: int, parties: int = 8) -> list[str]:
        """The ids of so many new usages, of several keys."""
        return [self.made(relatedParty=[{"id": f"p-{number % parties}", "@referredType": "Customer"}])["id"]
                for number in range(count)]

    def numbered(self, first: int, count: int) -> None:
        """So many create events straight into the topic, in turn into its partitions: their eventIds are numbers."""
        producer = Producer({**self.scene.rig.kafka.client, "linger.ms": 5})
        if self._schema is None:
            schema = json.loads((SCHEMAS / "UsageCreateEvent.avsc").read_text())
            self._schema = register(self.scene.rig.registry.url, f"{self.scene.topic['create']}-value", schema)
        for number in range(first, first + count):
            producer.produce(self.scene.topic["create"], framed(self._schema, event_of(number)),
                             partition=number % self.scene.partitions)
        assert producer.flush(60) == 0

    def close(self) -> None:
        self.client.close()
        for service in self.services:
            print(f"---- the last lines of {service.log_file}", *service.log_text().splitlines()[-40:], sep="\n")
        self.scene.stop()


def _text(value: str) -> bytes:
    return _long(len(value.encode())) + value.encode()


def _long(value: int) -> bytes:
    value = value << 1
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def event_of(number: int) -> bytes:
    """A UsageCreateEvent in Avro binary, by hand, as there are many."""
    usage = f"01a20779-75ca-7{number % 4096:03x}-8c96-{number:012x}"
    return b"".join((_text(str(number)), _long(1795421730250), _long(1795421730250), _text("UsageCreateEvent"), b"\0",
                     _text("Usage"), b"\0", _text(usage), _text(f"http://h/usage/{usage}"), b"\0", _long(1795421730250), b"\0",
                     _long(0), _text("x"), b"\0\0\0\0", b"\0", b"\0", b"\0", b"\0\0\0\0", _long(1)))


def numbers_of(told: list[Told]) -> list[int]:
    """Of events that `numbered` made, in the order in which they were told, repeats too."""
    return [int(one.body["eventId"]) for one in told]


def check_numbers(listener: Listener, first: int, count: int, partitions: int) -> None:
    """It was told each, those of a partition in their order; a repeat is one of something that was told before."""
    told = numbers_of(listener.told)
    for partition in range(partitions):
        seen = list(dict.fromkeys(number for number in told if number % partitions == partition))
        assert seen == [number for number in range(first, first + count) if number % partitions == partition]
