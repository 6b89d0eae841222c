"""load - many records quickly, for figures: encoded once each in a few thousand shapes, then patched per record.

A shape is one generated record in Avro. Only recordId (of fixed length) and usageDate (six bytes as Avro writes every
date between 1974 and 2039) differ between records of one shape. No ledger is kept.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Iterator, Optional

from confluent_kafka import Producer

from .avro import varint
from .expect import party_of
from .identity import usage_id
from .publish import framed, register
from .records import DAY_MS, Records
from .schemas import PLAIN, Writer
from .schemas_rated import RATED_PLAIN

if TYPE_CHECKING:
    from rig import Scene

_RECORD_ID = "load-0000000000"
_DATE = 1_700_000_000_123


@dataclass(slots=True)
class _Shape:
    """A record's bytes around the two places where records of the shape differ."""

    key: bytes
    parts: tuple[bytes, bytes, bytes]
    date_first: bool

    def fill(self, record_id: bytes, date: bytes) -> bytes:
        first, second = (date, record_id) if self.date_first else (record_id, date)
        return b"".join((self.parts[0], first, self.parts[1], second, self.parts[2]))


def _shape(value: bytes, key: bytes, record_id: bytes, date: bytes) -> _Shape:
    assert value.count(record_id) == 1 and value.count(date) == 1
    at_id, at_date = value.index(record_id), value.index(date)
    (low, low_length), (high, high_length) = sorted(((at_id, len(record_id)), (at_date, len(date))))
    return _Shape(key, (value[:low], value[low + low_length:high], value[high + high_length:]), at_date < at_id)


class Load:
    """Record number n is the same for the same seed: `raws(count)` and `ratings(count)` speak of the same usages.

    Dates rise through `days` that end now, in steps, as a day's traffic does.
    """

    def __init__(self, scene: Scene, seed: int = 1, days: float = 1, shapes: int = 2000, subscribers: int = 50_000,
                 writer: Writer = PLAIN, rated_writer: Writer = RATED_PLAIN):
        self._scene, self._seed = scene, seed
        self._writer, self._rated_writer = writer, rated_writer
        self._records = Records(seed, subscribers=subscribers, now_ms=_DATE, days=0.001)
        self._shapes_wanted = shapes
        self._end_ms = int(time.time() * 1000) - 60_000
        self._span_ms = int(days * DAY_MS)
        self._source = self._records.next()["source"]

    def raws(self, count: int, duplicates: float = 0.0, first: int = 0, total: Optional[int] = None) -> Iterator[
            tuple[bytes, bytes]]:
        """Key and framed value of `count` records from number `first` on; a share of them repeats an earlier one.
        `total` is over how many records the dates are spread."""
        dice = random.Random(self._seed)
        shapes = self._raw_shapes()
        for number in range(first, first + count):
            one = dice.randrange(max(0, number - 50_000), number) if number and dice.random() < duplicates else number
            shape = shapes[one % len(shapes)]
            yield shape.key, shape.fill(self._record_id(one), varint(self._date(one, total or count)))

    def span(self) -> tuple[int, int]:
        """The first usage date of a load, and the end: milliseconds."""
        return self._end_ms - self._span_ms, self._end_ms

    def ratings(self, count: int, first: int = 0, total: Optional[int] = None) -> Iterator[tuple[bytes, bytes]]:
        """Ratings of the usages that the records `first` to `first + count` made, named by their ids."""
        shapes = self._rated_shapes()
        for number in range(first, first + count):
            usage = usage_id(self._source, self._record_id(number).decode(), self._date(number, total or count))
            shape = shapes[number % len(shapes)]
            yield usage.encode(), shape.parts[0] + usage.encode() + shape.parts[1]

    def publish(self, topic: str, messages: Iterator[tuple[bytes, bytes]]) -> int:
        """Sends them to the scene's `raw` or `rated` topic and waits until all are acknowledged."""
        producer = Producer({**self._scene.rig.kafka.client, "enable.idempotence": True, "linger.ms": 50,
                             "partitioner": "murmur2_random", "batch.size": 900_000,
                             "queue.buffering.max.messages": 200_000, "queue.buffering.max.kbytes": 200_000})
        name, sent = self._scene.topic[topic], 0
        for key, value in messages:
            while True:
                try:
                    producer.produce(name, value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
            sent += 1
            if sent % 1000 == 0:
                producer.poll(0)
        if producer.flush(120):
            raise TimeoutError("the load was not acknowledged")
        return sent

    def _record_id(self, number: int) -> bytes:
        return b"load-%010d" % number

    def _date(self, number: int, total: int) -> int:
        return self._end_ms - self._span_ms + number * self._span_ms // total

    def _raw_shapes(self) -> list[_Shape]:
        schema_id = self._register("raw", self._writer)
        shapes = []
        for _ in range(self._shapes_wanted):
            record = {**self._records.next(), "recordId": _RECORD_ID, "usageDate": _DATE}
            value = framed(schema_id, self._writer.encode(self._writer.carries(record)))
            key = (party_of(record) or "").encode()
            shapes.append(_shape(value, key, _RECORD_ID.encode(), varint(_DATE)))
        return shapes

    def _rated_shapes(self) -> list[_Shape]:
        schema_id = self._register("rated", self._rated_writer)
        shapes = []
        for _ in range(self._shapes_wanted):
            rating = self._records.rating_by_id({**self._records.next(), "usageDate": self._end_ms})
            value = framed(schema_id, self._rated_writer.encode(self._rated_writer.carries(rating)))
            before, _, after = value.partition(rating["usageId"].encode())
            shapes.append(_Shape(b"", (before, after, b""), False))
        return shapes

    def _register(self, topic: str, writer: Writer) -> int:
        return register(self._scene.rig.registry.url, f"{self._scene.topic[topic]}-value", writer.schema)
