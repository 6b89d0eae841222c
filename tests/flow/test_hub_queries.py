"""Queries of listeners that take much time or memory: it is those listeners that they cost, nobody else."""

import json
import threading
from urllib.parse import quote

import pytest
from confluent_kafka import Producer

from lib.consume import read_all
from lib.faults import lines
from lib.http import client_of
from lib.hub import Hub

STATES = quote(".{255}.{255}.{255}.{230}x")  # as many as an expression may have


@pytest.fixture
def many(scene):
    """`many(queries, callback)`: a hub with so many listeners of one callback, more than one would register by hand."""
    hub = Hub(scene, {"hub.timeout-ms": 600_000})

    def register(queries, callback):
        hub.register(callback, "eventType=UsageDeleteEvent")
        assert hub.service.stop() == 0
        with scene.connect() as db:
            db.execute("INSERT INTO hub_listener (id, callback, query, token) SELECT gen_random_uuid(), %s, q, '' "
                       "FROM unnest(%s::text[]) q", (callback, queries))
            db.execute("INSERT INTO hub_position (listener, topic, partition, next_offset, high_offset) "
                       "SELECT l.id, p.topic, p.partition, p.next_offset, p.high_offset FROM hub_listener l, hub_position p "
                       "WHERE l.id NOT IN (SELECT listener FROM hub_position)")
        hub.service.start()
        hub.client = client_of(hub.service)
        return hub

    yield register
    hub.client.close()


def characteristics(count, value):
    return [{"name": "a", "value": value} for _ in range(count)]


SMALL, DEAR = 4, 20


def copies(scene, partition, events):
    """Of events that are in Kafka, at once."""
    producer = Producer({**scene.rig.kafka.client, "linger.ms": 60_000})  # flush() does not wait for that
    producer.list_topics(scene.topic["create"], timeout=30)
    for event in events:
        producer.produce(scene.topic["create"], event, partition=partition)
    assert producer.flush(60) == 0


def test_expressions_that_take_long_hold_up_nobody_and_are_taken_to_match(many, listening):
    """Each of them would take half a minute for such a usage. While they are judged, what others were sent goes on: small events,
    each of which is sent when the one before is answered, do not wait until all dear ones are judged."""
    dear = "event.usage.usageCharacteristic.value.regex=" + ",".join([STATES] * 16)
    held, judging, small_by_then = threading.Event(), threading.Event(), []

    def small_told():
        return sum(told.resource.get("description") == "small" for told in list(good.told))

    def on_good(told):
        if told.resource.get("description") == "small":
            held.set()
            judging.wait(600)
        return 201

    nobody, good = listening(), listening(on_good)
    one = listening(lambda _: judging.set() or 201)  # of those that come at once one is judged, others are not
    last = listening(lambda _: small_by_then.append(small_told()) or 201)  # all are judged
    hub = many([dear + "&eventType=UsageDeleteEvent"] * 20, nobody.url)
    for listener, query in ((good, None), (one, dear), (last, "event.usage.description=last")):
        hub.register(listener.url, query)
    large = characteristics(20, "a" * 2000)
    usages = [hub.made(description="small"), hub.made(usageCharacteristic=large),
              hub.made(description="last", usageCharacteristic=large)]
    good.wait(3, 300)
    one.wait(2, 300)
    last.wait(1, 300)
    found = read_all(hub.scene.rig.kafka, [hub.scene.topic["create"]])
    events = [next(event.value for event in found if usage["id"].encode() in event.value) for usage in usages]
    held.clear()
    judging.clear()

    copies(hub.scene, 0, [events[0]] * SMALL)
    assert held.wait(60), "they are read"
    copies(hub.scene, 1, [events[1]] * DEAR + [events[2]])

    assert [told.resource["id"] for told in one.wait(DEAR + 3, 300)[2:]] == [usages[1]["id"]] * DEAR + [usages[2]["id"]]
    good.wait(SMALL + DEAR + 4, 300)
    assert small_by_then[1:] == [1 + SMALL]
    assert len(good.tried) == SMALL + DEAR + 4 and not lines(hub.service, "listener fails")
    assert not nobody.tried


def test_many_conditions_on_many_elements_take_no_memory_for_each(many, listening):
    condition = "event.usage.usageCharacteristic.value.gt=9"
    nobody, good = listening(), listening()
    hub = many(["&".join([condition] * 95)] * 20, nobody.url)
    hub.register(good.url)
    hub.made(usageCharacteristic=characteristics(4, 1))
    good.wait(1)
    before = hub.service.peak_memory_mib()

    hub.made(usageCharacteristic=characteristics(30_000, 1))

    good.wait(2)
    assert len(json.loads(good.told[-1].text)["event"]["usage"]["usageCharacteristic"]) == 30_000
    assert hub.service.keeps_within(before + 100), f"{before} before, now {hub.service.peak_memory_mib()}"
    assert not nobody.tried
