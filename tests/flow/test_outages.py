"""PostgreSQL, the broker and the registry may go away at any time, loudly or silently: the service waits, says so, and goes
on by itself; and it ends when it is asked to, whatever is away."""

import re
import signal
import time

import pytest

from lib.faults import QUICK, TRANSACTION_S, Episode, lines, throughout, waits_for
from lib.outages import WAYS, flowing, give_back, outage, take_away
from lib.records import Records
from lib.schemas import PLAIN, ROAMING
from rig.wait import until

STOP_S = 15  # it leaves after four seconds, whatever has not ended by then
LEFT = "did not end in time"


@pytest.mark.parametrize("way", ("killed", pytest.param("frozen", marks=pytest.mark.long)))
def test_postgres_away_in_mid_load_is_waited_for(scene, publisher, settled_and_right, way):
    service, traffic = flowing(scene, publisher, seed=101)

    episode = outage(service, traffic, scene.rig.postgres, "postgres", way)

    traffic.finish()
    settled_and_right()
    episode.check()


@pytest.mark.long
@pytest.mark.parametrize("way", ("killed", "frozen"))
def test_a_broker_away_for_longer_than_a_transaction_may_last_is_waited_for(scene, publisher, settled_and_right, way):
    service, traffic = flowing(scene, publisher, seed=102)

    episode = outage(service, traffic, scene.rig.kafka, "kafka", way, seconds=TRANSACTION_S + 1,
                     meanwhile=lambda: service.get(f"/usage/{traffic.known}").status_code == 200)

    traffic.finish()
    settled_and_right()
    episode.check()


@pytest.mark.parametrize("way", WAYS)
def test_a_registry_away_holds_only_what_needs_it(scene, publisher, settled_and_right, way):
    service, traffic = flowing(scene, publisher, seed=103)
    publisher.schema_id(scene.topic["raw"], ROAMING)  # registered, and not yet seen by the service
    unknown = Records(104).take(50)
    episode = Episode(service, "registry")
    take_away(scene.rig.registry, way)

    publisher.raws(unknown, writer=ROAMING, partition=1)
    until("/readyz says registry", lambda: waits_for(service, "registry"), 30)
    publisher.raws(Records(105).take(50), partition=2)
    publisher.flush()
    until("the other partitions go on", lambda: (
        service.metric("usaged_offset", topic=scene.topic["raw"], partition="2", mark="published")
        >= scene.rig.kafka.watermarks(scene.topic["raw"])[2][1]), 30)

    assert service.get(f"/usage/{traffic.known}").status_code == 200
    assert waits_for(service, "registry")
    give_back(scene.rig.registry, way)
    service.wait_ready()
    traffic.finish()
    settled_and_right()
    episode.check()


@pytest.mark.parametrize("key", ("postgres", pytest.param("kafka", marks=pytest.mark.long), "registry"))
def test_a_part_away_at_the_start_is_waited_for(scene, publisher, settled_and_right, key):
    service = scene.service(settings=QUICK)
    service.migrate()
    publisher.raws(Records(107).take(100))
    publisher.flush()
    part = getattr(scene.rig, key)
    part.kill()
    service.start(wait=False)
    until(f"/readyz says {key}", lambda: waits_for(service, key), 30)
    throughout(f"/readyz says {key}", lambda: waits_for(service, key), 1)
    assert service.metrics()[f'usaged_retries_total{{name="{key}"}}'] > 0

    part.start()

    service.wait_ready(60)
    settled_and_right()
    assert len(lines(service, f"waiting for={key}")) == 1
    assert len(lines(service, f"going on after={key}")) == 1


def test_a_registry_that_comes_back_empty_and_learns_the_schema_later_costs_nothing(scene, publisher,
                                                                                    settled_and_right):
    service = scene.service(settings=QUICK)
    service.migrate()
    scene.rig.registry.restart(empty=True)
    publisher.schema_id(scene.topic["raw"], PLAIN)  # the first of all, so that it gets the same id again
    service.start()
    scene.rig.registry.restart(empty=True)

    publisher.raws(Records(108).take(100), writer=PLAIN)
    publisher.flush()
    until("/readyz says registry", lambda: waits_for(service, "registry"), 30)
    throughout("/readyz says registry", lambda: waits_for(service, "registry"), 5)
    publisher.register_again()

    service.wait_ready()
    service.restart()  # its own schemas are gone too, and are registered at a start
    settled_and_right()


def test_a_rebalance_in_the_middle_of_a_back_off_loses_nothing(scene, publisher, settled_and_right):
    service, traffic = flowing(scene, publisher, seed=109)
    other = scene.service("b", QUICK)
    scene.rig.postgres.kill()
    traffic.until("the back-off is at its longest",
                  lambda: service.metrics()['usaged_retries_total{name="postgres"}'] >= 7, 60)

    scene.rig.postgres.start()
    other.start()

    traffic.flows(1000)
    traffic.finish()
    settled_and_right()


def shares(scene):
    """How many partitions each member has."""
    group = scene.rig.kafka.admin().describe_consumer_groups([scene.group])[scene.group].result(15)
    return [len(member.assignment.topic_partitions) for member in group.members]


def retries(service):
    return service.metrics()['usaged_retries_total{name="postgres"}']


@pytest.mark.long
def test_partitions_that_come_while_postgres_is_away_are_read_from_where_they_were_stored(scene, publisher,
                                                                                         settled_and_right):
    """The takeover cannot be finished when the group asks for it: what is read later must begin at the very record."""
    service, _ = flowing(scene, publisher, seed=110)
    other = scene.service("b", QUICK).start()
    until("each has half, and has taken it over", lambda: shares(scene) == [3 * scene.partitions // 2] * 2 and
          {service.readyz()[0], other.readyz()[0]} == {200})
    scene.rig.postgres.kill()
    source = Records(111)
    for partition in range(scene.partitions):
        publisher.raws(source.take(20), partition=partition)
    publisher.flush()
    taken = service.log_text().count("partition taken over")

    other.kill()
    until("all are its own", lambda: shares(scene) == [3 * scene.partitions])
    tried = retries(service)
    until("it has tried to take them over", lambda: retries(service) > tried + 1)
    assert service.log_text().count("partition taken over") == taken
    scene.rig.postgres.start()

    settled_and_right()
    service.wait_ready()


# --- asked to stop ----------------------------------------------------------------------------------------------


def stopped_in_time(service):
    begun = time.monotonic()
    service.process.send(signal.SIGTERM)
    code = service.wait_exit(30)
    assert code == 0
    assert time.monotonic() - begun < STOP_S, service.log_text()[-2000:]


def test_sigterm_ends_an_idle_service(started):
    stopped_in_time(started.main)


def test_sigterm_under_load_ends_it_and_its_successor_finds_all_equal(scene, publisher, settled_and_right):
    service, traffic = flowing(scene, publisher, seed=110)

    for count in (2000, 500, 100):  # on a slow machine it may have to leave before it has ended
        traffic.send(count)
        before = len(service.log_text())
        stopped_in_time(service)
        if LEFT not in service.log_text()[before:]:
            break
        service.start()
        traffic.flows(300)
    else:
        pytest.fail("it has never ended by itself")

    assert scene.rig.kafka.group_members(scene.group) == 0
    with scene.connect() as db:
        assert db.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    before = len(service.log_text())
    service.start()
    traffic.finish()
    settled_and_right()
    said = service.log_text()[before:]
    assert re.findall(r"partition taken over .*found=(\w+)", said) == ["equal"] * 3 * scene.partitions
    assert "found=ahead" not in said


@pytest.mark.parametrize("part", ("postgres", "kafka", pytest.param("registry", marks=pytest.mark.long)))
def test_sigterm_while_a_part_is_frozen_ends_it(scene, publisher, settled_and_right, part):
    service, traffic = flowing(scene, publisher, seed=111)
    publisher.schema_id(scene.topic["raw"], ROAMING)  # registered, and not yet seen by the service
    frozen = getattr(scene.rig, part)
    traffic.send(500)
    frozen.freeze()
    if part == "registry":
        publisher.raws(Records(112).take(10), writer=ROAMING)  # what it has to ask about, if it lives so long

    stopped_in_time(service)

    frozen.thaw()
    service.start(seconds=60)
    traffic.finish()
    settled_and_right()


# --- two of one name -----------------------------------------------------------------------------------------


def test_of_two_processes_with_one_instance_id_one_ends_and_names_the_setting(scene, publisher, settled_and_right):
    service, traffic = flowing(scene, publisher, seed=113)
    twin = scene.service("b", {**QUICK, "instance.id": service.settings["instance.id"]})

    twin.start(wait=False)
    ended = traffic.until("one of them ends",
                          lambda: next((one for one in (service, twin) if not one.alive()), None), 60)

    assert ended.exit_code() == 1
    assert lines(ended, "instance.id")
    other = twin if ended is service else service
    traffic.flows(300)
    assert other.alive()
    traffic.finish()
    settled_and_right()
