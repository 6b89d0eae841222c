"""Sections 1 and 2 of the HTTP contract (docs/http.md): paths, media types, names, dates, href, extensions; and the operations.

What else belongs to them: an id is never the client's (test_contract_writing), tokens (flow/test_tokens), unknown attributes of
a usage (flow/test_http_write), the declared answers (flow/test_descriptions).
"""

import pytest
from lib import swagger
from lib.http import BASE, JSON
from lib.writing import RATING

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW")
COLLECTIONS = {"/usage": {"usageSpecification": {"id": "x"}}, "/usageSpecification": {"name": "x"}}


def create(writing, path, **attributes):
    answer = writing.send("POST", path, {**COLLECTIONS[path], **attributes})
    assert answer.status == 201, answer
    return answer.json()


# --- 1: paths, media types ---


@pytest.mark.parametrize("path", ["/", "/usage", "/tmf-api", BASE, f"{BASE}/", f"{BASE}/Usage", f"{BASE}/usages", f"{BASE}/usage/",
                                  f"{BASE}/usagespecification", f"{BASE}/usageSpecifications", f"{BASE}/usageSpecification/",
                                  f"{BASE}/usage/x/y", f"{BASE}/importJob", f"{BASE}/exportJob", f"{BASE}/productUsage",
                                  BASE.lower() + "/usage", "/tmf-api/usageManagement/v2/usage", "/usageManagement/v4/usage"])
def test_a_path_is_exact_and_any_other_is_404_under_every_method(writing, path):
    for method in METHODS:
        answer = writing.client.ask(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None,
                                    {"Content-Type": "application/json"})
        assert (answer.status, answer.header("Content-Type")) == (404, JSON), method
        if method != "HEAD":
            answer.is_error(404)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_every_answer_with_a_body_is_json_in_utf_8(writing, path):
    made = writing.send("POST", path, COLLECTIONS[path])
    one = f"{path}/{made.json()['id']}"
    answers = [made, writing.get(path), writing.get(one), writing.send("PATCH", one, {"description": "x"}),
               writing.get(f"{path}/x"), writing.send("POST", path, {}), writing.get("/openapi.json")]

    assert [answer.header("Content-Type") for answer in answers] == [JSON] * len(answers)
    gone = writing.send("DELETE", one)
    assert (gone.status, gone.text, gone.header("Content-Type")) == (204, "", None)


@pytest.mark.parametrize("kind", ["application/json", "application/json;charset=utf-8", "application/json; charset=UTF-8",
                                  "Application/JSON"])
@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_body_is_taken_with_or_without_its_charset(writing, path, kind):
    made = writing.send("POST", path, COLLECTIONS[path], kind=kind)
    assert made.status == 201

    for patch in (kind, kind.lower().replace("/json", "/merge-patch+json")):
        assert writing.send("PATCH", f"{path}/{made.json()['id']}", {"description": patch}, kind=patch).status == 200


# --- 1: names, null ---


def test_an_absent_attribute_is_left_out_never_null_or_empty(writing):
    usage, specification = create(writing, "/usage"), create(writing, "/usageSpecification")

    assert set(usage) == {"id", "href", "usageDate", "status", "usageSpecification", "@type"}
    assert usage["usageSpecification"] == {"id": "x"}
    assert set(specification) == {"id", "href", "name", "lastUpdate"}
    for made, path in ((usage, "/usage"), (specification, "/usageSpecification")):
        changed = writing.send("PATCH", f"{path}/{made['id']}", {"description": "x", "relatedParty": [
            {"id": "p", "@referredType": "Customer"}], "x": 1, "y": "z"}).json()
        assert set(changed) == set(made) | {"description", "relatedParty", "x", "y"}
        back = writing.send("PATCH", f"{path}/{made['id']}", {"description": None, "relatedParty": None, "x": None, "y": None}).json()
        assert set(back) == set(made)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_an_extension_that_is_null_in_a_post_is_absent_and_inside_one_null_stays(writing, path):
    made = create(writing, path, **{"x-null": None, "x": {"a": None, "b": [None]}})

    assert "x-null" not in made and made["x"] == {"a": None, "b": [None]}
    assert writing.get(f"{path}/{made['id']}").json() == made


def test_an_extension_that_is_null_in_a_part_of_a_post_is_absent_too(writing):
    party = {"id": "p", "@referredType": "Customer", "x-null": None, "x": {"a": None}}
    usage = create(writing, "/usage", relatedParty=[party], usageCharacteristic=[{"name": "a", "value": None, "x-null": None}])
    specification = create(writing, "/usageSpecification", relatedParty=[party], validFor={"x-null": None},
                           specCharacteristic=[{"name": "a", "x-null": None, "characteristicValueSpecification": [
                               {"value": None, "x-null": None}]}])

    assert usage["relatedParty"] == specification["relatedParty"] == [
        {"id": "p", "@referredType": "Customer", "x": {"a": None}}]
    assert usage["usageCharacteristic"] == [{"name": "a", "value": None}]
    assert specification["specCharacteristic"] == [{"name": "a", "characteristicValueSpecification": [{"value": None}]}]
    assert specification["validFor"] == {}


# --- 1: dates ---


@pytest.mark.parametrize("sent, kept", [
    ("2026-11-20T16:15:30.250+08:00", "2026-11-20T08:15:30.250Z"), ("2026-11-19T20:15:30.25-12:00", "2026-11-20T08:15:30.250Z"),
    ("2026-11-20T08:15:30Z", "2026-11-20T08:15:30.000Z"), ("2026-11-20T08:15:30.2509999Z", "2026-11-20T08:15:30.250Z"),
    ("2026-11-20t08:15:30.25z", "2026-11-20T08:15:30.250Z")])
def test_a_date_may_have_any_offset_and_comes_back_in_utc_cut_to_milliseconds(writing, sent, kept):
    period = {"startDateTime": sent, "endDateTime": sent}
    usage = create(writing, "/usage", usageDate=sent, ratedProductUsage=[{**RATING, "ratingDate": sent}])
    specification = create(writing, "/usageSpecification", validFor=period, specCharacteristic=[
        {"validFor": period, "charSpecRelationship": [{"validFor": period}],
         "characteristicValueSpecification": [{"validFor": period}]}],
        attachment=[{"validFor": period}], entitySpecRelationship=[{"relationshipType": "x", "validFor": period}])

    assert usage["usageDate"] == usage["ratedProductUsage"][0]["ratingDate"] == kept
    period = {"startDateTime": kept, "endDateTime": kept}
    characteristic, = specification["specCharacteristic"]
    for holder in (specification, characteristic, *characteristic["charSpecRelationship"], *specification["attachment"],
                   *characteristic["characteristicValueSpecification"], *specification["entitySpecRelationship"]):
        assert holder["validFor"] == period
    again = writing.send("PATCH", f"/usageSpecification/{specification['id']}", {"validFor": {"startDateTime": sent}})
    assert again.json() == specification and again.header("ETag") == '"1"'


@pytest.mark.parametrize("date", ["2026-11-20", "2026-11-20T08:15:30", "2026-11-20T08:15:30+0800", "20261120T081530Z", 1795162530250,
                                  "2026-02-29T00:00:00Z", "2026-11-20T24:00:00Z", ""])
def test_a_date_without_an_offset_or_that_is_none_is_400(writing, date):
    assert "usageDate" in writing.post({**COLLECTIONS["/usage"], "usageDate": date}).is_error(400)
    body = {"name": "x", "validFor": {"startDateTime": date}}
    assert "validFor.startDateTime" in writing.send("POST", "/usageSpecification", body).is_error(400)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_dates_inside_extensions_and_values_come_back_byte_for_byte(writing, path):
    """So do numbers, escapes and what only looks like an attribute of ours."""
    inside = '{"startDateTime":"2026-11-20T16:15:30.2+08:00","n":1.50e2,"t":"\\u5ba2\\/","validFor":{"endDateTime":"2026-01-01T00:00:00Z"}}'
    part = ('"usageSpecification":{"id":"x"},"usageCharacteristic":[{"name":"end","valueType":"date-time",'
            f'"value":"2026-11-20T16:15:30.2+08:00"}},{{"name":"o","value":{inside}}}]' if path == "/usage" else
            '"name":"x","specCharacteristic":[{"characteristicValueSpecification":[{"valueType":"date-time",'
            f'"value":"2026-11-20T16:15:30.2+08:00"}},{{"value":{inside}}}]}}]')

    answer = writing.send("POST", path, f'{{{part},"x-period":{inside},"x-date":"2026-11-20T08:15:30Z"}}'.encode())

    assert answer.status == 201, answer
    for text in (answer.text, writing.get(f"{path}/{answer.json()['id']}").text):
        assert text.count(inside) == 2
        assert '"value":"2026-11-20T16:15:30.2+08:00"' in text and '"x-date":"2026-11-20T08:15:30Z"' in text


# --- 1: href, extensions, @type ---


@pytest.mark.parametrize("path", COLLECTIONS)
def test_href_begins_with_the_configured_url_whatever_host_the_client_names(writing, path):
    head = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}

    posted = writing.send("POST", path, COLLECTIONS[path], head)
    made = posted.json()

    assert made["href"] == posted.header("Location") == f"{writing.public}{path}/{made['id']}"
    for answer in (writing.send("GET", f"{path}/{made['id']}", headers=head), writing.send("GET", f"{path}?limit=1", headers=head),
                   writing.send("PATCH", f"{path}/{made['id']}", {"description": "x"}, head)):
        assert writing.public in answer.text and "evil" not in answer.text
        for link in answer.links().values():
            assert link.startswith(f"{writing.public}{path}?")
    create(writing, path)
    assert writing.send("GET", f"{path}?limit=1", headers=head).links()


def test_href_of_an_event_begins_with_the_configured_url_too(writing):
    usage, specification = create(writing, "/usage"), create(writing, "/usageSpecification")

    found = writing.events_of({usage["id"]: 1, specification["id"]: 1})

    assert found[usage["id"]][0]["event"]["usage"]["href"] == usage["href"]
    assert specification["href"] in found[specification["id"]][0]["event"]["usageSpecification"]["json"]


@pytest.mark.parametrize("path", COLLECTIONS)
def test_an_extension_can_be_chosen_but_not_filtered_or_sorted_by(writing, path):
    made = create(writing, path, **{"x-colour": "red"})
    one = f"{path}?id={made['id']}"

    assert writing.get(f"{one}&fields=x-colour").json() == [{name: made[name] for name in ("id", "href", "x-colour")}]
    assert writing.get(f"{path}/{made['id']}?fields=x-colour").json() == {
        name: made[name] for name in ("id", "href", "x-colour")}
    for query in ("x-colour=red", "x-colour.ne=red", "sort=x-colour", "sort=-x-colour"):
        assert "x-colour" in writing.get(f"{one}&{query}").is_error(400)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_an_extension_whose_name_has_dots_can_be_chosen_too(writing, path):
    made = create(writing, path, **{"com.example.tag": 7, "com": 1})

    assert writing.get(f"{path}/{made['id']}?fields=com.example.tag").json() == {
        name: made[name] for name in ("id", "href", "com.example.tag", "com")}, "a dotted name chooses its first level, too"


@pytest.mark.parametrize("path", COLLECTIONS)
def test_type_base_type_and_schema_location_are_texts_that_come_back(writing, path):
    family = {"@type": "VoiceUsage", "@baseType": "Usage", "@schemaLocation": "https://example.net/voice.json"}

    made = create(writing, path, **family)

    assert {name: made[name] for name in family} == family
    for name in family:
        assert name in writing.send("POST", path, {**COLLECTIONS[path], name: 1}).is_error(400)


def test_what_the_model_does_not_know_of_a_specification_comes_back_at_every_level(writing):
    extension = {"x-deep": {"a": [1.50, None, {}]}, "x-": ""}
    body = {"name": "x", **extension, "validFor": extension, "targetEntitySchema": {"@type": "a", "@schemaLocation": "b", **extension},
            "specCharacteristic": [{**extension, "characteristicValueSpecification": [extension]}],
            "relatedParty": [{"id": "p", "@referredType": "Customer", **extension}]}

    made = create(writing, "/usageSpecification", **body)

    assert {name: made[name] for name in body} == body
    assert writing.get(f"/usageSpecification/{made['id']}").json() == made


# --- 2 ---


@pytest.mark.parametrize("path, kind", list(zip(COLLECTIONS, ("Usage", "UsageSpecification"))))
def test_each_operation_has_the_success_of_the_table(writing, path, kind):
    posted = writing.send("POST", path, COLLECTIONS[path])
    made = posted.json()
    one = f"{path}/{made['id']}"
    assert posted.status == 201 and posted.header("Location") == made["href"]

    listed, read = writing.get(path), writing.get(one)
    assert listed.status == read.status == 200 and made in listed.json() and read.json() == made
    assert listed.header("X-Total-Count") and listed.header("X-Result-Count") == str(len(listed.json()))
    assert "X-Total-Count" not in read.headers

    patched = writing.send("PATCH", one, {"description": "after"})
    assert patched.status == 200 and {**patched.json(), "lastUpdate": ""} == {**made, "description": "after", "lastUpdate": ""}
    assert swagger.faults(kind, made) == swagger.faults(kind, patched.json()) == []

    deleted = writing.send("DELETE", one)
    assert (deleted.status, deleted.text) == (204, "")
    writing.get(one).is_error(404)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_there_is_no_put_and_405_and_options_name_what_there_is(writing, path):
    for target, allowed in ((path, "GET, HEAD, POST, OPTIONS"), (f"{path}/x", "GET, HEAD, PATCH, DELETE, OPTIONS")):
        for method in {*METHODS, "get"} - set(allowed.split(", ")):
            answer = writing.send(method, target, {} if method in ("PUT", "PATCH", "POST") else None)
            answer.is_error(405)
            assert answer.header("Allow") == allowed
        options = writing.send("OPTIONS", target)
        assert (options.status, options.text, options.header("Allow")) == (204, "", allowed)
    assert writing.send("OPTIONS", "/openapi.json").header("Allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("path", ["/usage", "/usageSpecification", "/openapi.json"])
def test_head_is_as_get_without_a_body(writing, path):
    for target in (path, *(() if path == "/openapi.json" else (f"{path}?limit=1", f"{path}/x", f"{path}?x=y"))):
        get, head = writing.send("GET", target), writing.send("HEAD", target)
        assert (head.status, head.text) == (get.status, "")
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
