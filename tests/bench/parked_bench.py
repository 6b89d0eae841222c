"""parked_bench - what a million parked ratings cost those who have nothing to do with them.

    make bench-parked               five pairs of runs: build/bench-parked.json

Each pair ingests the same load twice, once beside an empty table of parked ratings and once beside a full one, in turns.
The ratio of the CPU seconds of usaged and PostgreSQL is what counts: what else the machine does meets both runs.
"""

import argparse
import statistics
import sys

import bench
from bench import PARTITIONS, POSTGRES, TREE, end, measure, report, say
from lib.load import Load
from lib.settle import outcomes
from rig import Rig

# Ratings of usages that never come, dated as the load is: their index is asked where it is full.
PARK = """
    INSERT INTO parked_rating (usage_id, topic, partition, record_offset, key, value, headers, record_ms, status,
                               rated_product_usage, rated)
    SELECT (lpad(to_hex(%(low)s + (i::bigint * 7919) %% (%(high)s - %(low)s)), 12, '0')
            || substr(md5(i::text), 1, 20))::uuid,
           %(topic)s, i %% 6, i / 6, decode(md5(i::text), 'hex'), decode(repeat(md5(i::text), 6), 'hex'), NULL, %(low)s,
           'rated', '[{"ratingDate":"2026-11-20T01:58:30.158Z","isBilled":false,"taxExcludedRatingAmount":{"unit":"CNY",'
           || '"value":0.57}}]', i
    FROM generate_series(1, %(count)s) AS i
"""


def park(scene, count: int, low: int, high: int) -> None:
    """As if they had been swept before: what is measured is that they lie there."""
    with scene.connect() as db:
        db.execute(PARK, {"count": count, "low": low, "high": high, "topic": scene.topic["rated"]})
        db.execute("INSERT INTO source_outcome VALUES (%s, 0, 'parked', %s)", (scene.topic["rated"], count))
        db.execute("UPDATE parked_sweep SET swept = pg_current_xact_id()")
        db.execute("VACUUM (ANALYZE) parked_rating")


def run(rig, name: str, records: int, parked: int) -> dict:
    scene = rig.scene(name, partitions=PARTITIONS)
    scene.service().migrate()
    load = Load(scene)
    load.publish("raw", load.raws(records, duplicates=0.01))
    if parked:
        park(scene, parked, *load.span())
    result = measure(rig, scene, "raw", records)
    if parked:
        with scene.connect() as db:
            assert db.execute("SELECT count(*) FROM parked_rating").fetchone()[0] == parked
    say(f"  outcomes: {outcomes(scene)}")
    end(scene)
    return result


def cost(result: dict) -> float:
    return result["cpu_s_per_million"]["usaged"] + result["cpu_s_per_million"]["postgres"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--parked", type=int, default=1_000_000)
    parser.add_argument("--warm-up", type=int, default=1_000_000)
    parser.add_argument("--out", default=str(TREE / "build" / "bench-parked.json"))
    options = parser.parse_args()
    bench.page_cache = bench.PageCache()
    ratios = []
    with Rig(kafka_quick=False, postgres_settings=POSTGRES) as rig:
        say("warming up")
        bench.ingest(rig, "warm-up", options.warm_up)
        for number in range(options.pairs):
            order = ("empty", "full") if number % 2 == 0 else ("full", "empty")
            costs = {}
            for word in order:
                result = run(rig, f"{word}-{number}", options.records, options.parked if word == "full" else 0)
                costs[word] = cost(result)
                say(f"pair {number + 1}/{options.pairs} {word}: {costs[word]:.2f} CPU s a million, "
                    f"peak {result['peak_rss_mb']:.0f} MB")
            ratios.append(costs["full"] / costs["empty"])
            say(f"pair {number + 1}/{options.pairs}: ratio {ratios[-1]:.3f}")
    summary = {"ratios": [round(ratio, 3) for ratio in ratios], "median": round(statistics.median(ratios), 3)}
    report(options.out, summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
