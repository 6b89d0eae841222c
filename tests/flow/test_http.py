"""The read API on real data: what came in through Kafka is read over HTTP, whole, exact, page by page and filtered."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Iterator
from urllib.parse import quote

import pytest

from lib import swagger
from lib.accounts import account_problems
from lib.expect import differences, party_of
from lib.http import BASE, JSON, Answer, Client, client_of
from lib.publish import Publisher
from lib.records import Records, id_of
from lib.schemas import MEDIATION, PLAIN, ROAMING
from lib.schemas_rated import ENGINE, GUIDING, RATED_PLAIN
from lib.settle import wait_settled

COUNT = 1200
ODD_TYPE, ODD_PARTY = "a,b=c&d;e%", "客户 1/2+3"


class Served:
    """A service with a known content: `usages` are the documents by id, newest first, `revisions` their revisions."""

    def __init__(self, rig: Any):
        self.scene = rig.scene("http")
        self.service = self.scene.service()
        self.service.migrate()
        self.service.start()
        self.client = client_of(self.service)
        self.publisher = Publisher(self.scene)
        self._publish()
        changes = {one.id: self.publisher.ledger.history(one) for one in self.publisher.ledger.usages.values()}
        self.revisions = {usage: steps[-1].revision for usage, steps in changes.items()}
        self.usages = {usage: {**changes[usage][-1].document, "href": f"{self.service.base}/usage/{usage}"}
                       for usage in sorted(changes, reverse=True)}

    def _publish(self) -> None:
        source = Records(71, days=3, subscribers=40)
        records = source.take(COUNT - 1)
        records.append({**source.next(), "usageType": ODD_TYPE, "relatedParty": [
            {"id": "cust-x", "role": "subscriber"}, {"id": ODD_PARTY, "role": "payer"}]})
        for at, record in enumerate(records):  # the last one needs a writer that knows parties
            self.publisher.raw(record, writer=(MEDIATION, ROAMING, MEDIATION, PLAIN)[at % 4])
        self.settle()
        for at, record in enumerate(records[:400]):
            if at % 4 == 0:
                self.publisher.rated({"usageId": id_of(record), "status": "guided"}, partition=at % 3, writer=GUIDING,
                                     expect="changed")
            if at % 8 != 0:
                self.publisher.rated(source.rating_of(record), partition=at % 3, expect="changed",
                                     writer=ENGINE if at % 2 else RATED_PLAIN)
            if at % 16 == 1:
                self.publisher.rated({"usageId": id_of(record), "status": "billed"}, partition=at % 3,
                                     writer=RATED_PLAIN, expect="changed")
        for record in records[400:420]:
            self.publisher.rated({"usageId": id_of(record), "status": "rejected", "description": "no such subscriber"},
                                 writer=GUIDING, expect="changed")
        for record in records[:15]:  # of those that were sent without parties this is another content: a conflict
            self.publisher.raw(record)
        self.publisher.bytes(b"not framed", "framing")
        self.settle()

    def settle(self) -> None:
        self.publisher.flush()
        wait_settled(self.scene, self.publisher.ledger)

    def get(self, path: str) -> Answer:
        return self.client.get(path)

    def having(self, condition: Any) -> list[str]:
        """Ids of those that a filter must find, newest first."""
        return [usage for usage, document in self.usages.items() if condition(document)]

    def pages(self, query: str, limit: int) -> list[str]:
        """All ids of a query, by following the links."""
        answer = self.get(f"/usage?{query}&limit={limit}")
        found = answer.ids()
        while "next" in answer.links():
            url = answer.links()["next"]
            assert url.startswith(self.service.base)
            answer = self.get(url.removeprefix(self.service.base))
            found += answer.ids()
        return found


@pytest.fixture(scope="module")
def served(rig) -> Iterator[Served]:
    made = Served(rig)
    yield made
    made.client.close()
    made.scene.stop()


def no_difference(served: Served, usage: dict) -> None:
    assert differences(served.usages[usage["id"]], usage) == []
    assert swagger.faults("Usage", usage) == []


# ---- one usage ---------------------------------------------------------------------------------------------------------

def test_a_usage_is_read_as_its_records_made_it(served):
    for usage in list(served.usages)[::4]:
        answer = served.get(f"/usage/{usage}")

        assert answer.status == 200
        assert answer.header("Content-Type") == JSON
        assert answer.header("ETag") == f'"{served.revisions[usage]}"'
        no_difference(served, answer.json())


def test_all_usages_are_read_as_their_records_made_them(served):
    for offset in (0, 1000):
        for usage in served.get(f"/usage?limit=1000&offset={offset}").usages():
            no_difference(served, usage)
    statuses = [document["status"] for document in served.usages.values()]
    assert {one: statuses.count(one) for one in set(statuses)} == {
        "received": 780, "guided": 50, "rated": 325, "billed": 25, "rejected": 20}


def test_an_amount_keeps_its_digits(served):
    rated = served.having(lambda usage: usage["status"] == "rated")

    texts = [served.get(f"/usage/{usage}").text for usage in rated[:60]]

    values = [value for text in texts for value in re.findall(r'"taxExcludedRatingAmount":\{[^}]*"value":([^,}]*)', text)]
    assert len(values) == 60
    assert all(re.fullmatch(r"\d+\.(\d{4}|\d{9})", value) for value in values), values
    assert any(value.endswith("00000") for value in values), "the partner's scale is 9"


@pytest.mark.parametrize("target", [
    "x", "null", "0", "-1", "*", "%00", "%", "%zz", "%2e%2e", "..", "a%2Fb", "a%20b", "%F0%9F%92%A9", "%ff", "';--",
    "01a20779-75ca-882e-8c96", "01a20779-75ca-882e-8c96-86cbff439931", "01a2077975ca882e8c9686cbff439931x",
    "{01a20779}".replace("{", "%7B").replace("}", "%7D"), "0" * 4000])
def test_an_odd_id_is_not_found(served, target):
    served.get(f"/usage/{target}").is_error(404)


@pytest.mark.parametrize("target", ["/", "/usage", "/tmf-api", BASE, f"{BASE}/", f"{BASE}/usage/", f"{BASE}/Usage",
                                    f"{BASE}/usage/x/y", f"{BASE}/hubs", f"{BASE}/usageSpecification/x/y",
                                    "/tmf-api/usageManagement/v2/usage", f"/{BASE}/usage"])
def test_an_unknown_path_is_not_found(served, target):
    served.client.ask("GET", target).is_error(404)


def test_what_an_id_may_not_hold_is_refused_as_a_bad_request_and_what_is_too_long_as_such(served):
    assert "URI" in served.client.ask("GET", f"{BASE}/usage/a\"b").is_error(400)
    served.client.ask("GET", f"{BASE}/usage/{'a' * 9000}").is_error(414)
    served.client.ask("GET", f"{BASE}/usage?id={'a' * 9000}").is_error(414)


def test_the_fields_of_one_usage_can_be_chosen(served):
    usage = next(iter(served.usages))
    whole = served.get(f"/usage/{usage}").json()

    for query, names in (("fields=status", {"status"}), ("fields=none", set()), ("fields=nothing,such", set()),
                         ("fields=usageDate,%40type", {"usageDate", "@type"}), ("fields=", set(whole)),
                         ("fields=relatedParty.id", {"relatedParty"}), ("fields=id,href", set())):
        assert served.get(f"/usage/{usage}?{query}").json() == {
            name: value for name, value in whole.items() if name in names | {"id", "href"}}, query
    served.get(f"/usage/{usage}?status=rated").is_error(400)
    served.get(f"/usage/{usage}?limit=1").is_error(400)


def test_a_head_is_a_get_without_the_body(served):
    for path in (f"/usage/{next(iter(served.usages))}", "/usage?limit=3", "/usage/x", "/usage?what=ever"):
        get = served.get(path)
        head = served.client.ask("HEAD", BASE + path)

        assert head.status == get.status
        assert head.text == ""
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


def test_other_methods_are_not_allowed_and_options_says_which_are(served):
    usage = next(iter(served.usages))
    for path, allowed in ((f"/usage/{usage}", "GET, HEAD, PATCH, DELETE, OPTIONS"), ("/usage", "GET, HEAD, POST, OPTIONS")):
        for method in ("PUT", "BREW", "get"):
            answer = served.client.ask(method, BASE + path, b"{}" if method == "PUT" else None)
            answer.is_error(405)
            assert answer.header("Allow") == allowed

        options = served.client.ask("OPTIONS", BASE + path)
        assert (options.status, options.text, options.header("Allow")) == (204, "", allowed)


def test_what_a_client_says_of_media_types_refuses_no_read(served):
    for headers in ({"Content-Type": "application/json", "Accept": "application/json"}, {"Accept": "text/html"},
                    {"Accept": "application/json;charset=utf-8"}, {"Accept": ""}):
        assert served.client.ask("GET", f"{BASE}/usage?limit=1", headers=headers).usages()


def test_many_readers_at_once_each_get_their_own(served):
    def read(part: int) -> None:
        client = client_of(served.service)
        for usage in list(served.usages)[part::8][:40]:
            assert client.get(f"/usage/{usage}").json()["id"] == usage
        client.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(read, range(8)))) == 8


# ---- pages -------------------------------------------------------------------------------------------------------------

def test_a_list_without_parameters_is_the_newest_hundred(served):
    answer = served.get("/usage")

    assert answer.ids() == list(served.usages)[:100]
    assert answer.total() == COUNT
    assert answer.header("X-Total-Count-Estimated") is None
    for usage in answer.usages():
        no_difference(served, usage)


@pytest.mark.parametrize("query, start, end", [
    ("limit=5", 0, 5), ("limit=1000", 0, 1000), ("limit=1001", 0, 1000), ("limit=99999999999999999999", 0, 1000),
    ("limit=0", 0, 0), ("offset=0", 0, 100), ("offset=1150", 1150, 1200), ("offset=1199&limit=7", 1199, 1200),
    ("offset=1200", 1200, 1200), ("offset=5000&limit=3", 1200, 1200), ("offset=9223372036854775807", 1200, 1200),
    ("offset=99999999999999999999", 1200, 1200), ("limit=10&offset=20", 20, 30), ("offset=%31&limit=2", 1, 3),
    ("limit=0&offset=50", 0, 0), ("offset=00010&limit=1", 10, 11)])
def test_offset_and_limit_cut_out_a_page(served, query, start, end):
    answer = served.get(f"/usage?{query}")

    assert answer.ids() == list(served.usages)[start:end]
    assert answer.total() == COUNT


@pytest.mark.parametrize("query", [
    "offset=-1", "limit=-1", "offset=", "limit=", "offset=1.5", "limit=ten", "limit=1e2", "offset=%2B1", "limit=0x10",
    "limit=1&limit=2", "offset=1&offset=1", "limit", "offset.gt=1", "limit=%201", "limit=1,2"])
def test_a_page_that_is_no_number_is_refused(served, query):
    assert re.search("offset|limit", served.get(f"/usage?{query}").is_error(400))


@pytest.mark.parametrize("query, limit", [("", 1000), ("", 371), ("status=received", 130), ("usageType=SMS", 1),
                                          ("relatedParty.id=cust-000007&fields=id", 3)])
def test_pages_laid_end_to_end_are_the_whole_each_row_once(served, query, limit):
    conditions = {"": lambda usage: True, "status=received": lambda usage: usage["status"] == "received",
                  "usageType=SMS": lambda usage: usage["usageType"] == "SMS",
                  "relatedParty.id=cust-000007&fields=id":
                      lambda usage: "cust-000007" in [party["id"] for party in usage.get("relatedParty", ())]}

    assert served.pages(query, limit) == served.having(conditions[query]) != []


def test_links_lead_to_the_first_previous_next_and_last_page_and_keep_the_question(served):
    question = "status=received&fields=status&"
    url = f"{served.service.base}/usage?"

    def links(query: str) -> dict[str, str]:
        found = {rel: link.removeprefix(url) for rel, link in served.get(f"/usage?{query}").links().items()}
        return {rel: re.sub(r"(after|before)=[\w-]+$", r"\1=", link) for rel, link in found.items()}

    total = len(served.having(lambda usage: usage["status"] == "received"))
    last = (total - 1) // 50 * 50
    limit = f"{question}limit=50&"
    assert links(f"{question}limit=50") == {"first": f"{limit}offset=0", "next": f"{limit}after=",
                                            "last": f"{limit}offset={last}"}
    assert links(f"offset=70&{question}limit=50") == {
        "first": f"{limit}offset=0", "prev": f"{limit}before=", "next": f"{limit}after=",
        "last": f"{limit}offset={last}"}
    assert links(f"{limit}offset={last}") == {"first": f"{limit}offset=0", "prev": f"{limit}before=",
                                              "last": f"{limit}offset={last}"}
    assert links(f"{limit}offset=100000")["prev"] == f"{limit}offset={last}"


def test_a_page_that_is_the_whole_has_no_links_nor_has_one_whose_links_were_too_long(served):
    usage = next(iter(served.usages))
    for query in ("id=" + usage, "status=rejected", "usageType=NONE", "limit=0"):
        assert served.get(f"/usage?{query}").header("Link") is None, query
    many = ",".join(f"NONE{number:04d}" for number in range(150))
    assert served.get(f"/usage?limit=10&usageType=VOICE,{many}").header("Link") is None
    assert served.get("/usage?limit=10&usageType=VOICE").links()


def test_the_fields_of_a_list_can_be_chosen(served):
    for query, names in (("fields=usageType,status", {"usageType", "status"}), ("fields=none", set()),
                         ("fields=id", set()), ("fields=unknown", set()), ("fields=usageSpecification",
                                                                           {"usageSpecification"})):
        for usage in served.get(f"/usage?limit=20&{query}").usages():
            assert set(usage) == names | {"id", "href"}
            assert all(usage[name] == served.usages[usage["id"]][name] for name in usage)


# ---- filters -----------------------------------------------------------------------------------------------------------

def found_by(served: Served, query: str) -> list[str]:
    answer = served.get(f"/usage?limit=1000&{query}")
    assert answer.total() == len(answer.usages())
    return answer.ids()


def test_the_filter_id_finds_those_usages(served):
    some = list(served.usages)[::300]
    random = "01a20779-75ca-882e-8c96-86cbff439931"

    assert found_by(served, f"id={some[1]}") == [some[1]]
    assert found_by(served, f"id.eq={some[1]}") == found_by(served, f"id%3D%3D{some[1]}") == [some[1]]
    assert found_by(served, f"id={','.join(reversed(some))}") == some
    assert found_by(served, "&".join(f"id={usage}" for usage in some)) == some
    assert found_by(served, f"id={random}") == found_by(served, "id=odd") == found_by(served, "id=") == []
    assert found_by(served, f"id={random},{some[2]},odd") == [some[2]]


def test_the_filter_status_finds_those_of_that_status(served):
    def of(*statuses: str) -> list[str]:
        return served.having(lambda usage: usage["status"] in statuses)

    assert found_by(served, "status=rated") == of("rated") != []
    assert found_by(served, "status.eq=guided") == found_by(served, "status==guided") == of("guided") != []
    assert found_by(served, "status=rated,billed") == found_by(served, "status=rated&status=billed") == of("rated", "billed")
    assert found_by(served, "status=recycled") == []
    for bad in ("Rated", "rerate", "", "rated,nonsense", "%00", "rated%2Cbilled"):
        served.get(f"/usage?status={bad}").is_error(400)


def test_the_filter_usage_type_finds_those_of_that_type(served):
    def of(*types: str) -> list[str]:
        return served.having(lambda usage: usage["usageType"] in types)

    assert found_by(served, "usageType=VOICE") == of("VOICE") != []
    assert found_by(served, "usageType=SMS,DATA") == of("SMS", "DATA")
    assert found_by(served, "usageType=sms") == []
    assert found_by(served, f"usageType={quote(ODD_TYPE, safe='')}") == of(ODD_TYPE)
    assert len(of(ODD_TYPE)) == 1
    assert found_by(served, "usageType=%27%20OR%20true%20--") == []


def test_the_filter_party_finds_any_element(served):
    def of(*parties: str) -> list[str]:
        return served.having(lambda usage: any(party["id"] in parties for party in usage.get("relatedParty", ())))

    second = next(usage["relatedParty"][1]["id"] for usage in served.usages.values()
                  if len(usage.get("relatedParty", ())) > 1 and party_of(usage) != usage["relatedParty"][1]["id"])
    assert found_by(served, "relatedParty.id=cust-000003") == of("cust-000003") != []
    assert found_by(served, f"relatedParty.id={second}") == of(second) != []
    assert found_by(served, f"relatedParty.id=cust-000003,{second}") == of("cust-000003", second)
    assert found_by(served, f"relatedParty.id={quote(ODD_PARTY, safe='')}") == of(ODD_PARTY)
    assert found_by(served, f"relatedParty.id={quote(ODD_PARTY, safe='').replace('%20', '+')}") == of(ODD_PARTY)
    assert len(of(ODD_PARTY)) == 1
    assert found_by(served, "relatedParty.id=nobody") == []


RANGES = {"gt": lambda date, bound: date > bound, "gte": lambda date, bound: date >= bound,
          "lt": lambda date, bound: date < bound, "lte": lambda date, bound: date <= bound}
LITERAL = {"gt": ("%3E", ">"), "gte": ("%3E%3D", ">=", "%3e="), "lt": ("%3C", "<"), "lte": ("%3C%3D", "<=", "%3c=")}


def moment(usage: dict) -> datetime:
    return datetime.fromisoformat(usage["usageDate"])


@pytest.mark.parametrize("operator", RANGES)
def test_the_filter_usage_date_has_each_range_in_words_and_literally(served, operator):
    dates = sorted(usage["usageDate"] for usage in served.usages.values())
    for bound in (dates[0], dates[500], dates[-1], "2001-01-01T00:00:00Z", "2999-01-01T00:00:00Z"):
        wanted = served.having(lambda usage: RANGES[operator](moment(usage), datetime.fromisoformat(bound)))

        assert found_by_pages(served, f"usageDate.{operator}={bound}") == wanted
        for literal in LITERAL[operator]:
            if literal.startswith("%"):  # the raw signs are no URI, and are asked for below
                assert found_by_pages(served, f"usageDate{literal}{bound}") == wanted, literal


def found_by_pages(served: Served, query: str) -> list[str]:
    return served.pages(query, 1000)


def test_raw_signs_of_order_are_no_uri(served):
    for sign in (">", "<", ">=", "<="):
        served.client.ask("GET", f"{BASE}/usage?usageDate{sign}2026-11-23T00:00:00Z").is_error(400)


def test_the_filter_usage_date_takes_windows_offsets_and_parts_of_milliseconds(served):
    dates = sorted(usage["usageDate"] for usage in served.usages.values())
    low, high = dates[300], dates[900]

    window = served.having(lambda usage: low <= usage["usageDate"] < high)
    assert found_by(served, f"usageDate.gte={low}&usageDate.lt={high}") == window
    assert found_by(served, f"usageDate.lt={high}&usageDate.gte={low}&usageDate.gte={dates[0]}") == window
    assert found_by(served, f"usageDate.gte={high}&usageDate.lt={low}") == []
    east = datetime.fromisoformat(low).astimezone(datetime.strptime("+0800", "%z").tzinfo).isoformat(timespec="milliseconds")
    for sign in ("%2B", "+", "%20"):
        assert found_by(served, f"usageDate.gte={east.replace('+', sign)}&usageDate.lt={high}") == window
    exactly = served.having(lambda usage: usage["usageDate"] == low)
    assert found_by(served, f"usageDate={low}") == found_by(served, f"usageDate.eq={low}") == exactly
    assert found_by(served, f"usageDate={low},{high}") == served.having(lambda usage: usage["usageDate"] in (low, high))
    between = low.replace("Z", "5Z")
    assert found_by(served, f"usageDate={between}") == []
    assert found_by(served, f"usageDate.gte={between}&usageDate.lt={high}") == [
        usage for usage in window if served.usages[usage]["usageDate"] > low]
    for bad in ("yesterday", "2026-11-23", "2026-13-01T00:00:00Z", "2026-11-23T08:15:30", "", "1795421730250"):
        served.get(f"/usage?usageDate.gte={bad}").is_error(400)


def test_filters_are_joined_by_and(served):
    dates = sorted(usage["usageDate"] for usage in served.usages.values())

    assert found_by(served, f"status=received&usageType=VOICE,DATA&usageDate.gt={dates[100]}&fields=id"
                            "&relatedParty.id=cust-000001,cust-000002,cust-000003,cust-000004") == served.having(
        lambda usage: usage["status"] == "received" and usage["usageType"] in ("VOICE", "DATA")
        and usage["usageDate"] > dates[100] and any(
            party["id"] in ("cust-000001", "cust-000002", "cust-000003", "cust-000004")
            for party in usage.get("relatedParty", ()))) != []
    assert found_by(served, "status=rated&status.eq=billed&usageType=NONE") == []


@pytest.mark.parametrize("query", [
    "unknown=1", "Status=rated", "usage_date=x", "usageDate.=x", "status!=rated", "relatedParty=x", "relatedParty.id.x=1",
    "usageCharacteristic.cell=1", "usageSpecification=x", "%40referredType=Usage", "revision=1", "sort=", "after=x", "before=x",
    "after=", "=x", "%3Dx", "status", "%zz=1", "status=%zz", "status=rated;", "a%00b=1", "status%00=rated", "id=%ff",
    "usageType=%00", "%F0%9F%92%A9=1"])
def test_what_is_not_known_is_refused_never_ignored(served, query):
    served.get(f"/usage?{query}").is_error(400)


def test_a_fault_is_named(served):
    assert "colour" in served.get("/usage?colour=red").is_error(400)
    assert "Rated" in served.get("/usage?status=Rated").is_error(400)
    assert "-7" in served.get("/usage?offset=-7").is_error(400)
    assert "no-such" in served.get("/usage/no-such").is_error(404)


@pytest.mark.parametrize("query", ["filter=", "filter=x", "filter=%24%5B%3F(%40.status%3D%3D'rated')%5D&limit=3",
                                   "status=rated&filter=a"])
def test_jsonpath_filters_are_not_implemented(served, query):
    served.get(f"/usage?{query}").is_error(501)


# ---- health and metrics ------------------------------------------------------------------------------------------------

def test_health_and_readiness(served):
    operate = Client(served.service.operate)
    assert operate.ask("GET", "/healthz").status == 200
    ready = operate.ask("GET", "/readyz")
    assert (ready.status, ready.header("Content-Type"), ready.json()) == (200, JSON, {"ready": True, "waiting": {}})
    for path in ("/healthz", "/readyz", "/metrics"):
        assert operate.ask("HEAD", path).status == 200
        refused = operate.ask("POST", path)
        assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")
        assert served.client.ask("GET", path).status == 404, "the API's address tells nothing of the inside"
    assert operate.ask("GET", "/").status == 404
    operate.close()


METRICS = {
    "usaged_records_total": "counter", "usaged_dead_letters_total": "counter", "usaged_events_total": "counter",
    "usaged_batch_records": "histogram", "usaged_batch_seconds": "histogram", "usaged_delay_seconds": "histogram",
    "usaged_offset": "gauge", "usaged_parked_ended_total": "counter", "usaged_parked": "gauge",
    "usaged_parked_seconds": "gauge", "usaged_takeovers_total": "counter", "usaged_dependency_up": "gauge",
    "usaged_retries_total": "counter", "usaged_http_requests_total": "counter", "usaged_http_request_seconds": "histogram",
    "usaged_hub_listeners": "gauge", "usaged_hub_backlog": "gauge",
    "usaged_build_info": "gauge", "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge",
    "process_start_time_seconds": "gauge", "process_open_fds": "gauge"}
LABELS = {"topic", "outcome", "reason", "stage", "to", "partition", "mark", "found", "name", "method", "route", "status",
          "state", "listener", "version", "le"}


def test_all_metrics_are_there_well_formed_and_of_their_type(served):
    served.get("/usage?limit=1")
    answer = Client(served.service.operate).ask("GET", "/metrics")

    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", answer.text, flags=re.M))
    assert METRICS.items() <= types.items()
    assert set(re.findall(r"^# HELP (\S+) .", answer.text, flags=re.M)) >= {
        name for name in types if name.startswith("usaged_")}
    assert answer.header("Content-Type").startswith("text/plain; version=0.0.4")
    samples = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert len(samples) == len({line.rpartition(" ")[0] for line in samples}), "a sample is there twice"
    for line in samples:
        name, labels, value = re.fullmatch(r'(\w+)(?:\{((?:\w+="[^"\\]*",?)+)\})? (\S+)', line).groups()
        assert name in types or re.sub("_(bucket|sum|count)$", "", name) in types, line
        assert set(re.findall(r'(\w+)="', labels or "")) <= LABELS, line
        assert float(value) >= 0
    for name, kind in types.items():
        if kind == "histogram":
            check_histogram(name, samples)


def check_histogram(name: str, samples: list[str]) -> None:
    """Buckets only grow, and the last is the count."""
    rows: dict[str, list[float]] = {}
    for line in samples:
        found = re.fullmatch(name + r'_bucket\{(.*?),?le="[^"]+"\} (\S+)', line)
        if found:
            rows.setdefault(found[1].strip(","), []).append(float(found[2]))
    assert rows
    for labels, buckets in rows.items():
        count = f"{name}_count{{{labels}}}" if labels else f"{name}_count"
        assert buckets == sorted(buckets)
        assert f"{count} {buckets[-1]:.0f}" in samples


def test_the_metrics_add_up_to_the_account_in_postgresql(served):
    assert account_problems(served.scene) == []
    metrics = served.service.metric
    with served.scene.connect() as db:
        account = db.execute("SELECT topic, outcome, sum(records)::int FROM source_outcome GROUP BY 1, 2").fetchall()
    counted = {(topic, outcome): n for topic, outcome, n in account}
    for topic in served.scene.inbound:
        for outcome in ("created", "duplicate", "changed", "updated", "superseded", "parked", "dead"):
            assert metrics("usaged_records_total", topic=topic, outcome=outcome) == counted.get((topic, outcome), 0)
    assert metrics("usaged_records_total") == len(served.publisher.ledger.entries)
    for reason, n in (("framing", 1), ("conflict", 4)):
        assert metrics("usaged_dead_letters_total", topic=served.scene.topic["raw"], reason=reason) == n
    assert metrics("usaged_dead_letters_total") == 5
    changed = sum(n for (_, outcome), n in counted.items() if outcome == "changed")
    for word, n in (("create", COUNT), ("state-change", changed), ("dead-letter", 5), ("delete", 0)):
        assert metrics("usaged_events_total", topic=served.scene.topic[word]) == n
    assert metrics("usaged_delay_seconds_count", to="stored") == metrics("usaged_records_total")
    assert metrics("usaged_delay_seconds_count", to="published") == metrics("usaged_records_total")
    assert metrics("usaged_takeovers_total", found="first") == metrics("usaged_takeovers_total") == 13  # with @http
    assert metrics("usaged_dependency_up") == 3
    assert metrics("usaged_build_info") == 1
    marks = served.scene.committed()
    for (topic, partition), offset in marks.items():
        for mark in ("stored", "published"):
            assert metrics("usaged_offset", topic=topic, partition=str(partition), mark=mark) == offset
    assert metrics("process_resident_memory_bytes") > 1e6


def test_http_requests_are_counted_by_method_route_and_status(served):
    usage = next(iter(served.usages))
    asked = [("GET", "/usage/{id}", f"/usage/{usage}", 200), ("GET", "/usage/{id}", "/usage/odd", 404),
             ("GET", "/usage", "/usage?limit=1", 200), ("GET", "/usage", "/usage?filter=x", 501),
             ("DELETE", "/usage", "/usage", 405), ("other", "/usage", "/usage", 405)]

    def count(method: str, route: str, status: int) -> float:
        return served.service.metric("usaged_http_requests_total", method=method, route=route, status=str(status))

    before = {one: count(one[0], one[1], one[3]) for one in asked}
    for method, _, path, status in asked:
        assert served.client.ask("BREW" if method == "other" else method, BASE + path).status == status
    assert {one: count(one[0], one[1], one[3]) - n for one, n in before.items()} == {one: 1 for one in asked}


def test_no_label_holds_what_belongs_to_a_person_or_names_a_usage(served):
    usage = next(iter(served.usages.values()))
    served.get(f"/usage/{usage['id']}")
    served.get("/usage?relatedParty.id=cust-000003")
    served.client.ask("GET", "/cust-000003")
    served.client.ask("CUST-000003", BASE + "/usage")

    text = Client(served.service.operate).ask("GET", "/metrics").text.lower()

    labels = " ".join(re.findall(r"\{.*\}", text))  # a number may have any digits
    assert 'route="' in labels and "cust-" not in labels and "138000" not in labels
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", labels)
