"""export_bench - what an export costs, and that its memory is the same whatever its size.

    make bench-export                       1,000,000 and 5,000,000 usages: build/bench-export.json
    export_bench.py --rows 200000 --rows 400000

The usages are put into the table by SQL, in the stored form, over four months; the table is read once before. For each size
a service that has just started answers GET usage once, as JSON lines or as CSV, and `usaged export` writes the same into a
pipe; memory is the peak of the resident set, CPU seconds are those of the process and of all of PostgreSQL.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE / "tests"))

from lib.fill import fill_usages  # noqa: E402
from lib.http import BASE  # noqa: E402
from rig import Rig  # noqa: E402
from rig.tree import cpu_seconds, peak_memory_kib  # noqa: E402

MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(rig, rows: int):
    scene = rig.scene(f"export-{rows}")
    scene.service().migrate()
    began = time.monotonic()
    with scene.connect() as db:
        fill_usages(db, rows)
        db.execute("VACUUM ANALYZE usage_row")
        db.execute("CHECKPOINT")
        size = db.execute("SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits "
                          "WHERE inhparent = 'usaged.usage_row'::regclass").fetchone()[0]
        db.execute("SELECT sum(length(document)) FROM usage_row")
    say(f"{rows:,} usages, {float(size) / 1e6:,.0f} MB in the table, filled in {time.monotonic() - began:.0f} s")
    return scene


def result(rows: int, size: int, seconds: float, ours: float, postgres: float, before: float, peak: float) -> dict:
    return {"rows_per_s": round(rows / seconds), "mb_per_s": round(size / 1e6 / seconds, 1),
            "cpu_s_per_million": {"usaged": round(ours * 1e6 / rows, 2), "postgres": round(postgres * 1e6 / rows, 2)},
            "idle_rss_mb": round(before, 1), "peak_rss_mb": round(peak, 1)}


def over_http(rig, scene, name: str, rows: int) -> dict:
    service = scene.service(f"http-{name}")
    service.start()
    before, ours, postgres = service.memory_mib(), service.cpu_seconds(), cpu_seconds(rig.postgres.pid())
    connection = http.client.HTTPConnection(service.http, timeout=60)
    began = time.monotonic()
    connection.request("GET", f"{BASE}/usage", headers={"Accept": MEDIA[name]})
    answer = connection.getresponse()
    size = lines = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
        lines += piece.count(b"\n")
    seconds = time.monotonic() - began
    assert lines == rows + (name == "csv"), f"{lines} lines"
    made = result(rows, size, seconds, service.cpu_seconds() - ours, cpu_seconds(rig.postgres.pid()) - postgres, before,
                  service.peak_memory_mib())
    service.stop()
    return made


def by_command(rig, scene, name: str, rows: int) -> dict:
    """Into a pipe that somebody reads as fast as it comes."""
    service = scene.service(f"command-{name}")
    postgres = cpu_seconds(rig.postgres.pid())
    began = time.monotonic()
    running = subprocess.Popen(service.command("export", "--format", name), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    size = peak = reads = 0
    while piece := os.read(running.stdout.fileno(), 1 << 20):
        size += len(piece)
        reads += 1
        if reads % 100 == 0:  # that of wait4() would be ours, as it was when the process was forked
            peak = max(peak, peak_memory_kib(running.pid))
    said = running.stderr.read().decode()
    _, status, usage = os.wait4(running.pid, 0)
    seconds = time.monotonic() - began
    assert status == 0 and f" {rows} usages" in said, said
    return result(rows, size, seconds, usage.ru_utime + usage.ru_stime, cpu_seconds(rig.postgres.pid()) - postgres, 0,
                  peak / 1024)


def measure(rig, rows: int) -> dict:
    scene = prepare(rig, rows)
    made = {}
    for name in MEDIA:
        for way, how in (("http", over_http), ("command", by_command)):
            made[f"{way}_{name}"] = one = how(rig, scene, name, rows)
            cpu = one["cpu_s_per_million"]
            say(f"  {way} {name}: {one['rows_per_s']:,} usages/s, {one['mb_per_s']} MB/s, CPU s a million: "
                f"usaged {cpu['usaged']}, postgres {cpu['postgres']}, peak {one['peak_rss_mb']} MB "
                f"(idle {one['idle_rss_mb']}), load {os.getloadavg()[0]:.1f}")
    scene.stop()
    with rig.postgres.connect() as db:
        db.execute(f'DROP DATABASE "{scene.database}" WITH (FORCE)')
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be given several times")
    parser.add_argument("--out", default=str(TREE / "build" / "bench-export.json"))
    options = parser.parse_args()
    with Rig(postgres_settings={"shared_buffers": "1GB", "max_wal_size": "8GB", "autovacuum": "off"}) as rig:
        summary = {str(rows): measure(rig, rows) for rows in options.rows or [1_000_000, 5_000_000]}
    text = json.dumps(summary, indent=2)
    Path(options.out).parent.mkdir(exist_ok=True)
    Path(options.out).write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
