"""consume - reads whole topics, as a consumer that trusts only what is committed, and decodes them by their schemas."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Mapping, Optional

import fastavro
import requests
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

if TYPE_CHECKING:
    from rig.kafka import Kafka

Headers = list[tuple[str, Optional[bytes]]]


@dataclass(slots=True)
class Found:
    """A record as it lies in Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Optional[bytes]
    value: Optional[bytes]
    headers: Headers

    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"

    def header(self, name: str) -> Optional[str]:
        for have, value in self.headers:
            if have == name:
                return (value or b"").decode()
        return None


class Decoder:
    """Decodes values framed for the registry; each schema is fetched once."""

    def __init__(self, registry_url: str):
        self._url = registry_url
        self._schemas: dict[int, Any] = {}

    def decode(self, value: bytes) -> dict:
        if value[:1] != b"\0" or len(value) < 5:
            raise ValueError(f"not framed: {value[:8].hex()}")
        schema = self._schema(int.from_bytes(value[1:5], "big"))
        body = io.BytesIO(value[5:])
        made = fastavro.schemaless_reader(body, schema)
        if body.read(1):
            raise ValueError("bytes are left over behind the record")
        return made

    def _schema(self, schema_id: int) -> Any:
        if schema_id not in self._schemas:
            answer = requests.get(f"{self._url}/schemas/ids/{schema_id}", timeout=30)
            answer.raise_for_status()
            self._schemas[schema_id] = fastavro.parse_schema(json.loads(answer.json()["schema"]))
        return self._schemas[schema_id]


def read_all(kafka: Kafka, topics: Iterable[str], isolation: str = "read_committed",
             seconds: float = 60) -> list[Found]:
    """Every record of these topics up to their ends as they are now, in the order of each partition.

    The ends are the high watermarks, not what a read_committed consumer would call the end: for some milliseconds
    after a commit the latter still lacks its records. An open transaction hides the end: it is waited for until the
    deadline, and then TimeoutError says where.
    """
    marks = {(topic, partition): mark for topic in topics for partition, mark in kafka.watermarks(topic).items()}
    consumer = _consumer(kafka.client, isolation)
    try:
        return list(_until_end(consumer, marks, time.monotonic() + seconds))
    finally:
        consumer.close()


def read_below(kafka: Kafka, ends: Mapping[tuple[str, int], int], seconds: float = 60) -> list[Found]:
    """Every committed record of these partitions that lies below its end, and is still there."""
    found = {topic: kafka.watermarks(topic) for topic in {topic for topic, _ in ends}}
    marks = {}
    for (topic, number), end in ends.items():
        low, high = found[topic][number]
        marks[topic, number] = low, min(end, high)
    consumer = _consumer(kafka.client, "read_committed")
    try:
        return list(_until_end(consumer, marks, time.monotonic() + seconds))
    finally:
        consumer.close()


def _until_end(consumer: Consumer, marks: dict[tuple[str, int], tuple[int, int]], deadline: float) -> Iterator[Found]:
    waiting = {place: high for place, (low, high) in marks.items() if low < high}
    consumer.assign([TopicPartition(*place, marks[place][0]) for place in waiting])
    while waiting:
        for message in consumer.consume(1000, 0.2):
            place = message.topic(), message.partition()
            error = message.error()
            if error is None:
                if message.offset() < waiting.get(place, 0):
                    yield _found(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            elif message.offset() >= waiting.get(place, 0):
                waiting.pop(place, None)
        if waiting and time.monotonic() > deadline:
            raise TimeoutError(f"not read to the end, a transaction is open or the broker away: {waiting}")


class Follower:
    """Follows topics from their beginning while others write to them: `poll` returns what has been committed since."""

    def __init__(self, client: Mapping[str, object], topics: Iterable[str]):
        self._consumer = _consumer(client, "read_committed")
        self._consumer.assign([TopicPartition(topic, number, 0) for topic in topics
                               for number in self._consumer.list_topics(topic, timeout=20).topics[topic].partitions])

    def poll(self, seconds: float = 0.1) -> list[Found]:
        return [_found(message) for message in self._consumer.consume(2000, seconds) if message.error() is None]

    def close(self) -> None:
        self._consumer.close()


def _consumer(client: Mapping[str, object], isolation: str) -> Consumer:
    return Consumer({**client, "group.id": "test-reader", "isolation.level": isolation, "enable.auto.commit": False,
                     "auto.offset.reset": "error", "enable.partition.eof": True, "fetch.wait.max.ms": 50,
                     "check.crcs": True})


def _found(message: Any) -> Found:
    return Found(message.topic(), message.partition(), message.offset(), message.timestamp()[1], message.key(),
                 message.value(), list(message.headers() or ()))
