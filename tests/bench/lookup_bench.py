"""lookup_bench - how long an analyst's question for one msisdn takes among ten million usages.

    make bench-lookup               10,000,000 usages: build/bench-lookup.json; wants 15 GB of disk and a quarter of an hour
    lookup_bench.py --usages 200000

One usage is written over HTTP; the table is then filled by SQL with copies of its row, in the very form that the service
stored it, that differ in id, date, party and the msisdn. `usaged migrate` builds the index on each partition (a month). The
keys are drawn at random; they are asked one after the other over one connection: once, then thrice more, when what they
touch is in memory; then others are asked, for which only the index's upper pages are. `limit=0` asks for the count alone.
"""

import argparse
import json
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from bench import POSTGRES, TREE, report, say
from lib.http import BASE, Client, client_of
from rig import Rig

MONTH_MS = 30 * 86_400_000
STEP = 100_000
NAME = "msisdn"
MARK = "8613800000000"
USAGE = {
    "usageType": "VOICE", "description": "Outgoing national voice call", "@type": "Usage",
    "usageSpecification": {"id": "voice-cdr-1", "name": "VoiceUsageSpecification", "@referredType": "UsageSpecification"},
    "relatedParty": [{"id": "cust-0", "role": "subscriber", "@referredType": "Customer"}],
    "usageCharacteristic": [
        {"name": NAME, "valueType": "string", "value": MARK},
        {"name": "calledParty", "valueType": "string", "value": "861065550100"},
        {"name": "durationSeconds", "valueType": "integer", "value": 187},
        {"name": "endDateTime", "valueType": "date-time", "value": "2026-11-23T08:18:37.250Z"},
        {"name": "roaming", "valueType": "boolean", "value": False},
        {"name": "servingCell", "valueType": "object", "value": {"mcc": "460", "mnc": "11", "lac": 9527, "cellId": 40213}},
        {"name": "sourceSystem", "valueType": "string", "value": "med-gz-02"},
        {"name": "sourceRecordId", "valueType": "string", "value": "20261123-000417-88231"}]}

# Number i is of the subscriber (i * 7919) % subscribers, whose usages so lie far apart.
FILL = """
    INSERT INTO usage_row (id, usage_date, usage_type, status, description, specification_id, party_id, revision, created_at,
                           updated_at, content, document)
    SELECT (lpad(to_hex(ms), 12, '0') || '8' || substr(digest, 1, 3) || '8' || substr(digest, 4, 15))::uuid,
           to_timestamp(ms / 1000.0), usage_type, status, description, specification_id, 'cust-' || subscriber, 1, created_at,
           updated_at, i, replace(replace(document, %(mark)s, (8613800000000 + subscriber)::text), 'cust-0', 'cust-' || subscriber)
    FROM (SELECT i, %(low)s + i * %(span)s / %(count)s AS ms, md5(i::text) AS digest, i * 7919 %% %(subscribers)s AS subscriber
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i) AS one
    CROSS JOIN (SELECT * FROM usage_row WHERE id = %(model)s) AS model
"""


def fill(scene, service, options) -> None:
    answer = client_of(service).ask("POST", f"{BASE}/usage", json.dumps(USAGE).encode(), {"Content-Type": "application/json"})
    assert answer.status == 201, answer
    now = int(time.time() * 1000)
    low = now - options.months * MONTH_MS
    values = {"mark": MARK, "low": low, "span": now - low - 60_000, "count": options.usages, "subscribers": options.subscribers,
              "model": answer.json()["id"]}
    with scene.connect() as db:
        for ms in range(low, now + MONTH_MS, MONTH_MS // 2):
            db.execute("SELECT ensure_partition(%s, 'month')", (datetime.fromtimestamp(min(ms, now) / 1000, timezone.utc),))

    def step(first: int) -> None:
        with scene.connect() as db:
            db.execute("SET synchronous_commit = off")
            db.execute(FILL, {**values, "first": first, "last": min(first + STEP, options.usages) - 1})

    with ThreadPoolExecutor(options.sessions) as pool:
        for number, _ in enumerate(pool.map(step, range(0, options.usages, STEP)), 1):
            if number % 10 == 0:
                say(f"  {number * STEP:,} usages")
    with scene.connect() as db:
        db.execute("DELETE FROM usage_row WHERE id = %s", (values["model"],))


def partitions(scene) -> list[str]:
    with scene.connect() as db:
        return [row[0] for row in db.execute("SELECT inhrelid::regclass::text FROM pg_inherits "
                                             "WHERE inhparent = 'usage_row'::regclass ORDER BY 1")]


def each_partition(scene, sessions: int, *statements: str) -> None:
    def run(name: str) -> None:
        with scene.connect() as db:
            for statement in statements:
                db.execute(statement.format(name))

    with ThreadPoolExecutor(sessions) as pool:
        list(pool.map(run, partitions(scene)))


def build(scene, service, options) -> None:
    if options.ahead:
        each_partition(scene, options.sessions, "CREATE INDEX ON {} USING gin (usage_characteristic_values(document, "
                       f"'{NAME}')) WITH (fastupdate = off)")
    service.run("migrate", settings={"database.url": scene.owner_url}, seconds=7200)
    each_partition(scene, options.sessions, "VACUUM (ANALYZE) {}")
    with scene.connect() as db:
        db.execute("CHECKPOINT")


def target(key: int, more: str = "") -> str:
    return f"{BASE}/usage?usageCharacteristic.name={NAME}&usageCharacteristic.value={8613800000000 + key}{more}"


def ask(client: Client, keys: list[int], rows: int, more: str = "", rounds: int = 1) -> dict:
    """Milliseconds of each answer, which must be right. `best` is of each key's quickest round: what the key costs when
    nothing else on the machine was in its way."""
    taken: list[float] = []
    for key in keys * rounds:
        begun = time.monotonic()
        answer = client.ask("GET", target(key, more))
        taken.append((time.monotonic() - begun) * 1000)
        assert answer.status == 200 and answer.header("X-Total-Count-Estimated") is None, answer
        assert abs(answer.total() - rows) <= 1, answer
        if not more:
            assert answer.text.count(f'"value":"{8613800000000 + key}"') == min(answer.total(), 100)
    if rounds == 1:
        return quantiles(taken)
    return {**quantiles(taken), "best": quantiles([min(taken[at::len(keys)]) for at in range(len(keys))])}


def quantiles(taken: list[float]) -> dict:
    cut = statistics.quantiles(taken, n=100)
    return {"p50_ms": round(cut[49], 2), "p99_ms": round(cut[98], 2), "max_ms": round(max(taken), 2)}


def size(scene) -> str:
    with scene.connect() as db:
        heap, indexes = db.execute("SELECT pg_size_pretty(sum(pg_table_size(inhrelid))), pg_size_pretty(sum(pg_indexes_size("
                                   "inhrelid))) FROM pg_inherits WHERE inhparent = 'usage_row'::regclass").fetchone()
        return f"{heap} and {indexes} of indexes"


def explain(scene, key: int) -> str:
    """The plan of the page's main condition, for whoever wonders."""
    with scene.connect() as db:
        rows = db.execute(f"EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM usage_row WHERE deleted_at IS NULL AND "
                          f"usage_characteristic_values(document, '{NAME}') && ARRAY[%s::text] ORDER BY id DESC LIMIT 101",
                          (str(8613800000000 + key),)).fetchall()
        return "\n".join(row[0] for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--usages", type=int, default=10_000_000)
    parser.add_argument("--subscribers", type=int, default=500_000)
    parser.add_argument("--months", type=int, default=12, help="over which the usages lie")
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=2, help="of PostgreSQL that fill")
    parser.add_argument("--ahead", action="store_true", help="these build the index too; usaged migrate attaches it")
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--out", default=str(TREE / "build" / "bench-lookup.json"))
    options = parser.parse_args()
    options.subscribers = min(options.subscribers, options.usages)
    drawn = random.Random(7).sample(range(options.subscribers), 2 * options.keys)
    keys, others = drawn[:options.keys], drawn[options.keys:]
    rows = options.usages // options.subscribers
    # Without fsync: a fill is not what is measured.
    with Rig(postgres_settings={**POSTGRES, "fsync": "off", "autovacuum": "off", "maintenance_work_mem": "512MB"}) as rig:
        scene = rig.scene("lookup")
        service = scene.service(settings={"usage.indexed-characteristics": NAME})
        scene.service("before").migrate()
        service.start()
        begun = time.monotonic()
        fill(scene, service, options)
        say(f"filled in {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        build(scene, service, options)
        built = time.monotonic() - begun
        say(f"the index is built and all is vacuumed after {built:.0f} s: {size(scene)}")
        service.restart()
        client = client_of(service)
        found = {"usages": options.usages, "rows_a_key": rows, "months": options.months, "build_s": round(built),
                 "first": ask(client, keys, rows), "warm": ask(client, keys, rows, rounds=3), "others": ask(client, others, rows),
                 "count_alone": ask(client, keys, rows, "&limit=0", rounds=3)}
        if options.explain:
            say(explain(scene, keys[0]))
    report(options.out, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
