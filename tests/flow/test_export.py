"""Export: GET of usages as CSV and as JSON lines. What comes is what the list gives, whatever slices it comes in; and
clients that do not read, or leave, and parts that go away."""

import csv
import io
import json
import random
import re
import threading
from typing import Any, Iterator, Optional

import pytest
from lib.fill import fill_usages, filled
from lib.http import JSON, client_of
from lib.query_content import Content, Questions, dumps, store_usages
from lib.query_oracle import Oracle, in_order, to_text
from lib.stream import CSV, NDJSON, Stream, export
from rig.wait import until

USAGES = 300
ROWS = 30_000
STREAMS = 32  # that may run at once
LOOKS = 20  # of which all find the same: two seconds at least
COLUMNS = ("id", "href", "usageDate", "usageType", "status", "description", "usageSpecification", "relatedParty",
           "usageCharacteristic", "ratedProductUsage")


def lines_of(body: str) -> list[str]:
    """Of JSON lines."""
    lines = body.split("\n")
    assert lines.pop() == "" and "" not in lines
    return lines


def as_list(body: str) -> str:
    """The same usages as the list has them."""
    return f"[{','.join(lines_of(body))}]"


def table_of(body: str) -> list[list[str]]:
    """Of a CSV, by a reader that is not ours."""
    assert body.endswith("\r\n")
    return list(csv.reader(io.StringIO(body, newline=""), strict=True))


def cell(usage: dict, name: str) -> str:
    value = usage.get(name, "")
    return value if isinstance(value, str) else dumps(value)


# ---- what comes --------------------------------------------------------------------------------------------------------

class Small:
    """Usages with something in every attribute, from a service whose slices have 17 rows, or about 9 kB."""

    def __init__(self, rig: Any):
        self.scene = rig.scene("export")
        self.service = self.scene.service(env={"USAGED_FAILPOINT_SLICES": "3:17:9000"})
        self.service.migrate()
        content = Content(20261127)
        self.usages = [content.usage() for _ in range(USAGES)]
        self.usages[7]["description"] = "two\r\nlines, \"quoted\" 📞"
        self.usages[8]["usageType"] = "a\nb"
        with self.scene.connect() as db:
            store_usages(db, self.usages)
        for one in self.usages:
            one["href"] = f"{self.service.base}/usage/{one['id']}"
        self.service.start()
        self.http = self.service.http
        self.client = client_of(self.service)
        self.oracle, self.questions = Oracle("Usage"), Questions(3, "Usage", self.usages)

    def list(self, query: str) -> str:
        answer = self.client.get(f"/usage?{query}&limit=1000")
        assert answer.status == 200, answer
        return answer.text


@pytest.fixture(scope="module")
def small(rig) -> Iterator[Small]:
    made = Small(rig)
    yield made
    made.client.close()
    made.scene.stop()


def random_query(small: Small, dice: random.Random) -> tuple[str, list[dict]]:
    """Some filter in some order, and what it finds."""
    groups = small.questions.groups() if dice.random() < 0.5 else []
    keys = small.questions.keys()
    order = ",".join(("-" if descending else "") + name for name, descending in keys)
    wanted = in_order([one for one in small.usages if small.oracle.finds(groups, one)], keys)
    return "&".join(part for part in (to_text(groups), f"sort={order}" if order else "") if part), wanted


def test_json_lines_are_the_elements_of_the_list_in_any_order_and_with_any_filter(small):
    dice = random.Random(5)
    for _ in range(50):
        query, wanted = random_query(small, dice)
        if dice.random() < 0.3:
            query += "&fields=" + dice.choice(("id", "none", "status,usageSpecification.name", "@type,relatedParty", ""))

        body = export(small.http, query)

        assert as_list(body) == small.list(query), query
        assert [json.loads(line)["id"] for line in lines_of(body)] == [one["id"] for one in wanted], query


def test_a_csv_has_the_same_values_in_the_contracts_columns(small):
    dice = random.Random(6)
    for _ in range(25):
        query, wanted = random_query(small, dice)
        chosen = dice.sample(COLUMNS, dice.randrange(1, 6)) if dice.random() < 0.4 else []
        shown = [name for name in COLUMNS if not chosen or name in (*chosen, "id", "href")]

        table = table_of(export(small.http, query + (f"&fields={','.join(chosen)}" if chosen else ""), CSV))

        assert table == [shown] + [[cell(one, name) for name in shown] for one in wanted], query


def test_lines_end_as_their_format_wants(small):
    body = export(small.http, "fields=status", CSV)

    assert body.count("\r\n") == body.count("\n") == USAGES + 1
    assert "\r" not in export(small.http).replace("\\r", "")


def test_offset_and_limit_count_rows_and_a_limit_has_no_cap(small):
    ids = [json.loads(line)["id"] for line in lines_of(export(small.http))]
    assert len(ids) == USAGES
    for offset in (0, 1, 3, 150, USAGES - 1, USAGES, USAGES + 1, 10 ** 15):
        for limit in (None, 0, 1, 2, 3, 4, 9, 10, USAGES - 1, USAGES, 2 ** 31 - 1, 2 ** 31, 2 ** 63 - 1, 10 ** 30):
            query = f"offset={offset}" + (f"&limit={limit}" if limit is not None else "")
            found = [json.loads(line)["id"] for line in lines_of(export(small.http, query))]
            assert found == ids[offset:][:limit], query


def test_after_goes_on_where_a_list_has_ended(small):
    page = small.client.get("/usage?sort=status&limit=100")
    after = re.search(r"after=([\w-]+)", page.links()["next"])[1]

    body = export(small.http, f"sort=status&after={after}")

    assert [json.loads(line) for line in lines_of(body)] == json.loads(small.list("sort=status"))[100:]
    before = re.search(r"before=([\w-]+)", small.client.get("/usage?offset=100").links()["prev"])[1]
    refused = Stream(small.http, f"before={before}")
    assert refused.status == 400 and json.loads(refused.read())["message"].startswith("before: a stream only goes forward")


@pytest.mark.parametrize("accept", [CSV, NDJSON])
@pytest.mark.parametrize("query, status", [
    ("limit=-1", 400), ("limit=x", 400), ("offset=-1", 400), ("colour=red", 400), ("sort=relatedParty", 400),
    ("before=abc", 400), ("after=abc", 400), ("status=odd", 400), ("usageType.regex=(", 400), ("filter=x", 501), ("a=%zz", 400)])
def test_what_a_list_refuses_an_export_refuses_before_its_first_byte(small, accept, query, status):
    stream = Stream(small.http, query, accept)

    body = json.loads(stream.read())

    assert (stream.status, stream.headers["content-type"], body["status"]) == (status, JSON, str(status))


def test_the_head_is_that_of_a_stream_and_has_no_counts(small):
    for accept, media in ((CSV, "text/csv;charset=utf-8"), (NDJSON, NDJSON)):
        streams = [Stream(small.http, accept=accept, method=method) for method in ("GET", "HEAD")]
        for stream in streams:
            assert (stream.status, stream.headers["content-type"], stream.headers["vary"]) == (200, media, "Accept")
            assert not {"link", "x-total-count", "x-result-count", "content-length"} & set(stream.headers)
    assert Stream(small.http, "limit=-1", CSV, "HEAD").status == 400


def test_what_fits_one_slice_is_a_body_of_known_length(small):
    body = Stream(small.http, "limit=2")

    assert int(body.headers["content-length"]) == len(body.read().encode())
    nothing = Stream(small.http, "usageType=nobody", CSV)
    assert nothing.read() == ",".join(COLUMNS) + "\r\n"
    assert Stream(small.http, "usageType=nobody").read() == ""


def test_other_resources_and_other_wishes_get_json(small):
    one = small.usages[0]["id"]
    for path, accept in ((f"/usage/{one}", CSV), ("/usageSpecification", NDJSON), ("/usage", "text/html"),
                         ("/usage", f"{CSV};q=0.5, application/json"), ("/usage", "text/*;q=0, */*")):
        answer = small.client.ask("GET", "/tmf-api/usageManagement/v4" + path, headers={"Accept": accept})
        assert (answer.status, answer.header("Content-Type")) == (200, JSON), path
    assert small.client.get("/usage?limit=1").header("Vary") == "Accept"


def test_a_usage_larger_than_a_slice_comes_alone(small):
    content = Content(9)
    before = small.service.peak_memory_mib()
    with small.scene.connect() as db:
        large = [content.usage() for _ in range(20)]
        for number, one in enumerate(large):
            one["id"] = one["id"][:-4] + f"{number:04d}"
            one["usageType"] = "large"
            one["@schemaLocation"] = chr(97 + number) * 3_000_000
        store_usages(db, large)
        try:
            lines = lines_of(export(small.http, "usageType=large&sort=id"))
        finally:
            db.execute("DELETE FROM usage_row WHERE usage_type = 'large'")

    assert [json.loads(line)["@schemaLocation"] for line in lines] == [
        one["@schemaLocation"] for one in sorted(large, key=lambda one: one["id"])]
    if "/asan/" not in small.service.binary:  # which gives nothing back for a while
        assert small.service.peak_memory_mib() < before + 30, "60 MB were sent"


# ---- clients and parts -------------------------------------------------------------------------------------------------

class Large:
    """So many usages that the system keeps only a part of their export for a client that does not read."""

    def __init__(self, rig: Any):
        self.rig = rig
        self.service = filled(rig, "exports", ROWS)
        self.scene = self.service.scene
        self.http = self.service.http
        self.client = client_of(self.service)

    def wait_stalled(self) -> None:
        """No export asks for a slice any more: the clients have been sent what the system keeps for them. Looks are counted
        and no time, in which all may have stood still."""
        looks = []

        def all_equal() -> bool:
            looks.append(db.execute(
                "SELECT count(*) FILTER (WHERE state <> 'idle'), max(query_start) FROM pg_stat_activity WHERE datname = %s AND "
                "query LIKE '%%bytes_so_far%%' AND pid <> pg_backend_pid()", (self.scene.database,)).fetchone())
            return looks[-LOOKS:] == [(0, looks[-1][1])] * LOOKS

        with self.scene.connect() as db:
            until("no export goes on", all_equal, 60, every=0.1)

    def transactions(self) -> int:
        """Of the connections that read."""
        with self.scene.connect() as db:
            return db.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND "
                              "(query LIKE '%%bytes_so_far%%' OR query LIKE '%%FROM usage_row%%') AND xact_start IS NOT NULL",
                              (self.scene.database,)).fetchone()[0]

    def ids(self) -> list[str]:
        with self.scene.connect() as db:
            return [str(row[0]) for row in db.execute("SELECT id FROM usage_row WHERE deleted_at IS NULL ORDER BY id DESC")]


@pytest.fixture(scope="module")
def shared(rig) -> Iterator[Large]:
    made = Large(rig)
    yield made
    made.client.close()
    made.scene.stop()


@pytest.fixture
def large(rig, shared) -> Iterator[Large]:
    """As it was before, for each test."""
    yield shared
    rig.mend()
    if not shared.service.alive():
        shared.service.start()


def ids_of(body: str) -> list[str]:
    return [line[7:43] for line in lines_of(body)]


def stalled(large: Large, count: int) -> list[Stream]:
    """Exports that have begun and that nobody reads. Clients that have left a moment ago may still have their places."""

    def begun() -> Optional[Stream]:
        stream = Stream(large.http)
        return stream if stream.status == 200 else None

    streams = [until("an export begins", begun) for _ in range(count)]
    assert all("content-length" not in stream.headers for stream in streams)
    large.wait_stalled()
    return streams


def test_a_large_export_has_every_usage_once_in_order(large):
    assert ids_of(export(large.http)) == large.ids()
    assert ids_of(export(large.http, "sort=id")) == large.ids()[::-1]
    assert len(table_of(export(large.http, accept=CSV))) == ROWS + 1


def test_clients_that_do_not_read_hold_neither_a_thread_nor_a_transaction(large):
    streams = stalled(large, 12)

    for _ in range(100):
        assert large.client.get("/usage?limit=5").total() == ROWS
        assert large.transactions() == 0
    bodies = {}
    readers = [threading.Thread(target=lambda number=number: bodies.update({number: streams[number].read()}))
               for number in range(len(streams))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert len(set(bodies.values())) == 1 and ids_of(bodies[0]) == large.ids()


def test_rows_that_come_and_go_meanwhile_take_no_other_away_and_none_comes_twice(large):
    there = large.ids()
    (stream,) = stalled(large, 1)
    gone, stays = set(there[1::3]), set(there) - set(there[1::3])
    with large.scene.connect() as db:
        db.execute("CREATE TABLE kept AS SELECT * FROM usage_row WHERE id = ANY (%s::uuid[])", (list(gone),))
        db.execute("DELETE FROM usage_row WHERE id = ANY (%s::uuid[])", (list(gone),))
        db.execute("INSERT INTO usage_row SELECT (left(id::text, 24) || 'ffffffffffff')::uuid, usage_date, usage_type, status, "
                   "'new', specification_id, party_id, other_party_ids, rated_product_usage, revision, created_at, updated_at, "
                   "deleted_at, content, rated, document FROM usage_row WHERE right(id::text, 1) = '0'")
        try:
            found = ids_of(stream.read())
        finally:
            new = {str(row[0]) for row in db.execute("DELETE FROM usage_row WHERE description = 'new' RETURNING id")}
            db.execute("INSERT INTO usage_row SELECT * FROM kept; DROP TABLE kept")

    assert len(found) == len(set(found)) and found == sorted(found, reverse=True)
    assert stays <= set(found) <= stays | gone | new
    assert len(set(found) & gone) < len(gone) and set(found) & new, "the export was not over when they came and went"


def test_so_many_exports_may_run_at_once_and_clients_that_leave_make_room(large):
    for _ in range(2):
        streams = stalled(large, STREAMS)

        refused = Stream(large.http)

        assert refused.status == 503 and refused.headers["retry-after"] == "10"
        assert "exports" in json.loads(refused.read())["message"]
        assert large.client.get("/usage?limit=1").status == 200, "a list is no export"
        assert Stream(large.http, "limit=3").status == 503
        for stream in streams:
            stream.close()
    until("there is room again", lambda: Stream(large.http, "limit=3").status == 200)


def test_no_export_notices_that_postgresql_was_started_again(large):
    (stream,) = stalled(large, 1)

    large.rig.postgres.restart()

    assert ids_of(stream.read()) == large.ids()


def test_an_export_is_cut_off_when_postgresql_goes_away_and_the_client_sees_it(large):
    before = large.service.log_text().count("an export is cut off")
    (stream,) = stalled(large, 1)
    large.rig.postgres.kill()

    assert stream.read() is None

    assert large.service.log_text().count("an export is cut off") == before + 1
    assert Stream(large.http).status == 503
    large.rig.postgres.start()
    until("exports go on", lambda: Stream(large.http, "limit=1").status == 200)
    assert ids_of(export(large.http)) == large.ids()


def test_a_slice_that_takes_too_long_cuts_it_off_too(large):
    large.service.stop()
    slow = large.scene.service("slow", settings={"http.statement-timeout-ms": 3000})
    slow.start()
    stream = Stream(slow.http)
    large.wait_stalled()

    with large.scene.connect() as db, db.transaction():
        db.execute("LOCK TABLE usage_row IN ACCESS EXCLUSIVE MODE")
        assert stream.read() is None
        refused = Stream(slow.http)
        assert refused.status == 503 and "http.statement-timeout-ms" in refused.read()

    slow.wait_log("an export is cut off usages=[1-9][0-9]+ sqlstate=57014")
    assert ids_of(export(slow.http)) == large.ids()
    slow.stop()


def test_the_end_of_the_service_cuts_exports_off_and_waits_for_no_client(large):
    streams = stalled(large, 4)
    streams[0].read_some(100_000)

    assert large.service.stop() == 0

    assert [stream.read() for stream in streams] == [None] * 4
    assert "a part did not end in time" not in large.service.log_text()


@pytest.mark.long
def test_memory_does_not_grow_with_the_number_of_usages(rig):
    made = rig.scene("export-memory")
    service = made.service()
    service.migrate()
    with made.connect() as db:
        fill_usages(db, 20_000)
        service.start()
        peaks = []
        for _ in range(3):
            assert len(lines_of(export(service.http))) == 20_000
        peaks.append(service.peak_memory_mib())
        db.execute("TRUNCATE usage_row")
        fill_usages(db, 200_000)
    for accept in (NDJSON, CSV):
        assert export(service.http, accept=accept).count("\n") >= 200_000
    peaks.append(service.peak_memory_mib())
    made.stop()

    assert peaks[1] < peaks[0] + 5, peaks
