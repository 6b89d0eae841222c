"""Ratings that come before their usage: parked, joined by whoever comes second, or by the sweep; or ended by their age."""

import json
from contextlib import ExitStack

import pytest
from lib.faults import QUICK, Failpoint, throughout
from lib.missed import counting_held, held, held_up, miss
from lib.publish import Publisher
from lib.records import Records, id_of
from lib.settle import outcomes, owed
from rig.wait import until

TWO = {"workers": 2, "parked.sweep-ms": 50}

# From the lock of the usage's row to the removal of what is published.
SWEEP_PLACES = ("sweep-locked", "sweep-taken", "sweep-before-number", "sweep-committed", "http-before-publish",
                "http-before-send-offsets", "http-before-kafka-commit", "http-after-kafka-commit", "http-before-clean")


SHORT = ("sweep-before-number", "http-before-kafka-commit")  # of these, in make test


@pytest.fixture
def pair(scene):
    """A service of two workers: usages and ratings on partitions of different ones."""
    service = scene.service("a", TWO)
    service.migrate()
    scene.main = service.start()
    return scene


def ended(scene, topic=None):
    """What became of parked ratings, of all sources or one."""
    with scene.connect() as db:
        return dict(db.execute("SELECT outcome, sum(records)::int FROM parked_outcome WHERE %s::text IS NULL OR topic = %s "
                               "GROUP BY outcome", (topic, topic)).fetchall())


def test_a_rating_and_its_usage_that_are_stored_at_once_are_joined_by_the_sweep(pair, publisher, settled_and_right):
    miss(pair, publisher, Records(201), 10)

    settled_and_right()
    assert ended(pair, "@http") == {"changed": 10}
    assert pair.main.metric("usaged_parked_ended_total", outcome="changed") == 10
    until("the gauge has followed", lambda: pair.main.metric("usaged_parked") == 0, 15)


def test_the_ratings_that_wait_are_counted_by_whoever_has_partitions(rig):
    """Of eight workers one gets the only partition of each topic, seldom the first; the group gives it to `a` before `b`."""
    scene, source = rig.scene("one-partition", partitions=1), Records(205)
    publisher, first, second = Publisher(scene), scene.service("b", {"workers": 8}), scene.service("a")
    first.migrate()
    first.start()
    for record in source.take(3):
        publisher.rated(source.rating_of(record), expect="parked")
    publisher.flush()
    until("the gauge has followed", lambda: first.metric("usaged_parked") == 3, 30)

    second.start()

    until("the gauge has followed", lambda: second.metric("usaged_parked") == 3, 30)
    until("the other one says nothing", lambda: first.metric("usaged_parked") == 0, 30)
    scene.stop()


def swept(scene):
    """How far ratings were swept, and the highest number that a parked one has."""
    with scene.connect() as db:
        return db.execute("SELECT swept::text::bigint, (SELECT parked_by::text::bigint FROM parked_rating ORDER BY parked_by "
                          "DESC LIMIT 1) FROM parked_sweep").fetchone()


def test_a_usage_that_is_stored_long_after_it_has_looked_is_not_passed_by(pair, publisher, settled_and_right):
    """Its transaction has the higher number, has looked for ratings before this one was committed, and stays open."""
    source, raw, rated = Records(204), pair.topic["raw"], pair.topic["rated"]
    publisher.raw(source.next(), partition=0)
    publisher.rated(source.rating_of(source.next()), partition=2, expect="parked")
    publisher.flush()
    until("both counts are there", lambda: outcomes(pair) == {"created": 1, "parked": 1}, 30)
    record = source.next()
    with ExitStack() as usage_held:
        with counting_held(pair, rated, 2, "parked"):
            publisher.rated(source.rating_of(record), partition=2, expect={"parked", "changed"})
            publisher.flush()
            until("the rating waits", lambda: held_up(pair) == 1, 15)
            usage_held.enter_context(counting_held(pair, raw, 0, "created"))
            publisher.raw(record, partition=0)
            publisher.flush()
            until("the usage waits as well", lambda: held_up(pair) == 2, 15)
        until("the rating is parked", lambda: outcomes(pair).get("parked") == 2, 15)
        throughout("it is not taken for swept", lambda: swept(pair)[0] <= swept(pair)[1], 1)

    settled_and_right()
    assert ended(pair, "@http") == {"changed": 1}


def test_ratings_that_were_missed_act_in_the_order_of_their_dates(pair, publisher, settled_and_right):
    source = Records(202)
    record = source.next()
    late = source.rating_of(record)
    early = {**source.rating_of(record), "status": "guided", "ratedProductUsage": []}
    with held(pair, "source_outcome"):
        with publisher.together():
            publisher.raw(record, partition=0)
            publisher.rated(early, partition=2, expect={"parked", "changed"})
            publisher.rated(late, partition=2, expect={"parked", "changed"})
        until("two transactions are open", lambda: held_up(pair) == 2, 15)

    settled_and_right()
    assert ended(pair) == {"changed": 2}


def test_a_missed_rating_that_does_not_fit_is_a_dead_letter_with_its_own_bytes(pair, publisher, settled_and_right):
    source = Records(203)
    record = source.next()
    with held(pair, "source_outcome"):
        publisher.raw(record, partition=0)
        publisher.rated(source.rating_of(record, status="rerated"), partition=2, expect="parked", reason="transition")
        publisher.flush()
        until("two transactions are open", lambda: held_up(pair) == 2, 15)

    settled_and_right()
    assert ended(pair, "@http") == {"dead": 1}
    assert pair.main.metric("usaged_dead_letters_total", topic=pair.topic["rated"], reason="transition") == 1


@pytest.mark.parametrize("place", [place if place in SHORT else pytest.param(place, marks=pytest.mark.long)
                                   for place in SWEEP_PLACES])
def test_a_sweep_that_is_killed_is_done_once(scene, publisher, settled_and_right, place):
    service = scene.service("a", {**TWO, "kafka.transaction.timeout.ms": QUICK["kafka.transaction.timeout.ms"]})
    service.migrate()
    # The publisher commits its position when it takes over, in a transaction of the same kind.
    times = 2 if place in ("http-before-send-offsets", "http-before-kafka-commit", "http-after-kafka-commit") else 1
    point = Failpoint(scene, place, "kill", times)
    service.start(env=point.env)
    miss(scene, publisher, Records(210), 10)
    until(f"{point} fires", lambda: point.fired() and not service.alive(), 30)

    service.start()

    settled_and_right()
    assert sum(ended(scene).values()) == outcomes(scene)["parked"]


def test_a_publisher_that_is_killed_at_its_first_start_leaves_nothing_undone(scene, publisher, settled_and_right):
    service = scene.service("a", TWO)
    service.migrate()
    point = Failpoint(scene, "http-before-first-row", "kill", 1)
    service.start(wait=False, env=point.env)
    until(f"{point} fires", lambda: point.fired() and not service.alive(), 30)

    service.start()
    miss(scene, publisher, Records(211), 10)

    settled_and_right()
    assert "found=first" in service.log_text()


@pytest.mark.parametrize("place", [pytest.param("http-before-publish", marks=pytest.mark.long), "http-before-kafka-commit",
                                   pytest.param("sweep-taken", marks=pytest.mark.long)])
def test_a_keeper_that_stands_still_is_replaced_and_changes_nothing_when_it_wakes(scene, publisher, settled_and_right, place):
    """It holds a lock, a transaction of Kafka's or one of PostgreSQL's; the other process does not wait for it."""
    first, second = scene.service("a", {**QUICK, **TWO}), scene.service("b", {**QUICK, "parked.sweep-ms": 50})
    first.migrate()
    point = Failpoint(scene, place, "stop", 2 if place == "http-before-kafka-commit" else 1)
    first.start(env=point.env)
    miss(scene, publisher, Records(212), 10)
    until(f"{point} fires", point.fired, 30)
    first.freeze()  # it stands still already; the rig knows now

    second.start(wait=False)
    second.wait_log("source @http taken over", 90)
    until("all is joined and published", lambda: owed(scene, publisher.ledger) == 0, 60)
    first.thaw()

    first.wait_ready(60)
    second.wait_ready(60)
    settled_and_right()
    assert sum(ended(scene).values()) == outcomes(scene)["parked"]


def test_a_rating_whose_usage_does_not_come_in_time_is_a_dead_letter_with_its_own_bytes(scene, publisher, settled_and_right):
    service = scene.service("a", {"parked.max-age": "1s"})
    service.migrate()
    service.start()
    source = Records(220)
    for record in source.take(5):
        publisher.rated(source.rating_of(record), headers=[("h", b"1")], expect="parked", reason="parked-expired")
    publisher.rated(source.rating_by_id(source.next()), expect="parked", reason="parked-expired")

    settled_and_right()
    assert ended(scene, "@http") == {"dead": 6}
    assert service.metric("usaged_dead_letters_total", topic=scene.topic["rated"], reason="parked-expired") == 6


def test_a_usage_that_comes_after_its_rating_has_ended_is_as_if_it_had_none(scene, publisher, settled_and_right):
    service = scene.service("a", {"parked.max-age": "1s"})
    service.migrate()
    service.start()
    source = Records(221)
    record = source.next()
    publisher.rated(source.rating_of(record), expect="parked", reason="parked-expired")
    publisher.flush()
    until("it has ended", lambda: ended(scene) == {"dead": 1}, 30)

    publisher.ledger.usages.clear()  # the rating has no part in the usage's life
    publisher.raw(record)

    settled_and_right()
    with scene.connect() as db:
        assert db.execute("SELECT status FROM usage WHERE id = %s", (id_of(record),)).fetchone() == ("received",)


def test_a_restored_dump_with_numbers_of_another_server_is_swept_too(pair, publisher, settled_and_right):
    """Transaction numbers begin anew on a new server: what was parked there looks as if it came from the future."""
    source = Records(222)
    records = source.take(3)
    for record in records:
        publisher.rated(source.rating_of(record), expect="parked")
    publisher.flush()
    until("they are parked", lambda: outcomes(pair).get("parked") == 3, 30)
    pair.main.stop()
    with pair.connect() as db:
        db.execute("UPDATE parked_rating SET parked_by = '900000000'")
        db.execute("UPDATE parked_sweep SET swept = '900000001'")

    pair.main.start()
    miss(pair, publisher, Records(223), 5)
    publisher.raws(records)

    settled_and_right()
    with pair.connect() as db:
        swept, next_number = db.execute("SELECT swept::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint "
                                        "FROM parked_sweep").fetchone()
    assert 0 < swept <= next_number


def test_a_position_that_kafka_forgot_is_committed_again(pair, publisher, settled_and_right):
    miss(pair, publisher, Records(224), 5)
    settled_and_right()
    pair.main.stop()
    pair.rig.kafka.admin().delete_consumer_groups([f"{pair.group}-http"])[f"{pair.group}-http"].result(15)

    pair.main.start()
    miss(pair, publisher, Records(225), 5)

    settled_and_right()
    pair.main.wait_log("source @http taken over found=forgotten")


def test_a_source_whose_marks_contradict_each_other_is_refused_and_records_go_on(pair, publisher, settled_and_right):
    miss(pair, publisher, Records(226), 5)
    settled_and_right()
    pair.main.stop()
    with pair.connect() as db:
        stored = db.execute("SELECT next_offset FROM source_offset WHERE topic = '@http'").fetchone()[0]
        db.execute("UPDATE source_offset SET next_offset = 0 WHERE topic = '@http'")

    pair.main.start(wait=False)
    pair.main.wait_log(r"partition refused topic=@http partition=0 .*offsets --mend @http:0")
    until("it is not ready for that", lambda: "@http" in json.dumps(pair.main.readyz()[1].get("waiting", {})))
    publisher.raws(Records(227).take(20))
    settled_and_right()

    with pair.connect() as db:
        db.execute("UPDATE source_offset SET next_offset = %s WHERE topic = '@http'", (stored,))
    pair.main.wait_ready()
    miss(pair, publisher, Records(228), 5)
    settled_and_right()
