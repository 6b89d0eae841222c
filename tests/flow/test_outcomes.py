"""The table of outcomes, rule by rule, through the whole service, which dies in every step (lib/play.py). The rules by
themselves are in unit/test_outcome.c and unit/test_changes*.c, and the digests in unit/test_digest.c."""

from decimal import Decimal

import pytest
from lib.faults import QUICK, Failpoint
from lib.missed import held, held_up, unswept
from lib.play import STEP_PLACES, SWEEP_PLACES, THEN, Play, price, rule
from lib.records import Json, Records, id_of
from lib.schemas import MEDIATION, PLAIN, ROAMING
from lib.schemas_rated import ENGINE, RATED_PLAIN
from lib.settle import outcomes
from rig.wait import until

# From each state to those that a record may move it to; `rerated` to itself is a change of another kind.
TRANSITIONS = {"received": ("guided", "rated", "rejected"), "guided": ("rated", "rejected"), "rejected": ("recycled",),
               "recycled": ("guided", "rated", "rejected"), "rated": ("rerated", "billed"),
               "rerated": ("rated", "billed"), "billed": ()}
# The shortest way from `received` to each state.
WAYS = {"received": (), "guided": ("guided",), "rejected": ("rejected",), "recycled": ("rejected", "recycled"),
        "rated": ("rated",), "rerated": ("rated", "rerated"), "billed": ("rated", "billed")}
PRICED = ("rated", "rerated", "billed")
STATES = ("guided", "rejected", "recycled", *PRICED)
REMEMBERED = 32


@pytest.fixture(scope="module")
def played(rig):
    """All rules of this file, played once."""
    return Play(rig, [test.script for name, test in globals().items() if hasattr(test, "script")]).run()


def walk(it, state, record):
    """Ratings that take a usage there; the one at date n costs n."""
    for date, step in enumerate(WAYS[state], 1):
        it.rated(step, "changed", *((date, str(date)) if step in PRICED else ()), record=record)


def usages_in(it, states):
    """Two steps: for each key of `states` a new usage is created, and taken to the key's state. Their records by key."""
    records = {key: it.another() for key in states}
    for record in records.values():
        it.raw("created", record)
    yield
    for key, record in records.items():
        walk(it, states[key], record)
    yield
    return records


# ---- raw records ----


@rule
def test_a_raw_record_of_a_new_usage_is_created_and_told_once(it):
    it.raw("created")

    seen = yield THEN
    assert seen.events() == ["1 create received"]
    assert seen.account == {"created": 1}


@rule
def test_a_raw_record_keeps_the_status_that_it_comes_with(it):
    it.raw("created", {**it.record, "status": "guided"}, writer=PLAIN)

    seen = yield THEN
    assert seen.events() == ["1 create guided"]


@rule
def test_the_same_raw_record_again_is_a_duplicate(it):
    it.raw("created")
    it.raw("duplicate")
    yield
    it.raw("duplicate")

    seen = yield THEN
    assert seen.events() == ["1 create received"]
    assert seen.letters == []


@rule
def test_the_same_content_in_another_order_schema_and_form_of_numbers_is_a_duplicate(it):
    def with_values(*values):
        names = ("whole", "tenth", "fine", "large", "zero", "cell")
        return {**it.record, "usageCharacteristic": [{"name": name, "value": value} for name, value in zip(names, values)]}

    cell = Json('{"lac": 1, "id": 2.50}')
    it.raw("created", with_values(5, 0.1, Decimal("0.2500"), 10**15, Decimal("0.00"), cell), writer=MEDIATION)
    yield
    it.raw("duplicate", with_values(Decimal("5"), Decimal("0.1"), 0.25, 1e15, 0, Json('{"id":2.5,"lac":1}')), writer=PLAIN)
    it.raw("duplicate", with_values(5.0, Decimal("0.10"), Decimal("0.25"), Decimal(10**15), 0.0, cell), writer=PLAIN)

    seen = yield THEN
    assert seen.events() == ["1 create received"]


@rule
def test_a_value_type_that_was_filled_in_is_not_in_the_content(it):
    """Nor is a default of the service: a copy that says it is another record."""
    bare = {**it.record, "usageCharacteristic": [{"name": "n", "value": 5}]}
    it.raw("created", bare, writer=PLAIN)
    yield
    it.raw("dead", {**bare, "usageCharacteristic": [{"name": "n", "value": 5, "valueType": "integer"}]}, writer=PLAIN,
           reason="conflict")
    it.raw("duplicate", bare, writer=PLAIN)

    seen = yield THEN
    assert seen.reasons == ["conflict"]


@rule
def test_a_copy_with_another_status_only_is_a_duplicate(it):
    it.raw("created", writer=PLAIN)
    yield
    it.raw("duplicate", {**it.record, "status": "guided"}, writer=PLAIN)

    seen = yield THEN
    assert seen.status() == "received"


@rule
def test_a_late_copy_of_a_rated_usage_is_a_duplicate_and_no_step_back(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60", description="A call, priced")
    yield
    it.raw("duplicate")

    seen = yield THEN
    assert seen.status() == "rated"
    assert seen.events() == ["1 create received", "2 received to rated"]


@rule
def test_a_copy_of_other_content_is_a_conflict(it):
    it.raw("created")
    it.raw("dead", {**it.record, "usageType": "FAX"}, reason="conflict")
    yield
    it.raw("dead", {**it.record, "description": "Another call"}, reason="conflict")
    it.raw("duplicate")

    seen = yield THEN
    assert seen.reasons == ["conflict", "conflict"]
    assert all("another content" in text for _, text in seen.letters)
    assert seen.usage()["usageType"] == "VOICE"


@rule
def test_a_copy_of_a_deleted_usage_is_a_duplicate_whatever_it_holds(it):
    it.raw("created")
    yield
    it.delete()
    it.raw("duplicate")
    it.raw("duplicate", {**it.record, "usageType": "FAX"})

    seen = yield THEN
    assert seen.account == {"created": 1, "duplicate": 2}
    assert seen.events() == ["1 create received"]


# ---- ratings that come first ----


@rule
def test_a_rating_whose_usage_is_not_there_is_parked_until_it_comes(it):
    it.rated("rated", "parked", 1, "0.60")
    yield
    it.raw("created")

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated"]
    assert seen.prices() == [("0.6", False)]
    assert seen.ended == {"changed": 1}


@rule
def test_a_rating_that_has_waited_too_long_is_a_dead_letter(it):
    it.expires(it.rated("rated", "parked", 1, "0.60"))
    yield

    seen = yield THEN
    assert seen.account == {"parked": 1}
    assert seen.reasons == ["parked-expired"]


@rule
def test_parked_ratings_are_applied_oldest_rating_date_first(it):
    billed = it.rated("billed", "parked", 9, "0.90")
    rerated = it.rated("rerated", "parked", 3, "0.70")
    rated = it.rated("rated", "parked", 2, "0.60")
    yield
    again = it.rated("rerated", "parked", 5, "0.80")
    yield
    it.raw("created")
    it.applied(rated, rerated, again, billed)

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated", "3 rated to rerated",
                             "4 change of ratedProductUsage", "5 rerated to billed"]
    assert seen.ended == {"changed": 3, "updated": 1}


@rule
def test_a_parked_record_without_rating_date_acts_right_behind_the_one_before_it(it):
    guided = it.rated("guided", "parked")  # first, since none is before it
    rerated = it.rated("rerated", "parked", 4, "0.70")
    bill = it.rated("billed", "parked")  # behind the rerating, not behind the rating
    rated = it.rated("rated", "parked", 2, "0.60")
    yield
    it.raw("created")
    it.applied(guided, rated, rerated, bill)

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to guided", "3 guided to rated", "4 rated to rerated",
                             "5 rerated to billed"]
    assert seen.prices() == [("0.7", True)]


@rule
def test_a_parked_rating_that_does_not_fit_is_a_dead_letter_and_costs_no_other(it):
    rerated = it.rated("rerated", "parked", 1, "0.50", headers=[("h", b"1")])
    rated = it.rated("rated", "parked", 2, "0.60")
    yield
    it.raw("created")
    it.ends(rerated, "transition")
    it.applied(rated)

    seen = yield THEN
    assert seen.letters == [("transition", "there is no transition from received to rerated")]
    assert seen.events() == ["1 create received", "2 received to rated"]
    assert seen.account == {"parked": 2, "created": 1}
    assert seen.ended == {"changed": 1, "dead": 1}


@rule
def test_a_rating_that_was_parked_twice_changes_once(it):
    first = it.rated("rated", "parked", 1, "0.60")
    it.rated("rated", "parked", 1, "0.60")
    yield
    it.raw("created")
    it.applied(first)

    seen = yield THEN
    assert seen.ended == {"changed": 1, "duplicate": 1}


@rule
def test_a_usage_that_comes_with_its_rating_applies_what_is_parked_too(it):
    it.rated("rated", "parked", 1, "0.50")
    later = it.rated("billed", "parked", 3, "0.60")
    yield
    it.rated("rated", "created", 2, "0.60", with_usage=True)
    it.applied(later)

    seen = yield THEN
    assert seen.events() == ["1 create rated", "2 rated to billed"]
    assert seen.ended == {"superseded": 1, "changed": 1}


# ---- ratings with the whole usage inside ----


@rule
def test_a_rating_that_brings_its_usage_creates_it_in_its_status(it):
    it.rated("rerated", "created", 1, "0.60", with_usage=True, description="A call from abroad")
    yield
    it.rated("rerated", "duplicate", 1, "0.60", with_usage=True, description="A call from abroad")
    it.raw("duplicate", writer=PLAIN)

    seen = yield THEN
    assert seen.events() == ["1 create rerated"]
    assert seen.prices() == [("0.6", False)]
    assert seen.usage()["description"] == "A call from abroad"


@rule
def test_a_rating_that_brings_the_usage_that_is_there_is_applied_to_it(it):
    it.raw("created", writer=MEDIATION)
    yield
    it.rated("rated", "changed", 1, "0.60", with_usage=True)
    it.rated("rated", "duplicate", 1, "0.60", with_usage=True)

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated"]


@rule
def test_a_rating_that_brings_another_usage_is_a_conflict(it):
    other = {**it.record, "usageType": "FAX"}
    it.raw("created")
    yield
    it.rated("rated", "dead", 1, "0.60", record=other, with_usage=True, reason="conflict")
    it.rated("rated", "changed", 1, "0.60")
    yield
    # Though the rating itself is there already.
    it.rated("rated", "dead", 1, "0.60", record=other, with_usage=True, reason="conflict")

    seen = yield THEN
    assert seen.reasons == ["conflict", "conflict"]
    assert seen.events() == ["1 create received", "2 received to rated"]


# ---- second ratings ----


@rule
def test_the_same_rating_again_is_a_duplicate_by_value(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.6")
    it.rated("rated", "duplicate", 1, "0.60")
    yield
    it.rated("rated", "duplicate", 1, "0.6000", writer=RATED_PLAIN, description="The same rating in other words")
    it.rated("rated", "duplicate", ratings=[{**price(it.record, 1, "0.6"), "productRef": {
        "id": "prod-0001", "referredType": None}}], writer=ENGINE)

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated"]
    assert seen.usage()["description"] == "A call"


@rule
def test_a_rating_that_was_applied_before_is_a_duplicate_though_others_came_after_it(it):
    it.raw("created")
    yield
    it.rated("guided", "changed")
    it.rated("rated", "changed", 1, "0.60")
    it.rated("rerated", "changed", 2, "0.70")
    yield
    it.rated("guided", "duplicate")
    it.rated("rated", "duplicate", 1, "0.60")
    it.rated("rerated", "duplicate", 2, "0.70")

    seen = yield THEN
    assert seen.account == {"created": 1, "changed": 3, "duplicate": 3}


@rule
def test_of_the_ratings_that_were_applied_the_last_32_are_known(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "1")
    it.rated("rerated", "changed", 1, "2")
    for net in range(3, REMEMBERED + 3):
        it.rated("rerated", "updated", 1, str(net))
    yield
    it.rated("rerated", "duplicate", 1, "3")  # the oldest of the 32
    it.rated("rerated", "updated", 1, "2")  # the 33rd is forgotten, so this is a rating as any other

    seen = yield THEN
    assert seen.account == {"created": 1, "changed": 2, "updated": REMEMBERED + 1, "duplicate": 1}
    assert seen.prices() == [("2", False)]


@rule
def test_a_rating_older_than_the_usage_s_changes_nothing(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 5, "0.60")
    it.rated("rated", "superseded", 4, "0.50")
    yield
    it.rated("rerated", "superseded", 4, "0.70")
    it.rated("rejected", "superseded", 4, "0.70")
    it.rated("billed", "changed", 6, "0.80")
    yield
    it.rated("rerated", "superseded", 5, "0.90")

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated", "3 rated to billed"]
    assert seen.prices() == [("0.8", False)]
    assert seen.letters == []


@rule
def test_a_rating_is_as_new_as_its_newest_part(it):
    def parts(*dates):
        return [price(it.record, date, str(date)) for date in dates]

    it.raw("created")
    yield
    it.rated("rated", "changed", ratings=parts(1, 5))
    it.rated("rerated", "superseded", ratings=parts(4, 3))
    it.rated("rerated", "changed", ratings=parts(5, 2))

    seen = yield THEN
    assert seen.prices() == [("5", False), ("2", False)]


@rule
def test_a_rating_without_a_date_is_not_late(it):
    it.raw("created")
    yield
    it.rated("guided", "changed", 9, "0.60")
    it.rated("rejected", "changed", None, "0.70")

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to guided", "3 guided to rejected"]


@rule
def test_guiding_that_comes_after_a_price_changes_nothing(it):
    records = yield from usages_in(it, {state: state for state in PRICED})
    for record in records.values():
        it.rated("guided", "superseded", record=record)

    seen = yield THEN
    assert [seen.status(record) for record in records.values()] == list(PRICED)
    assert seen.account["superseded"] == 3
    assert seen.letters == []


@rule
def test_a_second_rerating_changes_an_attribute_and_no_state(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60")
    it.rated("rerated", "changed", 2, "0.70")
    it.rated("rerated", "updated", 3, "0.80")
    it.rated("rerated", "updated", 3, "0.90", description="A call, priced again")
    it.rated("rerated", "updated", 4, "0.95", description="A call, priced again")

    seen = yield THEN
    assert seen.events()[3:] == ["4 change of ratedProductUsage", "5 change of description,ratedProductUsage",
                                 "6 change of ratedProductUsage"]
    assert seen.prices() == [("0.95", False)]
    assert seen.usage()["description"] == "A call, priced again"


@rule
def test_the_same_status_with_another_rating_is_a_conflict(it):
    records = {state: it.another() for state in ("guided", "rated", "billed")}
    for record in records.values():
        it.raw("created", record)
    yield
    for state, record in records.items():
        if state == "guided":
            it.rated("guided", "changed", 1, "1", record=record)
        else:
            walk(it, state, record)
    yield
    for state, record in records.items():
        it.rated(state, "dead", 8, "0.80", record=record, reason="conflict")

    seen = yield THEN
    assert seen.reasons == ["conflict"] * 3
    assert [text for _, text in seen.letters] == [
        f"the usage is {state} already, with another rating than the record's" for state in records]


# ---- states ----


@rule
def test_each_transition_is_a_change_of_state_that_tells_both_states(it):
    records = yield from usages_in(it, {(start, end): start for start, ends in TRANSITIONS.items() for end in ends})
    for (_, end), record in records.items():
        # With words of its own: the very content of an earlier rejection would be that one's copy.
        it.rated(end, "changed", *((8, "0.80") if end in PRICED else ()), record=record, description="At the end")

    seen = yield THEN
    for (start, end), record in records.items():
        assert seen.events(record)[-1] == f"{len(WAYS[start]) + 2} {start} to {end}"
        assert seen.status(record) == end


@rule
def test_there_is_no_other_transition(it):
    pairs = [(start, end) for start, ends in TRANSITIONS.items() for end in STATES if end not in ends and end != start
             and not (end == "guided" and start in PRICED)]
    records = yield from usages_in(it, {pair: pair[0] for pair in pairs})
    for (_, end), record in records.items():
        it.rated(end, "dead", *((8, "0.80") if end in PRICED else ()), record=record, reason="transition")

    seen = yield THEN
    assert seen.letters == [("transition", f"there is no transition from {start} to {end}") for start, end in pairs]
    assert [seen.status(record) for record in records.values()] == [start for start, _ in pairs]


@rule
def test_a_deleted_usage_takes_no_rating(it):
    it.raw("created")
    yield
    it.delete()
    it.rated("rated", "dead", 1, "0.60", reason="transition")
    it.rated("rated", "dead", 1, "0.60", with_usage=True, reason="transition")

    seen = yield THEN
    assert seen.letters == [("transition", "there is no transition from deleted to rated")] * 2
    assert seen.events() == ["1 create received"]


@rule
def test_a_description_of_a_rating_replaces_the_usage_s_and_none_keeps_it(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60", description="A call, priced")
    it.rated("rerated", "changed", 2, "0.70")

    seen = yield THEN
    assert seen.usage()["description"] == "A call, priced"


# ---- bills ----


@rule
def test_a_bill_without_ratings_keeps_those_of_the_usage_and_marks_each_as_billed(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60")
    it.rated("rerated", "changed", ratings=[price(it.record, 2, "0.70"), price(it.record, 3, "0.80")])
    yield
    it.rated("billed", "changed")
    it.rated("billed", "duplicate")

    seen = yield THEN
    assert seen.prices() == [("0.7", True), ("0.8", True)]
    assert seen.events()[-1] == "4 rerated to billed"


@rule
def test_a_bill_with_ratings_replaces_those_of_the_usage(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60")
    it.rated("billed", "changed", ratings=[{**price(it.record, 1, "0.65"), "isBilled": True}])

    seen = yield THEN
    assert seen.prices() == [("0.65", True)]


@rule
def test_a_bill_on_an_old_price_is_a_conflict(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 1, "0.60")
    it.rated("rerated", "changed", 2, "0.70")
    yield
    it.rated("billed", "dead", 1, "0.60", reason="conflict")

    seen = yield THEN
    assert seen.reasons == ["conflict"]
    assert seen.status() == "rerated"
    assert seen.prices() == [("0.7", False)]


@rule
def test_a_bill_on_a_price_as_old_as_the_usage_s_is_taken(it):
    it.raw("created")
    yield
    it.rated("rated", "changed", 2, "0.60")
    it.rated("billed", "changed", 2, "0.60")

    seen = yield THEN
    assert seen.events() == ["1 create received", "2 received to rated", "3 rated to billed"]


@rule
def test_a_bill_without_ratings_of_a_usage_that_has_none_is_incomplete_whatever_its_state(it):
    waits = it.rated("billed", "parked")
    records = yield from usages_in(it, {state: state for state in ("received", "guided", "rejected", "recycled")})
    for record in records.values():
        it.rated("billed", "dead", record=record, reason="incomplete")
    it.rated("billed", "dead", record=it.another(), with_usage=True, reason="incomplete")
    it.raw("created")
    it.ends(waits, "incomplete")

    seen = yield THEN
    assert seen.reasons == ["incomplete"] * 6
    assert seen.status() == "received"


@rule
def test_a_price_without_what_it_needs_is_incomplete_at_once(it):
    for missing in ("ratingDate", "taxExcludedRatingAmount", "taxIncludedRatingAmount", "taxRate", "productRef"):
        rating = price(it.record, 1, "0.60")
        del rating[missing]
        it.rated("rated", "dead", ratings=[price(it.record, 1, "0.60"), rating], reason="incomplete")
    it.rated("rated", "dead", reason="incomplete")
    yield
    it.raw("created")

    seen = yield THEN
    assert seen.reasons == ["incomplete"] * 6
    assert seen.status() == "received"


# ---- order ----


@rule
def test_ratings_of_one_partition_act_in_the_order_in_which_they_lie_there(it):
    it.raw("created")
    yield
    for number in range(20):
        it.rated("rated" if number % 2 == 0 else "rerated", "changed", 1, str(number))

    seen = yield THEN
    assert [line.split(" ", 1)[1] for line in seen.events()[2:]] == ["rated to rerated", "rerated to rated"] * 9 + [
        "rated to rerated"]
    assert seen.prices() == [("19", False)]


def test_the_rules_hold_together(played):
    """Content, events, dead letters, parked ratings, marks and the account of all rules, by the ledger."""
    assert not played.problems, "\n".join(played.problems)


def test_the_service_died_at_each_place_while_the_rules_were_played(played):
    assert set(played.fired) == {*(place for places in STEP_PLACES for place in places), *SWEEP_PLACES}


def test_raw_records_of_a_batch_act_before_its_ratings(scene, publisher, settled_and_right):
    """Of all its partitions: none of the ratings is parked. The batch waits for all that is there."""
    service = scene.service(settings={**QUICK, "batch.wait-ms": 3000})
    service.migrate()
    source = Records(1)
    records = source.take(40)
    for number, record in enumerate(records):
        publisher.rated(source.rating_of(record), partition=number % 4, expect="changed")
    publisher.flush()
    publisher.raws(records, writer=ROAMING)
    publisher.flush()
    point = Failpoint(scene, "before-commit", "kill", 1)
    service.start(wait=False, env=point.env)
    until(f"{point} fires", lambda: point.fired() and not service.alive(), 60)

    service.start(wait=False)

    settled_and_right()
    assert outcomes(scene) == {"created": 40, "changed": 40}


def test_a_rating_that_finds_others_parked_is_applied_with_them_in_their_order(scene, publisher, settled_and_right):
    """That is so between two transactions that have missed each other, and the sweep. The bill is parked, and what it is for
    comes last."""
    service = scene.service(settings={**QUICK, "workers": 2})
    service.migrate()
    source = Records(2)
    records = source.take(10)
    with unswept(scene):
        service.start()
        with held(scene, "source_outcome"):
            with publisher.together():  # a usage of a second batch would find its bill parked
                publisher.raws(records, partition=0)
                for record in records:
                    publisher.rated(source.rating_of(record, status="billed", ratedProductUsage=[price(record, 9, "0.90")]),
                                    partition=2, expect="parked")
            until("two transactions are open", lambda: held_up(scene) == 2, 15)
        until("the bills are parked", lambda: outcomes(scene) == {"created": 10, "parked": 10})
        service.stop()
        for record in records:
            publisher.rated(source.rating_of(record, ratedProductUsage=[price(record, 1, "0.60")]), expect="changed")
            publisher.ledger.usages[id_of(record)].ratings.reverse()
        publisher.flush()
        point = Failpoint(scene, "before-commit", "kill", 1)
        service.start(wait=False, env=point.env)
        until(f"{point} fires", lambda: point.fired() and not service.alive(), 60)

        service.start(wait=False)

        settled_and_right()
    with scene.connect() as db:
        assert db.execute("SELECT DISTINCT status, revision FROM usage").fetchall() == [("billed", 3)]
        assert db.execute("SELECT outcome, sum(records)::int FROM parked_outcome GROUP BY 1").fetchall() == [("changed", 10)]
