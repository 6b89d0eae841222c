"""GET of collections: filters, order and pages, against the same rules in Python (lib/query_oracle.py), over usages and
specifications that have something in every attribute; and the plans by which PostgreSQL finds them."""

import random
import re
from typing import Any, Iterator
from urllib.parse import quote

import pytest
from lib.http import Answer, Client, client_of
from lib.query_content import Content, Questions, store_specifications, store_usages
from lib.query_oracle import Oracle, in_order, to_text

USAGES, SPECIFICATIONS = 400, 120
ROUNDS = 350


class Collection:
    """A list of the API, and what is in it."""

    def __init__(self, client: Client, path: str, kind: str, documents: list[dict], seed: int):
        self.client, self.path, self.documents = client, path, documents
        self.oracle = Oracle(kind)
        self.questions = Questions(seed, kind, documents)

    def get(self, query: str) -> Answer:
        return self.client.get(f"/{self.path}?{query}")

    def ids(self, query: str) -> list[str]:
        """All that a query finds, in the order of the answer."""
        answer = self.get(f"{query}&limit=1000" if query else "limit=1000")
        found = [one["id"] for one in answer.usages()]
        assert answer.total() == len(found), query
        return found

    def having(self, condition: Any, *keys: tuple[str, bool]) -> list[str]:
        return [one["id"] for one in in_order([one for one in self.documents if condition(one)], list(keys))]

    def pages(self, query: str, forward: bool = True) -> list[str]:
        """All of a query by following links: to the next page from the first, or to the previous from the last."""
        answer = self.get(query)
        if not forward and answer.links():
            answer = self.client.get(answer.links()["last"].partition("/v4")[2])
        found = [one["id"] for one in answer.usages()]
        total = answer.total()
        while ("next" if forward else "prev") in answer.links():
            answer = self.client.get(answer.links()["next" if forward else "prev"].partition("/v4")[2])
            page = [one["id"] for one in answer.usages()]
            assert answer.total() == total and page
            found = found + page if forward else page + found
        return found


class Served:
    def __init__(self, rig: Any):
        self.scene = rig.scene("query")
        self.service = self.scene.service(settings={"usage.indexed-characteristics": "a, Call, 国内主叫, 50%"})
        self.service.migrate()
        content = Content(20261126)
        usages = [content.usage() for _ in range(USAGES)]
        specifications = [content.specification() for _ in range(SPECIFICATIONS)]
        with self.scene.connect() as db:
            store_usages(db, usages)
            store_specifications(db, specifications)
        self.service.start()
        self.client = client_of(self.service)
        for one in usages:
            one["href"] = f"{self.service.base}/usage/{one['id']}"
        for one in specifications:
            one["href"] = f"{self.service.base}/usageSpecification/{one['id']}"
        self.usages = Collection(self.client, "usage", "Usage", usages, 1)
        self.specifications = Collection(self.client, "usageSpecification", "UsageSpecification", specifications, 2)


@pytest.fixture(scope="module")
def served(rig) -> Iterator[Served]:
    made = Served(rig)
    yield made
    made.client.close()
    made.scene.stop()


@pytest.fixture(params=["usages", "specifications"])
def collection(served, request) -> Collection:
    return getattr(served, request.param)


# ---- all rules at once -------------------------------------------------------------------------------------------------

def test_random_filters_find_what_the_rules_say(collection):
    dice = random.Random(3)
    hits = 0
    for _ in range(ROUNDS):
        groups = collection.questions.groups()
        query = to_text(groups, dice)

        found = collection.ids(query)

        wanted = collection.having(lambda one: collection.oracle.finds(groups, one))
        assert found == wanted, (query, groups)
        hits += 0 < len(found) < len(collection.documents)
    assert hits > ROUNDS / 3, "most questions have some rows as their answer"


def test_each_attribute_is_found_by_each_operator(collection):
    for attribute in collection.questions.attributes:
        for op in ("eq", "ne", "gt", "gte", "lt", "lte", "regex"):
            groups = [[collection.questions.condition(attribute, op)]]
            query = to_text(groups)
            assert collection.ids(query) == collection.having(lambda one: collection.oracle.finds(groups, one)), query


def sort_text(keys: list[tuple[str, bool]]) -> str:
    return "sort=" + ",".join(("-" if descending else "") + quote(name, safe="") for name, descending in keys)


def test_random_orders_are_the_same_by_offset_and_by_following_links_either_way(collection):
    for round_ in range(40):
        groups = collection.questions.groups() if round_ % 3 else []
        if len(to_text(groups)) > 300:
            groups = []  # a header with its links would be too long
        keys = collection.questions.keys()
        wanted = collection.having(lambda one: collection.oracle.finds(groups, one), *keys)
        parts = [to_text(groups), sort_text(keys) if keys else ""]
        query = "&".join(part for part in parts if part)
        limit = max(1, len(wanted) // collection.questions.dice.randrange(2, 8))

        assert collection.ids(query) == wanted, query
        assert collection.pages(f"{query}&limit={limit}") == wanted, query
        assert collection.pages(f"{query}&limit={limit}", forward=False) == wanted, query


def test_every_sortable_attribute_sorts_both_ways_rows_without_it_last(collection):
    assert len(collection.questions.sortable) >= 9
    for name in collection.questions.sortable:
        for descending in (False, True):
            wanted = collection.having(lambda one: True, (name, descending))
            assert collection.pages(f"{sort_text([(name, descending)])}&limit=77") == wanted, (name, descending)


def test_operators_repeat_as_they_should_in_long_conjunctions(collection):
    """Many conditions on one attribute: equality adds up, all else narrows."""
    for attribute in collection.questions.attributes[::3]:
        group = [collection.questions.condition(attribute) for _ in range(4)]
        query = to_text([group], random.Random(5))
        assert collection.ids(query) == collection.having(lambda one: collection.oracle.finds([group], one)), query
