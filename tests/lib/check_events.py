"""check_events - the outbound half of the checker: events and dead letters by id, content, key, place and order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Optional

from . import expect as expectation
from .consume import Decoder, Found
from .identity import event_id, partition_of
from .ledger import Change, Entry, Headers, Ledger

if TYPE_CHECKING:
    from rig import Scene

EVENT_OF_TOPIC = {"create": "UsageCreateEvent", "state-change": "UsageStateChangeEvent",
                  "attribute-change": "UsageAttributeValueChangeEvent", "delete": "UsageDeleteEvent"}
_TRACE = ("traceparent", "tracestate")


def check_events(scene: Scene, changes: dict[str, list[Change]], found: dict[str, list[Found]], decoder: Decoder,
                 report: Any) -> None:
    """Each change of each usage has its event once, with its content, and no other event is there."""
    wanted = {}
    for usage, steps in changes.items():
        for step in steps:
            wanted[event_id(usage, step.revision)] = (_topic_of(step), usage, step)
    seen: set[str] = set()
    for word, event_type in EVENT_OF_TOPIC.items():
        order = _Order(word, report)
        partitions = scene.rig.kafka.partitions(scene.topic[word]) if found.get(word) else 0
        for one in found.get(word, ()):
            event = _decoded(one, decoder, word, report)
            if event is None:
                continue
            name = event["eventId"]
            if name in seen:
                report.say(word, f"{one.place()}: event {name} is there twice")
                continue
            seen.add(name)
            if name not in wanted or wanted[name][0] != word:
                usage = event["event"]["usage"]
                report.say(word, f"{one.place()}: no published record leads to event {name} (usage {usage['id']}, "
                                 f"revision {usage['revision']})")
                continue
            _, usage, step = wanted[name]
            for line in _event_differences(event, event_type, usage, step):
                report.say(word, f"{one.place()}: {line}")
            for line in _record_differences(one, step, partitions):
                report.say(word, f"{one.place()}: {line}")
            if len(step.causes) == 1 and "parked" not in step.causes[0].expect:
                order.see(one, step.causes[0])
    for name in wanted.keys() - seen:
        word, usage, step = wanted[name]
        report.say(word, f"event {name} of usage {usage}, revision {step.revision}, is missing")


def _topic_of(step: Change) -> str:
    if step.previous_status is None:
        return "create"
    return "attribute-change" if step.previous_status == step.document["status"] else "state-change"


def _decoded(one: Found, decoder: Decoder, word: str, report: Any) -> Optional[dict]:
    try:
        return decoder.decode(one.value or b"")
    except Exception as error:  # whatever a bad event does to the decoder is a finding
        report.say(word, f"{one.place()}: cannot be decoded: {error}")
        return None


def _event_differences(event: dict, event_type: str, usage: str, step: Change) -> list[str]:
    inner = dict(event["event"]["usage"])
    lines = expectation.differences(step.document, expectation.from_event(inner), f"usage {usage}", event=True)
    if not str(inner.get("href", "")).endswith(f"/usage/{usage}"):
        lines.append(f"usage {usage}: href is {inner.get('href')!r}")
    facts = {"revision": (step.revision, inner.get("revision")), "eventType": (event_type, event["eventType"]),
             "domain": ("Usage", event["domain"]), "correlationId": (_correlation(step), event["correlationId"]),
             "description": (None, event["description"])}
    if event_type == "UsageStateChangeEvent":
        facts["previousStatus"] = (step.previous_status, event["previousStatus"])
    if event_type == "UsageAttributeValueChangeEvent":
        described = step.document.get("description") != (step.before or {}).get("description")
        path = "description,ratedProductUsage" if described else "ratedProductUsage"
        facts["fieldPath"] = (path, event["fieldPath"])
    lines += [f"usage {usage}: {name} is {have!r}, expected {want!r}" for name, (want, have) in facts.items()
              if want != have]
    happened = expectation.millis(event["timeOcurred"])
    stamps = {cause.timestamp for cause in step.causes}
    if happened not in stamps and -1 not in stamps:  # without one it is the time of reading, which only the test knows
        lines.append(f"usage {usage}: timeOcurred is {happened}, the record's timestamp "
                     f"{[cause.timestamp for cause in step.causes]}")
    return lines


def _correlation(step: Change) -> str:
    values = {one["name"]: one["value"] for one in step.document["usageCharacteristic"]}
    return f"{values['sourceSystem']}/{values['sourceRecordId']}"


def _record_differences(one: Found, step: Change, partitions: int) -> list[str]:
    lines = []
    key = expectation.key_of(step.document)
    if one.key != key:
        lines.append(f"key is {one.key!r}, expected {key!r}")
    elif one.partition != partition_of(key, partitions):
        lines.append(f"key {key!r} belongs to partition {partition_of(key, partitions)}")
    if one.headers not in [_trace(cause.headers) for cause in step.causes]:
        lines.append(f"headers are {one.headers!r}, expected {_trace(step.causes[0].headers)!r}")
    return lines


def _trace(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name in _TRACE]


class _Order:
    """Records of one source partition must be met in their order within each outbound partition."""

    def __init__(self, word: str, report: Any):
        self._word, self._report = word, report
        self._last: dict[tuple[int, str, int], int] = {}

    def see(self, one: Found, source: Entry) -> None:
        road = one.partition, source.topic, source.partition
        if source.offset < self._last.get(road, -1):
            self._report.say(self._word, f"{one.place()}: the event of {source.place()} comes after that of offset "
                                         f"{self._last[road]}")
        self._last[road] = max(source.offset, self._last.get(road, -1))


def check_dead_letters(scene: Scene, ledger: Ledger, found: list[Found], report: Any) -> None:
    """Each dead record is there once, byte for byte, with its reason and its place."""
    ended = {entry.place(): entry for entry in ledger.entries if entry.expect == {"parked"} and entry.reason}
    wanted = ended | {entry.place(): entry for entry in ledger.entries if entry.expect == {"dead"}}
    possible = wanted | {entry.place(): entry for entry in ledger.entries if "dead" in entry.expect}
    seen: Counter = Counter()
    order = _Order("dead-letter", report)
    partitions = scene.rig.kafka.partitions(scene.topic["dead-letter"]) if found else 0
    for one in found:
        place = f"{one.header('usaged.topic')}[{one.header('usaged.partition')}]@{one.header('usaged.offset')}"
        seen[place] += 1
        entry = possible.get(place)
        if entry is None:
            report.say("dead-letter", f"{one.place()}: {place} should not be dead: {one.header('usaged.reason')}, "
                                      f"{one.header('usaged.text')}")
            continue
        for line in _dead_differences(one, entry, partitions):
            report.say("dead-letter", f"{one.place()} of {place}: {line}")
        if place not in ended:  # those are of the source that ended them
            order.see(one, entry)
    for place, count in seen.items():
        if count > 1:
            report.say("dead-letter", f"{place}: is there {count} times")
    for place in wanted.keys() - seen.keys():
        report.say("dead-letter", f"{place}: is missing, expected {wanted[place].reason}")


def _dead_differences(one: Found, entry: Entry, partitions: int) -> list[str]:
    lines = []
    if entry.reason is not None and one.header("usaged.reason") != entry.reason:
        lines.append(f"reason is {one.header('usaged.reason')}, expected {entry.reason}: {one.header('usaged.text')}")
    if not one.header("usaged.text"):
        lines.append("usaged.text is missing")
    if one.header("usaged.timestamp") != str(entry.timestamp):
        lines.append(f"usaged.timestamp is {one.header('usaged.timestamp')}, expected {entry.timestamp}")
    schema_id = _schema_id(entry.value)
    if one.header("usaged.schema-id") != schema_id:
        lines.append(f"usaged.schema-id is {one.header('usaged.schema-id')}, expected {schema_id}")
    if entry.reason == "too-large":
        return lines  # which bytes it keeps depends on limits that only the test knows
    if one.key != entry.key:
        lines.append(f"key is {one.key!r}, expected {entry.key!r}")
    elif one.key and one.partition != partition_of(one.key, partitions):
        lines.append(f"key {one.key!r} belongs to partition {partition_of(one.key, partitions)}")
    if one.value != entry.value:
        lines.append(f"value is {_short(one.value)}, expected {_short(entry.value)}")
    if one.headers[:len(entry.headers)] != entry.headers:
        lines.append(f"headers are {one.headers!r}, expected {entry.headers!r} first")
    return lines


def _schema_id(value: Optional[bytes]) -> Optional[str]:
    if value is None or len(value) < 5 or value[0] != 0:
        return None
    return str(int.from_bytes(value[1:5], "big"))


def _short(value: Optional[bytes]) -> str:
    return "null" if value is None else f"{len(value)} bytes {value[:24].hex()}"
