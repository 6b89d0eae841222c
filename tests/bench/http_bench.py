"""http_bench - what reads cost: requests a second, how long they take, and whose CPU seconds they are.

    make bench                      the last part of it: build/bench-http.json
    http_bench.py --records 100000 --seconds 5 --case get_by_id

The usages came through Kafka, as all do. The asker is wrk on the same machine: one thread, which costs little beside what it
asks for, with so many connections that each have one request on its way. `beside_drips` is get_by_id once more while 100 other
connections send a byte a second.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import bench
from bench import PARTITIONS, POSTGRES, TREE, measure, report, say
from lib.http import BASE
from lib.load import Load
from lib.sockets import Drip, allow_files, dripping
from rig import Rig
from rig.tree import cpu_seconds

CASES = ["get_by_id", "page_of_party", "beside_drips"]
DRIPS = 100
TARGETS = 5000


def fill(rig, records: int):
    """A scene with so many usages of 30 days, each party with some hundreds of them, and its service, which runs."""
    scene = rig.scene("http", partitions=PARTITIONS)
    scene.service().migrate()
    load = Load(scene, days=30, subscribers=1000)
    load.publish("raw", load.raws(records))
    measure(rig, scene, "raw", records)
    with scene.connect() as db:
        db.execute("VACUUM (ANALYZE) usage_row")
        db.execute("CHECKPOINT")
    return scene, scene.service("asked", settings={"http.timeout-ms": 600_000}).start()


def targets(scene) -> dict[str, list[str]]:
    with scene.connect() as db:
        ids = [str(row[0]) for row in db.execute("SELECT id FROM usage_row ORDER BY random() LIMIT %s", (TARGETS,))]
        parties = [row[0] for row in db.execute(
            "SELECT party_id FROM usage_row WHERE party_id IS NOT NULL GROUP BY 1 HAVING count(*) >= 100 LIMIT %s", (TARGETS,))]
    by_id = [f"{BASE}/usage/{one}" for one in ids]
    random.Random(1).shuffle(parties)
    return {"get_by_id": by_id, "page_of_party": [f"{BASE}/usage?relatedParty.id={party}&limit=100" for party in parties],
            "beside_drips": by_id}


def wrk(service, file: Path, connections: int, seconds: int) -> dict:
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
                           str(TREE / "tests" / "bench" / "wrk.lua"), f"http://{service.http}", "--", str(file)],
                          text=True, capture_output=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["refused"] == found["broken"] == 0, found
    return found


def ask(rig, service, file: Path, options) -> dict:
    wrk(service, file, options.connections, 2)  # warm
    before = {"usaged": service.cpu_seconds(), "postgres": cpu_seconds(rig.postgres.pid())}
    found = wrk(service, file, options.connections, options.seconds)
    after = {"usaged": service.cpu_seconds(), "postgres": cpu_seconds(rig.postgres.pid())}
    return {"requests_per_s": found["requests"] / found["seconds"],
            **{name: found[name] for name in ("p50_ms", "p99_ms", "max_ms")},
            "bytes_a_request": found["bytes"] / found["requests"],
            "cpu_s_per_1000": {name: (after[name] - before[name]) * 1e3 / found["requests"] for name in after}}


def run(rig, service, case: str, file: Path, options) -> dict:
    if case != "beside_drips":
        return ask(rig, service, file, options)
    drip = Drip(service.http, dripping(BASE, DRIPS))
    drip.start()
    found = ask(rig, service, file, options)
    assert drip.are_silent(), "they did not drip all the time"
    drip.close()
    return found


def median(runs: list[dict]) -> dict:
    def of(values: list[dict], digits: int) -> dict:
        return {name: round(statistics.median(one[name] for one in values), digits) for name in values[0]}

    cpu = [run.pop("cpu_s_per_1000") for run in runs]
    return {**of(runs, 2), "cpu_s_per_1000": of(cpu, 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--out", default=str(TREE / "build" / "bench-http.json"))
    options = parser.parse_args()
    bench.page_cache = None
    allow_files(DRIPS)
    cases = options.case or CASES
    runs: dict[str, list[dict]] = {case: [] for case in cases}
    with Rig(postgres_settings=POSTGRES) as rig:
        say(f"filling: {options.records:,} usages")
        scene, service = fill(rig, options.records)
        for case, those in targets(scene).items():
            (scene.folder / case).write_text("\n".join(those) + "\n")
        for number in range(options.runs):
            for case in cases:
                found = run(rig, service, case, scene.folder / case, options)
                runs[case].append(found)
                say(f"run {number + 1}/{options.runs} {case}: {found['requests_per_s']:,.0f} requests/s, "
                    f"p50 {found['p50_ms']:.2f} p99 {found['p99_ms']:.2f} max {found['max_ms']:.2f} ms, CPU s a thousand: " + ", ".join(
                        f"{name} {value:.3f}" for name, value in found["cpu_s_per_1000"].items()))
    report(options.out, {case: median(of) for case, of in runs.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
