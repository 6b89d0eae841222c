"""The checklist by which TM Forum's conformance kit judges TMF635 v4.0.0, item by item, over what came in by every road."""

import json
from uuid import uuid4

import pytest
from lib import swagger
from lib.publish import Publisher
from lib.records import Records
from lib.settle import wait_settled
from lib.writing import RATING, Writing

# The kit sends both with every request, the GETs too.
HEADERS = {"Accept": "application/json", "Content-Type": "application/json"}


class Kit:
    """A service with usages from records, some of which name no specification, and from requests."""

    def __init__(self, rig):
        self.writing = Writing(rig.scene("checklist"), {"default.specification.id": "any-record"})
        publisher, source = Publisher(self.writing.scene), Records(1001)
        records = [{name: value for name, value in record.items() if at % 2 or name != "usageSpecification"}
                   for at, record in enumerate(source.take(40))]
        publisher.raws(records)
        publisher.rated(source.rating_of(records[0]), expect={"changed", "parked"})
        publisher.flush()
        wait_settled(self.writing.scene, publisher.ledger)
        self.writing.made(status="billed", ratedProductUsage=[RATING])

    def get(self, path):
        """Exactly 200, and the JSON that comes with it."""
        answer = self.writing.send("GET", path, headers=HEADERS)
        assert answer.status == 200, answer
        return answer.json()

    def post(self, path, body):
        answer = self.writing.send("POST", path, json.dumps(body).encode(), HEADERS)
        assert answer.status == 201, answer
        return answer.json()


@pytest.fixture(scope="module")
def kit(rig):
    made = Kit(rig)
    yield made
    made.writing.close()


def is_usage(one):
    return isinstance(one["id"], str) and isinstance(one["usageSpecification"], dict) and swagger.faults("Usage", one) == []


def is_specification(one):
    return all(isinstance(one[name], str) and one[name] for name in ("id", "href", "name")) and swagger.faults(
        "UsageSpecification", one) == []


def test_item_1_a_usage_with_only_a_specification_that_does_not_exist_is_created(kit):
    made = kit.post("/usage", {"usageSpecification": {"id": "x"}})

    assert is_usage(made) and made["usageSpecification"] == {"id": "x"}
    kit.writing.get("/usageSpecification/x").is_error(404)


def test_item_2_every_element_of_the_list_of_usages_has_an_id_and_a_specification(kit):
    made = kit.post("/usage", {"usageSpecification": {"id": "x"}})

    usages = kit.get("/usage")
    whole = kit.get("/usage?limit=1000")

    assert usages and all(map(is_usage, usages)) and all(map(is_usage, whole))
    assert len(whole) > 40 and made["id"] in [one["id"] for one in usages]
    assert {one["usageSpecification"]["id"] for one in whole} >= {"x", "any-record"}


def test_item_3_a_usage_is_retrieved_and_found_by_its_id_and_fields_are_served(kit):
    made = kit.post("/usage", {"usageSpecification": {"id": "x"}})

    assert kit.get(f"/usage/{made['id']}") == made and is_usage(made)
    assert kit.get(f"/usage?id={made['id']}") == [made]
    assert {"id": made["id"], "href": made["href"]} in kit.get("/usage?fields=id")


def test_item_4_a_random_usage_is_404(kit):
    kit.writing.send("GET", f"/usage/{uuid4()}", headers=HEADERS).is_error(404)


def test_item_5_a_specification_with_only_a_name_is_created(kit):
    made = kit.post("/usageSpecification", {"name": "x"})

    assert is_specification(made) and made["name"] == "x"


def test_item_6_specifications_are_listed_retrieved_and_found_and_fields_are_served(kit):
    made = kit.post("/usageSpecification", {"name": "item 6"})
    kit.post("/usageSpecification", {"name": "another"})

    for path in ("/usageSpecification", "/usageSpecification?limit=1000", "/usageSpecification?name=item%206"):
        found = kit.get(path)
        assert found and all(map(is_specification, found)) and made in found, path
    assert kit.get(f"/usageSpecification/{made['id']}") == made
    assert kit.get(f"/usageSpecification?id={made['id']}") == [made]
    for name in ("id", "href", "name"):
        assert made[name] in [one[name] for one in kit.get(f"/usageSpecification?fields={name}")]


def test_item_7_a_random_specification_is_404(kit):
    kit.writing.send("GET", f"/usageSpecification/{uuid4()}", headers=HEADERS).is_error(404)


def test_item_8_no_get_is_refused_for_its_content_type_nor_for_what_it_accepts(kit):
    usage, specification = (kit.post(*body) for body in (("/usage", {"usageSpecification": {"id": "x"}}),
                                                         ("/usageSpecification", {"name": "x"})))

    for path in ("/usage", f"/usage/{usage['id']}", "/usage?fields=id", "/usageSpecification",
                 f"/usageSpecification/{specification['id']}"):
        for accept in ("application/json", "application/json;charset=utf-8", "application/json; charset=utf-8", "*/*"):
            for kind in ("application/json", "application/json;charset=utf-8"):
                answer = kit.writing.send("GET", path, headers={"Accept": accept, "Content-Type": kind})
                assert answer.status == 200, (path, accept, kind)
