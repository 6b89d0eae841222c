"""Who waits for whom in the hub: partitions of one listener, listeners that are far apart, ingestion, PostgreSQL."""

import json
import os
import resource
import threading
import time

import pytest

from lib.faults import lines
from lib.http import BASE, client_of
from lib.hub import Hub, check_numbers, numbers_of
from lib.listener import HANG
from lib.records import Records
from rig.wait import until


def test_a_retry_gets_its_turn_while_other_partitions_are_busy(rig, listening):
    """More partitions than deliveries at once: those that go on must not keep the one that is to be told again from it."""
    partitions, each = 24, 30
    scene = rig.scene("hub-turns", partitions=partitions)
    hub = Hub(scene)
    refused = threading.Event()

    def answer(told):
        if told.body["eventId"] != "0" or refused.is_set():
            return 201
        refused.set()
        return 503

    listener = listening(answer)
    listener.pause = 0.02  # much less than it takes to tell it all
    hub.register(listener.url)
    hub.numbered(0, partitions * each)

    listener.wait(partitions * each, 60)

    check_numbers(listener, 0, partitions * each, partitions)
    place = numbers_of(listener.told).index(0)
    assert place < partitions * each / 2, f"told again as number {place} of {partitions * each}"
    hub.close()


def test_a_listener_that_never_answers_holds_up_neither_ingestion_nor_another(scene, listening, publisher, settled_and_right):
    hub = Hub(scene, {"hub.timeout-ms": 600_000})
    silent, good = listening(lambda _: HANG), listening()
    hub.register(silent.url)
    hub.register(good.url)

    publisher.raws(Records(1).take(500))
    settled_and_right()

    good.wait(500)
    assert not silent.told and 0 < len(silent.tried) <= scene.partitions, "one of each partition is under way"
    assert not lines(hub.service, "listener fails"), "its time is not over"
    hub.client.close()


def test_listeners_that_never_answer_use_up_no_descriptors(rig, listening):
    """Of 1,024, which is what a shell gives, 128 of them would take all; here of 256, 40 would."""
    scene = rig.scene("hub-files", partitions=8)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    own = len(os.listdir("/proc/self/fd"))  # which have to fit, too
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(256, own + 50), hard))  # inherited by the service
    try:
        hub = Hub(scene, {"hub.timeout-ms": 600_000})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    silent, good = listening(lambda _: HANG), listening()
    for _ in range(40):
        hub.register(silent.url)
    hub.register(good.url)

    hub.numbered(0, 80)

    good.wait(80)
    until("all that may be under way is", lambda: len(silent.tried) >= 40 * 8)
    check_numbers(good, 0, 80, 8)
    assert client_of(hub.service).ask("GET", f"{BASE}/usage?limit=1").status == 200
    assert not lines(hub.service, "listener fails") and not lines(hub.service, "Too many open files")
    hub.close()


def test_thousands_of_listeners_are_taken_over_in_seconds(rig, listening):
    """What each lane begins at must not be looked for among all that others have."""
    scene = rig.scene("hub-thousands", partitions=12)
    hub = Hub(scene)
    good = listening()
    hub.register(good.url)
    assert hub.service.stop() == 0
    with scene.connect() as db:
        db.execute("INSERT INTO hub_listener (id, callback, query, token) SELECT gen_random_uuid(), %s, %s, '' "
                   "FROM generate_series(1, 2500)", (good.url, "event.usage.description=nobody"))
        db.execute("INSERT INTO hub_position (listener, topic, partition, next_offset, high_offset) "
                   "SELECT l.id, p.topic, p.partition, p.next_offset, p.high_offset FROM hub_listener l, hub_position p "
                   "WHERE l.id NOT IN (SELECT listener FROM hub_position)")
    hub.service.start()
    hub.client = client_of(hub.service)

    hub.made()
    good.wait(1, 120)

    assert hub.service.cpu_seconds() < 30, "it was a minute"
    hub.close()


def test_registrations_that_wait_for_kafka_take_no_read_away(scene, listening):
    hub = Hub(scene)
    listener = listening()
    statuses = []

    def register():
        statuses.append(client_of(hub.service).ask("POST", f"{BASE}/hub", json.dumps({"callback": listener.url}).encode(),
                                                   {"Content-Type": "application/json"}).status)

    waiting = [threading.Thread(target=register) for _ in range(6)]  # more than there are threads
    scene.rig.kafka.freeze()
    try:
        for one in waiting:
            one.start()
        time.sleep(0.5)
        assert hub.send("GET", "/usage?limit=1").status == 200
        assert not statuses, "they wait"
    finally:
        scene.rig.kafka.thaw()
        for one in waiting:
            one.join()

    assert set(statuses) <= {201, 503}
    hub.client.close()


def test_deliveries_go_on_while_postgresql_does_not_answer(scene, listening):
    """How far listeners are cannot be written down for a while. That is no fault of theirs."""
    hub = Hub(scene, {"hub.timeout-ms": 3000})
    listener = listening()
    hub.register(listener.url)
    hub.numbered(0, 4)
    listener.wait(4)
    listener.pause = 0.1  # so that some are always under way

    with scene.connect() as db, db.transaction():
        db.execute("LOCK TABLE hub_position IN ACCESS EXCLUSIVE MODE")
        hub.numbered(4, 240)
        listener.wait(244, 60)
        hub.service.wait_log("the hub waits ")
        waiting = db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                             "wait_event_type = 'Lock'").fetchone()[0]

    assert waiting <= 1, "what the hub has given up does not stay in line"
    check_numbers(listener, 0, 244, scene.partitions)
    assert len(listener.tried) == 244 and not lines(hub.service, "listener fails")
    hub.service.wait_log("the hub goes on ")
    until("it is written down", lambda: hub.service.metric("usaged_hub_backlog") == 0)
    hub.client.close()


@pytest.mark.long
def test_listeners_that_are_far_apart_are_both_told_in_order(rig, listening):
    """One takes its time, one was away: what is between them is more than a cursor reads through."""
    scene = rig.scene("hub-apart", partitions=1)
    hub = Hub(scene)
    refusing = [True]
    slow, away, good = listening(), listening(lambda _: 503 if refusing[0] else 201), listening()
    slow.pause = 0.2
    for one in (slow, away, good):
        hub.register(one.url)
    hub.numbered(0, 6000)
    good.wait(6000, 60)
    refusing[0] = False
    away.wait(6000, 60)
    assert len(slow.told) < 6000

    slow.pause = 0
    hub.numbered(6000, 300)

    for one in (slow, away, good):
        one.wait(6300, 60)
        check_numbers(one, 0, 6300, 1)
    hub.close()
