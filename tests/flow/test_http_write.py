"""What is written over HTTP: POST, PATCH and DELETE of usages and specifications, each with its event, once."""

import json
import os
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import readme, swagger
from lib.expect import instant
from lib.http import BASE, Client, client_of
from lib.identity import event_id, usage_id
from lib.publish import Publisher
from lib.records import Records, id_of
from lib.settle import wait_settled
from lib.writing import DATE, RATING, Writing


@pytest.fixture(scope="module")
def writing(rig):
    made = Writing(rig.scene("write"))
    yield made
    made.close()


# --- POST ---


def test_a_usage_with_only_a_specification_is_created(writing):
    answer = writing.post({"usageSpecification": {"id": "x"}})

    assert answer.status == 201
    made = answer.json()
    assert swagger.faults("Usage", made) == []
    assert made["status"] == "received" and made["usageSpecification"] == {"id": "x"}
    assert answer.header("Location") == made["href"] == f"{writing.service.base}/usage/{made['id']}"
    assert answer.header("ETag") == '"1"'
    assert writing.client.get(f"/usage/{made['id']}").json() == made
    event, = writing.events(made["id"], 1)
    assert event["eventType"] == "UsageCreateEvent" and event["eventId"] == event_id(made["id"], 1)
    assert event["correlationId"] is None


def test_two_posts_make_two_usages(writing):
    assert writing.made()["id"] != writing.made()["id"]


def test_a_post_with_a_natural_key_has_its_id_and_the_second_is_409_with_the_href(writing):
    body = {"usageDate": DATE, "usageSpecification": {"id": "x"}, "usageCharacteristic": [
        {"name": "sourceSystem", "value": "partner-1"}, {"name": "sourceRecordId", "value": "r-1"}]}

    made = writing.post(body).json()
    again = writing.post(body)

    assert made["id"] == usage_id("partner-1", "r-1", 1795162530250)
    assert made["href"] in again.is_error(409)
    event, = writing.events(made["id"], 1)
    assert event["correlationId"] == "partner-1/r-1"


def test_a_month_that_was_dropped_behind_the_services_back_is_made_again(writing):
    """As retention does: each thread remembers the partitions that it has seen."""
    ms = 1788602400000  # in September
    date = instant(ms)
    gone = [writing.made(usageDate=date)["id"] for _ in range(8)]
    with writing.scene.connect() as db:
        name, = db.execute("SELECT name FROM usage_partitions() WHERE low_ms <= %(ms)s AND %(ms)s < high_ms",
                           {"ms": ms}).fetchone()
        db.execute(f"DROP TABLE {name}")

    made = [writing.made(usageDate=date)["id"] for _ in range(8)]

    assert all(writing.get(f"/usage/{usage}").status == 200 for usage in made)
    assert all(writing.get(f"/usage/{usage}").status == 404 for usage in gone)


def test_unknown_attributes_come_back_unchanged(writing):
    body = {"usageSpecification": {"id": "x", "more": [1, {"a": None}]}, "@type": "VoiceUsage", "@baseType": "Usage",
            "x-cell": {"lac": 1.50, "deep": [True, None]},
            "relatedParty": [{"id": "p", "@referredType": "Customer", "@type": "Party"}]}

    made = writing.post(body).json()

    assert {name: made[name] for name in body} == body
    assert writing.client.get(f"/usage/{made['id']}").json() == made


def test_money_and_long_numbers_keep_their_digits(writing):
    text = ('{"usageSpecification":{"id":"x"},"usageCharacteristic":[{"name":"n","value":12345678901234567890.10}],'
            '"x-n":1e400,"status":"guided","ratedProductUsage":[{"taxExcludedRatingAmount":{"unit":"CNY",'
            '"value":169299987.35345112}}]}')

    answer = writing.client.ask("POST", BASE + "/usage", text.encode(), {"Content-Type": "application/json"})

    assert answer.status == 201, answer
    for digits in ("12345678901234567890.10", "1e400", "169299987.35345112"):
        assert digits in answer.text


@pytest.mark.parametrize("body, words", [
    ([], "object"), ({}, "usageSpecification"), ({"usageSpecification": {}}, "usageSpecification.id"),
    ({"usageSpecification": {"id": "x"}, "id": "1"}, "id"), ({"usageSpecification": {"id": "x"}, "href": "http://x"}, "href"),
    ({"usageSpecification": {"id": "x"}, "status": "Rated"}, "status"),
    ({"usageSpecification": {"id": "x"}, "description": None}, "description"),
    ({"usageSpecification": {"id": "x"}, "relatedParty": [{"id": "p"}]}, "relatedParty[0].@referredType"),
    ({"usageSpecification": {"id": "x"}, "usageDate": "yesterday"}, "usageDate"),
    ({"usageSpecification": {"id": "x"}, "usageDate": "2001-01-01T00:00:00Z"}, "usageDate"),
    ({"usageSpecification": {"id": "x"}, "status": "rated"}, "ratedProductUsage"),
])
def test_a_body_that_cannot_be_is_400_and_names_the_attribute(writing, body, words):
    before = writing.client.get("/usage?limit=0").total()

    assert words in writing.post(body).is_error(400)

    assert writing.client.get("/usage?limit=0").total() == before


@pytest.mark.parametrize("text, words", [
    (b"", ""), (b"{", ""), (b'{"usageSpecification":{"id":"x"},"usageSpecification":{"id":"y"}}', "usageSpecification"),
    (b'{"usageSpecification":{"id":"\xff"}}', ""), (b'{"usageSpecification":{"id":"x"}} {}', ""),
    (b"[" * 5000, ""),
])
def test_a_body_that_is_no_json_object_is_400(writing, text, words):
    answer = writing.client.ask("POST", BASE + "/usage", text, {"Content-Type": "application/json"})

    assert words in answer.is_error(400)


def test_a_body_over_the_limit_is_413(writing):
    body = {"usageSpecification": {"id": "x"}, "description": "x" * (1 << 20)}

    writing.post(body).is_error(413)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json5", "application/jsonp"])
def test_another_media_type_is_415(writing, kind):
    writing.send("POST", "/usage", {"usageSpecification": {"id": "x"}}, kind=kind).is_error(415)


def test_a_usage_whose_event_would_be_too_long_is_400(writing):
    body = {"usageSpecification": {"id": "x"}, "description": "x" * (1000 * 1000)}

    assert "event.max-bytes" in writing.post(body).is_error(400)


# --- PATCH ---


def test_a_patch_of_the_status_is_one_state_change_event(writing):
    usage = writing.made(description="before")

    answer = writing.patch(usage["id"], {"status": "guided", "description": "after"})

    assert answer.status == 200 and answer.header("ETag") == '"2"'
    assert answer.json() == {**usage, "status": "guided", "description": "after"}
    _, event = writing.events(usage["id"], 2)
    assert event["eventType"] == "UsageStateChangeEvent" and event["previousStatus"] == "received"
    assert event["event"]["usage"]["revision"] == 2


def test_a_rating_over_http(writing):
    usage = writing.made(status="guided")

    answer = writing.patch(usage["id"], {"status": "rated", "ratedProductUsage": [RATING]})

    assert answer.status == 200, answer
    rating, = answer.json()["ratedProductUsage"]
    assert rating["isBilled"] is False and rating["usageRatingTag"] == "usage" and rating["offerTariffType"] == "Normal"


def test_a_patch_without_status_is_an_attribute_value_change_event_with_its_field_path(writing):
    usage = writing.made()

    writing.patch(usage["id"], {"x-new": 1, "usageType": "VOICE", "description": "d",
                                "relatedParty": [{"id": "p", "@referredType": "Customer"}]})

    _, event = writing.events(usage["id"], 2)
    assert event["eventType"] == "UsageAttributeValueChangeEvent"
    assert event["fieldPath"] == "description,usageType,relatedParty,x-new"


def test_a_patch_that_changes_nothing_is_200_without_an_event(writing):
    usage = writing.made(description="d")

    answer = writing.patch(usage["id"], {"description": "d", "absent": None})

    assert answer.status == 200 and answer.header("ETag") == '"1"' and answer.json() == usage
    writing.events(usage["id"], 1)


def test_null_removes_and_arrays_are_replaced_whole(writing):
    usage = writing.made(description="d", usageCharacteristic=[{"name": "a", "value": 1}, {"name": "b", "value": 2}],
                         more={"a": 1, "b": 2})

    made = writing.patch(usage["id"], {"description": None, "usageCharacteristic": [{"name": "c", "value": 3}],
                                       "more": {"a": None}}, kind="application/merge-patch+json").json()

    assert "description" not in made and [one["name"] for one in made["usageCharacteristic"]] == ["c"]
    assert made["more"] == {"b": 2}


@pytest.mark.parametrize("body", [{"status": None}, {"usageDate": None}, {"usageSpecification": None}, {"id": "x"},
                                  {"href": "http://x"}, {"usageDate": "2026-11-21T00:00:00Z"}, {"status": "nope"},
                                  {"usageSpecification": {"id": None}}, [], "x"])
def test_a_patch_that_cannot_be_is_400(writing, body):
    usage = writing.made(usageDate=DATE)

    writing.patch(usage["id"], body).is_error(400)

    assert writing.client.get(f"/usage/{usage['id']}").json() == usage


def test_the_parts_of_a_natural_key_stay(writing):
    names = [{"name": "sourceSystem", "value": "s"}, {"name": "sourceRecordId", "value": "patched"}]
    usage = writing.made(usageDate=DATE, usageCharacteristic=names)

    for changed in ([names[0]], [names[0], {**names[1], "value": "other"}]):
        writing.patch(usage["id"], {"usageCharacteristic": changed}).is_error(400)


def test_json_patch_is_415_with_accept_patch(writing):
    usage = writing.made()

    answer = writing.patch(usage["id"], [], kind="application/json-patch+json")

    answer.is_error(415)
    assert "application/merge-patch+json" in answer.header("Accept-Patch")


@pytest.mark.parametrize("start, to", [("received", "rated"), ("received", "billed"), ("guided", "received"),
                                       ("rejected", "guided"), ("recycled", "rated")])
def test_an_illegal_transition_is_409(writing, start, to):
    usage = writing.made(status=start)

    message = writing.patch(usage["id"], {"status": to, "ratedProductUsage": [RATING]}).is_error(409)

    assert start in message and to in message
    assert writing.client.get(f"/usage/{usage['id']}").json() == usage


def test_a_billed_usage_takes_no_change(writing):
    usage = writing.made(status="billed", ratedProductUsage=[RATING])

    writing.patch(usage["id"], {"description": "x"}).is_error(409)
    writing.send("DELETE", f"/usage/{usage['id']}").is_error(409)

    assert writing.patch(usage["id"], {"status": "billed"}).status == 200


def test_of_two_patches_at_once_one_passes_the_check(writing):
    clients = [client_of(writing.service) for _ in range(4)]

    def patch(client, usage):
        return client.ask("PATCH", f"{BASE}/usage/{usage}", b'{"status":"guided"}',
                          {"Content-Type": "application/json", "If-Match": '"1"'}).status

    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(20):
            usage = writing.made()["id"]
            statuses = Counter(pool.map(patch, clients, [usage] * len(clients)))
            assert statuses == {200: 1, 412: len(clients) - 1}
    for client in clients:
        client.close()


def test_a_stale_if_match_is_412_before_the_transition_is_looked_at(writing):
    usage = writing.made()["id"]

    writing.patch(usage, {"status": "billed"}, headers={"If-Match": '"7"'}).is_error(412)
    writing.send("DELETE", f"/usage/{usage}", headers={"If-Match": 'W/"1"'}).is_error(412)

    assert writing.patch(usage, {"status": "guided"}, headers={"If-Match": '"7", "1"'}).status == 200
    assert writing.patch(usage, {"status": "rejected"}, headers={"If-Match": "*"}).status == 200


@pytest.mark.parametrize("usage", ["01a20779-75ca-882e-8c96-86cbff439931", "odd", "%00", "%zz", "a%2Fb"])
def test_an_unknown_id_is_404(writing, usage):
    writing.patch(usage, {"status": "guided"}, headers={"If-Match": '"1"'}).is_error(404)
    writing.send("DELETE", f"/usage/{usage}").is_error(404)


# --- DELETE ---


def test_a_deleted_usage_is_gone_and_its_event_has_the_last_state(writing):
    usage = writing.made(description="last")

    answer = writing.send("DELETE", f"/usage/{usage['id']}")

    assert answer.status == 204 and answer.text == ""
    writing.client.get(f"/usage/{usage['id']}").is_error(404)
    assert writing.client.get(f"/usage?id={usage['id']}").usages() == []
    writing.send("DELETE", f"/usage/{usage['id']}").is_error(404)
    writing.patch(usage["id"], {"description": "x"}).is_error(404)
    _, event = writing.events(usage["id"], 2)
    assert event["eventType"] == "UsageDeleteEvent" and event["event"]["usage"]["description"] == "last"
    assert event["eventId"] == event_id(usage["id"], 2)


def test_a_deleted_usage_keeps_its_key(writing):
    publisher, record = Publisher(writing.scene), Records(301).next()
    publisher.raw(record)
    publisher.flush()
    wait_settled(writing.scene, publisher.ledger)
    assert writing.send("DELETE", f"/usage/{id_of(record)}").status == 204

    publisher.raw(record, expect="duplicate")
    publisher.flush()
    wait_settled(writing.scene, publisher.ledger)

    writing.client.get(f"/usage/{id_of(record)}").is_error(404)
    names = {"sourceSystem": record["source"], "sourceRecordId": record["recordId"]}
    body = {"usageDate": instant(record["usageDate"]), "usageSpecification": {"id": "x"},
            "usageCharacteristic": [{"name": name, "value": value} for name, value in names.items()]}
    writing.post(body).is_error(409)


def test_what_a_record_has_of_the_names_of_its_key_is_not_taken_for_the_key(writing):
    """The mapping adds no characteristics then (wire contract 1.5): what is stored no longer says which record it was."""
    publisher, record = Publisher(writing.scene), Records(304).next()
    record["usageCharacteristic"] = [{"name": name, "value": "its own", "valueType": "string"}
                                     for name in ("sourceSystem", "sourceRecordId")]
    publisher.raw(record)
    publisher.flush()
    wait_settled(writing.scene, publisher.ledger)

    assert writing.send("PATCH", f"/usage/{id_of(record)}", {"description": "x"}).status == 200
    assert writing.send("DELETE", f"/usage/{id_of(record)}").status == 204

    told = [event["correlationId"] for event in writing.events(id_of(record), 3)]
    assert told == [f"{record['source']}/{record['recordId']}", None, None]


# --- Idempotency-Key ---


def test_a_key_brings_the_first_answer_back_also_after_a_restart(writing):
    body = {"usageSpecification": {"id": "x"}, "description": "once"}

    first = writing.post(body, Idempotency_Key="k-1")
    again = writing.post(body, Idempotency_Key="k-1")
    writing.patch(first.json()["id"], {"status": "guided"})
    writing.service.restart()
    writing.client.close()
    later = writing.post(body, Idempotency_Key="k-1")

    assert first.status == 201
    for answer in (again, later):
        assert (answer.status, answer.text, answer.header("Location"), answer.header("ETag")) == \
            (201, first.text, first.header("Location"), '"1"')
    writing.events(first.json()["id"], 2)


def test_a_key_with_another_body_is_422(writing):
    assert writing.post({"usageSpecification": {"id": "x"}}, Idempotency_Key="k-2").status == 201

    writing.post({"usageSpecification": {"id": "y"}}, Idempotency_Key="k-2").is_error(422)


def test_a_refused_attempt_is_not_kept(writing):
    writing.post({}, Idempotency_Key="k-3").is_error(400)

    assert writing.post({"usageSpecification": {"id": "x"}}, Idempotency_Key="k-3").status == 201


def test_of_many_at_once_with_one_key_one_makes_a_usage(writing):
    clients = [client_of(writing.service) for _ in range(4)]

    def post(client, key):
        return client.ask("POST", BASE + "/usage", b'{"usageSpecification":{"id":"x"}}',
                          {"Content-Type": "application/json", "Idempotency-Key": key})

    with ThreadPoolExecutor(len(clients)) as pool:
        for turn in range(20):
            answers = list(pool.map(post, clients, [f"race-{turn}"] * len(clients)))
            made = {answer.json()["id"] for answer in answers if answer.status == 201}
            assert len(made) == 1 and {answer.status for answer in answers} <= {201, 409}
    for client in clients:
        client.close()


# --- specifications ---


def test_a_specification_lives_and_each_change_has_its_event(writing):
    answer = writing.send("POST", "/usageSpecification", {"name": "VoiceUsageSpecification", "version": "1.0",
                                                          "specCharacteristic": [{"name": "durationSeconds"}]})
    assert answer.status == 201 and answer.header("ETag") == '"1"'
    made = answer.json()
    assert swagger.faults("UsageSpecification", made) == []
    assert answer.header("Location") == made["href"] == f"{writing.service.base}/usageSpecification/{made['id']}"

    path = f"/usageSpecification/{made['id']}"
    changed = writing.send("PATCH", path, {"lifecycleStatus": "Active", "version": None, "x": 1}, {"If-Match": '"1"'})
    same = writing.send("PATCH", path, {"lifecycleStatus": "Active"})
    writing.send("PATCH", path, {"name": "x"}, {"If-Match": '"1"'}).is_error(412)
    gone = writing.send("DELETE", path)
    writing.send("DELETE", path).is_error(404)

    assert changed.status == 200 and changed.header("ETag") == '"2"'
    assert "version" not in changed.json() and changed.json()["lifecycleStatus"] == "Active"
    assert same.header("ETag") == '"2"' and same.json() == changed.json()
    assert gone.status == 204
    events = writing.events(made["id"], 3)
    assert [event["eventType"] for event in events] == [
        "UsageSpecificationCreateEvent", "UsageSpecificationAttributeValueChangeEvent", "UsageSpecificationDeleteEvent"]
    assert events[1]["fieldPath"] == "version,lifecycleStatus,x"
    assert json.loads(events[0]["event"]["usageSpecification"]["json"]) == made


@pytest.mark.parametrize("body, words", [({}, "name"), ({"name": ""}, "name"), ({"name": 1}, "name"),
                                         ({"name": "x", "isBundle": "no"}, "isBundle"), ({"name": "x", "id": "1"}, "id"),
                                         ({"name": "x", "validFor": {"startDateTime": "x"}}, "validFor.startDateTime")])
def test_a_specification_that_cannot_be_is_400(writing, body, words):
    assert words in writing.send("POST", "/usageSpecification", body).is_error(400)


def test_the_two_lines_of_the_readme_do_what_they_say(writing):
    lines, = (block for block in readme.blocks("sh") if "-X PATCH" in block)
    usage = writing.made(status="guided")["id"]

    done = subprocess.run(["bash", "-ec", lines.replace("curl -i", "curl -s --fail-with-body")], text=True, check=True,
                          capture_output=True, env={**os.environ, "base": writing.service.base, "usage_id": usage})

    specification, rated = map(json.loads, done.stdout.replace("}{", "}\n{").splitlines())
    assert specification["name"] == "VoiceUsageSpecification"
    assert rated["id"] == usage and rated["status"] == "rated"


# --- parked ratings ---


def test_a_rating_that_waits_is_applied_by_a_post(writing):
    publisher, source = Publisher(writing.scene), Records(302)
    record = source.next()
    publisher.rated(source.rating_of(record), expect="parked")
    publisher.flush()
    wait_settled(writing.scene, publisher.ledger)

    names = {"sourceSystem": record["source"], "sourceRecordId": record["recordId"]}
    answer = writing.post({"usageDate": instant(record["usageDate"]), "usageSpecification": {"id": "x"}, "usageCharacteristic": [
        {"name": name, "value": value} for name, value in names.items()]})

    assert answer.status == 201 and answer.json()["id"] == id_of(record)
    assert answer.json()["status"] == "rated" and answer.header("ETag") == '"2"'
    assert [event["eventType"] for event in writing.events(id_of(record), 2)] == ["UsageCreateEvent", "UsageStateChangeEvent"]


def test_what_a_post_ends_of_what_was_parked_is_counted(writing):
    """As what a batch or the sweep ends is: in the table and in the metrics."""
    publisher, source = Publisher(writing.scene), Records(303)
    record, counted = source.next(), writing.service.metric
    rated = writing.scene.topic["rated"]
    publisher.rated(source.rating_of(record), expect="parked")
    publisher.rated(source.rating_of(record, status="recycled", ratedProductUsage=[]), expect="parked")
    publisher.flush()
    wait_settled(writing.scene, publisher.ledger)
    before = [counted("usaged_parked_ended_total", outcome=outcome) for outcome in ("changed", "dead")]
    dead = counted("usaged_dead_letters_total", topic=rated, reason="transition")
    ended = parked_outcomes(writing)

    names = {"sourceSystem": record["source"], "sourceRecordId": record["recordId"]}
    answer = writing.post({"usageDate": instant(record["usageDate"]), "usageSpecification": {"id": "x"}, "usageCharacteristic": [
        {"name": name, "value": value} for name, value in names.items()]})

    assert answer.status == 201
    assert parked_outcomes(writing) - ended == Counter(changed=1, dead=1)
    assert [counted("usaged_parked_ended_total", outcome=outcome) for outcome in ("changed", "dead")] == [n + 1 for n in before]
    assert counted("usaged_dead_letters_total", topic=rated, reason="transition") == dead + 1


def parked_outcomes(writing) -> Counter:
    with writing.scene.connect() as db:
        return Counter(dict(db.execute("SELECT outcome, records FROM parked_outcome WHERE topic = '@http'").fetchall()))


# --- routes ---


def test_what_may_be_done_where(writing):
    for path, methods in (("/usage", "GET, HEAD, POST, OPTIONS"), ("/usage/x", "GET, HEAD, PATCH, DELETE, OPTIONS")):
        answer = writing.send("PUT", path, {})
        answer.is_error(405)
        assert answer.header("Allow") == methods
        asked = writing.send("OPTIONS", path)
        assert asked.status == 204 and asked.header("Allow") == methods


def test_a_change_takes_no_query(writing):
    assert "query" in writing.send("POST", "/usage?fields=id", {"usageSpecification": {"id": "x"}}).is_error(400)


def test_a_refused_request_leaves_the_connection_usable(writing):
    client: Client = writing.client
    for _ in range(3):
        writing.post({"usageSpecification": 1}).is_error(400)
        assert client.get("/usage?limit=1").status == 200
