"""The hub when the outbound topics change under it: partitions are added, a topic is made anew, events are gone before they
were told. A listener goes on, and the log says what happened."""

import re
import time

from lib.faults import lines
from lib.http import client_of
from lib.hub import Hub, check_numbers, numbers_of
from rig.wait import until

# How often clients look whether topics have changed; librdkafka's own value is five minutes.
ATTENTIVE = {"kafka.topic.metadata.refresh.interval.ms": 1000}


def kept(hub, listener_id):
    """Where PostgreSQL says that the listener is, by partition of the topic of creations."""
    with hub.scene.connect() as db:
        return dict(db.execute("SELECT partition, next_offset FROM hub_position WHERE listener = %s AND topic = %s",
                               (listener_id, hub.scene.topic["create"])).fetchall())


def values(line):
    """key=value of a line of the log."""
    return dict(re.findall(r'([\w.-]+)=("[^"]*"|\S+)', line))


def test_events_of_an_added_partition_are_told_without_a_restart(scene, listening):
    hub = Hub(scene, ATTENTIVE)
    listener, picky = listening(), listening()
    hub.register(listener.url)
    hub.register(picky.url, "eventType=UsageDeleteEvent")
    hub.numbered(0, 8)
    listener.wait(8)

    scene.rig.kafka.add_partitions(scene.topic["create"], scene.partitions + 2)
    scene.partitions += 2
    hub.numbered(6 * 100, 60)  # from the very beginning of the new ones, before the hub knows them

    until("all is told", lambda: len(set(numbers_of(list(listener.told)))) == 8 + 60)
    told = listener.told[-60:]
    listener.told[:8] = []
    check_numbers(listener, 600, 60, scene.partitions)
    assert {number % 6 for number in numbers_of(told)} >= {4, 5}
    assert not picky.tried
    hub.client.close()


def test_a_topic_that_is_made_anew_is_told_from_its_beginning(scene, listening):
    """Also by those who have not had all of the old one, and for whom there is something in the new one where they stand."""
    hub = Hub(scene, ATTENTIVE)
    listener, late = listening(), listening(lambda _: 503)
    half = listening(lambda told: 503 if 20 <= int(told.body["eventId"]) < 1000 else 201)
    ids = [hub.register(one.url) for one in (listener, late, half)]
    hub.numbered(0, 400)  # more than the new one will have
    listener.wait(400)
    until("how far they are is written down", lambda: [sum(kept(hub, one).values()) for one in ids] == [400, 0, 20])

    scene.rig.kafka.delete_topics([scene.topic["create"]])
    until("the topic is gone", lambda: scene.topic["create"] not in scene.rig.kafka.admin().list_topics(timeout=5).topics)
    scene.rig.kafka.create_topics([scene.topic["create"]], scene.partitions)
    hub.numbered(1000, 40)

    # Before it is noticed, a place in the old one is a place in the new one, too.
    hub.service.wait_log("a topic was made anew: ")
    late.answer = lambda _: 201
    for one in (listener, half, late):
        until("all of it is told", lambda: set(numbers_of(list(one.told))) >= set(range(1000, 1040)), 60)
        one.told[:] = [told for told in one.told if int(told.body["eventId"]) >= 1000]
        check_numbers(one, 1000, 40, scene.partitions)
    said = lines(hub.service, "a topic was made anew: its listeners get it from its beginning ")
    assert {values(line)["topic"] for line in said} == {scene.topic["create"]} and len(said) == scene.partitions
    until("nobody is behind", lambda: hub.service.metric("usaged_hub_backlog") == 0)
    hub.client.close()


LOST = "events are no longer there that listeners have not had"


def test_what_retention_was_quicker_with_is_passed_over_and_counted(scene, listening):
    """A listener that is away, while the service runs: one event it is told again and again, what lies behind is gone."""
    hub = Hub(scene, {"hub.retry-ms": 50})
    refusing = [True]
    away, good = listening(lambda _: 503 if refusing[0] else 201), listening()
    hub.register(away.url)
    hub.register(good.url)
    hub.numbered(0, 400)
    good.wait(400)

    def tries():
        return [numbers_of(list(away.tried)).count(number) for number in range(scene.partitions)]

    until("the first one of each partition is told again", lambda: min(tries()) > 1)

    scene.rig.kafka.delete_records(scene.topic["create"], {number: 60 for number in range(scene.partitions)})
    refusing[0] = False
    wanted = set(range(60 * scene.partitions, 400))
    until("what is still there is told", lambda: set(numbers_of(list(away.told))) >= wanted)
    hub.numbered(400, 40)

    until("all is told", lambda: set(numbers_of(list(away.told))) >= wanted | set(range(400, 440)))
    held = [number for number in numbers_of(away.told) if number < 60 * scene.partitions]
    assert sorted(held) == list(range(scene.partitions)), "one of each partition, which it was refusing"
    said = lines(hub.service, LOST)
    assert sorted(int(values(line)["lost"]) for line in said) == [59] * scene.partitions, said
    assert {values(line)["topic"] for line in said} == {scene.topic["create"]}
    assert numbers_of(good.told) == list(dict.fromkeys(numbers_of(good.told))) and len(good.told) == 440
    hub.client.close()


def test_what_was_lost_while_nobody_ran_is_passed_over_and_counted(scene, listening):
    hub = Hub(scene)
    listener = listening()
    id_ = hub.register(listener.url)
    hub.numbered(0, 8)
    listener.wait(8)
    until("how far it is is written down", lambda: sum(kept(hub, id_).values()) == 8)
    assert hub.service.stop() == 0
    hub.numbered(8, 80)
    scene.rig.kafka.delete_records(scene.topic["create"], {number: 12 for number in range(scene.partitions)})

    hub.service.start()

    listener.wait(8 + 40)
    hub.numbered(88, 8)
    listener.wait(8 + 48)
    assert sorted(numbers_of(listener.told)) == [*range(8), *range(48, 96)]
    said = lines(hub.service, LOST)
    assert [int(values(line)["lost"]) for line in said] == [10] * scene.partitions, said
    hub.client.close()


def test_markers_of_our_transactions_that_are_gone_are_no_loss(scene, listening):
    """A topic that has been quiet for longer than its retention."""
    hub = Hub(scene)
    listener, topic = listening(), scene.topic["create"]
    id_ = hub.register(listener.url)
    ids = hub.many(8)
    listener.wait(8)

    def ends():
        return {number: high for number, (_, high) in scene.rig.kafka.watermarks(topic).items()}

    until("it is behind the markers too", lambda: kept(hub, id_) == ends())
    assert sum(ends().values()) > 8
    assert hub.service.stop() == 0
    scene.rig.kafka.delete_records(topic, {number: end for number, end in ends().items() if end})
    hub.service.start()
    hub.client.close()
    hub.client = client_of(hub.service)

    ids += hub.many(8)

    listener.wait(16)
    assert sorted(one.resource["id"] for one in listener.told) == sorted(ids)
    assert not lines(hub.service, LOST)
    hub.client.close()


def test_where_it_reads_is_gone_and_it_is_given_its_partitions_anew(scene, listening):
    """Not by a second assignment over the first one, which may end the process."""
    hub = Hub(scene, {"kafka.session.timeout.ms": 30000})
    listener, late = listening(), listening(lambda _: 503)
    id_ = hub.register(listener.url)
    hub.register(late.url)
    hub.numbered(0, 8)
    listener.wait(8)
    until("how far it is is written down", lambda: sum(kept(hub, id_).values()) == 8)
    hub.service.freeze()
    time.sleep(1.5)  # what it had asked the broker has an answer, which is empty
    hub.numbered(8, 80)
    scene.rig.kafka.delete_records(scene.topic["create"], {number: 12 for number in range(scene.partitions)})

    hub.service.thaw()

    until("what is still there is told", lambda: set(numbers_of(list(listener.told))) >= set(range(48, 88)))
    hub.numbered(88, 8)
    late.answer = lambda _: 201
    for one in (listener, late):
        until("all is told", lambda: set(numbers_of(list(one.told))) >= set(range(48, 96)))
    assert sorted(numbers_of(listener.told)) == [*range(8), *range(48, 96)]
    assert len(lines(hub.service, "the hub has partitions")) == 2
    hub.client.close()


def test_who_is_behind_in_a_topic_that_was_made_anew_is_caught_up_with(scene, listening):
    """By a cursor, which has read the old one."""
    hub = Hub(scene, ATTENTIVE)
    refusing = [True]
    good, late = listening(), listening(lambda _: 503 if refusing[0] else 201)
    hub.register(good.url)
    hub.register(late.url)
    hub.numbered(0, 1600)
    good.wait(1600)
    refusing[0] = False
    late.wait(1600)
    refusing[0] = True
    create = scene.topic["create"]
    scene.rig.kafka.delete_topics([create])
    until("the topic is gone", lambda: create not in scene.rig.kafka.admin().list_topics(timeout=5).topics)
    scene.rig.kafka.create_topics([create], scene.partitions)
    hub.numbered(2000, 8)
    hub.service.wait_log("a topic was made anew: ")

    hub.numbered(2008, 1600)
    until("one has all of it", lambda: set(numbers_of(list(good.told))) >= set(range(2000, 3608)))
    refusing[0] = False

    until("the other has it too", lambda: set(numbers_of(list(late.told))) >= set(range(2000, 3608)), 60)
    late.told[:] = [told for told in late.told if int(told.body["eventId"]) >= 2000]
    check_numbers(late, 2000, 1608, scene.partitions)
    hub.client.close()
