"""Each row of the takeover's table on a real broker: what a service finds of a partition, what it says, what it does.

The states that no kill leads to are made by hand. A refusal names the call that mends it: the tests run that very call.
"""

import re

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewPartitions

from lib.accounts import account_problems
from lib.faults import Failpoint, waits_for
from lib.ledger import Ledger
from lib.missed import held, held_up
from lib.publish import Publisher, framed
from lib.records import Records
from lib.settle import outcomes, stored, wait_settled, wait_without_members
from rig.postgres import OWNER
from rig.wait import until

HELD = 10  # records in each partition of `raw` that the fixture `stopped` leaves stored and published
SOON_DEAD = {"kafka.session.timeout.ms": 3000, "kafka.heartbeat.interval.ms": 500}


@pytest.fixture
def source():
    return Records(1)


@pytest.fixture
def stopped(started, publisher, source):
    """A scene whose service has taken ten records of each partition of `raw`, and has ended in order."""
    for partition in range(started.partitions):
        publisher.raws(source.take(HELD), partition=partition)
    publisher.flush()
    wait_settled(started, publisher.ledger)
    assert started.main.stop() == 0
    return started


@pytest.fixture
def died_ahead(scene, publisher, source):
    """A scene whose service was killed between the two commits: two batches of raw[0] lie in the outbox, and the group
    has lost its member."""
    point = Failpoint(scene, "after-commit", "kill", 2)
    scene.main = scene.service(settings={"batch.records": 20, **SOON_DEAD})
    scene.main.migrate()
    publisher.raws(source.take(100), partition=0)
    publisher.flush()
    scene.main.start(wait=False, env=point.env)
    assert scene.main.wait_exit() == -9
    assert point.fired()
    return scene


def place(scene, partition=0):
    return scene.topic["raw"], partition


def found(service, what):
    """Of how many inbound partitions. The metric counts the source @http too."""
    count = service.metric("usaged_takeovers_total", found=what)
    since_start = service.log_text().rpartition("HTTP serves")[2]
    of_http = rf"source @http taken over found={what} |partition {what} topic=@http "
    return count - bool(re.search(of_http, since_start))


def offsets_line(scene, partition=0):
    """What `usaged offsets` says of a partition of `raw`: low, high, stored, published, outbox, verdict."""
    for line in scene.main.run("offsets").stdout.splitlines():
        words = line.split(maxsplit=7)
        if words[:2] == [scene.topic["raw"], str(partition)]:
            return words[2:]
    raise AssertionError("usaged offsets does not name the partition")


def mend(scene, why):
    """Runs the call that a refusal ends with, as an operator does who copies it, with the service's own settings."""
    call = why.partition(", usaged stopped: ")[2].split()
    assert call[:3] == ["usaged", "offsets", "--mend"] and call[-1] == "--yes", why
    wait_without_members(scene)
    assert scene.main.run(*call[1:]).stdout.endswith("\ndone\n")
    with scene.connect() as db:
        assert db.execute("SELECT finished_at IS NOT NULL FROM offset_mend").fetchall() == [(True,)]


def start_refused(scene, publisher, source, *numbers):
    """Starts the service, which must refuse raw[0] and nothing else, say so everywhere, and go on with the others.
    Ends it again; returns the sentence."""
    service, topic = scene.main, scene.topic["raw"]
    service.start(wait=False)
    said = rf'error worker-0: partition refused topic={re.escape(topic)} partition=0 why="(.*)"'
    why = service.wait_log(said).group(1)
    until("/readyz names the partition and nothing else", lambda: service.readyz() == (
        503, {"ready": False, "waiting": {"partitions": f"{topic}[0]"}}))
    assert set(map(str, numbers)) <= set(re.findall(r"\d+", why.partition("usaged stopped")[0])), why
    assert found(service, "refused") == 1

    before = stored(scene)
    for partition in range(1, scene.partitions):
        publisher.raws(source.take(5), partition=partition)
    publisher.flush()

    others = {place(scene, number): before[place(scene, number)] + 5 for number in range(1, scene.partitions)}
    until("the other partitions are stored", lambda: others.items() <= stored(scene).items())
    until("the other partitions are published", lambda: others.items() <= scene.committed().items())
    assert stored(scene).get(place(scene)) == before.get(place(scene))
    assert len(re.findall(said, service.log_text())) == 1, "once, and again only after a minute"
    assert offsets_line(scene)[5] == f"refused: {why}"
    assert service.healthz() == 200
    assert service.stop() == 0
    return why


# ---- first ---------------------------------------------------------------------------------------------------------

@pytest.mark.unaccounted("begins behind records")
def test_a_first_start_begins_at_the_beginning(scene, publisher, source, settled_and_right):
    before = Publisher(scene, Ledger())
    before.raws(source.take(7), partition=1)
    before.flush()
    scene.rig.kafka.delete_records(scene.topic["raw"], {1: 7})
    publisher.raws(source.take(20), partition=1)
    publisher.raws(source.take(20), partition=2)
    publisher.flush()
    scene.main = scene.service()
    scene.main.migrate()
    assert offsets_line(scene, 1)[:6] == ["7", "27", "-", "-", "0",
                                          "first: no row in PostgreSQL and nothing committed: begins by start.offset"]

    scene.main.start()

    settled_and_right()
    assert found(scene.main, "first") == 12


@pytest.mark.unaccounted("begins behind records")
def test_a_first_start_at_the_latest_takes_what_comes_after_it(scene, publisher, source, settled_and_right):
    before = Publisher(scene, Ledger())
    before.raws(source.take(20), partition=0)
    before.flush()
    scene.main = scene.service(settings={"start.offset": "latest"})
    scene.main.migrate()

    scene.main.start()
    until("all are taken over", lambda: found(scene.main, "first") == 12)
    publisher.raws(source.take(20), partition=0)

    settled_and_right()


@pytest.mark.unaccounted("begins behind records")
def test_a_first_start_takes_the_groups_committed_offset_and_says_so(scene, publisher, source, settled_and_right):
    before = Publisher(scene, Ledger())
    before.raws(source.take(3), partition=0)
    before.flush()
    publisher.raws(source.take(7), partition=0)
    publisher.flush()
    scene.rig.kafka.set_committed(scene.group, {place(scene): 3})
    scene.main = scene.service(settings={"start.offset": "latest"})
    scene.main.migrate()

    scene.main.start()

    settled_and_right()
    warnings = re.findall(r"warning worker-0: no row in source_offset.*", scene.main.log_text())
    assert len(warnings) == 1 and f"topic={scene.topic['raw']} partition=0 offset=3" in warnings[0]


def test_a_new_partition_of_a_known_topic_begins_at_its_beginning(stopped, publisher, source, settled_and_right):
    topic = stopped.topic["raw"]
    stopped.rig.kafka.admin().create_partitions([NewPartitions(topic, 5)])[topic].result(15)
    until("the partition is there", lambda: stopped.rig.kafka.partitions(topic) == 5)
    later = Publisher(stopped, publisher.ledger)
    later.raws(source.take(20), partition=4)
    later.flush()
    stopped.main.settings["start.offset"] = "latest"

    stopped.main.start()

    settled_and_right()
    assert (found(stopped.main, "first"), found(stopped.main, "equal")) == (1, 12)


@pytest.mark.unaccounted("begins behind records")
def test_a_first_start_that_dies_before_its_row_begins_later_where_it_had_begun(scene, publisher, source,
                                                                                settled_and_right):
    before = Publisher(scene, Ledger())
    before.raws(source.take(20), partition=0)
    before.flush()
    # The fifth partition, after the four of `rated`, is raw[0].
    point = Failpoint(scene, "before-first-row", "kill", 5)
    scene.main = scene.service(settings={"start.offset": "latest", **SOON_DEAD})
    scene.main.migrate()
    scene.main.start(wait=False, env=point.env)
    assert scene.main.wait_exit() == -9
    assert point.fired() and place(scene) not in stored(scene) and scene.committed()[place(scene)] == 20
    publisher.raws(source.take(20), partition=0)
    publisher.flush()

    scene.main.start()

    settled_and_right()


# ---- equal, ahead, forgotten -----------------------------------------------------------------------------------------

def test_a_restart_after_an_orderly_end_finds_all_equal(stopped, publisher, source, settled_and_right):
    assert offsets_line(stopped)[:6] == ["0", "10", "10", "10", "0", "equal"]

    stopped.main.start()
    publisher.raws(source.take(20))

    settled_and_right()
    assert found(stopped.main, "equal") == 12


def test_what_died_between_the_two_commits_is_published_by_the_next(died_ahead, settled_and_right):
    low, _, stored_mark, published, rows, verdict = offsets_line(died_ahead)
    assert (low, published, rows) == ("0", "0", "2") and int(stored_mark) > 0
    assert verdict.startswith("ahead: ") and f"[{published}, {stored_mark})" in verdict

    died_ahead.main.start()

    settled_and_right()
    assert (found(died_ahead.main, "ahead"), found(died_ahead.main, "equal")) == (1, 11)
    with died_ahead.connect() as db:
        until("the outbox is empty", lambda: db.execute("SELECT count(*) FROM outbox").fetchone() == (0,))


def test_offsets_that_were_forgotten_are_committed_again_when_all_was_published(stopped, publisher, source,
                                                                                settled_and_right):
    stopped.rig.kafka.delete_group(stopped.group)
    assert offsets_line(stopped)[2:5] == ["10", "-", "0"] and offsets_line(stopped)[5].startswith("forgotten: ")

    stopped.main.start()
    publisher.raws(source.take(20))

    settled_and_right()
    assert found(stopped.main, "forgotten") == 12
    warnings = re.findall(r"warning worker-0: the group's offset was deleted or has expired.*", stopped.main.log_text())
    assert len(warnings) == 12 and sum(f"topic={stopped.topic['raw']} partition=0 stored=10" in one
                                      for one in warnings) == 1


@pytest.mark.unaccounted("markers that are gone look like records")
@pytest.mark.parametrize("as_ever", [True, False], ids=["idle", "busy elsewhere"])
def test_markers_of_a_producers_transactions_are_stored_before_retention_takes_them(scene, publisher, source, as_ever):
    """Behind a record that waits for its schema for longer than markers wait to be stored, and in front of one that is not
    committed yet."""
    topic, main = scene.topic["raw"], scene.service(settings={"registry.unknown-wait": "7s"})
    scene.main = main
    main.migrate()
    main.start()
    other = Producer({**scene.rig.kafka.client, "transactional.id": f"{scene.name}-other"})
    other.init_transactions(30)
    for value, end in ((b"of another", other.commit_transaction), (framed(4711, b"of another"), other.commit_transaction),
                       (b"never", other.abort_transaction), (b"of another", None)):
        other.begin_transaction()
        other.produce(topic, value, partition=0)
        other.flush(30)
        if end:
            end(30)
    publisher.raws(source.take(2), partition=1)

    def is_stored_up_to(end):
        if not as_ever:
            publisher.raws(source.take(1), partition=2)
        return (stored(scene)[topic, 0], scene.committed().get((topic, 0))) == (end, end)

    until("both marks are in front of what is not committed", lambda: is_stored_up_to(6))
    assert outcomes(scene)["dead"] == 2
    other.commit_transaction(30)
    until("both marks are at the end", lambda: is_stored_up_to(8))
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    assert outcomes(scene)["dead"] == 3 and account_problems(scene) == []
    assert main.stop() == 0

    scene.rig.kafka.delete_records(topic, {0: 8})
    main.start()
    publisher.raws(source.take(5), partition=0)

    publisher.flush()
    wait_settled(scene, publisher.ledger)
    assert (found(main, "refused"), outcomes(scene)["dead"]) == (0, 3)


@pytest.mark.parametrize("where, times, what", [("before-commit", 2, "equal"), ("after-commit", 2, "ahead"),
                                                ("before-kafka-commit", 3, "ahead")])
def test_a_kill_while_markers_are_stored_loses_and_repeats_nothing(scene, where, times, what):
    topic, point = scene.topic["raw"], Failpoint(scene, where, "kill", times)
    scene.main = scene.service(settings=SOON_DEAD)
    scene.main.migrate()
    scene.main.start(env=point.env)
    other = Producer({**scene.rig.kafka.client, "transactional.id": f"{scene.name}-other"})
    other.init_transactions(30)
    other.begin_transaction()
    other.produce(topic, b"of another", partition=0)
    other.commit_transaction(30)
    assert scene.main.wait_exit() == -9 and point.fired()
    assert scene.committed()[topic, 0] == 1

    scene.main.start()

    until("both marks are at the end", lambda: (stored(scene)[topic, 0], scene.committed()[topic, 0]) == (2, 2))
    assert found(scene.main, "equal") + (what == "ahead") == 12 and found(scene.main, what) > 0
    assert outcomes(scene)["dead"] == 1


# ---- refused ---------------------------------------------------------------------------------------------------------

def test_another_cluster_is_refused(stopped, publisher, source, settled_and_right):
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = 'elsewhere' WHERE (topic, partition) = (%s, 0)",
                   (stopped.topic["raw"],))

    why = start_refused(stopped, publisher, source, HELD)
    assert "Kafka cluster elsewhere" in why
    mend(stopped, why)
    stopped.main.start()
    publisher.raws(source.take(5), partition=0)

    settled_and_right()


@pytest.mark.unaccounted("records are lost")
def test_records_that_retention_took_unread_are_refused(stopped, publisher, source, settled_and_right):
    lost = Publisher(stopped, Ledger())
    lost.raws(source.take(6), partition=0)
    lost.flush()
    publisher.raws(source.take(8), partition=0)
    publisher.flush()
    stopped.rig.kafka.delete_records(stopped.topic["raw"], {0: HELD + 6})

    why = start_refused(stopped, publisher, source, HELD, HELD + 6, 6)
    mend(stopped, why)
    stopped.main.start()

    settled_and_right()
    assert found(stopped.main, "equal") == 12


@pytest.mark.unaccounted("read again")
def test_a_mark_above_what_kafka_holds_is_refused(stopped, publisher, source):
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET next_offset = 4711 WHERE (topic, partition) = (%s, 0)",
                   (stopped.topic["raw"],))

    why = start_refused(stopped, publisher, source, 4711, HELD)
    mend(stopped, why)
    stopped.main.start()
    publisher.raws(source.take(5), partition=0)
    publisher.flush()

    # The call reads the partition from its beginning: what is known is a duplicate.
    wait_settled(stopped, publisher.ledger)
    assert outcomes(stopped) == {"created": 40 + 15 + 5, "duplicate": HELD}


@pytest.mark.unaccounted("the topic is another")
def test_a_topic_made_anew_is_refused_and_read_after_the_call(stopped, publisher, source):
    topic = stopped.topic["raw"]
    stopped.rig.kafka.delete_topics([topic])
    until("the topic is gone", lambda: topic not in stopped.rig.kafka.admin().list_topics(timeout=5).topics)
    stopped.rig.kafka.create_topics([topic], 1)
    later = Publisher(stopped, Ledger())
    later.raws(source.take(3), partition=0)
    later.flush()

    stopped.main.start(wait=False)
    why = stopped.main.wait_log(r'partition refused .* why="(.*)"').group(1)
    assert {"10", "3"} <= set(re.findall(r"\d+", why))
    assert "Kafka has no such partition" in offsets_line(stopped, 1)[5]
    assert stopped.main.stop() == 0
    mend(stopped, why)
    stopped.main.start()

    wait_settled(stopped, later.ledger)
    assert outcomes(stopped) == {"created": 43}


def test_a_group_that_was_reset_by_hand_is_refused(stopped, publisher, source, settled_and_right):
    stopped.rig.kafka.set_committed(stopped.group, {place(stopped): 4})

    why = start_refused(stopped, publisher, source, HELD, 4)
    mend(stopped, why)
    stopped.main.start()
    publisher.raws(source.take(5), partition=0)

    settled_and_right()
    assert found(stopped.main, "equal") == 12


def test_a_group_that_was_reset_into_the_outbox_is_refused(died_ahead, publisher, source, settled_and_right):
    mark = stored(died_ahead)[place(died_ahead)]
    wait_without_members(died_ahead)
    died_ahead.rig.kafka.set_committed(died_ahead.group, {place(died_ahead): 5})

    why = start_refused(died_ahead, publisher, source, mark, 5)
    mend(died_ahead, why)
    died_ahead.main.start()

    settled_and_right()
    assert found(died_ahead.main, "ahead") == 1


def test_a_database_from_a_backup_is_refused(stopped, publisher, source):
    with stopped.rig.postgres.connect() as db:
        db.execute(f'CREATE DATABASE "{stopped.database}_backup" TEMPLATE "{stopped.database}" OWNER {OWNER}')
    stopped.main.start()
    publisher.raws(source.take(8), partition=0)
    publisher.flush()
    wait_settled(stopped, publisher.ledger)
    assert stopped.main.stop() == 0
    with stopped.rig.postgres.connect() as db:
        db.execute(f'ALTER DATABASE "{stopped.database}" RENAME TO "{stopped.database}_lost"')
        db.execute(f'ALTER DATABASE "{stopped.database}_backup" RENAME TO "{stopped.database}"')

    why = start_refused(stopped, publisher, source, HELD, HELD + 8, 8)
    mend(stopped, why)
    stopped.main.start()

    # Read again, and told again.
    wait_settled(stopped, publisher.ledger)
    assert outcomes(stopped) == {"created": 40 + 8 + 15}


def test_offsets_that_were_forgotten_under_load_are_refused(died_ahead, publisher, source, settled_and_right):
    mark = stored(died_ahead)[place(died_ahead)]
    wait_without_members(died_ahead)
    died_ahead.rig.kafka.delete_group(died_ahead.group)

    why = start_refused(died_ahead, publisher, source, mark, 2)
    mend(died_ahead, why)
    died_ahead.main.start()

    settled_and_right()
    assert found(died_ahead.main, "ahead") == 1


def test_a_service_whose_partitions_are_all_refused_stays_up_and_looks_again_at_the_next_assignment(
        stopped, publisher, source, settled_and_right):
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = cluster_id || '-not'")
    one = publisher.ledger.entries[0].usage

    stopped.main.start(wait=False)
    until("all are refused", lambda: found(stopped.main, "refused") == 12)

    until("/readyz says so", lambda: set(stopped.main.readyz()[1]["waiting"]) == {"partitions"})
    assert stopped.main.readyz()[0] == 503 and stopped.main.healthz() == 200
    assert stopped.main.get(f"/usage/{one}").status_code == 200
    publisher.raws(source.take(20))
    publisher.flush()
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = replace(cluster_id, '-not', '')")
    second = stopped.service("b").start()
    stopped.main.wait_ready()
    settled_and_right()
    assert found(stopped.main, "equal") + found(second, "equal") >= 8


def test_a_partition_that_was_refused_is_read_once_a_recovery_finds_it_mended(stopped, publisher, source, settled_and_right):
    """No assignment comes between: the partition is not among those that the consumer reads, and must get there."""
    service, topic = stopped.main, stopped.topic["raw"]
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = 'elsewhere' WHERE (topic, partition) = (%s, 0)", (topic,))
    service.start(wait=False)
    service.wait_log(r"partition refused .* partition=0 ")
    for partition in range(stopped.partitions):
        publisher.raws(source.take(10), partition=partition)
    publisher.flush()
    with stopped.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = (SELECT min(cluster_id) FROM source_offset "
                   "WHERE cluster_id <> 'elsewhere') WHERE cluster_id = 'elsewhere'")

    with stopped.connect() as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'usaged/%'")
    publisher.raws(source.take(10), partition=1)

    settled_and_right()
    service.wait_ready()
    assert found(service, "equal") > stopped.partitions


def test_takeovers_make_no_partitions_beyond_the_next_interval(started, publisher, source, settled_and_right):
    """Each takes care of the present one and the next, however many there are, also when an old month came last."""
    service = started.main
    for taken in range(1, 5):
        with started.connect() as db:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                       "WHERE application_name LIKE 'usaged/%' AND datname = current_database()")
        publisher.raws(source.take(5), partition=0)
        publisher.flush()
        until("the partitions are taken over again",
              lambda: found(service, "equal") >= taken * 3 * started.partitions, 30)

    settled_and_right()
    with started.connect() as db:
        beyond = db.execute("SELECT name FROM usage_partitions() WHERE to_timestamp(low_ms / 1000) > "
                            "date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 month'").fetchall()
    assert not beyond


def test_a_batch_that_is_stored_while_the_group_rebalances_is_in_the_metrics(scene, publisher, source, settled_and_right):
    """Its partition is given away before its COMMIT; only who has stored it can count it."""
    first, second = scene.service("a"), scene.service("b")
    first.migrate()
    first.start()
    with held(scene, "source_outcome"):
        publisher.raws(source.take(20), partition=0)
        publisher.flush()
        until("the batch waits", lambda: held_up(scene) == 1, 15)
        second.start(wait=False)
        until("the first has lost its partitions", lambda: waits_for(first, "assignment"), 30)

    second.wait_ready()
    settled_and_right()
    counted = sum(one.metric("usaged_records_total", outcome="created") for one in (first, second))
    assert counted == outcomes(scene)["created"] == 20
