"""test_checker - the checker accepts a right outcome, and finds each single thing that is not."""

import copy

import pytest
from confluent_kafka import Producer

from lib.accounts import account_problems
from lib.checker import check
from lib.double import Double
from lib.ledger import Ledger
from lib.publish import Publisher
from lib.records import Records
from lib.schemas import PLAIN, ROAMING
from lib.schemas_rated import ENGINE, GUIDING, RATED_PLAIN
from rig import Rig, Scene


@pytest.fixture(scope="module")
def played(rig: Rig) -> tuple[Scene, Ledger, Double]:
    """A ledger with something of each outcome, played out. Tests that spoil something put it back."""
    scene = rig.scene("checker")
    source = Records(11)
    publisher = Publisher(scene)
    records = source.take(60)
    publisher.raws(records)
    publisher.raw(records[3])
    publisher.raw(records[4], writer=PLAIN, partition=1)
    publisher.raw(source.next(), writer=ROAMING)
    publisher.raw({**records[5], "usageType": "FAX"}, headers=[("x", b"1"), ("x", None)])
    publisher.bytes(b"nothing", "framing", key=b"k")
    publisher.bytes(None, "framing")
    for record in records[:20]:
        publisher.rated(source.rating_by_id(record), writer=ENGINE, expect="changed")
    publisher.rated(source.rating_by_id(records[20], status="guided"), writer=GUIDING, expect="changed")
    publisher.rated(source.rating_by_id(records[0], status="rerated"), expect="changed")
    publisher.rated(source.rating_by_id(records[0], status="rerated"), expect="updated")
    publisher.rated(source.rating_by_id(records[0]), expect="superseded")
    publisher.rated(source.rating_with(source.next()), writer=RATED_PLAIN)
    publisher.rated(source.rating_of(source.next()))
    publisher.flush()
    double = Double(scene, publisher.ledger)
    double.store()
    double.publish()
    return scene, publisher.ledger, double


def test_a_right_outcome_has_no_discrepancies(played):
    scene, ledger, _ = played

    assert check(scene, ledger) == []
    assert account_problems(scene) == []
    assert ledger.outcomes() == {"created": 62, "duplicate": 2, "dead": 3, "changed": 22, "updated": 1, "superseded": 1,
                                 "parked": 1}


@pytest.mark.parametrize("spoil, subject, words", [
    ("UPDATE usage SET revision = 9 WHERE id = (SELECT id FROM usage LIMIT 1)", "usage", "revision is 9"),
    ("DELETE FROM usage WHERE id = (SELECT id FROM usage LIMIT 1)", "usage", "not stored"),
    ("UPDATE usage SET usage_json = replace(usage_json::text, 'CNY', 'EUR')::json WHERE id = "
     "(SELECT id FROM usage WHERE status = 'rated' LIMIT 1)", "usage", "EUR"),
    ("INSERT INTO usage SELECT * FROM usage LIMIT 1", "usage", "stored twice"),
    ("UPDATE source_outcome SET records = records + 1 WHERE outcome = 'changed' AND partition = "
     "(SELECT min(partition) FROM source_outcome WHERE outcome = 'changed')", "account", "have an outcome"),
    ("UPDATE source_offset SET next_offset = 1 WHERE (topic, partition) = "
     "(SELECT topic, partition FROM source_offset ORDER BY next_offset DESC LIMIT 1)", "mark", "stored is 1"),
    ("DELETE FROM parked_rating", ("parked", "account"), "should be parked"),
])
def test_a_fault_in_postgresql_is_found(played, spoil, subject, words):
    scene, ledger, double = played

    with scene.connect() as db:
        db.execute(spoil)
    problems = check(scene, ledger, publishes=False)
    double.store()

    assert problems
    assert all(problem.startswith(subject) for problem in problems), problems
    assert any(words in problem for problem in problems), problems


def _swap_dates(messages):
    one, other = messages[0]["event"], messages[1]["event"]
    one["timeOcurred"], other["timeOcurred"] = 1, 2


def _swap_order(messages):
    creates = [one for one in messages if one["word"] == "create" and one["at"].partition == 0
               and len(one["at"].expect) == 1 and one["at"].kind == "raw"]
    by_partition = {}
    for one in creates:
        other = by_partition.setdefault(one["key"], one)
        if other is not one:
            break
    else:
        one, other = creates[0], creates[1]
        other["key"] = one["key"]
    here, there = messages.index(one), messages.index(other)
    messages[here], messages[there] = messages[there], messages[here]


def _first(messages, word):
    return next(one for one in messages if one["word"] == word)


@pytest.mark.parametrize("spoil, words", [
    (lambda all: all.pop(0), "is missing"),
    (lambda all: all.append(all[0]), "is there twice"),
    (lambda all: all[0]["event"].update(eventId="0"), "no published record leads to event 0"),
    (lambda all: all[0]["event"]["event"]["usage"].update(status="billed"), "status: 'billed'"),
    (lambda all: all[0]["event"]["event"]["usage"]["usageCharacteristic"].pop(), "elements"),
    (lambda all: all[0].update(key=b"nobody"), "key is b'nobody'"),
    (lambda all: all[0].update(headers=[("a", b"b")]), "headers are"),
    (lambda all: _first(all, "state-change")["event"].update(previousStatus="rated"), "previousStatus is"),
    (lambda all: _first(all, "attribute-change")["event"].update(fieldPath="description"), "fieldPath is"),
    (lambda all: _first(all, "dead-letter").update(value=b"other"), "value is"),
    (lambda all: all.pop(), "is missing, expected framing"),
    (lambda all: all.append(_first(all, "dead-letter")), "is there 2 times"),
    (_swap_dates, "timeOcurred is 1"),
    (_swap_order, "comes after that of offset"),
])
def test_a_fault_in_the_events_is_found(played, spoil, words):
    scene, ledger, double = played
    messages = copy.deepcopy(double.messages)

    spoil(messages)

    problems = check(scene, ledger, double.found(messages), stores=False)
    assert any(words in problem for problem in problems), problems
    assert len(problems) <= 4, problems


@pytest.mark.parametrize("spoil, words", [
    ("UPDATE source_outcome SET records = records + 1 WHERE outcome = 'superseded'", "have an outcome"),
    ("DELETE FROM source_outcome WHERE outcome = 'parked'", "have an outcome"),
    ("DELETE FROM source_outcome", "0 have an outcome"),
    ("UPDATE source_offset SET next_offset = next_offset - 1 WHERE (topic, partition) = "
     "(SELECT topic, partition FROM source_offset ORDER BY next_offset DESC LIMIT 1)", "records were read"),
    ("DELETE FROM source_offset", "none was read"),
])
def test_an_account_that_does_not_add_up_is_found(played, spoil, words):
    scene, _, double = played

    with scene.connect() as db:
        db.execute(spoil)
    problems = account_problems(scene)
    double.store()

    assert problems and all(words in problem for problem in problems), problems


def test_the_account_is_of_records_and_not_of_offsets(scene):
    """Where somebody writes in transactions, what ends them has an offset too, and what was aborted is not read."""
    publisher, topic = Publisher(scene), scene.topic["raw"]
    publisher.raws(Records(6).take(5), partition=0)
    publisher.flush()
    producer = Producer({**scene.rig.kafka.client, "transactional.id": f"{scene.name}-other"})
    producer.init_transactions()
    for count, end in ((3, producer.commit_transaction), (2, producer.abort_transaction)):
        producer.begin_transaction()
        for _ in range(count):
            producer.produce(topic, b"of another", partition=0)
        producer.flush()
        end()
    last = publisher.raw(Records(7).next(), partition=0)
    publisher.flush()
    Double(scene, publisher.ledger).store()

    missing = account_problems(scene)
    with scene.connect() as db:
        db.execute("INSERT INTO source_outcome VALUES (%s, 0, 'dead', 3)", (topic,))

    # The last marker may come before the record or behind it.
    assert missing == [f"{topic}[0]: 9 records were read, up to offset {last.offset + 1}, and 6 have an outcome"]
    assert account_problems(scene) == []


def test_a_record_whose_acknowledgement_was_lost_is_found_in_the_topic(scene):
    publisher = Publisher(scene)
    record = Records(5).next()
    entries = [publisher.raw(record) for _ in range(5)]
    publisher.flush()
    offsets = [entry.offset for entry in entries]

    for entry in entries[1:4]:
        entry.offset = -1
    publisher.place(entries[1:4])

    assert [entry.offset for entry in entries] == offsets


def test_an_aborted_event_is_not_seen(played):
    scene, ledger, _ = played

    producer = Producer({**scene.rig.kafka.client, "transactional.id": f"{scene.name}-other"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(scene.topic["create"], b"never")
    producer.flush()
    producer.abort_transaction()

    assert check(scene, ledger) == []
