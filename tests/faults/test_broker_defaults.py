"""The same on a broker with the time-outs that Kafka ships: a sweep for dead transactions every ten seconds only, sessions of
six seconds and more, three seconds before a new group's first assignment. And one that makes each topic that it is asked for."""

import pytest

from lib.faults import QUICK, throughout, waits_for
from lib.http import BASE, client_of
from lib.kills import Kills, check_kills
from lib.records import Records
from lib.zombies import PLACES, Zombie
from rig import Rig
from rig.wait import until

SESSION_S, TRANSACTION_S = 6.0, 15.0
LINE = b'{"usageDate": "2026-11-20T08:15:30Z", "usageSpecification": {"id": "x"}}\n'


@pytest.fixture(scope="module")
def rig():
    with Rig(broker_defaults=True, kafka_settings={"auto.create.topics.enable": "true"}) as started:
        yield started


@pytest.mark.parametrize("place", PLACES)
def test_the_successor_of_a_frozen_process_takes_over_in_time(scene, publisher, settled_and_right, seed, place):
    zombie = Zombie(scene, publisher, seed, place, session_s=SESSION_S, transaction_s=TRANSACTION_S)

    refused = zombie.run()

    assert refused
    settled_and_right()


def test_kills_at_every_named_place(scene, publisher, settled_and_right, seed):
    kills = Kills(scene, publisher, seed, settings={**QUICK, "kafka.session.timeout.ms": int(SESSION_S * 1000),
                                                    "kafka.transaction.timeout.ms": int(TRANSACTION_S * 1000)})

    kills.run(20_000)

    check_kills(kills)
    settled_and_right()


def test_a_topic_that_is_not_there_is_not_made(scene, publisher, settled_and_right):
    """Not by an import into it, nor by an event. (Whoever asks for one topic makes it, so the test asks for all.)"""
    kafka, source = scene.rig.kafka, Records(801)
    inbound, outbound = scene.topic["import"], scene.topic["state-change"]
    records = source.take(5)
    service = scene.service()
    service.migrate()
    kafka.delete_topics([inbound])
    service.start()

    client = client_of(service)
    answer = client.ask("POST", f"{BASE}/usage", LINE, {"Content-Type": "application/x-ndjson"})
    client.close()

    assert answer.status == 503
    throughout("it is not there", lambda: inbound not in kafka.admin().list_topics(timeout=15).topics, 3)
    kafka.create_topics([inbound])
    publisher.raws(records)
    settled_and_right()
    kafka.delete_topics([outbound])
    for record in records:
        publisher.rated(source.rating_of(record))
    publisher.flush()

    until("/readyz says kafka", lambda: waits_for(service, "kafka"), 60)
    throughout("it is not there", lambda: outbound not in kafka.admin().list_topics(timeout=15).topics, 3)
    kafka.create_topics([outbound])
    service.wait_ready(90)
    settled_and_right()
