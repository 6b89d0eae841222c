"""Queries of listeners that take much time or memory: it is those listeners that they cost, nobody else."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from lib.faults import lines
from lib.http import BASE, client_of
from lib.hub import Hub
from rig.wait import until

STATES = quote(".{255}.{255}.{255}.{230}x")  # as many as an expression may have


@pytest.fixture
def many(scene):
    """`many(queries, callback)`: a hub with so many listeners of one callback, more than one would register by hand."""
    hub = Hub(scene, {"hub.timeout-ms": 2000})

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


def test_expressions_that_take_long_hold_up_nobody_and_are_taken_to_match(many, listening):
    """Each of them would take half a minute for such a usage; while they are judged, what others were sent goes on."""
    dear = "event.usage.usageCharacteristic.value.regex=" + ",".join([STATES] * 16)
    nobody, one, good = listening(), listening(), listening()
    good.pause = 0.5  # its answer comes while the other usages are judged
    hub = many([dear + "&eventType=UsageDeleteEvent"] * 20, nobody.url)
    id_ = hub.register(good.url)
    hub.register(one.url, dear)
    body = json.dumps({"usageSpecification": {"id": "x"}, "usageCharacteristic": characteristics(20, "a" * 2000)}).encode()

    def made(_):
        return client_of(hub.service).ask("POST", f"{BASE}/usage", body, {"Content-Type": "application/json"}).json()["id"]

    usages = [made(0)]
    until("the first is on its way", lambda: good.connections > 0)
    with ThreadPoolExecutor(4) as threads:
        usages += threads.map(made, range(12))

    for listener in (good, one):
        assert sorted(told.resource["id"] for told in listener.wait(13, 60)) == sorted(usages)
    assert len(good.tried) == 13 and not lines(hub.service, f"listener fails.*listener={id_}")
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
