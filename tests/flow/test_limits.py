"""Limits: each has its outcome on either side of it, to the byte, and none of it costs memory: while these tests run, a
service must never hold 128 MB, by its own metric and by the kernel's highest mark."""

import os
import threading

import pytest
import requests

from lib.checker import read_outbound
from lib.faults import lines
from lib.publish import framed
from lib.records import Json, Records, id_of
from lib.schemas import PLAIN
from lib.schemas_rated import RATED_PLAIN
from lib.settle import outcomes, wait_settled

MEMORY_MAX = 128_000_000
EVENT_MAX = 64 * 1024


class Watch(threading.Thread):
    """Looks at a service's memory all the time, in its own words."""

    def __init__(self, service):
        super().__init__(daemon=True)
        self._service, self._over = service, threading.Event()
        self.highest, self.looks = 0.0, 0

    def run(self) -> None:
        while not self._over.wait(0.05):
            try:
                self.highest = max(self.highest, self._service.metric("process_resident_memory_bytes"))
                self.looks += 1
            except requests.RequestException:
                continue  # the kernel's mark tells of what was missed

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def running(scene):
    """`running(settings)` starts the scene's service, whose memory is watched until the test ends."""
    watches = []

    def start(**settings):
        service = scene.service(settings={name.replace("_", "-").replace("--", "."): value
                                          for name, value in settings.items()})
        service.migrate()
        scene.main = service.start()
        watches.append((Watch(service), service))
        watches[-1][0].start()
        return scene

    yield start
    for watch, service in watches:
        watch.end()
        assert watch.looks > 0 and (service.is_sanitized() or watch.highest < MEMORY_MAX)
        assert service.keeps_within(MEMORY_MAX / 2**20)


def of_size(publisher, record: dict, size: int) -> dict:
    """The record with as long a description as makes its value this many bytes."""
    known = {**record, "description": "x" * (size // 2)}
    more = size - len(publisher.encoded(known, PLAIN))
    made = {**record, "description": "x" * (size // 2 + more)}
    assert len(publisher.encoded(made, PLAIN)) == size
    return made


def bad(publisher, record: dict, reason: str, writer=PLAIN, topic: str = "raw", **options):
    """A record that must become a dead letter with this reason."""
    return publisher.bytes(publisher.encoded(record, writer, topic), reason, topic, **options)


def letters(scene) -> list[tuple[str, str]]:
    return [(one.header("usaged.reason"), one.header("usaged.text")) for one in read_outbound(scene)["dead-letter"]]


@pytest.mark.parametrize("limit", [4096, 512 * 1024], ids=["a small one", "the default"])
def test_a_record_may_have_as_many_bytes_as_the_limit_and_not_one_more(running, publisher, settled_and_right, limit):
    scene = running(record__max_bytes=limit)
    source = Records(80)

    for _ in range(3):
        publisher.raw(of_size(publisher, source.next(), limit), writer=PLAIN, partition=0, expect="created")
        bad(publisher, of_size(publisher, source.next(), limit + 1), "too-large", partition=0)
    publisher.raws(source.take(10), partition=0)

    settled_and_right()
    assert letters(scene) == [("too-large", f"the value has {limit + 1} bytes, record.max-bytes is {limit}")] * 3


def _event_of(scene, word: str) -> int:
    """The bytes of the last event there."""
    return len(max(read_outbound(scene)[word], key=lambda one: one.timestamp).value)


def test_an_event_may_have_as_many_bytes_as_the_limit_and_not_one_more(running, publisher, settled_and_right):
    scene = running(event__max_bytes=EVENT_MAX)
    source = Records(81)
    record = source.next("sms")
    publisher.raw({**record, "description": "x" * 40_000}, writer=PLAIN)
    settled_and_right()
    most = 40_000 + EVENT_MAX - _event_of(scene, "create")

    # The same record but for the last digits of its id, so that its event differs in the description alone.
    publisher.raw({**record, "recordId": record["recordId"][::-1], "description": "x" * most}, writer=PLAIN)
    bad(publisher, {**record, "recordId": record["recordId"][1:] + "0", "description": "x" * (most + 1)},
        "event-too-large")

    settled_and_right()
    assert _event_of(scene, "create") == EVENT_MAX
    assert [reason for reason, text in letters(scene) if str(EVENT_MAX) in text] == ["event-too-large"]


def test_a_copy_of_a_usage_that_is_there_is_no_event_so_none_that_is_too_large(scene, publisher, settled_and_right):
    service = scene.service()
    service.migrate()
    stored, changed, other = ({**record, "description": "x" * 64_850} for record in Records(93).take(3))
    publisher.raws([stored, changed], writer=PLAIN, partition=0)
    service.start()
    settled_and_right()
    service.stop()
    service.settings["event.max-bytes"] = EVENT_MAX

    publisher.raw(stored, writer=PLAIN, partition=0, expect="duplicate")
    bad(publisher, {**changed, "usageType": "OTHER"}, "conflict", partition=0)
    bad(publisher, other, "event-too-large", partition=0)
    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 2, "duplicate": 1, "dead": 2}


def test_a_rating_whose_event_would_be_too_large_changes_nothing(running, publisher, settled_and_right):
    scene = running(event__max_bytes=EVENT_MAX)
    source = Records(82)
    records = source.take(20)
    records[0]["usageCharacteristic"][0]["value"] = "x" * 5_000
    publisher.raws(records)
    publisher.flush()
    wait_settled(scene, publisher.ledger)

    bad(publisher, source.rating_of(records[0], description="y" * 62_000), "event-too-large", RATED_PLAIN, "rated")
    for record in records[1:]:
        publisher.rated(source.rating_of(record), expect="changed")

    settled_and_right()
    assert outcomes(scene) == {"created": 20, "changed": 19, "dead": 1}


def _batches(scene, most: int) -> tuple[float, float]:
    """How many batches there were, and how many of them had no more records than this."""
    service = scene.main
    return (service.metric("usaged_batch_records_count"), service.metric("usaged_batch_records_bucket", le=str(most)))


def test_batches_of_one_record_store_each_by_itself(running, publisher, settled_and_right):
    scene = running(batch__records=1)
    source = Records(83)
    records = source.take(30)

    publisher.raws(records)
    publisher.raws(records[:10])

    settled_and_right()
    assert _batches(scene, 1) == (40, 40)


def test_batches_of_a_hundred_thousand_records_hold_what_there_is(scene, running, publisher, settled_and_right):
    source = Records(84)
    records = source.take(6_000)
    publisher.raws(records, partition=0)
    publisher.flush()

    running(batch__records=100_000, batch__bytes="256 MiB", batch__wait_ms=5000)

    settled_and_right()
    count, small = _batches(scene, 5000)
    assert small < count


def test_a_batch_ends_with_the_record_that_reaches_its_bytes(scene, running, publisher, settled_and_right):
    source = Records(85)
    for record in source.take(60):
        publisher.raw(of_size(publisher, record, 30_000), writer=PLAIN, partition=0)
    publisher.flush()

    running(batch__bytes="64 KiB", batch__wait_ms=500)

    settled_and_right()
    count, small = _batches(scene, 10)
    assert count >= 20 and small == count


def test_a_usage_of_a_thousand_characteristics_is_one_like_others(running, publisher, settled_and_right):
    scene = running()
    source = Records(86)
    wide = [{**record, "usageCharacteristic": [
        {"name": f"c{at}", "value": (at, f"v{at}", at / 8, at % 2 == 0, Json(f"[{at}]"))[at % 5]}
        for at in range(1000)]} for record in source.take(60)]

    entries = publisher.raws(wide, writer=PLAIN)
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    for record in wide[:30]:
        publisher.rated(source.rating_of(record), expect="changed")

    settled_and_right()
    assert outcomes(scene) == {"created": 60, "changed": 30}
    served = scene.main.get(f"/usage/{entries[0].usage}").json()
    assert [one["name"] for one in served["usageCharacteristic"][:1000]] == [f"c{at}" for at in range(1000)]


# Each text that has a limit, with its limit in bytes, and the record that has this text.
_TEXTS = {
    "source": (128, lambda record, text: {**record, "source": text}),
    "recordId": (256, lambda record, text: {**record, "recordId": text}),
    "usageType": (64, lambda record, text: {**record, "usageType": text}),
    "usageSpecification.id": (256, lambda record, text: {**record, "usageSpecification": {"id": text}}),
    "usageSpecification.name": (256, lambda record, text: {**record, "usageSpecification": {"id": "s", "name": text}}),
    "relatedParty[0].id": (256, lambda record, text: {**record, "relatedParty": [{"id": text}]}),
    "relatedParty[0].role": (256, lambda record, text: {**record, "relatedParty": [{"id": "p", "role": text}]}),
    "relatedParty[1].name": (256, lambda record, text: {**record, "relatedParty": [
        {"id": "p"}, {"id": "q", "name": text}]}),
}


def test_a_text_may_have_its_limit_in_bytes_and_not_one_more(running, publisher, settled_and_right):
    scene = running()
    source = Records(87)

    for limit, put in _TEXTS.values():
        for text in ("x" * limit, "长" * (limit // 3) + "y" * (limit % 3)):
            publisher.raw(put(source.next(), text), writer=PLAIN, expect="created")
    for limit, put in _TEXTS.values():
        bad(publisher, put(source.next(), "x" * (limit - 2) + "长"), "value", partition=0)

    settled_and_right()
    texts = [text for _, text in letters(scene)]
    for field, (limit, _) in _TEXTS.items():
        wanted = f"{field} has {limit + 1} bytes, at most {limit} are allowed: "
        assert sum(text.startswith(wanted) for text in texts) == 1, (wanted, texts)


def test_a_party_id_of_10_kb_is_a_dead_letter_that_shows_200_bytes_of_it(running, publisher, settled_and_right):
    scene = running()
    source = Records(88)
    long_id = "party-" + "0123456789" * 1024

    for at in (0, 10, 20):
        publisher.raws(source.take(at), partition=0)
        bad(publisher, {**source.next(), "relatedParty": [{"id": long_id, "role": "subscriber"}]}, "value",
            key=long_id.encode(), partition=0)

    settled_and_right()
    [text] = {text for _, text in letters(scene)}
    assert text.startswith(f"relatedParty[0].id has {len(long_id)} bytes, at most 256 are allowed: \"party-0123")
    assert len(text) < 300 and long_id[:190] in text and long_id[:210] not in text


def of_noise(size: int) -> str:
    """A text that hardly gets shorter by compression."""
    return os.urandom(size // 2).hex()


def test_topics_that_just_take_the_largest_message_take_all_that_is_sent_at_once(scene, publisher, settled_and_right):
    scene.rig.kafka.take_at_most(scene.outbound, EVENT_MAX + 64 * 1024)
    service = scene.service(settings={"event.max-bytes": EVENT_MAX})
    service.migrate()
    publisher.raws([{**record, "description": of_noise(2000)} for record in Records(90).take(500)], writer=PLAIN, partition=0)
    publisher.flush()

    service.start()

    settled_and_right()


def test_large_headers_do_not_make_a_message_larger_than_its_topic_takes(scene, publisher):
    """An event beside its limit with a trace of 64 KiB, and a dead letter whose key and headers are as large as they may be."""
    scene.rig.kafka.take_at_most(scene.outbound, EVENT_MAX + 64 * 1024)
    service = scene.service(settings={"event.max-bytes": EVENT_MAX, "kafka.compression.codec": "none"})
    service.migrate()
    source, trace = Records(91), [("traceparent", b"00-aa-bb-01"), ("tracestate", b"x" * 65_500)]
    for size in range(64_000, 65_000, 50):
        publisher.raw({**source.next("sms"), "description": of_noise(size)}, writer=PLAIN, partition=0, headers=trace,
                      expect={"created", "dead"}, reason="event-too-large")
    publisher.bytes(b"{", "framing", key=b"k" * 65_536, headers=[("h", b"v" * 65_535)], partition=0)
    publisher.flush()

    service.start()

    wait_settled(scene, publisher.ledger)
    events = read_outbound(scene)
    assert events["create"] and all([name for name, _ in one.headers] == ["traceparent"] for one in events["create"])
    bare = next(one for one in events["dead-letter"] if one.header("usaged.reason") == "framing")
    assert bare.key is None and bare.value == b"{"
    assert (bare.header("usaged.key-bytes"), bare.header("usaged.headers-bytes")) == ("65536", "65536")


@pytest.mark.long
def test_hundreds_of_ratings_of_one_large_usage_cost_no_memory(running, publisher, settled_and_right):
    """Each has an event that holds the whole usage."""
    scene = running(batch__wait_ms=1000)
    source = Records(92)
    record = {**source.next(), "description": of_noise(300_000)}
    publisher.raw(record, writer=PLAIN)
    settled_and_right()
    rating = source.rating_of(record)
    publisher.rated(rating, expect="changed")
    for n in range(1, 201):
        part = {**rating["ratedProductUsage"][0], "ratingDate": rating["ratedProductUsage"][0]["ratingDate"] + n}
        publisher.rated({**rating, "status": "rerated", "ratedProductUsage": [part]},
                        expect="changed" if n == 1 else "updated")

    settled_and_right()
    assert lines(scene.main, "smaller batches")


def test_giants_of_every_kind_among_others_have_their_outcomes(running, publisher, settled_and_right):
    scene = running(workers=2)
    source = Records(89)
    ordinary = source.take(2000)
    limit = 512 * 1024

    publisher.raws(ordinary[:1000])
    for _ in range(8):
        publisher.raw(of_size(publisher, source.next(), limit), writer=PLAIN, expect="created")
        bad(publisher, of_size(publisher, source.next(), limit + 1), "too-large")
        publisher.raw({**source.next(), "usageCharacteristic": [{"name": f"c{n}", "value": n} for n in range(5000)]},
                      writer=PLAIN, expect="created")
        bad(publisher, {**source.next(), "usageCharacteristic": [{"name": "n", "value": 1}] * 80_000},
            "event-too-large")
        publisher.raw({**source.next(), "relatedParty": [{"id": f"p{n}"} for n in range(3000)]}, writer=PLAIN,
                      expect="created")
        publisher.bytes(framed(publisher.schema_id(scene.topic["raw"], PLAIN), b"\xff" * 300_000), "malformed")
        publisher.bytes(b"x" * 900_000, "too-large")
    publisher.raws(ordinary[1000:])
    for record in ordinary[:200]:
        publisher.rated({"usageId": id_of(record), "status": "guided"}, writer=RATED_PLAIN,
                        expect={"changed", "parked"})

    settled_and_right(120)
    assert outcomes(scene)["dead"] == 32
