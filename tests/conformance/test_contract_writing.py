"""Section 6 of the HTTP contract (docs/http.md): POST, PATCH, ETag, DELETE, Idempotency-Key.

With flow/test_http_write, which has the first half of the rules, and their events; flow/test_http_idempotency: how long a key
is kept.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib.http import BASE, client_of
from lib.identity import usage_id
from lib.writing import DATE, RATING
from rig.wait import until

RESOURCES = pytest.mark.parametrize("path, body", [("/usage", {"usageSpecification": {"id": "x"}}),
                                                   ("/usageSpecification", {"name": "x"})])
UNKNOWN = "01a20779-75ca-882e-8c96-86cbff439931"


def key_of(record_id, source="partner-6"):
    return [{"name": "sourceSystem", "value": source}, {"name": "sourceRecordId", "value": record_id}]


def total(writing, path):
    return writing.get(f"{path}?limit=0").total()


# --- POST ---


@RESOURCES
def test_a_body_is_one_object(writing, path, body):
    before = total(writing, path)
    for other in ([body], [], "x", 1, None, True):
        writing.send("POST", path, other if other is not None else b"null").is_error(400)
    assert total(writing, path) == before


@RESOURCES
@pytest.mark.parametrize("name", ["id", "href"])
def test_id_and_href_in_a_body_are_400(writing, path, body, name):
    made = writing.send("POST", path, body).json()
    for value in ("x", None, made[name]):
        assert name in writing.send("POST", path, {**body, name: value}).is_error(400)
        assert name in writing.send("PATCH", f"{path}/{made['id']}", {name: value}).is_error(400)


@RESOURCES
def test_two_posts_make_two(writing, path, body):
    before = total(writing, path)

    ids = {writing.send("POST", path, body).json()["id"] for _ in range(2)}

    assert len(ids) == 2 and total(writing, path) == before + 2


def test_a_natural_key_needs_a_date_and_both_texts(writing):
    whole = {"usageDate": DATE, "usageSpecification": {"id": "x"}, "usageCharacteristic": key_of("whole")}
    assert writing.post(whole).json()["id"] == usage_id("partner-6", "whole", 1795162530250)
    assert f"{writing.public}/usage/" in writing.post({**whole, "description": "other content"}).is_error(409)

    for poor in ({"usageDate": DATE, "usageCharacteristic": key_of("poor")[:1]}, {"usageDate": DATE, "usageCharacteristic": key_of(7)},
                 {"usageDate": DATE, "usageCharacteristic": key_of("poor", True)}, {"usageCharacteristic": key_of("poor")}):
        made = [writing.made(**poor) for _ in range(2)]
        assert made[0]["id"] != made[1]["id"], poor


def test_a_date_cut_to_milliseconds_is_part_of_the_natural_key(writing):
    body = {"usageSpecification": {"id": "x"}, "usageCharacteristic": key_of("cut")}
    made = writing.post({**body, "usageDate": "2026-11-20T08:15:30.2509999Z"}).json()

    assert made["id"] == usage_id("partner-6", "cut", 1795162530250)
    writing.post({**body, "usageDate": "2026-11-20T16:15:30.25+08:00"}).is_error(409)


def test_without_a_date_a_usage_is_of_the_time_of_the_request(writing):
    with writing.scene.connect() as db:
        def clock():
            return db.execute("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')").fetchone()[0]

        before, made, after = clock(), writing.made(), clock()

    assert before <= made["usageDate"] <= after


@pytest.mark.parametrize("date", ["2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"])
def test_a_date_outside_the_window_is_400(writing, date):
    assert "usageDate" in writing.post({"usageSpecification": {"id": "x"}, "usageDate": date}).is_error(400)


@RESOURCES
def test_what_would_make_too_long_an_event_is_400(writing, path, body):
    made = writing.send("POST", path, body).json()
    long = {"description": "x" * (1000 * 1000)}

    for answer in (writing.send("POST", path, {**body, **long}), writing.send("PATCH", f"{path}/{made['id']}", long)):
        assert "event.max-bytes" in answer.is_error(400)
    assert writing.get(f"{path}/{made['id']}").json() == made


def test_the_natural_key_of_a_deleted_usage_is_409(writing):
    body = {"usageDate": DATE, "usageSpecification": {"id": "x"}, "usageCharacteristic": key_of("deleted")}
    made = writing.post(body).json()
    assert writing.send("DELETE", f"/usage/{made['id']}").status == 204

    writing.post(body).is_error(409)

    writing.get(f"/usage/{made['id']}").is_error(404)


# --- Idempotency-Key ---


@RESOURCES
def test_the_same_key_and_body_bring_the_first_answer_back(writing, path, body):
    key = {"Idempotency-Key": f"first{path}"}
    first = writing.send("POST", path, body, key)
    before = total(writing, path)

    for _ in range(2):
        again = writing.send("POST", path, body, key)
        assert (again.status, again.text) == (201, first.text)
        assert [again.header(name) for name in ("Location", "ETag")] == [first.header("Location"), '"1"']
    assert total(writing, path) == before


def test_the_same_key_with_another_body_or_for_another_resource_is_422(writing):
    body = {"usageSpecification": {"id": "x"}, "name": "good for either"}
    for path, other in (("/usage", "/usageSpecification"), ("/usageSpecification", "/usage")):
        key = {"Idempotency-Key": f"other{path}"}
        assert writing.send("POST", path, body, key).status == 201

        writing.send("POST", path, {**body, "description": "x"}, key).is_error(422)
        writing.send("POST", other, body, key).is_error(422)


@RESOURCES
def test_while_the_first_with_a_key_still_runs_another_is_409(writing, path, body):
    key = {"Idempotency-Key": f"runs{path}"}
    client = client_of(writing.service)

    def first():
        head = {"Content-Type": "application/json", **key}
        return client.ask("POST", BASE + path, json.dumps(body).encode(), head)

    with ThreadPoolExecutor(1) as pool, writing.scene.connect() as watch:
        with writing.scene.connect() as db, db.transaction():
            db.execute("LOCK TABLE idempotency IN SHARE MODE")  # its answer cannot be kept yet
            running = pool.submit(first)
            until("the first has made it", lambda: watch.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
                "AND query LIKE 'INSERT INTO idempotency%'").fetchone()[0] == 1)
            refused = writing.send("POST", path, body, key)
        answer = running.result()
    client.close()

    assert "Idempotency-Key" in refused.is_error(409)
    assert answer.status == 201
    assert writing.send("POST", path, body, key).text == answer.text


@RESOURCES
def test_a_first_attempt_that_was_refused_is_not_kept(writing, path, body):
    key = {"Idempotency-Key": f"refused{path}"}
    writing.send("POST", path, {**body, "description": 1}, key).is_error(400)
    writing.send("POST", path, {}, key).is_error(400)

    made = writing.send("POST", path, body, key)

    assert made.status == 201 and writing.send("POST", path, body, key).text == made.text


def test_a_first_attempt_that_found_its_natural_key_taken_is_not_kept(writing):
    body = {"usageDate": DATE, "usageSpecification": {"id": "x"}, "usageCharacteristic": key_of("taken")}
    assert writing.post(body).status == 201

    for _ in range(2):
        writing.post(body, Idempotency_Key="taken").is_error(409)
    assert writing.post({"usageSpecification": {"id": "x"}}, Idempotency_Key="taken").status == 201


@pytest.mark.parametrize("key", ["", "x" * 300])
def test_a_key_that_is_empty_or_too_long_is_400(writing, key):
    assert "Idempotency-Key" in writing.post({"usageSpecification": {"id": "x"}}, Idempotency_Key=key).is_error(400)


# --- PATCH ---


@pytest.mark.parametrize("kind", ["application/json", "application/merge-patch+json"])
@RESOURCES
def test_a_patch_replaces_removes_and_lets_be(writing, path, body, kind):
    parties = [{"id": "a", "@referredType": "Customer"}, {"id": "b", "@referredType": "Customer"}]
    made = writing.send("POST", path, {**body, "description": "before", "@baseType": "B", "relatedParty": parties,
                                       "x": {"a": 1, "b": [1, 2]}}).json()

    answer = writing.send("PATCH", f"{path}/{made['id']}", {"description": "after", "@baseType": None, "relatedParty": parties[1:],
                                                            "x": {"a": None, "b": [3]}, "y": 2}, kind=kind)

    assert answer.status == 200
    changed = answer.json()
    expected = {**made, "description": "after", "relatedParty": parties[1:], "x": {"b": [3]}, "y": 2}
    del expected["@baseType"]
    assert {**changed, "lastUpdate": ""} == {**expected, "lastUpdate": ""}
    assert writing.get(f"{path}/{made['id']}").json() == changed


@RESOURCES
def test_an_empty_array_empties(writing, path, body):
    made = writing.send("POST", path, body).json()
    one = f"{path}/{made['id']}"
    writing.send("PATCH", one, {"relatedParty": [{"id": "a", "@referredType": "Customer"}]})

    emptied = writing.send("PATCH", one, {"relatedParty": []}).json()

    assert set(emptied) == set(made) and "relatedParty" not in emptied
    assert writing.send("PATCH", one, {"relatedParty": []}).header("ETag") == '"3"'
    assert "relatedParty" not in writing.send("POST", path, {**body, "relatedParty": []}).json()


@RESOURCES
def test_a_json_patch_is_415_with_accept_patch(writing, path, body):
    made = writing.send("POST", path, body).json()

    answer = writing.send("PATCH", f"{path}/{made['id']}", [{"op": "replace", "path": "/description", "value": "x"}],
                          kind="application/json-patch+json")

    answer.is_error(415)
    assert answer.header("Accept-Patch") == "application/merge-patch+json, application/json"


@pytest.mark.parametrize("name", ["status", "usageDate", "usageSpecification"])
def test_null_for_what_must_stay_is_400(writing, name):
    usage = writing.made(usageDate=DATE)

    assert name in writing.patch(usage["id"], {name: None}).is_error(400)

    assert writing.get(f"/usage/{usage['id']}").json() == usage


@pytest.mark.parametrize("patch, words", [
    ({"relatedParty": [{"id": "p"}]}, "@referredType"), ({"usageCharacteristic": [{"name": "a"}]}, "value"),
    ({"usageSpecification": {"id": None}}, "usageSpecification.id"), ({"ratedProductUsage": [{"taxRate": "6"}]}, "taxRate"),
    ({"ratedProductUsage": None}, "ratedProductUsage"), ({"ratedProductUsage": [{**RATING, "productRef": {}}]}, "productRef.id"),
    ({"usageType": "x" * 65}, "usageType"), ({"status": "guided", "ratedProductUsage": []}, None)])
def test_the_merged_result_is_checked_not_the_patch_alone(writing, patch, words):
    usage = writing.made(status="rated", usageDate=DATE)

    answer = writing.patch(usage["id"], patch)

    if words:
        assert words in answer.is_error(400)
    else:
        answer.is_error(409)  # sound by itself, and no transition
    assert writing.get(f"/usage/{usage['id']}").json() == usage


def test_a_patch_inside_an_object_is_merged_with_what_is_there(writing):
    usage = writing.made(usageSpecification={"id": "x", "name": "n", "x-more": 1})

    made = writing.patch(usage["id"], {"usageSpecification": {"name": "m"}}).json()

    assert made["usageSpecification"] == {"id": "x", "name": "m", "x-more": 1}


def test_the_date_of_a_usage_may_be_written_otherwise_but_not_become_another(writing):
    usage = writing.made(usageDate=DATE)

    same = writing.patch(usage["id"], {"usageDate": "2026-11-20T16:15:30.2504+08:00"})

    assert same.status == 200 and same.json() == usage and same.header("ETag") == '"1"'
    assert "usageDate" in writing.patch(usage["id"], {"usageDate": "2026-11-20T08:15:30.251Z"}).is_error(400)


def test_the_natural_key_stays_and_characteristics_beside_it_may_change(writing):
    usage = writing.made(usageDate=DATE, usageCharacteristic=key_of("stays"))

    for changed in (key_of("other"), key_of("stays", "other"), key_of("stays")[:1], [], None):
        assert "source" in writing.patch(usage["id"], {"usageCharacteristic": changed}).is_error(400)

    assert writing.patch(usage["id"], {"usageCharacteristic": [{"name": "a", "value": 1}, *key_of("stays")]}).status == 200
    free = writing.made(usageDate=DATE, usageCharacteristic=key_of(7))
    assert writing.patch(free["id"], {"usageCharacteristic": key_of("now")}).status == 200


@RESOURCES
def test_what_says_the_same_in_other_words_is_no_change(writing, path, body):
    """A client that sends back what it has read may have ordered the members, and shortened the numbers, by its own rules."""
    made = writing.send("POST", path, {**body, "relatedParty": [{"id": "p", "role": "r", "@referredType": "Customer"}],
                                       "x": [{"a": 1, "b": 2}]}).json()

    answer = writing.send("PATCH", f"{path}/{made['id']}", {"x": [{"b": 2.0, "a": 1}],
                                                            "relatedParty": [{"@referredType": "Customer", "role": "r", "id": "p"}]})

    assert answer.status == 200 and answer.json() == made and answer.header("ETag") == '"1"'
    writing.events(made["id"], 1)


@RESOURCES
def test_an_extension_without_a_name_is_patched_as_any_other(writing, path, body):
    made = writing.send("POST", path, body).json()

    answer = writing.send("PATCH", f"{path}/{made['id']}", {"": 1})

    assert answer.status == 200 and answer.json()[""] == 1 and answer.header("ETag") == '"2"'
    assert writing.events(made["id"], 2)[1]["fieldPath"] == '""'


def test_each_event_of_a_usage_says_the_same_source_and_record(writing):
    """Characteristics may occur more than once; the first of a name is part of the key."""
    twice = [*key_of("correlated"), *key_of("another", "another"), *key_of("")]
    usage = writing.made(usageDate=DATE, usageCharacteristic=twice)
    assert usage["id"] == usage_id("partner-6", "correlated", 1795162530250)
    writing.patch(usage["id"], {"description": "x"})
    writing.send("DELETE", f"/usage/{usage['id']}")

    assert [one["correlationId"] for one in writing.events(usage["id"], 3)] == ["partner-6/correlated"] * 3


# --- ETag, DELETE ---


@RESOURCES
def test_get_post_and_patch_answer_the_revision_as_etag(writing, path, body):
    posted = writing.send("POST", path, body)
    one = f"{path}/{posted.json()['id']}"

    tags = [posted.header("ETag"), writing.get(one).header("ETag")]
    for text in ("a", "a", "b"):
        tags += [writing.send("PATCH", one, {"description": text}).header("ETag"), writing.get(one).header("ETag")]

    assert tags == ['"1"', '"1"', '"2"', '"2"', '"2"', '"2"', '"3"', '"3"']


@RESOURCES
def test_a_stale_if_match_is_412_and_a_right_one_is_not(writing, path, body):
    made = writing.send("POST", path, body).json()
    one = f"{path}/{made['id']}"

    for stale in ('"2"', '"0"', '1', 'W/"1"', '"1', '"x"', '"2", "3"', ""):
        writing.send("PATCH", one, {"description": "x"}, {"If-Match": stale}).is_error(412)
        writing.send("DELETE", one, headers={"If-Match": stale}).is_error(412)
    assert writing.get(one).json() == made

    for right, text in (('"1"', "a"), ('"7", "2"', "b"), ("*", "c")):
        assert writing.send("PATCH", one, {"description": text}, {"If-Match": right}).status == 200
    assert writing.send("DELETE", one, headers={"If-Match": '"4"'}).status == 204


def test_a_stale_if_match_is_412_before_the_transition_and_the_bill_are_looked_at(writing):
    received, billed = writing.made()["id"], writing.made(status="billed")["id"]

    for usage, patch in ((received, {"status": "billed", "ratedProductUsage": [RATING]}), (billed, {"description": "x"}),
                         (received, {"usageDate": "2026-11-20T00:00:00Z"})):
        writing.patch(usage, patch, headers={"If-Match": '"9"'}).is_error(412)
    writing.send("DELETE", f"/usage/{billed}", headers={"If-Match": '"9"'}).is_error(412)


@RESOURCES
def test_an_unknown_id_is_404_whatever_if_match_says(writing, path, body):
    for one in (UNKNOWN, "odd", "a%2Fb", "%zz", "%00", "%ff"):
        for match in ('"1"', "*", "x"):
            writing.send("PATCH", f"{path}/{one}", {"description": "x"}, {"If-Match": match}).is_error(404)
            writing.send("DELETE", f"{path}/{one}", headers={"If-Match": match}).is_error(404)


@RESOURCES
def test_a_second_delete_is_404(writing, path, body):
    one = f"{path}/{writing.send('POST', path, body).json()['id']}"

    first = writing.send("DELETE", one)

    assert (first.status, first.text) == (204, "")
    writing.send("DELETE", one).is_error(404)
    writing.send("PATCH", one, {"description": "x"}).is_error(404)
    writing.get(one).is_error(404)
