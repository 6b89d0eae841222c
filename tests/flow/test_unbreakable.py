"""Schemas and records that are made to break a reader: each is a dead letter, and costs nothing else."""

from typing import Any, Optional

from lib.publish import framed, register
from lib.records import Records
from lib.schemas import PLAIN, Writer, raw_fields
from lib.settle import outcomes

LIMIT_MIB = 128
HUGE = 1 << 32


def varint(number: int) -> bytes:
    """As Avro writes an int or long."""
    left, out = number << 1 if number >= 0 else (-number << 1) - 1, bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    return bytes([*out, left])


def with_field(kind: Any, **more: Any) -> dict:
    """PLAIN's schema and, last, a field x of that type."""
    return {"type": "record", "name": "RawUsage", "namespace": "usaged.v1",
            "fields": [*raw_fields(9), {"name": "x", "type": kind, **more}]}


class Hostile:
    """Publishes what is wrong between what is right, on one partition."""

    def __init__(self, scene, publisher):
        self._scene, self._publisher = scene, publisher
        self._source = Records(60)
        self._schemas = 0
        self.good = self.bad = 0

    def right(self, count: int = 5) -> None:
        self._publisher.raws(self._source.take(count), partition=0, writer=PLAIN)
        self.good += count

    def bytes(self, value: Optional[bytes], reason: str) -> None:
        self._publisher.bytes(value, reason, partition=0)
        self.bad += 1
        self.right()

    def record(self, kind: Any, content: bytes, reason: str, **more: Any) -> None:
        """A record that is right up to its field x, which is of this type and holds these bytes."""
        self._schemas += 1
        schema = register(self._scene.rig.registry.url, f"{self._scene.name}-{self._schemas}", with_field(kind, **more))
        usage = PLAIN.encode(PLAIN.carries(self._source.next()))
        self.bytes(framed(schema, usage + content), reason)


def nested(levels: int, inside: Any) -> Any:
    for _ in range(levels):
        inside = {"type": "array", "items": inside}
    return inside


def test_records_that_are_made_to_break_the_reader_are_dead_letters_and_cost_nothing_else(started, publisher,
                                                                                        settled_and_right):
    hostile = Hostile(started, publisher)

    hostile.bytes(b"", "framing")
    hostile.bytes(None, "framing")
    hostile.bytes(b"\0\0\1", "framing")
    hostile.record("int", b"", "malformed")
    hostile.record("int", b"\2\2", "malformed")
    for kind, head in (("string", b""), ("bytes", b""), (["null", "string"], b"\2"),
                       ({"type": "array", "items": "string"}, b"\2"), ({"type": "map", "values": "int"}, b"\2")):
        for length in (HUGE, 2**63 - 1, -1, -HUGE, -2**63):
            hostile.record(kind, head + varint(length) + b"abc\0", "malformed")
    hostile.record("long", b"\xff" * 10 + b"\1", "malformed")
    hostile.record("long", b"\x80" * 30 + b"\0", "malformed")
    hostile.record("int", varint(2**31), "malformed")
    for items in ("null", "int", {"type": "record", "name": "Empty", "fields": []}):
        hostile.record({"type": "array", "items": items}, varint(2**27) + b"\0", "malformed")
        hostile.record({"type": "array", "items": items}, varint(-2**27) + b"\0\0", "malformed")
    hostile.record({"type": "array", "items": "null"}, varint(100_001) + b"\0", "malformed")
    hostile.record({"type": "array", "items": "null"}, (varint(-1) + b"\0") * 100_001 + b"\0", "malformed")
    hostile.record(nested(62, "null"), varint(1000) * 5000, "malformed")
    hostile.record({"type": "enum", "name": "E", "symbols": ["A"]}, varint(1), "malformed")

    settled_and_right()
    assert outcomes(started) == {"created": hostile.good, "dead": hostile.bad}
    assert started.main.keeps_within(LIMIT_MIB)


def test_schemas_that_are_made_to_break_the_reader_are_unsupported_and_cost_nothing_else(started, publisher,
                                                                                        settled_and_right):
    hostile = Hostile(started, publisher)
    recursive = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}

    hostile.right()
    hostile.record(nested(70, "int"), b"\0", "schema-unsupported")
    hostile.record(recursive, b"\2" * 100_000 + b"\0", "schema-unsupported")
    hostile.record({"type": "record", "name": "Wide", "fields": [
        {"name": f"f{n}", "type": "int"} for n in range(10_000)]}, b"\0" * 10_000, "schema-unsupported")
    hostile.record("int", b"\2", "schema-unsupported", more=[{}] * 120_000)
    hostile.record("int", b"\2", "schema-unsupported", doc="d" * (5 << 20))
    hostile.record("int", b"\2", "schema-unsupported", doc="d" * (9 << 20))

    settled_and_right()
    assert outcomes(started) == {"created": hostile.good, "dead": hostile.bad}
    assert started.main.keeps_within(LIMIT_MIB)


def test_a_large_schema_is_read_where_it_keeps_to_the_limits(started, publisher, settled_and_right):
    symbols = [f"S{n}" for n in range(5000)]
    schema = with_field({"type": "enum", "name": "Many", "symbols": symbols}, doc="d" * 800_000)
    writer = Writer("large", schema, PLAIN.carries, lambda carried: {**PLAIN.datum(carried), "x": "S4999"})

    publisher.raws(Records(61).take(20), writer=writer)

    settled_and_right()
    assert outcomes(started) == {"created": 20}
