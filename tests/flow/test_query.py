"""GET of collections: filters, order and pages, against the same rules in Python (lib/query_oracle.py), over usages and
specifications that have something in every attribute; and the plans by which PostgreSQL finds them."""

import random
import re
from typing import Any, Iterator, Optional
from urllib.parse import quote

import pytest
from lib.http import Answer, Client, client_of
from lib.query_content import Content, Questions, store_specifications, store_usages
from lib.query_oracle import Condition, Oracle, in_order, to_text

USAGES, SPECIFICATIONS = 400, 120
INDEXED = ("a", "Call", "国内主叫", "50%")
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
    def __init__(self, rig: Any, name: str = "query", env: Optional[dict[str, str]] = None):
        self.scene = rig.scene(name)
        self.service = self.scene.service(settings={"usage.indexed-characteristics": ", ".join(INDEXED)}, env=env)
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


@pytest.mark.parametrize("keys", [[("usageDate", True), ("status", False)], [("usageDate", False), ("status", True)],
                                  [("usageDate", True), ("usageType", True), ("description", False)], [("usageDate", False)]])
def test_an_order_that_begins_with_the_date_goes_on_among_usages_of_one_moment(served, keys):
    wanted = served.usages.having(lambda one: True, *keys)
    moments = [one["usageDate"] for one in served.usages.documents]
    assert len(moments) - len(set(moments)) > 40, "many have the date of another"
    for limit in (1, 7):
        assert served.usages.pages(f"{sort_text(keys)}&limit={limit}") == wanted
        assert served.usages.pages(f"{sort_text(keys)}&limit={limit}", forward=False) == wanted


def test_operators_repeat_as_they_should_in_long_conjunctions(collection):
    """Many conditions on one attribute: equality adds up, all else narrows."""
    for attribute in collection.questions.attributes[::3]:
        group = [collection.questions.condition(attribute) for _ in range(4)]
        query = to_text([group], random.Random(5))
        assert collection.ids(query) == collection.having(lambda one: collection.oracle.finds([group], one)), query


# ---- 5.1 pages ---------------------------------------------------------------------------------------------------------

def test_every_list_has_both_counts_of_what_the_filter_leaves(collection):
    name = collection.documents[0]["id"]
    for query, total, here in (("", len(collection.documents), 100), ("limit=7", len(collection.documents), 7),
                               ("limit=0", len(collection.documents), 0), (f"id={name}", 1, 1), ("id=nobody", 0, 0),
                               (f"id={name}&limit=0", 1, 0), (f"id={name}&offset=1", 1, 0), (f"id={name}&offset=999", 1, 0),
                               ("limit=1001", len(collection.documents), len(collection.documents)),
                               ("offset=99999999", len(collection.documents), 0)):
        answer = collection.get(query)
        assert (answer.status, answer.total(), len(answer.usages())) == (200, total, here), query
        assert answer.header("X-Result-Count") == str(here)


def test_a_token_that_is_not_ours_or_of_another_sort_or_beside_an_offset_is_refused(collection, served):
    links = collection.get("limit=5&offset=5").links()
    after, before = (links[rel].rpartition("=")[2] for rel in ("next", "prev"))
    other = served.usages if collection is served.specifications else served.specifications

    for query in (f"after={after}x", f"after={after[:-1]}", "after=", "before=AAAA", f"sort=id&after={after}",
                  f"sort=-%40type&before={before}", f"after={after}&offset=0", f"before={before}&offset=5",
                  f"after={after}&before={before}", f"after={after}&after={after}", f"after.eq={after}"):
        collection.get(query).is_error(400)
    other.get(f"after={after}").is_error(400)
    assert collection.get(f"sort=-id&after={after}&limit=5").usages()
    assert collection.get(f"sort=id,%40type&after={collection.get('sort=id&limit=1').links()['next'].rpartition('=')[2]}").usages()


def test_pages_behind_a_token_are_not_moved_by_rows_that_come_in_front(served):
    """By offset the last row of a page would come again."""
    collection = served.specifications
    first = collection.get("limit=10")
    with served.scene.connect() as db:
        db.execute("INSERT INTO usage_specification SELECT 'zzz', name, revision, created_at, updated_at, document "
                   "FROM usage_specification LIMIT 1")
        try:
            second = collection.client.get(first.links()["next"].partition("/v4")[2])
            back = collection.client.get(second.links()["prev"].partition("/v4")[2])
        finally:
            db.execute("DELETE FROM usage_specification WHERE id = 'zzz'")

    assert [one["id"] for one in second.usages()] == collection.having(lambda one: True)[10:20]
    assert back.json() == first.json()
    assert "prev" in back.links(), "there is a row in front of it now"


def test_the_way_back_ends_at_the_first_page(collection):
    answer = collection.get("limit=10&offset=25")
    seen = []
    while "prev" in answer.links():
        answer = collection.client.get(answer.links()["prev"].partition("/v4")[2])
        seen = [one["id"] for one in answer.usages()] + seen
        assert "next" in answer.links()
    assert seen == collection.having(lambda one: True)[:25]


def test_rows_whose_keys_are_too_long_for_a_url_are_paged_by_offset(served):
    long = {usage["id"]: "\U0001f4de" * 400 + str(number) for number, usage in enumerate(served.usages.documents[:3])}
    with served.scene.connect() as db:
        for usage, text in long.items():
            db.execute("UPDATE usage_row SET description = %s WHERE id = %s", (text, usage))
        try:
            answer = served.client.get("/usage?sort=-description&limit=1")
            assert "offset=1>" in answer.header("Link")
            found = served.usages.pages("sort=-description&limit=2")
            back = served.usages.pages("sort=-description&limit=2", forward=False)
            up = served.usages.pages("sort=description&limit=7")  # to the long ones by tokens, from there by offset
            down = served.usages.pages("sort=description&limit=7", forward=False)
        finally:
            for usage in served.usages.documents[:3]:
                db.execute("UPDATE usage_row SET description = %s WHERE id = %s", (usage.get("description"), usage["id"]))

    assert found[:3] == sorted(long, key=long.get, reverse=True)
    assert sorted(found) == sorted(back) == sorted(one["id"] for one in served.usages.documents)
    assert found == back
    have = [one for one in up if one in long or "description" in next(
        usage for usage in served.usages.documents if usage["id"] == one)]
    assert up == down and up[:len(have)] == have and have[-3:] == sorted(long, key=long.get)
    assert sorted(up) == sorted(found)


# ---- 5.2 sort ----------------------------------------------------------------------------------------------------------

def test_the_default_order_is_the_newest_first(served):
    newest = sorted((one["id"] for one in served.usages.documents), reverse=True)
    assert served.usages.ids("") == served.usages.ids("sort=-usageDate") == served.usages.ids("sort=-href") == newest
    assert served.usages.ids("sort=usageDate") == served.usages.ids("sort=id") == newest[::-1]


def test_a_plus_that_was_not_encoded_is_ascending(collection):
    wanted = collection.having(lambda one: True, ("@type", False), ("@baseType", True))
    for query in ("sort=+%40type,-%40baseType", "sort=%20@type,-@baseType", "sort=%2B@type,-@baseType"):
        assert collection.ids(query) == wanted


@pytest.mark.parametrize("query", ["sort=", "sort=colour", "sort=relatedParty.id", "sort=validFor.startDateTime", "sort=relatedParty",
                                   "sort=id,,", "sort=usageCharacteristic.value", "sort=-", "sort=status.asc", "sort=id&sort=id"])
def test_what_cannot_be_sorted_by_is_refused(collection, query):
    assert "sort" in collection.get(query).is_error(400)


# ---- 5.3 fields --------------------------------------------------------------------------------------------------------

def test_fields_choose_first_level_names_and_id_and_href_are_always_there(collection):
    for query, names in (("fields=%40type,relatedParty", {"@type", "relatedParty"}), ("fields=none", set()), ("fields=x", set()),
                         ("fields=relatedParty.id", {"relatedParty"}), ("fields=name&fields=%40type", {"name", "@type"}),
                         ("fields=lastUpdate", {"lastUpdate"})):
        for one in collection.get(f"{query}&limit=30").usages():
            whole = next(document for document in collection.documents if document["id"] == one["id"])
            assert set(one) == {"id", "href"} | names & set(whole), query
    assert len(collection.get("fields=&limit=1").json()[0]) > 2


# ---- 5.4 filters, example by example -----------------------------------------------------------------------------------

def test_conditions_under_one_array_are_about_one_element(served):
    def is_pair(one: dict) -> bool:
        return any(item["name"] == "a" and item.get("valueType") == "b" for item in one.get("usageCharacteristic", ()))

    def has_both(one: dict) -> bool:
        items = one.get("usageCharacteristic", ())
        return any(item["name"] == "a" for item in items) and any(item.get("valueType") == "b" for item in items)

    pair = served.usages.having(is_pair)
    assert served.usages.ids("usageCharacteristic.name=a&usageCharacteristic.valueType=b") == pair != []
    assert len(served.usages.having(has_both)) > len(pair), "or the test would show nothing"


def test_not_equal_is_about_all_elements_and_true_of_none(served):
    def no_a(one: dict) -> bool:
        return all(party["id"] != "a" for party in one.get("relatedParty", ()))

    assert served.usages.ids("relatedParty.id.ne=a") == served.usages.having(no_a) != []
    assert served.usages.ids("description.ne=a") == served.usages.having(lambda one: one.get("description") != "a")
    assert any("description" not in one for one in served.usages.documents)


def test_a_number_is_found_however_it_is_written_and_a_text_as_it_is(served):
    def values(one: dict) -> list:
        return [item["value"] for item in one.get("usageCharacteristic", ())]

    def numeric(one: dict) -> bool:
        return any(str(value) in ("187", "187.0", "1.87e2") and not isinstance(value, bool) for value in values(one)
                   if type(value).__name__ == "Raw")

    by_number = served.usages.having(lambda one: numeric(one) or "187" in values(one))
    assert served.usages.ids("usageCharacteristic.value=187") == by_number != []
    assert served.usages.ids("usageCharacteristic.value.gte=187&usageCharacteristic.value.lte=187") == served.usages.having(numeric)


@pytest.mark.parametrize("value", ["187", "187.00", "1.870E2", "a", "6", "0.6", "true", "1e400000", "-0"])
def test_a_characteristic_with_an_index_is_found_by_the_same_rules(served, value):
    found = []
    for name in INDEXED:
        groups = [[Condition("usageCharacteristic.name", "eq", (name,)), Condition("usageCharacteristic.value", "eq", (value, "e"))]]
        wanted = served.usages.having(lambda one: served.usages.oracle.finds(groups, one))
        assert served.usages.ids(to_text(groups)) == wanted, name
        found += wanted
    assert found, "or the test would show nothing"


def test_numbers_that_no_arithmetic_holds_break_no_query(served):
    odd = [one for one in served.usages.documents
           if any(str(item["value"]) in ("1e400000", "9" * 400) for item in one.get("usageCharacteristic", ()))]
    assert odd, "there are such usages"
    for query in ("usageCharacteristic.value.gt=1", "usageCharacteristic.value=1", "usageCharacteristic.value.ne=1",
                  "usageCharacteristic.value.regex=e4", "usageCharacteristic.name=a&usageCharacteristic.value=1e5"):
        assert served.usages.get(query).status == 200
    assert set(served.usages.ids("usageCharacteristic.value=1e400000")) <= {one["id"] for one in odd}
    assert served.usages.ids("usageCharacteristic.value=1e400000")


def test_a_regular_expression_is_an_advanced_one_unanchored_and_case_sensitive(served):
    def matching(expression: str) -> list[str]:
        return served.usages.having(lambda one: re.search(expression, one.get("description", "")) is not None
                                    and "description" in one)

    for expression in ("all", "^call", "[[:digit:]]|x", "(a)|(b)", "c.*e$", "^$", "", "主叫"):
        python = expression.replace("[[:digit:]]", "[0-9]")
        assert served.usages.ids(f"description.regex={quote(expression)}") == matching(python), expression
    assert served.usages.ids("description.regex=(?i)CALL") == matching("[Cc]all")
    assert served.usages.ids("description.regex=CALL") == []


@pytest.mark.parametrize("expression", ["(", "[a", "*", "a{2,1}", "\\", "a{99999}", "[[:nothing:]]"])
@pytest.mark.parametrize("beside", ["", "&id=nobody", "&limit=0"])
def test_a_regular_expression_that_is_none_is_refused_whatever_else_is_asked(collection, expression, beside):
    message = collection.get(f"%40type.regex={quote(expression)}{beside}").is_error(400)
    assert "@type" in message and expression[0] in message


def test_groups_are_alternatives_and_what_pages_belongs_to_none(served):
    wanted = served.usages.having(lambda one: (one["status"] == "rated" and one.get("usageType") == "a")
                                  or one["status"] == "billed")
    assert served.usages.ids("status=rated&usageType=a;status=billed") == wanted != []
    assert served.usages.ids("status=rated&fields=id&usageType=a;sort=-id&status=billed") == wanted
    for query in ("status=rated;", ";", "status=rated;limit=5", "sort=id;status=rated"):
        assert "';'" in served.usages.get(query).is_error(400)


def test_a_window_of_dates_is_two_conditions_on_one_name(served):
    dates = sorted(one["usageDate"] for one in served.usages.documents)
    low, high = dates[100], dates[200]
    assert served.usages.ids(f"usageDate.gte={low}&usageDate.lt={high}") == served.usages.having(
        lambda one: low <= one["usageDate"] < high)
    assert served.usages.ids(f"usageDate={low},{high}") == served.usages.having(lambda one: one["usageDate"] in (low, high))


def test_more_conditions_than_a_query_may_have_are_refused_with_the_limit(served):
    answer = served.usages.get("&".join(["id=a"] * 1001))
    assert "1000" in answer.is_error(400)
    served.usages.get("&".join(["id=a"] * 10_000)).is_error(414)


@pytest.mark.parametrize("query", ["colour=red", "relatedParty=x", "%40referredType=x", "relatedParty.id.x=1", "extension=1",
                                   "revision=1", "relatedParty.role.like=x", "validFor=x", "usageCharacteristic=x", "specification=x"])
def test_what_is_no_attribute_is_refused_never_ignored(collection, query):
    assert query.partition("=")[0].replace("%40", "@").removesuffix(".like") in collection.get(query).is_error(400)


# ---- 5.5 ---------------------------------------------------------------------------------------------------------------

def test_jsonpath_is_not_implemented_whatever_it_holds(collection):
    for query in ("filter=", "filter=%zz", "colour=red&filter=x", "filter=a[?(@.b=='c'%26%26!@.d)]", "limit=-1;filter=x"):
        assert "filter" in collection.get(query).is_error(501)


# ---- specifications ----------------------------------------------------------------------------------------------------

def test_a_specification_is_read_by_its_id(served):
    for one in served.specifications.documents[::10]:
        answer = served.client.get(f"/usageSpecification/{one['id']}")
        assert answer.status == 200 and answer.header("ETag") == '"1"'
        found = answer.json()
        assert {name: found[name] for name in ("id", "href", "name", "lastUpdate")} == {
            name: one[name] for name in ("id", "href", "name", "lastUpdate")}
        assert set(found) == set(one)
        assert served.client.get(f"/usageSpecification/{one['id']}?fields=name").json() == {
            name: one[name] for name in ("id", "href", "name")}
    for target in ("x", "%00", "%ff", "%zz", "a%2Fb", "0" * 4000, "01a20779-75ca-882e-8c96-86cbff439931"):
        assert "usageSpecification" in served.client.get(f"/usageSpecification/{target}").is_error(404)
    served.client.get("/usageSpecification/spec-0401?name=x").is_error(400)


def test_specifications_are_found_by_id_and_by_name(served):
    one = served.specifications.documents[5]
    assert served.specifications.ids(f"id={one['id']}") == [one["id"]]
    assert one["id"] in served.specifications.ids(f"name={quote(one['name'], safe='')}")
    assert served.specifications.ids("name=nobody") == []


def test_a_date_of_a_specification_is_found_however_it_was_written(served):
    moment = "2026-11-20T01:33:20.000Z"
    found = served.specifications.ids(f"validFor.startDateTime={moment}")
    written = {one["validFor"]["startDateTime"] for one in served.specifications.documents if one["id"] in found}
    assert served.specifications.ids("validFor.startDateTime.gte=0001-01-01T00:00:00Z") == served.specifications.having(
        lambda one: "startDateTime" in one.get("validFor", {}))
    assert all(text[:10] in ("2026-11-20", "2026-11-19") for text in written)


# ---- pages that end early ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def cut(rig) -> Iterator[Served]:
    """A service whose pages end behind some 5 kB."""
    made = Served(rig, "query-cut", {"USAGED_FAILPOINT_PAGE_BYTES": "5000"})
    yield made
    made.client.close()
    made.scene.stop()


def follow(client: Client, answer: Answer, rel: str) -> Iterator[Answer]:
    """The page, and all that its links lead to."""
    yield answer
    while rel in answer.links():
        answer = client.get(answer.links()[rel].partition("/v4")[2])
        yield answer


def ids_of(pages: list[Answer]) -> list[str]:
    return [one["id"] for page in pages for one in page.usages()]


@pytest.mark.parametrize("kind", ["usages", "specifications"])
def test_pages_that_end_early_laid_end_to_end_are_the_whole_either_way(cut, kind):
    collection, short = getattr(cut, kind), 0
    for round_ in range(25):
        groups = collection.questions.groups() if round_ % 2 else []
        if len(to_text(groups)) > 300:
            groups = []  # a header with its links would be too long
        keys = [] if round_ < 2 else collection.questions.keys()
        wanted = collection.having(lambda one: collection.oracle.finds(groups, one), *keys)
        query = "&".join(part for part in (to_text(groups), sort_text(keys) if keys else "", "limit=12") if part)

        forth = list(follow(collection.client, collection.get(query), "next"))
        back = list(follow(collection.client, forth[-1], "prev"))

        assert ids_of(forth) == wanted and ids_of(back[::-1]) == wanted, query
        assert {page.total() for page in forth + back} == {len(wanted)}, query
        assert all(page.usages() for page in forth) or not wanted
        short += sum(len(page.usages()) < 12 for page in forth[:-1])
    assert short > 50


def test_an_offset_counts_rows_however_short_the_pages_are(cut):
    wanted = cut.usages.having(lambda one: True)
    page = cut.usages.get("offset=30&limit=200")

    count = len(page.usages())
    assert 0 < count < 20 and [one["id"] for one in page.usages()] == wanted[30:30 + count]
    assert ids_of(list(follow(cut.client, page, "next"))) == wanted[30:]
    assert [one["id"] for one in cut.usages.get(f"offset={30 + count}&limit=1").usages()] == wanted[30 + count:31 + count]


def test_large_usages_and_specifications_cost_a_bounded_page(served):
    """54 MB, of which a page would have all; a single one always fits."""
    before = served.service.peak_memory_mib()
    content = Content(8)
    large = [{**content.usage(), "id": f"01a20779-75ca-882e-8c96-{number:012x}", "usageType": "large",
              "@schemaLocation": chr(97 + number % 26) * 900_000} for number in range(60)]
    large[30]["@schemaLocation"] = "a" * 12_000_000
    specifications = [{**content.specification(), "id": f"large-{number:02d}", "version": "large",
                       "description": chr(97 + number) * 900_000} for number in range(20)]
    with served.scene.connect() as db:
        store_usages(db, large)
        store_specifications(db, specifications)
        try:
            client = client_of(served.service)  # another would have idled too long
            pages = list(follow(client, client.get("/usage?usageType=large&sort=id&limit=1000"), "next"))
            counts = [len(page.usages()) for page in pages]
            found = [(one["id"], one["@schemaLocation"]) for page in pages for one in page.usages()]
            few = list(follow(client, client.get("/usageSpecification?version=large&sort=id"), "next"))
            client.close()
        finally:
            db.execute("DELETE FROM usage_row WHERE usage_type = 'large'")
            db.execute("DELETE FROM usage_specification WHERE id LIKE 'large-%'")

    assert found == [(one["id"], one["@schemaLocation"]) for one in large]
    assert counts == [10, 10, 10, 1, 10, 10, 9]
    assert [len(page.usages()) for page in few] == [10, 10] and ids_of(few) == [one["id"] for one in specifications]
    if "/asan/" not in served.service.binary:  # which gives nothing back for a while
        assert served.service.peak_memory_mib() < before + 60
