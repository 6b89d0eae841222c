"""A plain user's client: Confluent's own serializer and deserializer, and the very code that README.md shows."""

import subprocess
import sys
from decimal import Decimal

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from lib import readme
from lib.expect import differences, document, from_event, rated
from lib.http import client_of
from lib.identity import event_id
from lib.records import Json, Records, id_of
from rig.wait import until

SCHEMAS = readme.ROOT / "schemas"


class Python:
    """What a program of ten lines would have."""

    def __init__(self, scene):
        self.scene = scene
        self.registry = SchemaRegistryClient({"url": scene.rig.registry.url})
        self.producer = Producer(scene.rig.kafka.client)
        self.consumer = Consumer({**scene.rig.kafka.client, "group.id": f"{scene.name}.reader",
                                  "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
        self._serializers = {word: AvroSerializer(self.registry, (SCHEMAS / file).read_text()) for word, file in
                             (("raw", "RawUsage.avsc"), ("rated", "RatedUsage.avsc"))}

    def send(self, word: str, record: dict, key: str) -> None:
        topic = self.scene.topic[word]
        value = self._serializers[word](record, SerializationContext(topic, MessageField.VALUE))
        self.producer.produce(topic, value, key)
        self.producer.flush(30)

    def events(self, word: str, count: int) -> list[dict]:
        """The next events of an outbound topic."""
        deserialize = AvroDeserializer(self.registry)
        topic = self.scene.topic[word]
        self.consumer.subscribe([topic])
        found: list[dict] = []

        def read() -> bool:
            message = self.consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE)))
            return len(found) == count

        until(f"{count} events of {topic}", read)
        return found


def for_serializer(record: dict) -> dict:
    """The tests' JSON values in the form of the record that carries them."""
    return {**record, "usageCharacteristic": [
        {**one, "value": {"json": str(one["value"])} if isinstance(one["value"], Json) else one["value"]}
        for one in record["usageCharacteristic"]]}


def carried(record: dict) -> dict:
    """What the record says by our own schema: its decimals have 9 digits, a party is a customer unless it says otherwise."""
    return {**record, "relatedParty": [{"referredType": "Customer", **party} for party in record["relatedParty"]],
            "usageCharacteristic": [{**one, "value": one["value"].quantize(Decimal("1e-9"))
                                     if isinstance(one["value"], Decimal) else one["value"]}
                                    for one in record["usageCharacteristic"]]}


def test_records_of_confluents_serializer_become_events_that_its_deserializer_reads(started):
    python, source = Python(started), Records(91)
    records = {id_of(record): record for record in source.take(20)}

    for record in records.values():
        python.send("raw", for_serializer(record), record["relatedParty"][0]["id"])

    created = python.events("create", len(records))
    assert {str(event["event"]["usage"]["id"]) for event in created} == records.keys()
    for event in created:
        usage = from_event(event["event"]["usage"])
        assert (event["eventType"], event["eventId"]) == ("UsageCreateEvent", event_id(usage["id"], 1))
        made = document(carried(records[usage["id"]]), usage["id"])
        assert differences(made, usage, event=True) == []

    ratings = {usage: source.rating_by_id(record) for usage, record in records.items()}
    for usage, rating in ratings.items():
        python.send("rated", rating, usage)

    changed = python.events("state-change", len(records))
    assert {str(event["event"]["usage"]["id"]) for event in changed} == records.keys()
    for event in changed:
        usage = from_event(event["event"]["usage"])
        assert (event["previousStatus"], event["event"]["usage"]["revision"]) == ("received", 2)
        assert event["eventId"] == event_id(usage["id"], 2)
        made = rated(document(carried(records[usage["id"]]), usage["id"]), ratings[usage["id"]])
        assert differences(made, usage, event=True) == []
    python.consumer.close()


def test_the_readmes_example_publishes_reads_and_knows_the_id(started):
    program = "".join(readme.blocks("python")) + "\nprint(usage_id, usage['id'])\n"
    for ours, theirs in (("http://localhost:8081/apis/ccompat/v7", started.rig.registry.url),
                         ("localhost:9092", started.rig.kafka.bootstrap), ("usage.raw", started.topic["raw"]),
                         ("usage.create", started.topic["create"]), ("usage.rated", started.topic["rated"]),
                         ("my-rating-engine", f"{started.name}.reader")):
        assert f'"{ours}"' in program, f"README.md's example names {ours} no more"
        program = program.replace(f'"{ours}"', f'"{theirs}"')

    done = subprocess.run([sys.executable, "-c", program], cwd=readme.ROOT, capture_output=True, text=True, timeout=60,
                          check=False)

    assert done.returncode == 0, done.stderr
    said, ids = done.stdout.splitlines()
    told, read = ids.split()
    assert told == read
    assert said == f"UsageCreateEvent {told} received 1"
    client = client_of(started.main)
    until("the usage is rated", lambda: client.get(f"/usage/{told}").json()["status"] == "rated")
    usage = client.get(f"/usage/{told}").json()
    assert usage["usageType"] == "VOICE"
    assert usage["ratedProductUsage"][0]["taxIncludedRatingAmount"] == {"unit": "CNY", "value": Decimal("0.600000000")}


def test_the_readmes_requests_are_answered(started):
    urls = [line.split('"')[1] for block in readme.blocks("sh") for line in block.splitlines() if line.startswith("curl")
            and " -d " not in line]  # what is written has a test of its own
    assert len(urls) >= 4

    for url in urls:
        assert url.startswith("$base/usage"), url
        answer = client_of(started.main).get(url.removeprefix("$base"))
        if "?" in url:
            assert answer.usages() == []
        else:
            answer.is_error(404)
