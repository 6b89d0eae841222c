"""test_swagger - the check against TM Forum's definitions accepts a right usage, and finds each single thing that is not."""

import copy

import pytest

from lib.expect import parse_json
from lib.swagger import faults

USAGE = parse_json("""{
  "id": "01a20779-75ca-882e-8c96-86cbff439931", "href": "https://bss.example.net/usage/01a20779",
  "usageDate": "2026-11-23T08:15:30.250Z", "usageType": "VOICE", "status": "rated", "@type": "Usage",
  "usageSpecification": {"id": "voice-cdr-1"},
  "usageCharacteristic": [{"name": "seconds", "valueType": "integer", "value": 187}, {"name": "x", "value": null}],
  "relatedParty": [{"id": "cust-55810", "role": "subscriber", "@referredType": "Customer"}],
  "ratedProductUsage": [{"ratingDate": "2026-11-23T08:18:41.007Z", "isBilled": false, "taxRate": 6,
    "taxExcludedRatingAmount": {"unit": "CNY", "value": 0.60}, "productRef": {"id": "prod-7781"}}]}""")


def test_a_right_usage_has_no_faults():
    assert faults("Usage", USAGE) == []


@pytest.mark.parametrize("path, value, words", [
    (["status"], "Rated", "none of"), (["usageDate"], "2026-11-23", "date-time"), (["href"], "/usage/1", "uri"),
    (["description"], "", "empty"), (["id"], 7, "no text"), (["revision"], 1, "not in the model"),
    (["relatedParty"], [], "elements"), (["relatedParty", 0], {"id": "a"}, "lacks @referredType"),
    (["usageCharacteristic", 0], {"name": "a"}, "lacks value"), (["ratedProductUsage", 0, "isBilled"], 0, "no boolean"),
    (["ratedProductUsage", 0, "taxExcludedRatingAmount", "value"], "0.60", "no number"),
    (["ratedProductUsage", 0, "taxExcludedRatingAmount", "value"], True, "no number"),
    (["ratedProductUsage", 0, "productRef"], ["prod-7781"], "no object"), (["usageSpecification"], {}, "lacks id")])
def test_each_fault_is_found(path, value, words):
    usage = copy.deepcopy(USAGE)
    at = usage
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value

    found = faults("Usage", usage)

    assert len(found) == 1 and words in found[0], found


def test_an_error_needs_its_code_and_reason():
    assert faults("Error", {"code": "ERR404", "reason": "Not Found", "status": "404", "@type": "Error"}) == []
    assert len(faults("Error", {"message": "x", "status": 404})) == 3
