"""publish - puts records on a scene's inbound topics, framed for the registry, and writes them into a ledger."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional

import requests
from confluent_kafka import KafkaError, Message, Producer

from . import expect as expectation
from .consume import read_all
from .ledger import Entry, Expect, Headers, Ledger
from .records import Record
from .schemas import MEDIATION, Writer
from .schemas_rated import ENGINE

if TYPE_CHECKING:
    from rig import Scene

BY_PARTY: Any = object()  # "the key that an ordinary sender would choose"


def framed(schema_id: int, avro: bytes) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big") + avro


def register(registry_url: str, subject: str, schema: Any) -> int:
    """Registers a schema, or finds it, and returns its id."""
    answer = requests.post(f"{registry_url}/subjects/{subject}/versions", json={"schema": json.dumps(schema)},
                           headers={"Content-Type": "application/vnd.schemaregistry.v1+json"}, timeout=30)
    if answer.status_code != 200:
        raise RuntimeError(f"{subject}: the registry says {answer.status_code} {answer.text}")
    return answer.json()["id"]


class Publisher:
    """One idempotent producer. Records are on the broker, and their entries complete, after `flush()`."""

    def __init__(self, scene: Scene, ledger: Optional[Ledger] = None, raw_writer: Writer = MEDIATION,
                 rated_writer: Writer = ENGINE):
        self.scene = scene
        self.ledger = ledger if ledger is not None else Ledger()
        self._raw_writer, self._rated_writer = raw_writer, rated_writer
        self._ids: dict[tuple[str, str], int] = {}
        self._writers: dict[str, Writer] = {}
        self._failed: Optional[KafkaError] = None
        self._unplaced: list[Entry] = []
        self._producer = self._started(linger_ms=5)

    def _started(self, linger_ms: int) -> Producer:
        return Producer({**self.scene.rig.kafka.client, "enable.idempotence": True, "linger.ms": linger_ms,
                         "partitioner": "murmur2_random", "compression.type": "lz4",
                         "queue.buffering.max.messages": 2_000_000, "message.max.bytes": 4_000_000,
                         "queue.buffering.max.kbytes": 1 << 20, "delivery.timeout.ms": 120_000})

    def raw(self, record: Record, partition: Optional[int] = None, key: Optional[bytes] = BY_PARTY,
            headers: Optional[Headers] = None, writer: Optional[Writer] = None, timestamp: int = 0,
            expect: Expect = None, reason: Optional[str] = None) -> Entry:
        """One raw usage. Without `partition` its key decides; what `expect` and `reason` mean: Ledger.raw."""
        writer = writer or self._raw_writer
        carried = writer.carries(record)
        topic = self.scene.topic["raw"]
        value = framed(self.schema_id(topic, writer), writer.encode(carried))
        entry = self.ledger.raw(topic, _key(record, key), value, headers or [], carried, expect, reason)
        return self._send(entry, partition, timestamp)

    def raws(self, records: Iterable[Record], **options: Any) -> list[Entry]:
        return [self.raw(record, **options) for record in records]

    def rated(self, rating: Record, partition: Optional[int] = None, key: Optional[bytes] = BY_PARTY,
              headers: Optional[Headers] = None, writer: Optional[Writer] = None, timestamp: int = 0,
              expect: Expect = None, reason: Optional[str] = None) -> Entry:
        """One rating; its key is its name of the usage unless another is given."""
        writer = writer or self._rated_writer
        carried = writer.carries(rating)
        topic = self.scene.topic["rated"]
        value = framed(self.schema_id(topic, writer), writer.encode(carried))
        entry = self.ledger.rated(topic, _key(rating, key), value, headers or [], carried, expect, reason)
        return self._send(entry, partition, timestamp)

    def bytes(self, value: Optional[bytes], reason: str, topic: str = "raw", key: Optional[bytes] = None,
              partition: Optional[int] = None, headers: Optional[Headers] = None, timestamp: int = 0) -> Entry:
        """Any bytes, on the scene's `raw` or `rated` topic, that must become a dead letter with this reason."""
        entry = self.ledger.bytes(self.scene.topic[topic], key, value, headers or [], reason)
        return self._send(entry, partition, timestamp)

    def encoded(self, record: Record, writer: Optional[Writer] = None, topic: str = "raw") -> bytes:
        """A record's framed bytes, for a test that spoils them and sends them with `bytes`."""
        writer = writer or (self._raw_writer if topic == "raw" else self._rated_writer)
        return framed(self.schema_id(self.scene.topic[topic], writer), writer.encode(writer.carries(record)))

    def schema_id(self, topic: str, writer: Writer) -> int:
        """The writer's schema under the topic's subject, registered at first use."""
        known = self._ids.get((topic, writer.name))
        if known is None:
            self._writers[writer.name] = writer
            known = register(self.scene.rig.registry.url, f"{topic}-value", writer.schema)
            self._ids[topic, writer.name] = known
        return known

    def register_again(self) -> None:
        """After the registry came back empty: all schemas, in the order in which it first had them."""
        pairs = list(self._ids)
        self._ids.clear()
        for topic, name in pairs:
            self.schema_id(topic, self._writers[name])

    def _send(self, entry: Entry, partition: Optional[int], timestamp: int) -> Entry:
        def delivered(error: Optional[KafkaError], message: Message) -> None:
            if error is not None:
                self._failed = error
                return
            entry.partition = message.partition()
            if message.offset() is not None:
                entry.offset = message.offset()
            else:
                self._unplaced.append(entry)

        more = {} if partition is None else {"partition": partition}
        # Ours and not the report's, which is another one if the broker had the batch already.
        entry.timestamp = more["timestamp"] = timestamp or int(time.time() * 1000)
        self._producer.produce(entry.topic, entry.value, entry.key, headers=entry.headers or None, on_delivery=delivered, **more)
        self._producer.poll(0)
        return entry

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is published inside is sent at the end, at once: as one message set of each partition, however slow we are, so
        that one batch of the service's takes all of it."""
        usual, self._producer = self._producer, self._started(linger_ms=60_000)  # flush() does not wait for that
        for topic in self.scene.inbound:  # else what comes before it knows their partitions goes by itself
            self._producer.list_topics(topic, timeout=30)
        yield
        self.flush()
        self._producer = usual

    def flush(self, seconds: float = 120) -> None:
        """Waits until all is acknowledged; an error of any record is raised here."""
        left = self._producer.flush(seconds)
        if self._failed is not None:
            raise RuntimeError(f"publishing: {self._failed}")
        if left:
            raise TimeoutError(f"publishing: {left} records are not acknowledged after {seconds:g} s")
        if self._unplaced:
            self.place(self._unplaced)
            self._unplaced = []

    def place(self, entries: list[Entry]) -> None:
        """Looks up where records lie. When the broker had taken a batch and its answer was lost, the producer sends
        it again and learns only that it is there already, not at which offset."""
        known = {(entry.topic, entry.partition, entry.offset) for entry in self.ledger.entries if entry.offset >= 0}
        found = {topic: read_all(self.scene.rig.kafka, [topic], "read_uncommitted")
                 for topic in {entry.topic for entry in entries}}
        for entry in entries:
            same = (entry.partition, entry.key, entry.value, entry.timestamp)
            entry.offset = next(one.offset for one in found[entry.topic]
                                if (one.partition, one.key, one.value, one.timestamp) == same
                                and (one.topic, one.partition, one.offset) not in known)
            known.add((entry.topic, entry.partition, entry.offset))


def _key(record: Record, key: Optional[bytes]) -> Optional[bytes]:
    if key is not BY_PARTY:
        return key
    inner = record.get("usage") or record
    party = expectation.party_of(inner)
    return (party or inner.get("usageId") or inner.get("recordId") or "").encode() or None
