"""Indexes on the values of characteristics: `usaged migrate` builds and drops them as the settings say, while others write, and
goes on where it was interrupted."""

import json
import os
import re
import subprocess
import threading

import pytest
from lib.http import client_of
from lib.query_content import START
from rig.wait import until

LIST = """
SELECT x.indrelid::regclass::text, x.indisvalid, h.inhparent IS NOT NULL,
       substring(pg_get_indexdef(x.indexrelid) FROM 'document, ''([^'']*)''')
FROM pg_index x LEFT JOIN pg_inherits h ON h.inhrelid = x.indexrelid
WHERE pg_get_indexdef(x.indexrelid) LIKE '%usage_characteristic_values%' ORDER BY 1, 4
"""


class Indexed:
    """A database with usages of three months whose msisdn is their number."""

    def __init__(self, scene):
        self.scene = scene
        self.service = scene.service()
        self.service.migrate()
        self.db = scene.connect()
        for month in ("2026-09", "2026-10", "2026-11"):
            self.db.execute("SELECT ensure_partition(%s::timestamptz, 'month')", (f"{month}-02T00:00:00Z",))
        self.count = 0
        for number in range(300):
            self.add(START - 15 * 86_400_000 + number * 7_200_000)

    def add(self, ms, *characteristics):
        self.count += 1
        document = {"usageSpecification": {"id": "x"}, "usageCharacteristic": [
            {"name": "msisdn", "value": str(self.count)}, *characteristics]}
        self.db.execute("INSERT INTO usage_row (id, usage_date, status, specification_id, revision, created_at, updated_at, "
                        "content, document) VALUES ((lpad(to_hex(%s), 12, '0') || '8' || substr(md5(%s::text), 1, 3) || '8' || "
                        "substr(md5(%s::text), 4, 15))::uuid, to_timestamp(%s / 1000.0), 'received', 'x', 1, now(), now(), 0, %s)",
                        (ms, self.count, self.count, ms, json.dumps(document)))

    def migrate(self, *names):
        """The lines that it printed."""
        done = self.service.run("migrate", settings=self.settings(names))
        return done.stdout.splitlines()

    def settings(self, names):
        return {"database.url": self.scene.owner_url, "usage.indexed-characteristics": ",".join(names)}

    def begin(self, *names):
        """`usaged migrate` that is not waited for."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("USAGED_")}
        return subprocess.Popen(self.service.command("migrate", settings=self.settings(names)), text=True, env=ours,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def found(self):
        """(table, valid, attached, characteristic)"""
        return self.db.execute(LIST).fetchall()

    def is_whole(self, *names):
        parts = [name for name, in self.db.execute("SELECT inhrelid::regclass::text FROM pg_inherits "
                                                   "WHERE inhparent = 'usage_row'::regclass").fetchall()]
        wanted = [(table, True, table != "usage_row", name) for table in ("usage_row", *parts) for name in names]
        return sorted(self.found()) == sorted(wanted)


@pytest.fixture
def indexed(scene):
    made = Indexed(scene)
    yield made
    made.db.close()


def test_an_index_is_built_for_each_name_and_dropped_with_it(indexed):
    lines = indexed.migrate("msisdn", "主叫 id")
    assert indexed.is_whole("msisdn", "主叫 id")
    assert lines.count("building the index on msisdn of usage_row_20261001_000000") == 1
    assert sum(line.startswith("building") for line in lines) == 6

    assert not any("index" in line for line in indexed.migrate("msisdn", "主叫 id")), "a second time there is nothing to do"

    lines = indexed.migrate("msisdn", "imsi")
    assert "dropping the index on 主叫 id" in lines and indexed.is_whole("msisdn", "imsi")
    indexed.migrate()
    assert indexed.found() == []


def test_a_new_partition_has_the_indexes_from_its_beginning(indexed):
    indexed.migrate("msisdn")

    indexed.db.execute("SELECT ensure_partition('2027-03-02T00:00:00Z', 'month')")

    assert len(indexed.found()) == 5 and indexed.is_whole("msisdn")


def test_a_partition_that_is_made_while_the_indexes_are_built_has_them_too(indexed):
    indexed.db.execute("CREATE INDEX ON ONLY usage_row USING gin (usage_characteristic_values(document, 'msisdn')) "
                       "WITH (fastupdate = off)")
    indexed.db.execute("SELECT ensure_partition('2027-03-02T00:00:00Z', 'month')")

    lines = indexed.migrate("msisdn")

    assert indexed.is_whole("msisdn")
    assert not any("202703" in line for line in lines), "the new one had it already"


def test_a_build_that_was_killed_goes_on_and_what_it_left_is_built_again(indexed):
    with indexed.scene.connect() as other:
        with other.transaction():
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT count(*) FROM usage_row")  # a snapshot for which a concurrent build must wait
            first = indexed.begin("msisdn")
            until("an index is being built", lambda: any(not valid and table != "usage_row"
                                                         for table, valid, _, _ in indexed.found()))
            first.kill()
            first.communicate()
            indexed.db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE application_name = 'usaged-migrate' AND datname = current_database()")
    left = [one for one in indexed.found() if one[0] != "usage_row"]
    assert left and not left[0][1] and not left[0][2], "an index that is not valid, and not attached"

    lines = indexed.migrate("msisdn")

    assert "dropping what was left of an index on msisdn" in lines
    assert indexed.is_whole("msisdn")


def test_an_index_that_was_built_and_not_yet_attached_is_not_built_again(indexed):
    indexed.db.execute("CREATE INDEX ON usage_row_20261001_000000 USING gin (usage_characteristic_values(document, 'msisdn'))")

    lines = indexed.migrate("msisdn")

    assert indexed.is_whole("msisdn")
    assert not any("20261001" in line for line in lines)


def test_writers_go_on_while_indexes_are_made(indexed):
    """A transaction that has written and is still open is waited for; those that come after are not kept waiting."""
    with indexed.scene.connect() as other:
        with other.transaction():
            other.execute("UPDATE usage_row SET revision = 2 WHERE id = (SELECT id FROM usage_row LIMIT 1)")
            building = indexed.begin("msisdn")
            until("it waits for a lock", lambda: indexed.db.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'usaged-migrate' AND wait_event_type = 'Lock' "
                "AND datname = current_database()").fetchone()[0] == 1)
            indexed.db.execute("SET statement_timeout = '20s'")  # one that waits as the index does waits for ever
            for number in range(10):
                indexed.add(START + number)
                threading.Event().wait(0.3)
            assert building.poll() is None
        out, errors = building.communicate(timeout=60)
    assert building.returncode == 0, errors
    assert indexed.is_whole("msisdn") and "schema is at" in out


def test_values_that_are_too_long_for_an_index_are_stored_and_found(indexed):
    indexed.migrate("msisdn", "long")
    same = "x" * 300
    for tail in ("a", "b"):
        indexed.add(START, {"name": "long", "value": same + tail})
    indexed.add(START, {"name": "long", "value": "国" * 5000})
    indexed.add(START, {"name": "long", "value": {"no": "scalar"}})
    service = indexed.scene.service("b", settings={"usage.indexed-characteristics": "msisdn,long"}).start()
    client = client_of(service)

    for tail in ("a", "b"):
        answer = client.get(f"/usage?usageCharacteristic.name=long&usageCharacteristic.value={same}{tail}")
        assert [one["usageCharacteristic"][1]["value"] for one in answer.usages()] == [same + tail]
    assert client.get(f"/usage?usageCharacteristic.name=long&usageCharacteristic.value={same}").usages() == []
    assert len(client.get("/usage?usageCharacteristic.name=msisdn&usageCharacteristic.value=7").usages()) == 1
    client.close()


def test_a_start_says_which_names_have_no_index_and_what_to_run(indexed):
    warning = re.compile(r"characteristics without an index.*names=\"([^\"]*)\" remedy=\"run usaged migrate\"")

    def said(name, *wanted):
        service = indexed.scene.service(name, settings={"usage.indexed-characteristics": ",".join(wanted)}).start()
        assert service.stop() == 0
        return warning.findall(service.log_text())

    assert said("never-built", "msisdn", "imsi") == ["msisdn,imsi"]
    indexed.migrate("msisdn")
    assert said("one-built", "msisdn", "imsi") == ["imsi"]
    assert said("all-built", "msisdn") == []

    index, = (name for name, in indexed.db.execute(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid WHERE "
        "indrelid = 'usage_row_20261001_000000'::regclass AND pg_get_indexdef(indexrelid) LIKE '%msisdn%'"))
    indexed.db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (index,))
    assert said("one-partition-lacks-it", "msisdn") == ["msisdn"]


def test_a_name_that_cannot_stand_in_sql_is_no_setting(indexed):
    for name in ("o'clock", 'a"b', "a\\b"):
        done = indexed.service.run("migrate", settings=indexed.settings([name]), check=False)
        assert done.returncode != 0 and "usage.indexed-characteristics" in done.stderr
    assert indexed.found() == []
