"""Section 5 of the HTTP contract (docs/http.md), where no other test is named after a rule of it: all of it is in flow/test_http (pages,
links, fields), flow/test_query (sort, operators, groups, arrays, against the same rules in Python) and flow/test_query_plans."""

from urllib.parse import quote

import pytest
from lib.http import client_of
from lib.writing import DATE

ONE_PARTY = "reader"


@pytest.fixture(scope="module")
def read(writing):
    """Ids of usages of one party, by their description."""
    made = {}
    for status, text in (("received", "Call to 1"), ("guided", "call, from 2"), ("rated", "Call 3"), ("rerated", None)):
        usage = writing.made(status=status, relatedParty=[{"id": ONE_PARTY, "role": "subscriber", "@referredType": "Customer"}],
                             **({"description": text} if text else {}))
        made[text] = usage["id"]

    def found(query):
        usages = writing.get(f"/usage?relatedParty.id={ONE_PARTY}&{query}").usages()
        return [text for text, usage in made.items() if usage in [one["id"] for one in usages]]

    return found


def test_or_over_one_attribute_has_three_forms(read):
    for query in ("status=rated,rerated", "status=rated&status=rerated",
                  f"status=rated;status=rerated&relatedParty.id={ONE_PARTY}"):
        assert read(query) == ["Call 3", None], query


def test_the_semicolon_binds_looser_than_the_ampersand_and_the_comma_tightest(read):
    assert read(f"status=rated&description=nothing;status=received,guided&relatedParty.id={ONE_PARTY}") == ["Call to 1", "call, from 2"]


def test_a_comma_that_is_encoded_is_part_of_the_value(read):
    assert read("description=call%2C%20from%202") == ["call, from 2"]
    assert read("description=call,%20from%202") == []


def test_a_regular_expression_has_its_four_forms(read):
    for operator in (".regex=", "*=", "=~", "%3D~"):
        assert read(f"description{operator}%5ECall") == ["Call to 1", "Call 3"], operator


def test_not_equal_is_true_where_the_attribute_is_absent(read):
    assert read("description.ne=Call%203") == ["Call to 1", "call, from 2", None]
    assert read("description.ne=Call%203,Call%20to%201") == ["call, from 2", None]
    assert read("description.ne=Call%203&description.ne=Call%20to%201") == ["call, from 2", None]


def test_repeated_regular_expressions_must_all_match(read):
    assert read("description.regex=%5ECall&description.regex=3") == ["Call 3"]


@pytest.mark.parametrize("path", ["/usage?description", "/usageSpecification?name"])
def test_a_regular_expression_may_have_256_bytes(writing, path):
    assert writing.get(f"{path}.regex={'a' * 256}").usages() == []
    assert "256" in writing.get(f"{path}.regex={'a' * 257}").is_error(400)


@pytest.mark.parametrize("path, name", [("/usage", "description"), ("/usage", "usageSpecification.name"),
                                        ("/usage", "usageCharacteristic.value"),
                                        ("/usage", "ratedProductUsage.productRef.id"), ("/usageSpecification", "name"),
                                        ("/usageSpecification", "specCharacteristic.characteristicValueSpecification.regex")])
def test_a_regular_expression_that_is_none_is_400_and_its_whole_name_is_named(writing, path, name):
    assert writing.get(f"{path}?{name}.regex=%28").is_error(400).startswith(f'{name}: "("')


@pytest.mark.parametrize("expression", ["(((a{1,200}){1,200}){1,200}){1,200}", "(" * 200 + ")" * 50, "a{1,99999}", "\\1"])
def test_a_regular_expression_that_is_a_bomb_is_400(writing, expression):
    assert writing.get(f"/usage?description.regex={quote(expression)}").is_error(400).startswith("description: ")


@pytest.mark.parametrize("path, query", [
    ("/usage", "usageDate=today"), ("/usage", "usageDate.gte=2026-11-20"), ("/usage", "status=Rated"), ("/usage", "status.ne=none"),
    ("/usage", "ratedProductUsage.taxRate=six"), ("/usage", "ratedProductUsage.isBilled=yes"),
    ("/usage", "usageCharacteristic.value.gt=a"),
    ("/usage", "usageSpecification=x"), ("/usage", "relatedParty=x"), ("/usageSpecification", "isBundle=1"),
    ("/usageSpecification", "lastUpdate=now"), ("/usageSpecification", "validFor.startDateTime.lt=x"),
    ("/usageSpecification", "validFor=x"), ("/usageSpecification", "specCharacteristic.minCardinality=one")])
def test_a_value_of_another_type_and_a_filter_on_a_structure_are_400_and_named(writing, path, query):
    name = query.partition("=")[0]
    for operator in (".gte", ".ne", ".gt", ".lt"):
        name = name.removesuffix(operator)

    assert name in writing.get(f"{path}?{query}").is_error(400)


def test_an_encoded_plus_a_raw_one_and_a_blank_are_the_sign_of_an_offset(writing):
    usage = writing.made(usageDate=DATE, description="the offset")

    for sign in ("%2B", "+", "%20"):
        found = writing.get(f"/usage?usageDate=2026-11-20T16:15:30.250{sign}08:00&description=the%20offset")
        assert found.ids() == [usage["id"]]
        assert writing.get("/usage?description=the+offset").ids() == [usage["id"]]


def test_the_default_and_the_greatest_limit_are_settings(writing):
    for _ in range(6):
        writing.made(description="limits")
    other = writing.scene.service("limits", {"http.limit-default": 2, "http.limit-max": 4})
    other.start()
    client = client_of(other)

    sizes = [len(client.get(f"/usage?description=limits{query}").usages()) for query in ("", "&limit=3", "&limit=5", "&limit=0")]

    client.close()
    assert other.stop() == 0
    assert sizes == [2, 3, 4, 0]


@pytest.mark.parametrize("path", ["/usage", "/usageSpecification"])
def test_fields_are_of_reads_only(writing, path):
    """The contract lets a service honour them in the answers to changes; ours refuses them rather than pass them over."""
    body = {"usageSpecification": {"id": "x"}, "name": "x"}
    assert "query" in writing.send("POST", f"{path}?fields=id", body).is_error(400)
