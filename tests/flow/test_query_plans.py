"""How PostgreSQL finds what a query asks for: the plans of the service's own statements, as auto_explain has them, over 40,000
usages of four months."""

import re
from typing import Any, Iterator

import pytest
from lib.fill import fill_usages
from lib.http import Answer, client_of
from rig.wait import until

ROWS = 40_000


class Explained:
    """A service whose every statement leaves its plan in PostgreSQL's log."""

    def __init__(self, rig: Any):
        self.scene = rig.scene("plans")
        self.service = self.scene.service(settings={"usage.indexed-characteristics": "msisdn"})
        self.service.migrate()
        with self.scene.connect() as db:
            fill_usages(db, ROWS)
            db.execute("ANALYZE usage_row")
            for name, value in (("session_preload_libraries", "auto_explain"), ("auto_explain.log_min_duration", "0"),
                                ("auto_explain.log_analyze", "on"), ("auto_explain.log_timing", "off"),
                                ("max_parallel_workers_per_gather", "0")):
                db.execute(f"ALTER DATABASE \"{self.scene.database}\" SET {name} = '{value}'")
        self.service.start()
        self.client = client_of(self.service)
        self.log = rig.postgres.log_file
        self.plans: list[str] = []

    def get(self, query: str) -> Answer:
        """Asks, and keeps the plans of the statements that read usages: the page's first, then the count's."""
        before = self.log.stat().st_size
        answer = self.client.get(f"/usage?{query}")
        assert answer.status == 200, answer

        def plans() -> list[str]:
            text = self.log.read_bytes()[before:].decode()
            entries = re.split(r"(?m)^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", text)
            return [entry for entry in entries if f" {self.scene.database} " in entry.partition("LOG:")[0]
                    and "usaged/" in entry and "Query Text: SELECT" in entry and "usage_row WHERE" in entry]

        self.plans = until("the plan is in PostgreSQL's log", plans)
        return answer

    def page(self) -> str:
        """The plan of the page, without the statement's text."""
        return re.split(r"\n\t *-> +Limit ", self.plans[0], maxsplit=1)[1]

    def partitions(self) -> set[str]:
        """Months whose partitions the page's plan names."""
        return {f"{year}-{month}" for year, month in re.findall(r" on usage_row_(\d{4})(\d\d)\d\d_", self.page())}

    def rows_read(self) -> int:
        """That scans of the page's plan gave or put aside."""
        scans = re.findall(r"(?<!Bitmap Index )Scan.* on usage_row_.*\(.*actual rows=(\d+) loops=(\d+)\)", self.page())
        return sum(int(rows) * int(loops) for rows, loops in scans) + sum(
            int(rows) for rows in re.findall(r"Rows Removed by Filter: (\d+)", self.page()))


@pytest.fixture(scope="module")
def explained(rig) -> Iterator[Explained]:
    made = Explained(rig)
    yield made
    made.client.close()
    made.scene.stop()


def test_a_window_of_dates_looks_only_at_the_partitions_of_that_time(explained):
    assert explained.get("usageDate.gte=2026-09-10T00:00:00Z&usageDate.lt=2026-09-11T00:00:00Z&limit=5").usages()
    assert explained.partitions() == {"2026-09"}
    assert explained.rows_read() <= 6

    explained.get("usageDate.gte=2026-09-30T00:00:00Z&usageDate.lt=2026-10-02T00:00:00Z&limit=1000")
    assert explained.partitions() == {"2026-09", "2026-10"}


def test_so_do_groups_that_all_have_a_window(explained):
    explained.get("usageDate.gte=2026-09-10T00:00:00Z&usageDate.lt=2026-09-11T00:00:00Z;"
                  "usageDate.gte=2026-09-20T00:00:00Z&usageDate.lt=2026-09-21T00:00:00Z&status=rated")
    assert explained.partitions() == {"2026-09"}
    assert explained.rows_read() < 4000

    explained.get("usageDate.gte=2026-10-10T00:00:00Z&usageDate.lt=2026-10-11T00:00:00Z;usageDate=2026-08-01T00:00:00Z&limit=5")
    assert explained.partitions() <= {"2026-10", "2026-09", "2026-08"}, "what is behind the last window is not looked at"


def test_an_id_looks_at_one_row(explained):
    ids = explained.get("limit=3&offset=17000").ids()

    assert explained.get(f"id={ids[0]}").ids() == ids[:1]
    assert len(explained.partitions()) == 1 and explained.rows_read() == 1
    assert explained.get(f"id={','.join(ids)}").ids() == ids
    assert len(explained.partitions()) == 1 and explained.rows_read() == 3
    assert explained.get(f"href={explained.service.base}/usage/{ids[1]}").ids() == ids[1:2]
    assert explained.rows_read() == 1


def test_a_party_is_found_by_both_indexes_as_subscriber_and_as_another(explained):
    for party, count in (("cust-77", 10), ("org-7", ROWS // 1000), ("nobody", 0)):
        answer = explained.get(f"relatedParty.id={party}&limit=1000")
        assert len(answer.usages()) == answer.total() == count
        for part in ("party_id_id_idx", "other_party_ids_idx"):
            assert part in explained.page()
        assert explained.rows_read() == count, explained.page()


def test_a_party_is_not_looked_for_among_all_rows_where_most_have_others(explained):
    """The planner takes any party for a frequent one then, and would go through the newest rows for a page of one."""
    newest = "id >= id_floor('2026-11-01T00:00:00Z')"
    with explained.scene.connect() as db:
        db.execute(f"CREATE TEMP TABLE kept AS SELECT id, other_party_ids FROM usage_row WHERE {newest}")
        db.execute(f"UPDATE usage_row SET other_party_ids = ARRAY['big'] WHERE {newest}")
        db.execute("ANALYZE usage_row")
        try:
            assert explained.get("relatedParty.id=nobody&limit=1").usages() == []
            assert explained.rows_read() == 0, explained.page()
        finally:
            db.execute("UPDATE usage_row u SET other_party_ids = k.other_party_ids FROM kept k WHERE u.id = k.id")
            db.execute("VACUUM ANALYZE usage_row")


def test_a_page_of_a_party_reads_no_more_than_a_page(explained):
    explained.get("relatedParty.id=cust-77&limit=3")
    assert explained.rows_read() <= 4 + 4, "of each partition one more may be looked at"
    assert len(explained.plans) == 2
    assert "BitmapOr" in explained.plans[1], "counting needs no order"


def test_a_party_in_another_order_is_found_by_both_indexes_too(explained):
    assert explained.get("relatedParty.id=cust-77&sort=status").usages()
    assert "BitmapOr" in explained.page() and "party_id_id_idx" in explained.page()
    assert "other_party_ids_idx" in explained.page() and explained.rows_read() == 10


def test_a_characteristic_of_the_setting_is_found_by_its_index(explained):
    question = "usageCharacteristic.name=msisdn&usageCharacteristic.value=13800000123"
    answer = explained.get(question)
    assert len(answer.usages()) == 4
    assert "usage_characteristic_values_idx" in explained.page()
    assert explained.rows_read() == 4

    explained.get(f"{question}&usageDate.gte=2026-09-10T00:00:00Z&usageDate.lt=2026-09-20T00:00:00Z")
    assert explained.partitions() == {"2026-09"}


def test_a_deep_page_costs_what_the_first_costs(explained):
    first = explained.get("limit=10")
    reading = explained.rows_read()
    middle = explained.get("limit=10&offset=20000")
    assert explained.rows_read() == 20_011, "an offset must read what it passes over"
    for rel in ("next", "prev"):
        explained.get(middle.links()[rel].partition("?")[2])
        assert explained.rows_read() == reading == 11, rel
        assert "Index Cond" in explained.page()
    assert first.links()["next"].partition("?")[2].startswith("limit=10&after=")


def test_an_order_that_begins_with_the_date_reads_what_it_shows(explained):
    answer = explained.get("sort=-usageDate,status&limit=10")
    assert explained.rows_read() <= 2 * 11
    answer = explained.get(answer.links()["next"].partition("?")[2])
    assert len(answer.usages()) == 10 and explained.rows_read() <= 2 * 12
    explained.get("sort=usageDate,status&limit=10&usageType=SMS")
    assert explained.rows_read() <= 2 * 3 * 12


def test_rows_are_read_until_the_page_is_full_and_no_further(explained):
    answer = explained.get("usageCharacteristic.name=seconds&usageCharacteristic.value.gte=0&limit=10")
    assert len(answer.usages()) == 10
    assert explained.rows_read() <= 12
    assert "never executed" in explained.page(), "older partitions are not looked at"
