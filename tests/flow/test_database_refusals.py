"""What only PostgreSQL refuses: the records whose data it is become dead letters `database`, found by halving, and cost no
other record; a table that refuses everything costs none."""

import pytest

from lib.consume import read_all
from lib.faults import QUICK, Failpoint, lines
from lib.records import Records, id_of
from lib.schemas_rated import RATED_PLAIN
from lib.settle import outcomes, wait_settled
from rig.postgres import OWNER
from rig.wait import until

NO_SPOILT = "ALTER TABLE usage_row ADD CONSTRAINT no_spoilt CHECK (usage_type <> 'SPOILT')"
NOTHING = "ALTER TABLE usage_row ADD CONSTRAINT nothing CHECK (false) NOT VALID"


def alter(scene, sql):
    with scene.connect(OWNER) as db:
        db.execute("SET search_path = usaged")
        db.execute(sql)


def migrated(scene, **settings):
    service = scene.service(settings={"batch.records": 20_000, **settings})
    service.migrate()
    return service


def spoilt(record):
    return {**record, "usageType": "SPOILT"}


def publish_with_spoilt(publisher, records, places, partition=0):
    """Those at these places carry a value that the constraint refuses."""
    for place, record in enumerate(records):
        if place in places:
            publisher.raw(spoilt(record), partition=partition, reason="database", headers=[("n", b"%d" % place)])
        else:
            publisher.raw(record, partition=partition)
    publisher.flush()


def dead_letters(scene):
    return read_all(scene.rig.kafka, [scene.topic["dead-letter"]])


def holds(service, state="23514"):
    return state in str(service.readyz()[1].get("waiting", {}).get("postgres"))


def retries(service):
    return service.metrics()['usaged_retries_total{name="postgres"}']


# --- some records ------------------------------------------------------------------------------------------------


def test_a_record_that_only_postgresql_refuses_is_a_dead_letter_that_says_why(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    records = Records(301).take(61)
    publish_with_spoilt(publisher, records, {0, 30, 60})

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 58, "dead": 3}
    texts = [letter.header("usaged.text") for letter in dead_letters(scene)]
    assert all("SQLSTATE 23514" in text and "no_spoilt" in text for text in texts)
    assert {text.split("usage ")[1][:36] for text in texts} == {id_of(records[place]) for place in (0, 30, 60)}
    assert service.readyz()[0] == 200
    assert service.metric("usaged_dead_letters_total", reason="database") == 3


def test_a_hundred_such_records_among_thousands_are_found_and_cost_no_other(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    publish_with_spoilt(publisher, Records(302).take(4000), range(7, 4000, 40))

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 3900, "dead": 100}


def test_each_constraint_that_refuses_something_has_its_say(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    alter(scene, "ALTER TABLE usage_row ALTER party_id SET NOT NULL")
    source = Records(303)
    publisher.raws(source.take(50), partition=1)
    publisher.raw(spoilt(source.next()), partition=1, reason="database")
    publisher.raw({**source.next(), "relatedParty": []}, partition=1, reason="database")
    publisher.raws(source.take(50), partition=1)
    publisher.flush()

    service.start()

    settled_and_right()
    assert sorted(letter.header("usaged.text").split("SQLSTATE ")[1][:5] for letter in dead_letters(scene)) == [
        "23502", "23514"]


def test_a_copy_of_a_refused_record_is_refused_too_and_a_copy_of_a_good_one_is_a_duplicate(scene, publisher,
                                                                                         settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    good, bad = Records(304).take(2)
    for _ in range(3):
        publisher.raw(good, partition=0)
        publisher.raw(spoilt(bad), partition=0, reason="database")
    publisher.flush()

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 1, "duplicate": 2, "dead": 3}


def test_a_copy_of_a_usage_that_is_older_than_the_constraint_is_a_duplicate(scene, publisher, settled_and_right):
    service = migrated(scene).start()
    source = Records(309)
    old = [spoilt(record) for record in source.take(30)]
    publisher.raws(old)
    settled_and_right()
    alter(scene, NO_SPOILT + " NOT VALID")
    service.restart()

    publisher.raws(old)
    publisher.raws(source.take(30))
    publisher.raw(spoilt(source.next()), reason="database")

    settled_and_right()
    assert outcomes(scene) == {"created": 60, "duplicate": 30, "dead": 1}


# --- ratings -------------------------------------------------------------------------------------------------------


def test_a_rating_that_is_refused_leaves_its_usage_as_it_was(scene, publisher, settled_and_right):
    service = migrated(scene).start()
    source = Records(305)
    records = source.take(40)
    publisher.raws(records)
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    alter(scene, "ALTER TABLE usage_row ADD CONSTRAINT no_wrath CHECK (description <> 'wrath')")

    for place, record in enumerate(records):
        bad = place in (0, 20, 39)
        rating = source.rating_of(record, **({"description": "wrath"} if bad else {}))
        publisher.rated(rating, partition=0, writer=RATED_PLAIN, **({"reason": "database"} if bad else {}))

    settled_and_right()
    assert outcomes(scene, scene.topic["rated"]) == {"changed": 37, "dead": 3}
    assert service.readyz()[0] == 200


def test_a_usage_is_stored_though_the_rating_in_its_batch_is_refused(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, "ALTER TABLE usage_row ADD CONSTRAINT unpriced CHECK (description <> 'wrath')")
    source = Records(306)
    records = source.take(10)
    for record in records:
        publisher.raw({**record, "description": "calm"}, partition=0)
        publisher.rated(source.rating_of(record, description="wrath"), partition=0, writer=RATED_PLAIN, reason="database")
        publisher.rated({"usageId": id_of(record), "status": "guided"}, partition=0, expect="changed")
    publisher.flush()

    service.start()

    settled_and_right()


def test_a_parked_rating_that_is_refused_ends_dead_with_its_own_bytes_and_holds_nobody(scene, publisher,
                                                                                      settled_and_right):
    service = migrated(scene).start()
    source = Records(307)
    records = source.take(12)
    for record in records:
        publisher.rated({"usageId": id_of(record), "status": "guided"}, partition=2, expect="parked")
        publisher.rated(source.rating_of(record, description="wrath"), partition=1, headers=[("h", b"1")],
                        writer=RATED_PLAIN, expect="parked", reason="database")
    publisher.flush()
    until("all are parked", lambda: outcomes(scene) == {"parked": 24})
    alter(scene, "ALTER TABLE usage_row ADD CONSTRAINT no_wrath CHECK (description <> 'wrath')")

    publisher.raws(records)

    settled_and_right()
    assert len(dead_letters(scene)) == 12
    with scene.connect() as db:
        assert dict(db.execute("SELECT outcome, sum(records)::int FROM parked_outcome GROUP BY 1").fetchall()) == {
            "changed": 12, "dead": 12}
        assert db.execute("SELECT count(*) FROM parked_rating").fetchone() == (0,)
    assert service.readyz()[0] == 200


def test_a_rating_that_cannot_be_parked_is_a_dead_letter(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, "ALTER TABLE parked_rating ADD CONSTRAINT no_wrath CHECK (description <> 'wrath')")
    source = Records(308)
    for number, record in enumerate(source.take(30)):
        bad = {"description": "wrath"} if number % 10 == 0 else {}
        publisher.rated(source.rating_of(record, **bad), partition=0, writer=RATED_PLAIN,
                        **({"reason": "database"} if bad else {}))
    publisher.flush()

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"parked": 27, "dead": 3}


# --- everything ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before, batch", (
    (50, 20), (0, 20_000), *(pytest.param(*one, marks=pytest.mark.long) for one in ((0, 20), (50, 20_000)))))
def test_a_table_that_refuses_everything_costs_no_record(scene, publisher, settled_and_right, batch, before):
    service = migrated(scene, **{"batch.records": batch}).start()
    source = Records(310)
    publisher.raws(source.take(before))
    settled_and_right()
    alter(scene, NOTHING)

    publisher.raws(source.take(400))
    publisher.flush()
    until("it waits, and says PostgreSQL's code", lambda: holds(service), 30)
    publisher.raws(source.take(20))
    publisher.flush()
    tried = retries(service)
    until("it has tried again", lambda: retries(service) >= tried + 3, 30)
    assert dead_letters(scene) == [] and holds(service)
    alter(scene, "ALTER TABLE usage_row DROP CONSTRAINT nothing")

    settled_and_right()
    service.wait_ready()
    assert outcomes(scene) == {"created": before + 420}
    assert len(lines(service, "waiting for=postgres")) == 1


def test_more_than_a_hundred_refused_in_a_row_are_no_dead_letters(scene, publisher, settled_and_right):
    service = migrated(scene).start()
    publisher.raws(Records(311).take(20))
    settled_and_right()
    alter(scene, NO_SPOILT)
    service.stop()
    publisher.raws([spoilt(record) for record in Records(312).take(101)], partition=0)
    publisher.flush()

    service.start(wait=False)

    until("it waits, and says PostgreSQL's code", lambda: holds(service), 30)
    assert dead_letters(scene) == []
    alter(scene, "ALTER TABLE usage_row DROP CONSTRAINT no_spoilt")
    settled_and_right()


def test_refused_in_a_row_counts_over_batches(scene, publisher):
    service = migrated(scene, **{"batch.records": 7}).start()
    publisher.raws(Records(313).take(20))
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    alter(scene, NO_SPOILT)

    publisher.raws([spoilt(record) for record in Records(314).take(300)], partition=0)
    publisher.flush()

    until("it waits, and says PostgreSQL's code", lambda: holds(service), 60)
    assert 80 < outcomes(scene)["dead"] <= 100
    alter(scene, "ALTER TABLE usage_row DROP CONSTRAINT no_spoilt")
    wait_settled(scene, publisher.ledger)
    counts = outcomes(scene)
    assert counts["created"] + counts["dead"] == 320 and counts["dead"] <= 100


def test_a_constraint_on_the_service_s_own_tables_costs_no_record(scene, publisher, settled_and_right):
    service = migrated(scene).start()
    alter(scene, "ALTER TABLE source_outcome ADD CONSTRAINT few CHECK (records < 0)")

    publisher.raws(Records(315).take(100))
    publisher.flush()

    until("it waits, and says PostgreSQL's code", lambda: holds(service), 30)
    assert dead_letters(scene) == []
    alter(scene, "ALTER TABLE source_outcome DROP CONSTRAINT few")
    settled_and_right()


# --- faults meanwhile --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place, times", (
    ("in-trial", 17), ("after-commit", 1),
    *(pytest.param(*one, marks=pytest.mark.long) for one in (("in-trial", 1), ("after-trials", 1), ("before-commit", 1)))))
def test_a_death_while_it_is_looked_for_what_is_refused_changes_nothing(scene, publisher, settled_and_right, place, times):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    publish_with_spoilt(publisher, Records(320).take(500), range(0, 500, 50))
    point = Failpoint(scene, place, "kill", times)

    service.start(wait=False, env=point.env)
    service.wait_exit(30)
    assert point.fired()
    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 490, "dead": 10}


def test_a_connection_that_is_lost_while_it_is_looked_is_made_anew(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    publish_with_spoilt(publisher, Records(321).take(500), range(0, 500, 50))
    point = Failpoint(scene, "in-trial", "stop", 9)
    service.start(wait=False, env=point.env)
    until("it stands still in a trial", point.fired, 30)

    with scene.connect() as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'usaged/%%' AND "
                   "datname = current_database()")
    service.thaw()

    settled_and_right()
    assert outcomes(scene) == {"created": 490, "dead": 10}


def test_one_frozen_while_it_looks_is_fenced_and_sets_nothing_aside(scene, publisher, settled_and_right):
    frozen, other = migrated(scene, **{**QUICK, "batch.records": 20_000}), scene.service("b", QUICK)
    alter(scene, NO_SPOILT)
    publish_with_spoilt(publisher, Records(322).take(500), range(0, 500, 50))
    point = Failpoint(scene, "in-trial", "stop", 9)
    frozen.start(wait=False, env=point.env)
    until("it stands still in a trial", point.fired, 30)

    other.start(wait=False)
    publisher.flush()
    wait_settled(scene, publisher.ledger, 60)
    frozen.thaw()

    frozen.wait_ready(60)
    settled_and_right()
    assert outcomes(scene) == {"created": 490, "dead": 10}


@pytest.mark.long
def test_a_long_search_keeps_its_place_in_the_group_and_no_transaction_open(scene, publisher, settled_and_right):
    """No single wait is long, and all together are longer than the group waits for a poll, and than a transaction may last.
    A batch is on its way to Kafka when it begins."""
    service = migrated(scene, **{"kafka.session.timeout.ms": 6000, "kafka.max.poll.interval.ms": 6000,
                                 "kafka.transaction.timeout.ms": 5000, "batch.records": 300})
    alter(scene, NO_SPOILT)
    alter(scene, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                 "'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END'")
    alter(scene, "CREATE TRIGGER slow BEFORE INSERT ON usage_row EXECUTE FUNCTION usaged.slow()")
    source = Records(323)
    publisher.raws(source.take(300), partition=0)
    publish_with_spoilt(publisher, source.take(300), range(0, 300, 30))

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 590, "dead": 10}
    assert lines(service, "out of the group|a claim was refused|waiting for=(kafka|postgres)") == []


def test_a_stop_is_not_held_up_by_a_search(scene, publisher, settled_and_right):
    service = migrated(scene)
    alter(scene, NO_SPOILT)
    publish_with_spoilt(publisher, Records(324).take(500), range(0, 500, 50))
    point = Failpoint(scene, "in-trial", "stop", 5)
    service.start(wait=False, env=point.env)
    until("it stands still in a trial", point.fired, 30)

    service.process.send(15)
    service.thaw()

    assert service.wait_exit(10) == 0
    assert outcomes(scene) == {}
    service.start()
    settled_and_right()
