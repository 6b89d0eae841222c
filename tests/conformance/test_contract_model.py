"""Section 3 of the HTTP contract (docs/http.md): every attribute of a usage and of a specification, its type, and what must be there.

The attributes are those of TM Forum's own definitions (lib/model_sample). Lengths and limits: flow/test_descriptions, tests/unit
test_model_limits. That a record without a specification gets the configured one: test_checklist, item 2.
"""

import json
import time

import pytest
from lib import model_sample, swagger
from lib.expect import parse_json
from lib.writing import RATING

PATHS = {"Usage": "/usage", "UsageSpecification": "/usageSpecification"}
BODIES = {kind: {**model_sample.body(kind), **({"status": "rated"} if kind == "Usage" else {})} for kind in PATHS}
PLACES = [pytest.param(kind, place, id=f"{kind}-{place.name()}") for kind in PATHS for place in model_sample.places(kind)]
RESOURCES = pytest.mark.parametrize("kind", PATHS)


@RESOURCES
def test_every_attribute_of_the_swagger_comes_back_as_it_went_in(writing, kind):
    answer = writing.send("POST", PATHS[kind], BODIES[kind])

    assert answer.status == 201, answer
    made = answer.json()
    assert {name: made[name] for name in BODIES[kind]} == BODIES[kind]
    assert set(made) - set(BODIES[kind]) == {"id", "href"} | ({"lastUpdate"} if kind == "UsageSpecification" else set())
    assert swagger.faults(kind, made) == []
    assert writing.get(f"{PATHS[kind]}/{made['id']}").json() == made
    assert writing.get(f"{PATHS[kind]}?id={made['id']}").usages() == [made]


@pytest.mark.parametrize("kind, place", PLACES)
def test_an_attribute_of_another_type_is_400_and_named(writing, kind, place):
    if place.kind != "any":
        body = place.put(BODIES[kind], place.wrong())

        assert place.name() in writing.send("POST", PATHS[kind], body).is_error(400)


@pytest.mark.parametrize("kind, place", PLACES)
def test_null_for_an_attribute_of_the_model_is_400_in_a_post_but_a_value_may_be_null(writing, kind, place):
    answer = writing.send("POST", PATHS[kind], place.put(BODIES[kind], None))

    if place.kind == "any":
        assert answer.status == 201
    else:
        assert place.name() in answer.is_error(400)


@pytest.mark.parametrize("kind, place", [one for one in PLACES if one.values[1].kind == "string"])
def test_an_empty_text_is_400_and_named(writing, kind, place):
    assert place.name() in writing.send("POST", PATHS[kind], place.put(BODIES[kind], "")).is_error(400)


@pytest.mark.parametrize("kind, place", [one for one in PLACES if one.values[1].required])
def test_what_the_swagger_requires_is_400_when_it_is_absent_and_named(writing, kind, place):
    assert place.name() in writing.send("POST", PATHS[kind], place.without(BODIES[kind])).is_error(400)


@pytest.mark.parametrize("kind, place", [one for one in PLACES if not one.values[1].required])
def test_nothing_else_is_required(writing, kind, place):
    """But what conformance needs. A usage without status is received, and any rating will do."""
    body = BODIES[kind] if place.name() == "status" else {**BODIES[kind], **({"status": "guided"} if kind == "Usage" else {})}

    answer = writing.send("POST", PATHS[kind], place.without(body))

    if place.name() in ("usageSpecification", "name"):
        assert place.name() in answer.is_error(400)
    else:
        assert answer.status == 201, answer


def test_a_usage_needs_a_specification_and_a_specification_needs_a_name(writing):
    for body in ({}, {"usageSpecification": {}}, {"usageSpecification": {"name": "x"}}, {"usageSpecification": {"id": ""}}):
        assert "usageSpecification" in writing.post(body).is_error(400)
    for body in ({}, {"name": ""}, {"description": "x"}):
        assert "name" in writing.send("POST", "/usageSpecification", body).is_error(400)
    made = writing.made_specification()
    for body in ({"name": None}, {"name": ""}):
        assert "name" in writing.send("PATCH", f"/usageSpecification/{made['id']}", body).is_error(400)
    assert writing.get(f"/usageSpecification/{made['id']}").json() == made


def test_a_specification_that_does_not_exist_is_taken(writing):
    assert writing.made(usageSpecification={"id": "nowhere", "name": "n"})["usageSpecification"] == {"id": "nowhere", "name": "n"}
    writing.get("/usageSpecification/nowhere").is_error(404)


def test_the_order_and_the_duplicates_of_characteristics_stay(writing):
    characteristics = [{"name": name, "value": value} for name, value in (("b", 1), ("a", 2), ("b", 1), ("b", "1"))]

    made = writing.made(usageCharacteristic=characteristics)

    assert [{name: one[name] for name in ("name", "value")} for one in made["usageCharacteristic"]] == characteristics
    answer = writing.patch(made["id"], {"usageCharacteristic": characteristics[::-1]})
    assert answer.header("ETag") == '"2"'
    assert [one["value"] for one in answer.json()["usageCharacteristic"]] == ["1", 1, 2, 1]


def test_a_value_is_any_json_and_keeps_its_type_and_digits(writing):
    values = ('300', '"300"', '3.00', '-0', '1e3', '12345678901234567890.123', 'true', 'null', '""', '[]', '{}', '[1,[null,{"a":"b"}]]',
              '{"b":1,"a":2}', '"客户\\u0001"')
    text = ",".join(f'{{"name":"n{at}","value":{value}}}' for at, value in enumerate(values))

    answer = writing.send("POST", "/usage", f'{{"usageSpecification":{{"id":"x"}},"usageCharacteristic":[{text}]}}'.encode())

    assert answer.status == 201, answer
    for said in (answer, writing.get(f"/usage/{answer.json()['id']}")):
        found = said.json()["usageCharacteristic"]
        assert [one["value"] for one in found] == [parse_json(value) for value in values]
        for digits in ("3.00", "12345678901234567890.123"):
            assert f'"value":{digits}' in said.text


def test_amounts_keep_their_digits_and_may_be_zero_or_a_credit(writing):
    for digits in ("0", "0.60", "0.600000000", "-12.5", "99999999999999999999.123456789", "0.000000001"):
        rating = json.dumps(RATING).replace('"value": 0.6}', f'"value": {digits}}}').replace('"taxRate": 6', f'"taxRate": {digits}')
        answer = writing.send("POST", "/usage", f'{{"usageSpecification":{{"id":"x"}},"status":"rated",'
                                                f'"ratedProductUsage":[{rating}]}}'.encode())
        assert answer.status == 201, answer
        for text in (answer.text, writing.get(f"/usage/{answer.json()['id']}").text):
            assert f'"value":{digits}}}' in text and f'"taxRate":{digits},' in text


def test_the_names_of_v2_mean_nothing(writing):
    made = writing.made(date="2026-11-20T08:15:30.250Z", type="VOICE")

    assert made["date"] == "2026-11-20T08:15:30.250Z" and made["type"] == "VOICE", "extensions"
    assert "usageType" not in made and made["usageDate"] != made["date"]
    product = {**RATING, "productRef": [{"id": "p"}]}
    body = {"usageSpecification": {"id": "x"}, "status": "rated", "ratedProductUsage": [product]}
    assert "productRef" in writing.post(body).is_error(400)


def test_the_name_of_a_specification_need_not_be_unique(writing):
    one, other = writing.made_specification(name="twice"), writing.made_specification(name="twice")

    assert one["id"] != other["id"]
    assert {found["id"] for found in writing.get("/usageSpecification?name=twice").usages()} == {one["id"], other["id"]}


def test_last_update_is_set_by_the_server_at_each_change(writing):
    made = writing.made_specification(lastUpdate="2001-01-01T00:00:00Z")
    path = f"/usageSpecification/{made['id']}"

    time.sleep(0.002)  # it is told in milliseconds
    changed = writing.send("PATCH", path, {"description": "x", "lastUpdate": "2001-01-01T00:00:00Z"}).json()
    same = writing.send("PATCH", path, {"lastUpdate": "2001-01-01T00:00:00Z"})

    assert "2001" < made["lastUpdate"][:4] and made["lastUpdate"] < changed["lastUpdate"]
    assert same.json() == changed and same.header("ETag") == '"2"'


@RESOURCES
def test_an_error_has_all_its_attributes_and_texts_only(writing, kind):
    answer = writing.get(f"{PATHS[kind]}/none")

    answer.is_error(404)
    assert answer.json() == {"code": "ERR404", "reason": "Not Found", "status": "404", "@type": "Error",
                             "message": f"No {PATHS[kind][1:]} with id none"}
