"""Section 4 of the HTTP contract (docs/http.md): the seven states, every transition over HTTP, and what a price needs.

The roads of records, where a rated one may meet a usage that is received only (D*) and a late copy is a duplicate:
flow/test_outcomes. Two PATCHes at once: flow/test_http_write.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib.expect import parse_json
from lib.http import BASE, client_of
from lib.writing import PRICED, RATING

STATES = ("received", "rejected", "recycled", "guided", "rated", "rerated", "billed")
LATER = {**RATING, "ratingDate": "2026-11-21T00:00:00.000Z"}
DEFAULTS = {"usageRatingTag": "usage", "isBilled": False, "ratingAmountType": "Total", "isTaxExempt": False,
            "offerTariffType": "Normal"}
NEEDED = ("ratingDate", "taxExcludedRatingAmount", "taxIncludedRatingAmount", "taxRate", "productRef")
# The rows of the table. A state that stays is no transition.
ALLOWED = {"received": {"guided", "rejected"}, "guided": {"rated", "rejected"}, "rejected": {"recycled"},
           "recycled": {"guided", "rejected"}, "rated": {"rerated", "billed"}, "rerated": {"rated", "billed"}, "billed": set()}
TRANSITIONS = [(start, to) for start in STATES for to in STATES if start != to]


def exact(ratings):
    """As an answer has them: numbers are decimals."""
    return parse_json(json.dumps(ratings))


def body_of(to):
    return {"status": to, **({"ratedProductUsage": [LATER]} if to in PRICED else {})}


@pytest.mark.parametrize("status", STATES)
def test_a_usage_may_be_created_in_each_state(writing, status):
    made = writing.made(status=status)

    assert made["status"] == status and writing.get(f"/usage/{made['id']}").json() == made


def test_a_usage_that_is_created_in_any_state_has_a_create_event_only(writing):
    made = {writing.made(status=status)["id"]: status for status in STATES}

    found = writing.events_of(dict.fromkeys(made, 1))

    assert {usage: (event["eventType"], event["event"]["usage"]["status"]) for usage, (event,) in found.items()} == {
        usage: ("UsageCreateEvent", status) for usage, status in made.items()}


def test_without_a_status_a_usage_is_received(writing):
    assert writing.made()["status"] == "received"


@pytest.mark.parametrize("status", ["Received", "RATED", "Rated", "rerate", "Rerate", "Billed", "initialized", " rated", "", 1, None,
                                    ["rated"]])
def test_no_other_status_is_accepted(writing, status):
    usage = writing.made(status="guided")

    assert "status" in writing.post({"usageSpecification": {"id": "x"}, "status": status}).is_error(400)
    assert "status" in writing.patch(usage["id"], {"status": status, "ratedProductUsage": [RATING]}).is_error(400)

    assert writing.get(f"/usage/{usage['id']}").json() == usage


@pytest.mark.parametrize("start, to", [(start, to) for start, to in TRANSITIONS if to in ALLOWED[start]])
def test_a_transition_of_the_table_is_made_with_one_state_change_event(writing, start, to):
    usage = writing.made(status=start)

    answer = writing.patch(usage["id"], {**body_of(to), "description": "changed with it"})

    assert answer.status == 200 and answer.header("ETag") == '"2"'
    assert answer.json()["status"] == to and answer.json()["description"] == "changed with it"
    assert writing.get(f"/usage/{usage['id']}").json() == answer.json()
    _, event = writing.events(usage["id"], 2)
    assert (event["eventType"], event["previousStatus"], event["event"]["usage"]["status"]) == ("UsageStateChangeEvent", start, to)


@pytest.mark.parametrize("start, to", [(start, to) for start, to in TRANSITIONS if to not in ALLOWED[start]])
def test_any_other_transition_is_409_and_changes_nothing(writing, start, to):
    usage = writing.made(status=start)

    message = writing.patch(usage["id"], body_of(to)).is_error(409)

    assert start in message
    read = writing.get(f"/usage/{usage['id']}")
    assert read.json() == usage and read.header("ETag") == '"1"'


def test_what_was_refused_has_no_event(writing):
    made = {}
    for start, to in TRANSITIONS:
        if to not in ALLOWED[start]:
            usage = writing.made(status=start)["id"]
            writing.patch(usage, body_of(to)).is_error(409)
            made[usage] = 1

    writing.events_of(made)


@pytest.mark.parametrize("status", STATES)
def test_the_same_status_is_no_transition(writing, status):
    usage = writing.made(status=status)

    same = writing.patch(usage["id"], {"status": status})
    changed = writing.patch(usage["id"], {"status": status, "description": "x"})

    assert same.status == 200 and same.json() == usage and same.header("ETag") == '"1"'
    if status == "billed":
        changed.is_error(409)
        writing.events(usage["id"], 1)
    else:
        assert changed.status == 200
        assert writing.events(usage["id"], 2)[1]["eventType"] == "UsageAttributeValueChangeEvent"


def test_a_second_rerating_is_a_change_of_an_attribute(writing):
    usage = writing.made(status="rerated")

    answer = writing.patch(usage["id"], {"status": "rerated", "ratedProductUsage": [LATER]})

    assert answer.status == 200 and answer.json()["ratedProductUsage"] == exact([{**LATER, **DEFAULTS}])
    _, event = writing.events(usage["id"], 2)
    assert (event["eventType"], event["fieldPath"]) == ("UsageAttributeValueChangeEvent", "ratedProductUsage")


def test_changes_at_once_each_pass_the_check_of_the_state_that_they_find(writing):
    clients = [client_of(writing.service) for _ in range(4)]
    wishes = ["guided", "rejected", "recycled", "guided"]
    made, changed = [], {}

    def patch(client, usage, status):
        return client.ask("PATCH", f"{BASE}/usage/{usage}", json.dumps({"status": status}).encode(), {"Content-Type": "application/json"})

    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(25):
            made.append(writing.made()["id"])
            answers = list(pool.map(patch, clients, [made[-1]] * len(clients), wishes))
            assert {answer.status for answer in answers} <= {200, 409}
            changed[made[-1]] = max(int(answer.header("ETag")[1:-1]) for answer in answers if answer.status == 200)
    for client in clients:
        client.close()

    for usage, (_, *steps) in writing.events_of(changed).items():
        state = "received"
        for step in steps:
            assert step["previousStatus"] == state and step["event"]["usage"]["status"] in ALLOWED[state], usage
            state = step["event"]["usage"]["status"]


@pytest.mark.parametrize("lacking", NEEDED)
@pytest.mark.parametrize("status", PRICED)
def test_a_price_that_lacks_what_it_needs_is_400(writing, status, lacking):
    poor = {name: value for name, value in RATING.items() if name != lacking}
    usage = writing.made(status={"rated": "guided", "rerated": "rated", "billed": "rated"}[status])

    for ratings in ([poor], [RATING, poor]):
        posted = writing.post({"usageSpecification": {"id": "x"}, "status": status, "ratedProductUsage": ratings})
        assert lacking in posted.is_error(400)
        assert lacking in writing.patch(usage["id"], {"status": status, "ratedProductUsage": ratings}).is_error(400)

    assert writing.get(f"/usage/{usage['id']}").json() == usage


@pytest.mark.parametrize("status", PRICED)
def test_a_price_without_a_rating_is_400(writing, status):
    usage = writing.made(status=status)

    for ratings in ({}, {"ratedProductUsage": []}):
        message = writing.post({"usageSpecification": {"id": "x"}, "status": status, **ratings}).is_error(400)
        assert "ratedProductUsage" in message
    for ratings in ([], None):
        assert "ratedProductUsage" in writing.patch(usage["id"], {"ratedProductUsage": ratings}).is_error(400)
    guided = writing.made(status="guided")
    assert "ratedProductUsage" in writing.patch(guided["id"], {"status": "rated"}).is_error(400)


@pytest.mark.parametrize("status", PRICED)
def test_a_price_gets_the_defaults_of_what_it_does_not_say(writing, status):
    own = {"usageRatingTag": "included usage", "isBilled": True, "ratingAmountType": "Part", "isTaxExempt": True,
           "offerTariffType": "Holiday"}

    made = writing.made(status=status, ratedProductUsage=[RATING, {**RATING, **own}])

    assert made["ratedProductUsage"] == exact([{**RATING, **DEFAULTS}, {**RATING, **own}])


@pytest.mark.parametrize("status", [one for one in STATES if one not in PRICED])
def test_a_rating_of_a_usage_without_a_price_is_checked_by_type_only_and_gets_no_defaults(writing, status):
    for rating in ({}, {"taxRate": 6}, {"productRef": {"id": "p"}}):
        assert writing.made(status=status, ratedProductUsage=[rating])["ratedProductUsage"] == [rating]
    message = writing.post({"usageSpecification": {"id": "x"}, "status": status, "ratedProductUsage": [{"taxRate": "6"}]}).is_error(400)
    assert "ratedProductUsage[0].taxRate" in message


@pytest.mark.parametrize("patch", [{"description": "x"}, {"relatedParty": []}, {"ratedProductUsage": [LATER]}, {"x": 1},
                                   *({"status": status} for status in STATES if status not in ("billed", *PRICED))])
def test_a_billed_usage_takes_no_change(writing, patch):
    usage = writing.made(status="billed", relatedParty=[{"id": "p", "@referredType": "Customer"}])

    writing.patch(usage["id"], patch).is_error(409)
    writing.send("DELETE", f"/usage/{usage['id']}").is_error(409)

    assert writing.get(f"/usage/{usage['id']}").json() == usage
    for nothing in ({}, {"status": "billed"}, {"description": None}, {"ratedProductUsage": usage["ratedProductUsage"]}):
        assert writing.patch(usage["id"], nothing).json() == usage
