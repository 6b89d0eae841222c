"""Dead letters: each reason that a record may have, at the first, the middle and the last place of a batch. The rest is
stored; the dead letter has the record's bytes, headers and position, and a text that names field, value and limit."""

import copy
import hashlib
import re
import time
from dataclasses import dataclass
from typing import Callable

import pytest

from lib.consume import read_all
from lib.faults import lines
from lib.publish import framed, register
from lib.records import Records
from lib.schemas import PLAIN
from lib.schemas_rated import RATED_PLAIN
from lib.settle import outcomes
from lib.slow_registry import SlowRegistry
from rig.postgres import OWNER
from rig.wait import until

HEADERS = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("raw", b"\x00\xff"), ("none", None),
           ("raw", b"twice")]
RECORDS = 21
PLACES = (0, RECORDS // 2, RECORDS - 1)
SMALL = {"batch.records": 20_000, "record.max-bytes": 40_000, "event.max-bytes": 65_536, "registry.unknown-wait": "0ms"}


@dataclass
class Bad:
    """`spoil(publisher, source, record)` gives the bytes of a record that cannot be taken; `text`: what the dead letter says."""

    reason: str
    text: str
    spoil: Callable
    topic: str = "raw"


def changed(**changes):
    return lambda publisher, source, record: publisher.encoded({**record, **changes}, PLAIN)


def rating(**changes):
    return lambda publisher, source, record: publisher.encoded(source.rating_of(record, **changes), RATED_PLAIN, "rated")


def unsupported(publisher, _source, record):
    """A schema whose usageDate is a text."""
    schema = copy.deepcopy(PLAIN.schema)
    next(field for field in schema["fields"] if field["name"] == "usageDate")["type"] = "string"
    number = register(publisher.scene.rig.registry.url, f"{publisher.scene.name}.other-value", schema)
    return framed(number, record["recordId"].encode())


def unknown(publisher, _source, record):
    return framed(987_654, publisher.encoded(record)[5:])


def unknown_of_32_bits(publisher, _source, record):
    return framed(2**32 - 2, publisher.encoded(record)[5:])


def wide(publisher, _source, record):
    """Of a usage of its own: another content of one that is there would be a conflict, however large."""
    return publisher.encoded({**record, "recordId": f"wide {record['recordId']}", "usageCharacteristic": [{"name": "n", "value": 1}] * 5_000}, PLAIN)


BAD = (
    Bad("too-large", r"value has 4\d{4} bytes, record.max-bytes is 40000", changed(description="d" * 40_000)),
    Bad("framing", r"begins with 7b226e6f.* JSON", lambda *_: b'{"not":"avro"}'),
    Bad("framing", r"begins with c301.* single-object", lambda *_: b"\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00"),
    Bad("framing", r"no value", lambda *_: None),
    Bad("schema-unknown", r"schema id 987654, .*registry.unknown-wait \(0 ms\)", unknown),
    Bad("schema-unknown", r"schema id 4294967294,", unknown_of_32_bits),
    Bad("schema-unsupported", r"usageDate.*string", unsupported),
    Bad("malformed", r"\w", lambda publisher, source, record: publisher.encoded(record)[:-3]),
    Bad("malformed", r"\w", lambda publisher, source, record: publisher.encoded(record) + b"\0"),
    Bad("text", r"recordId", changed(recordId="a\0b")),
    Bad("missing", r"recordId is empty", changed(recordId="")),
    Bad("value", r'source has 129 bytes, at most 128 are allowed: "s{129}"', changed(source="s" * 129)),
    Bad("value", r'usageId "no-uuid" is not a UUID', lambda publisher, source, record: publisher.encoded(
        {"usageId": "no-uuid", "status": "guided"}, RATED_PLAIN, "rated"), "rated"),
    Bad("date", r"usageDate 1969-12-31T23:59:59.995Z \(-5 ms\) is not between \d{4}-", changed(usageDate=-5)),
    Bad("status", r'status "billed" is not one of received, guided, rejected', changed(status="billed")),
    Bad("incomplete", r"ratedProductUsage", rating(ratedProductUsage=[]), "rated"),
    Bad("transition", r"no transition from received to rerated", rating(status="rerated"), "rated"),
    Bad("conflict", r"another content \(digest \w+, stored \w+\)", changed(usageType="OTHER")),
    Bad("event-too-large", r"event.max-bytes \(65536\)", wide),
    Bad("database", r"usage \w{8}-\S+, SQLSTATE 23514: .*no_spoilt", changed(usageType="SPOILT", source="spoilt")),
)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.reason}-{BAD.index(bad)}")
def test_a_bad_record_is_a_dead_letter_wherever_it_stands_in_its_batch(scene, publisher, settled_and_right, bad):
    service = scene.service(settings=SMALL)
    service.migrate()
    with scene.connect(OWNER) as db:
        db.execute("ALTER TABLE usaged.usage_row ADD CONSTRAINT no_spoilt CHECK (usage_type <> 'SPOILT')")
    source = Records(401)
    stored = source.take(RECORDS)
    publisher.raws(stored, partition=1)
    service.start()
    settled_and_right()
    service.stop()

    entries = []
    for place, record in enumerate(stored):
        if place in PLACES:
            entries.append(publisher.bytes(bad.spoil(publisher, source, record), bad.reason, topic=bad.topic, partition=0,
                                           key=b"k%d" % place, headers=HEADERS))
        elif bad.topic == "raw":
            publisher.raw(source.next(), partition=0)
        else:
            publisher.rated(source.rating_of(record), partition=0, expect="changed")
    publisher.flush()
    service.start()

    settled_and_right()  # which compares bytes, headers and position of each
    letters = {letter.header("usaged.offset"): letter for letter in read_all(scene.rig.kafka, [scene.topic["dead-letter"]])}
    assert len(letters) == 3
    for entry in entries:
        letter = letters[str(entry.offset)]
        assert letter.value == entry.value and letter.headers[:4] == HEADERS
        assert re.search(bad.text, letter.header("usaged.text")), letter.header("usaged.text")
        assert abs(letter.timestamp - time.time() * 1000) < 60_000
    assert service.metric("usaged_dead_letters_total", topic=scene.topic[bad.topic], reason=bad.reason) == 3
    assert len(lines(service, f"records become dead letters .*{bad.reason}=3 total=3")) == 1


def test_a_dead_letter_that_its_topic_would_not_take_says_where_to_find_the_record(scene, publisher, settled_and_right):
    service = scene.service(settings=SMALL)
    service.migrate()
    huge = [publisher.bytes(b"{" + b"x" * 70_000, "too-large", key=b"k", headers=HEADERS, partition=0),
            publisher.bytes(b"\0\0\0\0\1" + b"x" * 65_531, "too-large", key=b"", headers=[], partition=0)]
    publisher.raws(Records(402).take(20), partition=0)
    whole = publisher.bytes(b"y" * 65_000, "too-large", key=b"k", partition=0)
    publisher.flush()

    service.start()

    settled_and_right()
    letters = {letter.header("usaged.offset"): letter for letter in read_all(scene.rig.kafka, [scene.topic["dead-letter"]])}
    cut = letters[str(huge[0].offset)]
    assert cut.value is None and cut.key == b"k" and cut.headers[:4] == HEADERS
    assert cut.header("usaged.value-bytes") == "70001"
    assert cut.header("usaged.value-sha256") == hashlib.sha256(huge[0].value).hexdigest()
    assert letters[str(huge[1].offset)].value == huge[1].value  # just at the limit
    assert letters[str(whole.offset)].value == whole.value
    assert letters[str(whole.offset)].header("usaged.value-bytes") is None


def test_a_dead_letter_whose_key_or_headers_are_too_large_goes_without_them(scene, publisher, settled_and_right):
    service = scene.service(settings=SMALL)
    service.migrate()
    good = Records(403)
    long_key = publisher.bytes(publisher.encoded(good.next()), "too-large", key=b"k" * 65_537, headers=HEADERS, partition=0)
    long_headers = publisher.bytes(publisher.encoded(good.next()), "too-large", key=b"k", headers=[("h", b"v" * 65_536)],
                                   partition=0)
    many_headers = publisher.bytes(publisher.encoded(good.next()), "too-large", key=b"k", headers=[("h", b"")] * 977, partition=0)
    publisher.raw(good.next(), headers=[("h", b"")] * 976, partition=0)
    publisher.raws(good.take(20), partition=0)
    publisher.flush()

    service.start()

    settled_and_right()
    letters = {letter.header("usaged.offset"): letter for letter in read_all(scene.rig.kafka, [scene.topic["dead-letter"]])}
    for entry, header_bytes in ((long_key, "77"), (long_headers, "65537"), (many_headers, "977")):
        letter = letters[str(entry.offset)]
        assert letter.key is None and letter.value == entry.value
        assert letter.headers[0] == ("usaged.reason", b"too-large")
        assert letter.header("usaged.key-bytes") == str(len(entry.key))
        assert letter.header("usaged.key-sha256") == hashlib.sha256(entry.key).hexdigest()
        assert letter.header("usaged.headers-bytes") == str(sum(len(n) + len(v or b"") for n, v in entry.headers)), header_bytes


@pytest.mark.long
def test_all_unknown_ids_of_a_batch_wait_together(scene, publisher, settled_and_right):
    service = scene.service(settings={"registry.unknown-wait": "1s"})
    service.migrate()
    avro = publisher.encoded(Records(404).next())[5:]
    for number in range(2000):
        publisher.bytes(framed(1_000_000 + number, avro), "schema-unknown", partition=0)
    publisher.flush()

    service.start()

    settled_and_right()
    assert len(lines(service, "waiting for=registry")) < 40, "not once for each"


def test_a_partition_waits_for_an_unknown_id_once_in_a_minute(scene, publisher, settled_and_right):
    wait_s = 8
    service = scene.service(settings={"registry.unknown-wait": f"{wait_s}s"})
    service.migrate()
    service.start()
    good = Records(408)
    avro = publisher.encoded(good.next())[5:]
    began = time.monotonic()

    publisher.bytes(framed(1_000_000, avro), "schema-unknown", partition=0)
    publisher.raws(good.take(5), partition=1)
    publisher.flush()
    until("the other partition goes on", lambda: outcomes(scene) == {"created": 5}, wait_s)
    until("it is dead", lambda: outcomes(scene).get("dead") == 1, 30)
    waited = time.monotonic() - began
    publisher.bytes(framed(1_000_001, avro), "schema-unknown", partition=0)  # this partition has waited
    publisher.bytes(b"\0" + (7).to_bytes(8, "big") + avro, "schema-unknown", partition=0)
    publisher.bytes(framed(1_000_000, avro), "schema-unknown", partition=2)  # this id is known to be unknown
    publisher.flush()
    until("they are dead at once", lambda: outcomes(scene).get("dead") == 4, wait_s - 1)

    assert waited >= wait_s
    settled_and_right()
    texts = [letter.header("usaged.text") for letter in read_all(scene.rig.kafka, [scene.topic["dead-letter"]])]
    assert sum("ids of 8 bytes" in text for text in texts) == 1


@pytest.mark.parametrize("count", [80, pytest.param(800, marks=pytest.mark.long)])
def test_the_ids_of_a_storm_are_asked_for_eight_at_once_and_hardly_twice(scene, publisher, settled_and_right, count):
    registry = SlowRegistry(scene.rig.registry.url, 0.05)
    service = scene.service(settings={"registry.url": registry.url, "registry.unknown-wait": "1s"})
    service.migrate()
    good = Records(407)
    avro = publisher.encoded(good.next())[5:]
    for number in range(count):
        publisher.bytes(framed(1_000_000 + number, avro), "schema-unknown", partition=0)
        if number % 40 == 0:
            publisher.raw(good.next(), partition=number % 80 // 40)
    publisher.flush()

    service.start()

    settled_and_right()
    service.stop()
    registry.close()
    unknown_ids = [registry.asked[1_000_000 + number] for number in range(count)]
    assert registry.most_at_once == 8 and min(unknown_ids) >= 1
    asked = sum(unknown_ids) - max(unknown_ids)  # but for the one that the partition waits for
    assert asked < 2 * count, "once, and those of the wait once more behind it"


def test_the_first_reason_in_the_order_of_the_table_counts(started, publisher, settled_and_right):
    record = Records(404).next()

    publisher.bytes(publisher.encoded({**record, "recordId": "", "source": "s" * 129, "usageDate": -5}, PLAIN), "missing")
    publisher.bytes(publisher.encoded({**record, "source": "s" * 129, "usageDate": -5}, PLAIN), "value")
    publisher.bytes(publisher.encoded({**record, "status": "billed", "usageDate": -5}, PLAIN), "date")
    publisher.bytes(b"x" * 600_000, "too-large")

    settled_and_right()
    assert outcomes(started) == {"dead": 4}


def test_a_batch_of_every_kind_of_bad_record_stores_what_is_good(scene, publisher, settled_and_right):
    service = scene.service(settings=SMALL)
    service.migrate()
    with scene.connect(OWNER) as db:
        db.execute("ALTER TABLE usaged.usage_row ADD CONSTRAINT no_spoilt CHECK (usage_type <> 'SPOILT')")
    source = Records(405)
    stored = source.take(3 * len(BAD))
    publisher.raws(stored, partition=1)
    service.start()
    settled_and_right()

    for number, record in enumerate(stored):
        bad = BAD[number % len(BAD)]
        publisher.raw(source.next(), partition=0)
        publisher.bytes(bad.spoil(publisher, source, record), bad.reason, topic=bad.topic, partition=0)

    settled_and_right()
    assert outcomes(scene)["dead"] == 3 * len(BAD)


def test_a_storm_of_bad_records_is_a_handful_of_log_lines(scene, publisher, settled_and_right):
    service = scene.service()
    service.migrate()
    good = Records(406).take(2000)
    publisher.raws(good[:1000], partition=1)
    for number in range(30_000):
        publisher.bytes(b"{%d" % number, "framing", partition=number % 4)
    publisher.raws(good[1000:], partition=1)
    publisher.flush()

    service.start()

    settled_and_right()
    until("it says that it has ended", lambda: lines(service, "no more dead letters"), 30)
    said = lines(service, "dead letters")
    assert len(said) == 2 and "total=30000" in said[1], said
    assert sum(int(count) for line in said for count in re.findall(r"framing=(\d+)", line)) == 30_000
