"""The main job on real parts: each outcome that a record may have, once, with its event."""

import time

import pytest
from lib.faults import lines
from lib.records import Records, id_of
from lib.schemas import PLAIN
from lib.schemas_rated import RATED_PLAIN
from lib.settle import outcomes, wait_settled
from rig.wait import until


def test_a_raw_record_becomes_a_usage_and_a_create_event(started, publisher, settled_and_right):
    publisher.raws(Records(1).take(300))

    settled_and_right()


def test_the_same_record_twice_in_one_batch_is_one_usage(started, publisher, settled_and_right):
    records = Records(2).take(50)

    for record in records:
        publisher.raw(record, partition=0)
        publisher.raw(record, partition=0)

    settled_and_right()
    assert outcomes(started)["duplicate"] == 50


def test_the_same_record_in_two_batches_is_one_usage(started, publisher, settled_and_right):
    records = Records(3).take(50)
    publisher.raws(records)
    settled_and_right()

    publisher.raws(records)

    settled_and_right()
    assert outcomes(started) == {"created": 50, "duplicate": 50}


def test_the_same_record_on_two_partitions_at_once_is_one_usage(scene, publisher, settled_and_right):
    service = scene.service(settings={"workers": 2, "batch.records": 50})
    service.migrate()
    records = Records(4).take(1000)
    for record in records:
        publisher.raw(record, partition=0)
        publisher.raw(record, partition=3)
    publisher.flush()

    service.start()

    settled_and_right()
    assert outcomes(scene) == {"created": 1000, "duplicate": 1000}


def test_a_changed_copy_is_a_conflict_and_stops_nothing(started, publisher, settled_and_right):
    records = Records(5).take(20)
    publisher.raws(records, partition=0)

    publisher.raws([{**record, "usageType": "OTHER"} for record in records], partition=0)
    publisher.raws(Records(6).take(20), partition=0)

    settled_and_right()
    assert outcomes(started) == {"created": 40, "dead": 20}


def test_a_rated_record_moves_its_usage_and_tells_both_states(started, publisher, settled_and_right):
    source = Records(7)
    records = source.take(100)
    publisher.raws(records)
    publisher.flush()
    wait_settled(started, publisher.ledger)

    for record in records:
        publisher.rated(source.rating_of(record))

    settled_and_right()
    assert outcomes(started) == {"created": 100, "changed": 100}


def test_a_usage_applies_the_ratings_that_are_parked_for_it(started, publisher, settled_and_right):
    source = Records(8)
    records = source.take(60)
    for record in records:
        publisher.rated(source.rating_of(record), expect="parked")
    publisher.flush()
    wait_settled(started, publisher.ledger)
    assert outcomes(started) == {"parked": 60}

    publisher.raws(records)

    settled_and_right()
    with started.connect() as db:
        assert db.execute("SELECT outcome, sum(records)::int FROM parked_outcome GROUP BY 1").fetchall() == [("changed", 60)]
        assert db.execute("SELECT count(*) FROM parked_rating").fetchone() == (0,)
        assert db.execute("SELECT DISTINCT status FROM usage").fetchall() == [("rated",)]


def test_guided_and_rated_of_one_usage_on_two_partitions_at_once_give_one_of_the_two_orders(scene, publisher):
    service = scene.service(settings={"workers": 2, "batch.records": 40})
    service.migrate()
    source = Records(9)
    records = source.take(800)
    publisher.raws(records)
    service.start()
    publisher.flush()
    wait_settled(scene, publisher.ledger)
    service.stop()
    for record in records:
        publisher.rated({"usageId": id_of(record), "status": "guided"}, partition=0, expect={"changed", "superseded"})
        publisher.rated(source.rating_of(record), partition=3, expect="changed")
    publisher.flush()

    service.start()

    wait_settled(scene, publisher.ledger)
    counts = outcomes(scene, scene.topic["rated"])
    assert counts["changed"] + counts.get("superseded", 0) == 1600
    assert counts["changed"] >= 800
    with scene.connect() as db:
        revisions = dict(db.execute("SELECT revision, count(*) FROM usage WHERE status = 'rated' GROUP BY 1").fetchall())
    assert sum(revisions.values()) == 800
    assert revisions.get(3, 0) == counts["changed"] - 800 and set(revisions) <= {2, 3}


def test_every_bad_record_is_a_dead_letter_and_costs_no_other(started, publisher, settled_and_right):
    source = Records(10)
    good = source.take(30)
    publisher.raws(good[:10], partition=1)
    publisher.bytes(b"{\"not\": \"avro\"}", "framing")
    publisher.bytes(None, "framing")
    publisher.bytes(b"\x00\x00\x00", "framing")
    for change, reason in (({"recordId": ""}, "missing"), ({"recordId": "a\0b"}, "text"), ({"usageDate": -5}, "date"),
                           ({"source": "s" * 129}, "value"), ({"usageDate": 4102444800000}, "date")):
        publisher.bytes(publisher.encoded({**source.next(), **change}), reason)
    publisher.raws(good[10:], partition=1)
    for rating, reason in (({"usageId": "not-a-uuid", "status": "guided"}, "value"),
                           ({"usageId": id_of(good[0]), "status": "rated"}, "incomplete")):
        publisher.bytes(publisher.encoded(rating, RATED_PLAIN, "rated"), reason, topic="rated")

    settled_and_right()
    assert outcomes(started)["created"] == 30


def test_a_usage_whose_event_could_not_be_sent_is_a_dead_letter_and_costs_no_other(started, publisher, settled_and_right):
    """A record well below its own limit: an event says of each characteristic what type its value has."""
    source = Records(41)
    giant = {**source.next(), "usageCharacteristic": [{"name": "n", "value": 1}] * 80_000}
    publisher.raws(source.take(10), partition=1)
    publisher.bytes(publisher.encoded(giant, PLAIN), "event-too-large", partition=1)
    publisher.raws(source.take(10), partition=1)

    settled_and_right()
    assert outcomes(started) == {"created": 20, "dead": 1}


def test_a_bill_without_a_price_stores_nothing_and_takes_no_parked_rating_away(started, publisher, settled_and_right):
    source = Records(11)
    records = source.take(20)
    for record in records:
        publisher.rated(source.rating_of(record), expect="parked")
        bill = {**source.rating_with(record), "status": "billed", "ratedProductUsage": []}
        publisher.bytes(publisher.encoded(bill, RATED_PLAIN, "rated"), "incomplete", topic="rated")
    publisher.flush()
    wait_settled(started, publisher.ledger)

    publisher.raws(records)

    settled_and_right()


@pytest.mark.long
def test_records_that_fill_the_memory_of_a_batch_are_stored_in_several(scene, publisher, settled_and_right):
    service = scene.service(settings={"batch.records": 20_000})
    service.migrate()
    wide = [{**record, "usageCharacteristic": [{"name": f"c{n}", "value": n} for n in range(300)]}
            for record in Records(12).take(2000)]
    for record in wide:
        publisher.raw(record, partition=0)
    publisher.flush()

    service.start()

    settled_and_right()


@pytest.mark.long
def test_ratings_of_large_usages_are_applied_in_smaller_batches(scene, publisher, settled_and_right):
    """What a batch of them reads is bounded, however many records it may have."""
    service = scene.service(settings={"batch.records": 20_000})
    service.migrate()
    source = Records(14)
    ordinary = source.take(50)
    large = [{**record, "usageCharacteristic": [{"name": "text", "value": letter * 400_000}]}
             for letter, record in zip("ab" * 70, source.take(140))]
    publisher.raws(ordinary + large)
    service.start()
    settled_and_right()
    service.stop()
    for record in ordinary + large:
        publisher.rated(source.rating_of(record), partition=0, expect="changed")
        publisher.rated({"usageId": id_of(record), "status": "guided"}, partition=0, expect="superseded")
    publisher.flush()

    service.start()

    settled_and_right(120)
    assert outcomes(scene, scene.topic["rated"]) == {"changed": 190, "superseded": 190}
    smaller = lines(service, "smaller batches")
    assert 1 <= len(smaller) <= 6, smaller  # by what is read, and by what is told
    assert lines(service, "waiting for=postgres") == []


def test_brokers_know_it_by_the_client_id_that_is_set(scene, publisher, settled_and_right):
    service = scene.service(settings={"workers": 2, "kafka.client.id": "billing-ingest"})
    service.migrate()
    service.start()
    publisher.raws(Records(40).take(20))
    settled_and_right()

    group = scene.rig.kafka.admin().describe_consumer_groups([scene.group])[scene.group].result()

    assert [member.client_id for member in group.members] == ["billing-ingest"] * 2


def test_each_record_has_its_own_delay(scene, publisher, settled_and_right):
    """Also in a batch with others: what has waited for an hour says nothing of what has just come."""
    hour_ago = int(time.time() * 1000) - 3_600_000
    for i, record in enumerate(Records(77).take(20)):
        publisher.raw(record, partition=0, timestamp=hour_ago if i % 2 else 0)
    publisher.flush()
    service = scene.service()
    service.migrate()

    service.start()

    settled_and_right()
    for to in ("stored", "published"):
        until(f"all are told as {to}", lambda to=to: service.metric("usaged_delay_seconds_count", to=to) == 20)
        assert [service.metric("usaged_delay_seconds_bucket", to=to, le=le) for le in ("1800", "7200")] == [10, 20]
