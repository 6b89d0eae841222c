"""A partition is given away while its takeover is under way: what is left of that takeover must not be done as a member
of the next assignment, which the broker would let pass, since it never checks who owns a partition.

A takeover in a rebalance's callback sees no other one. So the first attempt fails, and the next is that of the worker's
loop, which polls while it waits.
"""

import os
import signal
import time
from contextlib import ExitStack, contextmanager

import pytest
from confluent_kafka import Consumer
from lib.faults import Failpoint, lines
from lib.missed import held
from lib.records import Records
from lib.settle import stored
from rig.wait import until

pytestmark = pytest.mark.long

SOON_DEAD = {"kafka.session.timeout.ms": 3000, "kafka.heartbeat.interval.ms": 500}
# It may stand still for a while, and loses nothing by it. The group divides by names: who joins later has the lower ones.
PATIENT = {"batch.records": 20, "kafka.session.timeout.ms": 30000, "kafka.transaction.timeout.ms": 60000,
           "kafka.topic.metadata.propagation.max.ms": 60000, "kafka.client.id": "z"}
JOINS = {"batch.records": 20, "kafka.client.id": "a"}
LEFT, STAYS = 0, 3  # partitions that are then the other's, and still its own
LOOKS_S = 3  # the service looks once a second what the group says, and nothing tells that it has


@pytest.fixture
def source():
    return Records(7)


@pytest.fixture
def left(scene, publisher, source):
    """A scene whose service has stored two batches of raw[0], which are not published, and has died."""
    point = Failpoint(scene, "after-commit", "kill", 2)
    scene.main = scene.service("a", {**PATIENT, **SOON_DEAD})
    scene.main.migrate()
    publisher.raws(source.take(100), partition=LEFT)
    publisher.flush()
    scene.main.start(wait=False, env=point.env)
    assert scene.main.wait_exit() == -9
    assert point.fired() and stored(scene)[scene.topic["raw"], LEFT] == 40
    scene.main.settings.update({key: str(value) for key, value in PATIENT.items()})
    return scene


def taken_over_by_the_loop(scene, env):
    """Inside: the service waits in the first step of a takeover, which its loop has begun."""
    service = scene.main
    service.start(wait=False, env=env)
    with scene.connect() as db:
        def failed():
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            return lines(service, 'worker-0: waiting for=postgres why="taking over')
        until("its first attempt has failed", failed, every=0.5)


@contextmanager
def given_away(scene, members=1):
    """Other members have their share, and the service knows its own. They do nothing with it."""
    others = [Consumer({**scene.rig.kafka.client, "group.id": scene.group, "client.id": JOINS["kafka.client.id"],
                        "enable.auto.commit": False, "session.timeout.ms": 10000}) for _ in range(members)]
    try:
        for other in others:
            other.subscribe(scene.inbound)

        until("each has its share", lambda: all([other.assignment() for other in others]),
              meanwhile=lambda: [other.poll(0.1) for other in others])
        theirs = {(part.topic, part.partition) for other in others for part in other.assignment()}
        assert (scene.topic["raw"], LEFT) in theirs
        time.sleep(LOOKS_S)
        yield
    finally:
        for other in others:
            other.close()


def taken(scene, partition, found):
    return lines(scene.main, f"partition taken over topic={scene.topic['raw']} partition={partition} found={found}")


def goes_on(scene, publisher, source):
    """Within seconds, as a member of the present assignment."""
    place = scene.topic["raw"], STAYS
    publisher.raws(source.take(20), partition=STAYS)
    publisher.flush()
    until("the service reads what is still its own", lambda: scene.committed().get(place) == 20, 15)
    scene.main.wait_ready()


def test_what_is_left_goes_no_further_once_the_partition_is_given_away(left, publisher, source, settled_and_right):
    """Of two rows one is on its way. Whoever has the partition next publishes the other."""
    point = Failpoint(left, "before-left", "stop", 2)
    with held(left, "source_offset"):
        taken_over_by_the_loop(left, point.env)
        left.rig.kafka.delete_topics([left.topic["create"]])
    left.main.wait_log("waiting for=kafka .*silent")
    with given_away(left):
        left.rig.kafka.create_topics([left.topic["create"]])
        until("one row is out", point.fired)
        left.main.freeze()  # it stands still already; the rig knows now

        left.main.thaw()

        goes_on(left, publisher, source)
        assert left.committed()[left.topic["raw"], LEFT] == 20
        assert not taken(left, LEFT, "ahead")
    settled_and_right()
    assert taken(left, LEFT, "ahead")


def test_a_takeover_that_the_broker_refuses_is_begun_anew_with_the_next_assignment(left, publisher, source,
                                                                                   settled_and_right):
    """The refusal is one of the assignment before: the present one is not to be waited for."""
    left.main.settings["kafka.queue.buffering.max.messages"] = "10"
    with held(left, "source_offset"):
        taken_over_by_the_loop(left, {})
        left.rig.kafka.delete_topics([left.topic["create"]])
    left.main.wait_log("waiting for=kafka .*silent")
    with given_away(left):
        left.rig.kafka.create_topics([left.topic["create"]])

        goes_on(left, publisher, source)
        assert left.committed().get((left.topic["raw"], LEFT), 0) == 0
        assert not taken(left, LEFT, "ahead")
    settled_and_right()
    assert taken(left, LEFT, "ahead")


@contextmanager
def sessions_frozen(scene, service):
    """PostgreSQL answers this service nothing meanwhile."""
    with scene.connect() as db:
        name = f"usaged/{service.settings['instance.id']}"
        pids = [pid for (pid,) in db.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (name,))]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_first_start_commits_nothing_once_the_partition_is_given_away(scene, publisher, source, settled_and_right):
    """The other has begun there meanwhile, and published: its mark must not go back."""
    service = scene.main = scene.service("a", PATIENT)
    service.migrate()
    place = scene.topic["raw"], LEFT
    point, other = Failpoint(scene, "before-first-offset", "stop", 1), scene.service("b", JOINS)
    publisher.raws(source.take(20), partition=LEFT)
    publisher.flush()
    with held(scene, "source_offset"):
        taken_over_by_the_loop(scene, point.env)
    until("it is about to look where to begin", point.fired)
    service.freeze()  # it stands still already; the rig knows now
    with sessions_frozen(scene, service):
        service.thaw()
        other.start(wait=False)
        until("the other has begun, and published", lambda: scene.committed().get(place) == 20, 12)
        time.sleep(LOOKS_S)

    until("the service has its share", lambda: taken(scene, STAYS, "first"))

    assert scene.committed()[place] == 20
    assert not taken(scene, LEFT, "first")
    goes_on(scene, publisher, source)
    settled_and_right()


def test_a_service_to_which_no_partition_is_left_meanwhile_is_ready(scene, publisher, source, settled_and_right):
    scene.main = scene.service("a", PATIENT)
    scene.main.migrate()
    with ExitStack() as others:
        with held(scene, "source_offset"):
            taken_over_by_the_loop(scene, {})
            others.enter_context(given_away(scene, members=scene.partitions))

        scene.main.wait_ready()
        assert scene.rig.kafka.group_members(scene.group) == scene.partitions + 1
    publisher.raws(source.take(20))
    settled_and_right()
