"""What bounds the sweep of parked ratings: its transactions, what PostgreSQL refuses, and usages that cannot be swept."""

from contextlib import contextmanager

import pytest
from lib.faults import Failpoint, lines, throughout
from lib.missed import RATED_PARTITION, RAW_PARTITION, held, held_up, miss, unswept
from lib.records import Records, id_of
from lib.schemas_rated import RATED_PLAIN
from rig.postgres import OWNER
from rig.wait import until

TWO = {"workers": 2, "parked.sweep-ms": 50}
OLD = {"parked.max-age": "1s", "parked.sweep-ms": 50}

AT_ONCE = 500  # ratings that one transaction ends


def alter(scene, sql):
    with scene.connect(OWNER) as db:
        db.execute("SET search_path = usaged")
        db.execute(sql)


def asked(scene, sql, *parameters):
    with scene.connect() as db:
        return db.execute(sql, parameters).fetchone()[0]


def ended(scene):
    """What became of parked ratings, by the sweep."""
    with scene.connect() as db:
        return dict(db.execute("SELECT outcome, sum(records)::int FROM parked_outcome WHERE topic = '@http' GROUP BY 1").fetchall())


def transactions(scene):
    return asked(scene, "SELECT next_offset FROM source_offset WHERE topic = '@http'")


def swept(scene):
    return asked(scene, "SELECT swept::text::bigint FROM parked_sweep")


def parked(scene):
    return asked(scene, "SELECT count(*) FROM parked_rating")


@contextmanager
def parking(scene):
    """A service that stores and does not sweep; no service runs then."""
    service = scene.service("a", {"workers": 2})
    service.migrate()
    with unswept(scene):
        service.start()
        yield
        service.stop()


@pytest.fixture
def missed(scene, publisher):
    """Ten usages and ratings that have missed each other; no service runs then."""
    with parking(scene):
        records = miss(scene, publisher, Records(420), 10)
        until("all wait", lambda: parked(scene) == 10, 30)
    return records


# --- rows and bytes of one transaction -------------------------------------------------------------------------------------


def age(scene):
    with scene.connect() as db:
        db.execute("UPDATE parked_rating SET parked_at = parked_at - interval '1 day'")


def wait_for_nobody(scene, publisher, count, seed, **rating):
    """Ratings that name one usage that does not come, parked a day ago; no service runs then."""
    source = Records(seed)
    record = source.next()
    with parking(scene):
        for _ in range(count):
            publisher.rated(source.rating_of(record, **rating), headers=[("h", b"1")], writer=RATED_PLAIN, expect="parked",
                            reason="parked-expired")
        publisher.flush()
        until("all wait", lambda: parked(scene) == count, 60)
    age(scene)


def test_thousands_of_ratings_for_one_usage_that_does_not_come_end_in_many_transactions(scene, publisher, settled_and_right):
    wait_for_nobody(scene, publisher, 5 * AT_ONCE + 1, 401)

    service = scene.service("b", OLD).start()

    settled_and_right()
    assert ended(scene) == {"dead": 5 * AT_ONCE + 1}
    assert service.metric("usaged_dead_letters_total", topic=scene.topic["rated"], reason="parked-expired") == 5 * AT_ONCE + 1
    assert transactions(scene) == 6


@pytest.mark.long
@pytest.mark.parametrize("place, times", [
    ("sweep-taken", 3), pytest.param("sweep-before-number", 2, marks=pytest.mark.long),
    ("sweep-committed", 2), pytest.param("http-before-clean", 3, marks=pytest.mark.long)])
def test_a_death_between_these_transactions_ends_each_rating_once(scene, publisher, settled_and_right, place, times):
    wait_for_nobody(scene, publisher, 4 * AT_ONCE, 402)
    service = scene.service("b", OLD)
    point = Failpoint(scene, place, "kill", times)
    service.start(wait=False, env=point.env)
    until(f"{point} fires", lambda: point.fired() and not service.alive(), 30)
    assert 0 < parked(scene) < 4 * AT_ONCE

    service.start()

    settled_and_right()
    assert ended(scene) == {"dead": 4 * AT_ONCE}
    assert transactions(scene) == 4


@pytest.mark.long
def test_large_ratings_that_have_waited_too_long_end_in_transactions_of_32_mib(scene, publisher, settled_and_right):
    wait_for_nobody(scene, publisher, 150, 403, description="w" * 500_000)

    scene.service("b", OLD).start()

    settled_and_right(120)
    assert ended(scene) == {"dead": 150}
    assert transactions(scene) == 3


@pytest.mark.long
def test_an_old_rating_whose_usage_is_there_is_joined_and_the_others_end(scene, publisher, settled_and_right):
    """parked_sweep has moved past them all: only their age makes them be looked at."""
    source = Records(404)
    with parking(scene):
        for record in source.take(2 * AT_ONCE):
            publisher.rated(source.rating_of(record), expect="parked", reason="parked-expired")
        publisher.flush()
        until("they wait", lambda: parked(scene) == 2 * AT_ONCE, 30)
        miss(scene, publisher, source, 5)
        until("those wait, too", lambda: parked(scene) == 2 * AT_ONCE + 5, 30)
    with scene.connect() as db:
        db.execute("UPDATE parked_sweep SET swept = pg_snapshot_xmax(pg_current_snapshot())")
    age(scene)

    scene.service("b", OLD).start()

    settled_and_right()
    assert ended(scene) == {"dead": 2 * AT_ONCE, "changed": 5}


# --- ratings that PostgreSQL refuses -----------------------------------------------------------------------------------------


def miss_ten_of_one_usage(scene, publisher, source, wrath=(3, 7)):
    """One usage, and ten ratings of it that it misses. The constraint that comes then refuses what two of them leave behind:
    those that follow have no description of their own."""
    record = source.next()
    date = record["usageDate"]
    with held(scene, "source_outcome"):
        with publisher.together():
            publisher.raw({**record, "description": "calm"}, partition=RAW_PARTITION)
            for number in range(10):
                rating = source.rating_of(record, status="rerated" if number else "rated")
                rating["ratedProductUsage"][0]["ratingDate"] = date + 1000 * number
                bad = {"description": f"wrath {number}"} if number in wrath else {}
                publisher.rated({**rating, **bad}, partition=RATED_PARTITION, writer=RATED_PLAIN, headers=[("n", b"%d" % number)],
                                expect="parked", **({"reason": "database"} if bad else {}))
        until("two transactions are open", lambda: held_up(scene) == 2, 30)


def no_wrath(scene):
    alter(scene, "ALTER TABLE usage_row ADD CONSTRAINT no_wrath CHECK (description NOT LIKE 'wrath%')")


@pytest.fixture
def refused(scene, publisher):
    """Ten missed ratings of one usage, two of which will be refused, and ten usages beside it."""
    source = Records(410)
    with parking(scene):
        miss_ten_of_one_usage(scene, publisher, source)
        miss(scene, publisher, source, 10)
        until("all wait", lambda: parked(scene) == 20, 30)
    no_wrath(scene)
    return scene.service("b", TWO)


JOINED = {"changed": 12, "updated": 6, "dead": 2}


def test_two_ratings_of_a_usage_that_postgresql_refuses_cost_the_other_eight_nothing(scene, publisher, settled_and_right, refused):
    refused.start()

    settled_and_right()
    assert ended(scene) == JOINED
    assert refused.metric("usaged_dead_letters_total", topic=scene.topic["rated"], reason="database") == 2
    assert transactions(scene) == 1
    assert refused.readyz()[0] == 200


@pytest.mark.long
@pytest.mark.parametrize("place, times", [("in-trial", 9), pytest.param("after-trials", 1, marks=pytest.mark.long)])
def test_a_death_while_it_is_looked_for_them_changes_nothing(scene, publisher, settled_and_right, refused, place, times):
    point = Failpoint(scene, place, "kill", times)
    refused.start(wait=False, env=point.env)
    until(f"{point} fires", lambda: point.fired() and not refused.alive(), 30)
    assert parked(scene) == 20

    refused.start()

    settled_and_right()
    assert ended(scene) == JOINED


@pytest.mark.long
def test_a_stop_is_not_held_up_by_the_search_and_sets_nothing_aside(scene, publisher, settled_and_right, refused):
    point = Failpoint(scene, "in-trial", "stop", 5)
    refused.start(wait=False, env=point.env)
    until("it stands still in a trial", point.fired, 30)

    refused.process.send(15)
    refused.thaw()

    assert refused.wait_exit(10) == 0
    assert parked(scene) == 20
    refused.start()
    settled_and_right()
    assert ended(scene) == JOINED


@pytest.mark.long
@pytest.mark.parametrize("table", ("usage_row", "parked_outcome"))
def test_a_table_that_refuses_everything_costs_no_parked_rating(scene, publisher, settled_and_right, missed, table):
    alter(scene, f"ALTER TABLE {table} ADD CONSTRAINT nothing CHECK (false) NOT VALID")

    # A step that finds no sweep due yet must not look like one that went well.
    service = scene.service("b", {**TWO, "parked.sweep-ms": 1000}).start()

    until("it waits, and says PostgreSQL's code", lambda: "23514" in str(service.readyz()[1].get("waiting")), 30)
    assert parked(scene) == 10 and ended(scene) == {}
    alter(scene, f"ALTER TABLE {table} DROP CONSTRAINT nothing")
    settled_and_right()
    assert ended(scene) == {"changed": 10}


# --- usages that cannot be swept ---------------------------------------------------------------------------------------------


PASSED_OVER = "what waits for a usage cannot be taken"


def cursed(scene, usage):
    """A trigger as a DBA may have it: no fault of the data by its code."""
    alter(scene, f"""CREATE FUNCTION curse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF new.id = '{usage}' THEN RAISE EXCEPTION 'this one is cursed'; END IF; RETURN new; END $$""")
    alter(scene, "CREATE TRIGGER curse BEFORE UPDATE ON usage_row FOR EACH ROW EXECUTE FUNCTION usaged.curse()")


@pytest.mark.long
@pytest.mark.parametrize("dies", (False, True))
def test_a_usage_that_a_trigger_refuses_does_not_stop_the_sweep_of_the_others(scene, publisher, settled_and_right, missed, dies):
    cursed(scene, id_of(missed[3]))

    service = scene.service("b", TWO).start()
    until("the others are joined", lambda: parked(scene) == 1 and ended(scene) == {"changed": 9}, 30)
    miss(scene, publisher, Records(421), 10)
    until("those that come later, too", lambda: parked(scene) == 1 and ended(scene) == {"changed": 19}, 30)
    throughout("it is passed over", lambda: ended(scene) == {"changed": 19}, 1)

    assert len(lines(service, PASSED_OVER + ".* sqlstate=P0001 .*this one is cursed")) == 1
    assert service.readyz()[0] == 200
    if dies:
        service.kill()
        service.start()
        until("the next one has found out", lambda: len(lines(service, PASSED_OVER)) == 2, 30)
    assert swept(scene) == 0
    alter(scene, "DROP TRIGGER curse ON usage_row")

    settled_and_right()
    assert ended(scene) == {"changed": 20}
    miss(scene, publisher, Records(425), 5)
    until("parked_sweep moves on", lambda: swept(scene) > 0, 30)
    settled_and_right()


@pytest.mark.long
def test_a_usage_that_cannot_be_read_does_not_stop_the_sweep_of_the_others(scene, publisher, settled_and_right, missed):
    usage = id_of(missed[0])
    document = asked(scene, "SELECT document FROM usage_row WHERE id = %s", usage)
    with scene.connect() as db:
        db.execute("UPDATE usage_row SET document = left(document, 20) WHERE id = %s", (usage,))

    service = scene.service("b", TWO).start()
    until("the others are joined", lambda: parked(scene) == 1 and ended(scene) == {"changed": 9}, 30)
    assert len(lines(service, PASSED_OVER + f".*usage={usage}")) == 1
    with scene.connect() as db:
        db.execute("UPDATE usage_row SET document = %s WHERE id = %s", (document, usage))

    settled_and_right()
    assert ended(scene) == {"changed": 10}


@pytest.mark.long
def test_a_rating_that_cannot_be_ended_does_not_stop_the_end_of_the_others(scene, publisher, settled_and_right):
    wait_for_nobody(scene, publisher, AT_ONCE, 423)
    cursed_usage = asked(scene, "SELECT usage_id::text FROM parked_rating LIMIT 1")
    alter(scene, f"""CREATE FUNCTION curse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                     IF old.usage_id = '{cursed_usage}' THEN RAISE EXCEPTION 'cursed'; END IF; RETURN old; END $$""")
    alter(scene, "CREATE TRIGGER curse BEFORE DELETE ON parked_rating FOR EACH ROW EXECUTE FUNCTION usaged.curse()")
    service = scene.service("b", OLD).start()
    source = Records(424)
    for record in source.take(20):
        publisher.rated(source.rating_of(record), expect="parked", reason="parked-expired")
    publisher.flush()

    until("the others end", lambda: ended(scene) == {"dead": 20}, 30)
    assert len(lines(service, PASSED_OVER)) == 1
    alter(scene, "DROP TRIGGER curse ON parked_rating")

    settled_and_right(90)
    assert ended(scene) == {"dead": AT_ONCE + 20}
