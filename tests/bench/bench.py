"""bench - what the main job costs: records from their topics to committed events, all parts on this machine.

    make bench-ingest               four cases, three runs each: build/bench.json
    bench.py --runs 1 --records 200000 --case ingest_1

CPU seconds are those of usaged, of all of PostgreSQL and of the broker while the records travel; publishing them into
the inbound topics is not counted: they lie there when the service starts.

What is measured is a machine that has been up for a while: its broker's code is compiled, PostgreSQL's shared buffers
were in use before, and the page cache is full, so that files grow into memory that the machine has. On a virtual
machine whose host takes back what is free, each page of a growing file is otherwise asked of the host again, at several
times the price of what is done with it (docs/performance.md has both figures; --young leaves this out).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional

TREE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE / "tests"))

from lib.load import Load  # noqa: E402
from lib.settle import outcomes  # noqa: E402
from rig import Rig  # noqa: E402
from rig.tree import cpu_seconds  # noqa: E402

DUPLICATES = {"ingest_0": 0.0, "ingest_1": 0.01, "ingest_100": 1.0, "warm-up": 0.01}
CASES = ["ingest_0", "ingest_1", "ingest_100", "ratings"]
PARTITIONS = 6
page_cache: Optional["PageCache"] = None
# The rest is the rig's. min_wal_size lets the warm-up's log segments be used again, as those of a server that has run
# for a while are: a fresh one writes each twice.
POSTGRES = {"shared_buffers": "2GB", "max_wal_size": "8GB", "min_wal_size": "4GB"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stored(scene, topic: str) -> int:
    with scene.connect() as db:
        return db.execute("SELECT coalesce(sum(next_offset), 0) FROM source_offset WHERE topic = %s",
                          (scene.topic[topic],)).fetchone()[0]


def published(scene, topic: str) -> int:
    return sum(offset for (name, _), offset in scene.committed().items() if name == scene.topic[topic])


def wait_for(scene, topic: str, count: int) -> None:
    while published(scene, topic) < count:
        time.sleep(0.2)


def parts(rig, service) -> dict[str, float]:
    return {"usaged": service.cpu_seconds(), "postgres": cpu_seconds(rig.postgres.pid()),
            "kafka": cpu_seconds(rig.kafka.pid())}


class PageCache:
    """Is filled with a file of holes as large as the memory, which must stay: its pages are clean, and make room for
    others at once."""

    def __init__(self) -> None:
        self._holes = tempfile.TemporaryFile()
        self._holes.truncate(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))

    def fill(self) -> None:
        self._holes.seek(0)
        while self._holes.read(1 << 20):
            pass


def fill_shared_buffers(scene) -> None:
    """Uses each of them once, with rows of a page."""
    with scene.connect() as db:
        db.execute("CREATE TABLE filler (x text)")
        db.execute("ALTER TABLE filler ALTER x SET STORAGE PLAIN")
        db.execute("INSERT INTO filler SELECT repeat('x', 8000) FROM generate_series(1, pg_size_bytes("
                   "current_setting('shared_buffers')) / current_setting('block_size')::int)")
        db.execute("DROP TABLE filler")


COLUMNS = ("id, usage_date, usage_type, status, description, specification_id, party_id, other_party_ids,"
           " rated_product_usage, revision, created_at, updated_at, content, rated, document")


def plain_copy(scene, records: int = 100_000, batch: int = 5000) -> float:
    """The yardstick: the backend's CPU seconds a million when the same rows are copied into the same table and nothing
    else is done. It says what this machine is worth, so that figures of two machines can be compared."""
    with scene.connect() as db:
        ids = [row[0] for row in db.execute("SELECT id FROM usage_row ORDER BY id LIMIT %s", (records,)).fetchall()]
        batches = []
        for first in range(0, len(ids), batch):
            with db.cursor().copy(f"COPY (SELECT {COLUMNS} FROM usage_row WHERE id = ANY (%s) ORDER BY id) TO STDOUT"
                                  " (FORMAT binary)", (ids[first:first + batch],)) as rows:
                batches.append(b"".join(bytes(piece) for piece in rows))
        db.execute("TRUNCATE usage_row")
        backend = db.execute("SELECT pg_backend_pid()").fetchone()[0]
        before = cpu_seconds(backend)
        for rows in batches:
            with db.transaction(), db.cursor().copy(f"COPY usage_row ({COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
                copy.write(rows)
        return (cpu_seconds(backend) - before) * 1e6 / len(ids)


def end(scene) -> None:
    """With its database: autovacuum would go through its tables on the account of the next run."""
    scene.stop()
    with scene.rig.postgres.connect() as db:
        db.execute(f"DROP DATABASE {scene.database} WITH (FORCE)")


def measure(rig, scene, topic: str, count: int, first: int = 0) -> dict:
    """Starts the service on a full topic, and waits until all is published; `first` records of it were before."""
    with scene.connect() as db:
        db.execute("CHECKPOINT")  # so that an earlier load is not written on this one's account
    if page_cache:
        page_cache.fill()
    service = scene.service(f"run-{time.monotonic_ns()}")
    before = {"postgres": cpu_seconds(rig.postgres.pid()), "kafka": cpu_seconds(rig.kafka.pid()), "usaged": 0.0}
    service.start(wait=False)
    begun = None
    while begun is None:
        if stored(scene, topic) > first or published(scene, topic) > first:
            begun = time.monotonic()
        time.sleep(0.01)
    wait_for(scene, topic, first + count)
    seconds = time.monotonic() - begun
    after = parts(rig, service)
    peak = service.peak_memory_mib()
    service.stop()
    return {"records_per_s": count / seconds, "peak_rss_mb": peak,
            "cpu_s_per_million": {name: (after[name] - before[name]) * 1e6 / count for name in after}}


def ingest(rig, case: str, records: int) -> dict:
    scene = rig.scene(case, partitions=PARTITIONS)
    scene.service().migrate()
    if case == "warm-up" and page_cache:
        fill_shared_buffers(scene)
    load = Load(scene)
    share = DUPLICATES[case]
    if share == 1.0:  # the same records again: all are there already
        load.publish("raw", load.raws(records))
        measure(rig, scene, "raw", records)
        load.publish("raw", load.raws(records))
        result = measure(rig, scene, "raw", records, first=records)
    else:
        load.publish("raw", load.raws(records, duplicates=share))
        result = measure(rig, scene, "raw", records)
    say(f"  outcomes: {outcomes(scene)}")
    if case == "warm-up":
        say(f"this machine: plain COPY of the same rows takes the backend {plain_copy(scene):.1f} CPU s a million")
    end(scene)
    return result


def ratings(rig, records: int) -> dict:
    scene = rig.scene("ratings", partitions=PARTITIONS)
    scene.service().migrate()
    load = Load(scene)
    load.publish("raw", load.raws(records))
    measure(rig, scene, "raw", records)
    load.publish("rated", load.ratings(records))
    result = measure(rig, scene, "rated", records)
    say(f"  outcomes: {outcomes(scene)}")
    end(scene)
    return result


def median(runs: list[dict]) -> dict:
    cpu = {name: statistics.median(run["cpu_s_per_million"][name] for run in runs)
           for name in runs[0]["cpu_s_per_million"]}
    return {"records_per_s": round(statistics.median(run["records_per_s"] for run in runs)),
            "cpu_s_per_million": {name: round(value, 2) for name, value in cpu.items()},
            "peak_rss_mb": round(max(run["peak_rss_mb"] for run in runs), 1)}


def report(path: str, summary: dict) -> None:
    text = json.dumps(summary, indent=2)
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text + "\n")
    print(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=2_000_000, help="records before the first measured run")
    parser.add_argument("--young", action="store_true", help="leave the page cache and the shared buffers as they are")
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--out", default=str(TREE / "build" / "bench.json"))
    options = parser.parse_args()
    global page_cache
    page_cache = None if options.young else PageCache()
    cases = options.case or CASES
    runs: dict[str, list[dict]] = {case: [] for case in cases}
    with Rig(kafka_quick=False, postgres_settings=POSTGRES) as rig:
        say("warming up: a broker's first hundred thousand records are dear, its code is not compiled yet")
        ingest(rig, "warm-up", options.warm_up)
        for number in range(options.runs):
            for case in cases:
                result = (ratings(rig, options.records // 2) if case == "ratings"
                          else ingest(rig, case, options.records))
                runs[case].append(result)
                cpu = result["cpu_s_per_million"]
                say(f"run {number + 1}/{options.runs} {case}: {result['records_per_s']:,.0f} records/s, CPU s a million: "
                    + ", ".join(f"{name} {value:.2f}" for name, value in cpu.items())
                    + f" = {sum(cpu.values()):.2f}, peak {result['peak_rss_mb']:.0f} MB, load {os.getloadavg()[0]:.1f}")
    summary = {case: median(of) for case, of in runs.items()}
    report(options.out, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
