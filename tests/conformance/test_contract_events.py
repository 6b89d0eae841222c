"""Section 8 of the HTTP contract (docs/http.md), of specifications: each event is what its Avro schema says, and holds the whole resource
as the swagger has it. Events of usages: flow/test_http_write, and lib/check_events over everything that came from Kafka."""

import io
import json
from pathlib import Path

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro.validation import validate
from lib import model_sample, swagger
from lib.consume import read_all
from lib.expect import parse_json
from lib.identity import specification_event_id

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "UsageSpecificationEvents.avsc").read_text())
NAMES = ("Create", "AttributeValueChange", "Delete")


@pytest.fixture(scope="module")
def told(writing):
    """A specification with every attribute in each state of its life, as the API showed it; and its messages, in order."""
    made = writing.send("POST", "/usageSpecification", model_sample.body("UsageSpecification"))
    path = f"/usageSpecification/{made.json()['id']}"
    states = [made.json()] + [writing.send("PATCH", path, patch).json() for patch in (
        {"description": "二", "validFor": {"startDateTime": "2026-11-20T16:15:30+08:00"}}, {"attachment": [], "version": None},
        {"name": "another", "isBundle": True, "x-new": {"a": None}})]
    assert writing.send("DELETE", path).status == 204
    writing.events(states[0]["id"], 5)
    messages = [one for one in read_all(writing.scene.rig.kafka, [writing.scene.topic["specification"]])
                if one.key == states[0]["id"].encode()]
    return states, messages


def test_each_event_is_a_record_of_the_schema_that_the_registry_has_for_its_topic(writing, told):
    _, messages = told
    registry, topic = SchemaRegistryClient({"url": writing.scene.rig.registry.url}), writing.scene.topic["specification"]
    deserialize = AvroDeserializer(registry)  # as a consumer would

    for one, name in zip(messages, [NAMES[0]] + [NAMES[1]] * 3 + [NAMES[2]], strict=True):
        schema_id = int.from_bytes(one.value[1:5], "big")
        registered = json.loads(registry.get_schema(schema_id).schema_str)
        assert registry.get_latest_version(f"{topic}-value").schema_id == schema_id and registered == SCHEMA
        event = deserialize(one.value, SerializationContext(topic, MessageField.VALUE))
        kind, same = fastavro.schemaless_reader(io.BytesIO(one.value[5:]), fastavro.parse_schema(registered),
                                                return_record_name=True)
        assert kind == f"usaged.v1.UsageSpecification{name}Event" and same == event
        own = next(schema for schema in SCHEMA if schema["name"] == f"UsageSpecification{name}Event")
        assert validate(event, registered, strict=True)
        assert set(event) == {field["name"] for field in own["fields"]}
        assert event["eventType"] == own["name"] and event["domain"] == "Usage"


def test_each_event_holds_the_whole_resource_of_its_moment_as_the_swagger_has_it(told):
    states, messages = told
    schema = fastavro.parse_schema(SCHEMA)

    events = [fastavro.schemaless_reader(io.BytesIO(one.value[5:]), schema) for one in messages]

    payloads = [parse_json(event["event"]["usageSpecification"]["json"]) for event in events]
    assert payloads[:4] == states and payloads[4] == states[3], "a deleted one is told as it was last"
    for payload in payloads:
        assert swagger.faults("UsageSpecification", {name: value for name, value in payload.items() if name != "x-new"}) == []
    assert [event["eventId"] for event in events] == [specification_event_id(states[0]["id"], revision) for revision in range(1, 6)]
    assert [event.get("fieldPath") for event in events] == [
        None, "description,validFor", "version,attachment", "name,isBundle,x-new", None]
    for event, state in zip(events, states):
        assert event["timeOcurred"].isoformat(timespec="milliseconds").replace("+00:00", "Z") == state["lastUpdate"]
        assert event["timeOcurred"] <= event["eventTime"]
