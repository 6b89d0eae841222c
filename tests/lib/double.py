"""double - stands in for the service where the checker itself is tested: does what a ledger expects, by direct means.

A test then spoils one thing, and the checker must find that and nothing else.
"""

import copy
import io
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional

import fastavro
from confluent_kafka import Producer

from rig import Scene

from . import expect
from .check_events import EVENT_OF_TOPIC
from .consume import Found
from .identity import event_id, partition_of
from .ledger import Change, Entry, Ledger
from .publish import framed, register
from .settle import ends

_SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
_TABLES = """
DROP SCHEMA IF EXISTS usaged CASCADE;
CREATE SCHEMA usaged;
CREATE TABLE usaged.usage (id uuid, usage_date timestamptz, usage_type text, status text, specification_id text,
    party_id text, revision bigint, usage_json json);
CREATE TABLE usaged.source_offset (topic text, partition int, next_offset bigint);
CREATE TABLE usaged.source_outcome (topic text, partition int, outcome text, records bigint);
CREATE TABLE usaged.parked_rating (usage_id uuid, topic text, partition int, record_offset bigint);
CREATE TABLE usaged.parked_outcome (topic text, partition int, outcome text, records bigint);
"""


class Double:
    """Plays one ledger out: `store()`, `publish()`. What it will publish can be changed in `messages` before."""

    def __init__(self, scene: Scene, ledger: Ledger):
        self._scene, self._ledger = scene, ledger
        self._schemas = {name: json.loads((_SCHEMAS / f"{name}.avsc").read_text())
                         for name in EVENT_OF_TOPIC.values() if name != "UsageDeleteEvent"}
        self._parsed = {name: fastavro.parse_schema(copy.deepcopy(schema)) for name, schema in self._schemas.items()}
        self._ids: dict[str, int] = {}
        self.messages = self._messages()

    def store(self) -> None:
        """Makes the tables, anew if they are there, and fills them."""
        with self._scene.connect() as db:
            db.execute(_TABLES)
            for usage in self._ledger.usages.values():
                for last in self._ledger.history(usage)[-1:]:
                    made = last.document
                    db.execute("INSERT INTO usage VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", (
                        usage.id, made["usageDate"], made["usageType"], made["status"],
                        made["usageSpecification"]["id"], expect.party_of(made), last.revision, _json(made)))
            for (topic, partition), end in ends(self._ledger).items():
                db.execute("INSERT INTO source_offset VALUES (%s, %s, %s)", (topic, partition, end))
            for (topic, partition, outcome), count in self._account().items():
                db.execute("INSERT INTO source_outcome VALUES (%s, %s, %s, %s)", (topic, partition, outcome, count))
            for rating in self._ledger.waiting():
                db.execute("INSERT INTO parked_rating VALUES (%s, %s, %s, %s)",
                           (rating.usage, rating.topic, rating.partition, rating.offset))

    def _account(self) -> Counter:
        counted: Counter = Counter()
        for entry in self._ledger.entries:
            outcome = min(entry.expect - {"parked"} or entry.expect)
            copies = self._ledger.usages[entry.usage].copies if entry.usage else []
            if outcome == "created" and copies and copies[0] is not entry:
                outcome = "duplicate"
            counted[entry.topic, entry.partition, outcome] += 1
        return counted

    def _messages(self) -> list[dict]:
        """In the order of the sources: create events, then changes, then dead letters."""
        made = []
        for usage in self._ledger.usages.values():
            for step in self._ledger.history(usage):
                word = "create" if step.previous_status is None else (
                    "attribute-change" if step.previous_status == step.document["status"] else "state-change")
                made.append({"word": word, "key": expect.key_of(step.document), "headers": [],
                             "event": self._event(usage.id, step), "at": step.causes[0]})
        made.sort(key=lambda one: (one["word"], one["at"].offset))
        for entry in self._ledger.entries:
            if entry.expect == {"dead"}:
                made.append({"word": "dead-letter", "key": entry.key, "value": entry.value, "at": entry,
                             "headers": [*entry.headers, *_dead_headers(entry)]})
        return made

    def _event(self, usage: str, step: Change) -> dict:
        cause = step.causes[0]
        record = cause.record["usage"] if "usage" in cause.record else self._ledger.usages[usage].copies[0].record
        event = {"eventId": event_id(usage, step.revision), "eventTime": cause.timestamp, "domain": "Usage",
                 "timeOcurred": cause.timestamp, "eventType": "UsageCreateEvent", "description": None,
                 "correlationId": f"{record['source']}/{record['recordId']}",
                 "event": {"usage": _avro_usage(step.document, step.revision)}}
        if step.previous_status is not None:
            event.update(eventType="UsageStateChangeEvent", previousStatus=step.previous_status)
        if step.previous_status == step.document["status"]:
            same = step.before is not None and step.before.get("description") == step.document.get("description")
            event.update(eventType="UsageAttributeValueChangeEvent",
                         fieldPath="ratedProductUsage" if same else "description,ratedProductUsage")
        return event

    def publish(self) -> None:
        """All messages in their order, and the group's positions."""
        producer = Producer({**self._scene.rig.kafka.client, "partitioner": "murmur2_random"})
        for one in self.messages:
            producer.produce(self._scene.topic[one["word"]],
                             self._encoded(one["event"]) if "event" in one else one["value"],
                             one["key"], headers=one["headers"] or None)
        producer.flush(30)
        self.commit()

    def found(self, messages: list[dict]) -> dict[str, list[Found]]:
        """What a consumer would find had these messages been published: for tests that spoil many, one at a time."""
        made: dict[str, list[Found]] = {word: [] for word in ("create", "state-change", "attribute-change", "delete",
                                                              "dead-letter")}
        for one in messages:
            topic = self._scene.topic[one["word"]]
            partition = partition_of(one["key"] or b"", self._scene.partitions)
            value = self._encoded(one["event"]) if "event" in one else one["value"]
            made[one["word"]].append(Found(topic, partition, len(made[one["word"]]), 0, one["key"], value,
                                           one["headers"]))
        return made

    def commit(self) -> None:
        self._scene.rig.kafka.set_committed(self._scene.group, ends(self._ledger))

    def _encoded(self, event: dict) -> bytes:
        name = event["eventType"]
        if name not in self._ids:
            self._ids[name] = register(self._scene.rig.registry.url, f"{name}-value", self._schemas[name])
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._parsed[name], event)
        return framed(self._ids[name], out.getvalue())


def _dead_headers(entry: Entry) -> list[tuple[str, bytes]]:
    values = {"reason": entry.reason, "text": "it is wrong", "topic": entry.topic, "partition": entry.partition,
              "offset": entry.offset, "timestamp": entry.timestamp}
    if entry.value and entry.value[0] == 0 and len(entry.value) > 4:
        values["schema-id"] = int.from_bytes(entry.value[1:5], "big")
    return [(f"usaged.{name}", str(value).encode()) for name, value in values.items()]


def _avro_usage(document: dict, revision: int) -> dict:
    made = copy.deepcopy(document)
    made.update(href=f"http://x/usage/{document['id']}", type=made.pop("@type"), revision=revision)
    for party in made.get("relatedParty", ()):
        party["referredType"] = party.pop("@referredType", None)
    for one in made["usageCharacteristic"]:
        one["value"] = _avro_value(one["value"])
    for one in made.get("ratedProductUsage", ()):
        one["productRef"]["referredType"] = one["productRef"].pop("@referredType", None)
        one["taxRate"] = Decimal(str(one["taxRate"]))
        one["ratingDate"] = _ms(one["ratingDate"])
    made["usageDate"] = _ms(made["usageDate"])
    return made


def _avro_value(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        return "usaged.v1.Json", {"json": _json(value)}
    if isinstance(value, (float, Decimal)):
        whole = value == int(value)
        return ("long", int(value)) if whole else ("double", float(value))
    return value


def _ms(text: str) -> Optional[int]:
    from datetime import datetime
    return expect.millis(datetime.fromisoformat(text.replace("Z", "+00:00")))


def _json(value: Any) -> str:
    """JSON with the digits of its decimals."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
