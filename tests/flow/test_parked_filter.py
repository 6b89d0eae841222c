"""What a worker knows of parked ratings: whom it does not ask for must have none. Where the sweep is not the subject it is
far away, or has passed before, so that only the usage's own batch can join them."""

from contextlib import contextmanager

import pytest
from lib.missed import held
from lib.records import Records
from lib.settle import outcomes
from rig.wait import until

SWEPT = {"workers": 2, "parked.sweep-ms": 50}
UNSWEPT = {"workers": 2, "parked.sweep-ms": 3_600_000}
RAW, RATED = 0, 2  # partitions of different workers (lib/missed.py)
GATE = 4_711


@pytest.fixture
def run(scene):
    """Starts a service of two workers."""

    def started(settings, **env):
        scene.main = scene.service("a", settings)
        scene.main.migrate()
        return scene.main.start(env=env)

    return started


def ended(scene):
    """What became of parked ratings, by the topic whose transaction ended them."""
    with scene.connect() as db:
        return {(topic, outcome): records for topic, outcome, records in db.execute(
            "SELECT topic, outcome, sum(records)::int FROM parked_outcome GROUP BY 1, 2").fetchall()}


def joined_by_usages(scene, count):
    assert ended(scene) == {(scene.topic["raw"], "changed"): count}


def await_parked(scene, publisher, count):
    publisher.flush()
    until(f"{count} are parked", lambda: outcomes(scene).get("parked") == count, 30)


def await_swept(scene):
    """Whoever finds them from now on has looked for them itself."""
    def done():
        with scene.connect() as db:
            return db.execute("SELECT swept > (SELECT parked_by FROM parked_rating ORDER BY parked_by DESC LIMIT 1) "
                              "FROM parked_sweep").fetchone()[0]
    until("all is swept", done, 30)


def waiting(scene, statement):
    """How many sessions wait for a lock with such a statement."""
    with scene.connect() as db:
        return db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = "
                          "'Lock' AND query LIKE %s", (statement,)).fetchone()[0]


@contextmanager
def claims_held(scene, topic):
    """A transaction that claims records of this topic waits meanwhile, and has no number yet."""
    with scene.connect() as db:
        source = db.execute("SELECT prosrc FROM pg_proc WHERE proname = 'claim'").fetchone()[0]
        gate = f"IF p_topic = '{topic}' THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF;"
        db.execute("CREATE OR REPLACE FUNCTION claim(p_topic text, p_partition int, p_owner uuid, p_from bigint, p_to bigint) "
                   "RETURNS void LANGUAGE plpgsql AS $$" + source.replace("BEGIN", f"BEGIN {gate}", 1) + "$$")
        db.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        yield
        db.execute("SELECT pg_advisory_unlock(%s)", (GATE,))


@pytest.mark.long
def test_a_rating_that_another_worker_has_parked_just_now_is_found(scene, run, publisher, settled_and_right):
    run(UNSWEPT)
    source = Records(301)
    for number in range(1, 21):
        record = source.next()
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
        await_parked(scene, publisher, number)
        publisher.raw(record, partition=RAW)

    settled_and_right()
    joined_by_usages(scene, 20)


@pytest.mark.long
def test_ratings_that_were_parked_before_the_start_are_found(scene, run, publisher, settled_and_right):
    service = run(SWEPT)
    source = Records(302)
    records = source.take(50)
    for record in records:
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
    await_parked(scene, publisher, 50)
    await_swept(scene)
    service.stop()

    service.start()
    publisher.raws(records, partition=RAW)

    settled_and_right()
    joined_by_usages(scene, 50)


def test_a_rating_that_is_parked_and_swept_before_the_usage_s_claim_is_found(scene, run, publisher, settled_and_right):
    """The sweep does not wait for a transaction that has no number, so that one must look behind its claim."""
    run(SWEPT)
    source = Records(303, days=0.01)
    publisher.raw(source.next(), partition=RAW)
    publisher.flush()
    until("the worker has stored", lambda: outcomes(scene) == {"created": 1}, 30)
    record = source.next()
    with claims_held(scene, scene.topic["raw"]):
        publisher.raw(record, partition=RAW)
        publisher.flush()
        until("the claim waits", lambda: waiting(scene, "SELECT claim%") == 1, 15)
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked", "changed"})
        await_parked(scene, publisher, 1)
        await_swept(scene)

    settled_and_right()
    joined_by_usages(scene, 1)


def test_a_rating_that_is_parked_between_claim_and_look_is_joined_by_the_sweep(scene, run, publisher, settled_and_right):
    run(SWEPT)
    source = Records(304, days=0.01)
    publisher.raw(source.next(), partition=RAW)
    publisher.flush()
    until("the worker has stored", lambda: outcomes(scene) == {"created": 1}, 30)
    record = source.next()
    with held(scene, "usage_row"):
        publisher.raw(record, partition=RAW)
        publisher.flush()
        until("the usage waits", lambda: waiting(scene, "COPY%") == 1, 15)
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked", "changed"})
        await_parked(scene, publisher, 1)

    settled_and_right()
    assert ended(scene) == {("@http", "changed"): 1}


def test_a_rating_whose_transaction_was_the_oldest_at_the_last_refresh_is_found(scene, run, publisher, settled_and_right):
    run(SWEPT)
    source = Records(305)
    record = source.next()
    with held(scene, "parked_outcome"):  # without a number of its own
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
        publisher.flush()
        until("the rating waits", lambda: waiting(scene, "%INSERT INTO parked_rating%") == 1, 15)
        publisher.raws(source.take(5), partition=RAW)
        publisher.flush()
        until("others pass", lambda: outcomes(scene).get("created") == 5, 30)
    await_parked(scene, publisher, 1)
    await_swept(scene)
    publisher.raw(record, partition=RAW)

    settled_and_right()
    joined_by_usages(scene, 1)


@pytest.mark.long
def test_with_a_new_session_all_is_read_anew(scene, run, publisher, settled_and_right):
    """It may be of a server that gives out again the numbers of transactions that a crash took with it."""
    run(SWEPT)
    source = Records(306)
    records = source.take(5)
    publisher.raws(source.take(5), partition=RAW)
    publisher.flush()
    until("the worker has stored", lambda: outcomes(scene) == {"created": 5}, 30)
    for record in records:
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
    await_parked(scene, publisher, 5)
    await_swept(scene)
    with scene.connect() as db:
        db.execute("UPDATE parked_rating SET parked_by = '3'")
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                   "application_name LIKE 'usaged%' AND pid <> pg_backend_pid()")

    publisher.raws(records, partition=RAW)

    settled_and_right()
    joined_by_usages(scene, 5)


# Ids, ids by one statement of the fill, new ones by one refresh, batches without.
@pytest.mark.parametrize("limits", ["1000:3:1000:1", "20:7:1000:3", "1000:1000:4:2", "5:3:2:1"],
                         ids=["in chunks", "full", "too many new ones", "all of it"])
def test_beyond_its_bounds_it_asks_for_each(scene, run, publisher, settled_and_right, limits):
    settings = {"workers": 2, "parked.sweep-ms": 50, "batch.records": 10}
    service = run(settings, USAGED_FAILPOINT_PARKED=limits)
    source = Records(310)
    early = source.take(60)
    for record in early:
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
        if record is early[3]:  # two that wait for one usage, at the edge of a chunk
            publisher.rated(source.rating_of(record, status="billed", ratedProductUsage=[]), partition=RATED,
                            expect={"parked"})
    await_parked(scene, publisher, 61)
    await_swept(scene)
    service.stop()
    service.start(env={"USAGED_FAILPOINT_PARKED": limits})
    mixed = source.take(60)
    for number, record in enumerate(mixed):
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked", "changed"})
        publisher.raw(early[number], partition=RAW)
        if number % 4 == 3:
            publisher.flush()
    publisher.raws(mixed, partition=RAW)

    settled_and_right()
    assert sum(ended(scene).values()) == outcomes(scene)["parked"]
    assert ended(scene)[scene.topic["raw"], "changed"] >= 61


@pytest.mark.long
def test_usages_for_which_nothing_waits_are_not_asked_for(scene, run, publisher, settled_and_right):
    """Whoever asks locks, and nobody can."""
    run(UNSWEPT)
    source = Records(320)
    records = source.take(20)
    for record in records:
        publisher.rated(source.rating_of(record), partition=RATED, expect={"parked"})
    await_parked(scene, publisher, 20)
    with scene.connect() as db, db.transaction():
        db.execute("LOCK TABLE parked_rating IN EXCLUSIVE MODE")
        publisher.raws(source.take(1000))
        publisher.flush()
        until("others pass", lambda: outcomes(scene).get("created") == 1000, 30)
        publisher.raws(records, partition=RAW)
        publisher.flush()
        until("these do not", lambda: waiting(scene, "%FROM parked_rating%FOR UPDATE%") == 1, 15)

    settled_and_right()
    joined_by_usages(scene, 20)
