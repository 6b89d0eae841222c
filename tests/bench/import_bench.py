"""import_bench - lines a second of imports: `usaged import` of CSV and of JSON lines, and a stream over HTTP.

    make bench-import       200,000 lines each, into a service that stores them: build/bench-import.json

Each run has a scene of its own. `sent` is until the brokers have all; `stored` until the service has published past all.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.importing import post_lines  # noqa: E402
from lib.records import Records  # noqa: E402
from lib.publish import Publisher  # noqa: E402
from lib.settle import wait_settled  # noqa: E402
from lib.stream import CSV, NDJSON, export  # noqa: E402
from rig.rig import Rig, raise_on_signals  # noqa: E402
from rig.wait import until  # noqa: E402

LINES = 200_000


def started(rig, name):
    scene = rig.scene(name, partitions=4)
    scene.main = scene.service()
    scene.main.migrate()
    scene.main.start()
    return scene


def stored(scene):
    with scene.connect() as db:
        return db.execute("SELECT coalesce(sum(records), 0) FROM source_outcome WHERE topic = %s",
                          (scene.topic["import"],)).fetchone()[0]


def main() -> None:
    raise_on_signals()
    with Rig(kafka_quick=False) as rig:
        source = started(rig, "source")
        publisher = Publisher(source)
        publisher.raws(Records(1).take(LINES))
        publisher.flush()
        wait_settled(source, publisher.ledger, 300)
        files = {}
        for kind, accept in (("csv", CSV), ("ndjson", NDJSON)):
            files[kind] = rig.folder / f"all.{kind}"
            files[kind].write_text(export(source.main.http, accept=accept), newline="")
        source.stop()
        found = {}
        for kind, file in files.items():
            scene = started(rig, f"command-{kind}")
            begun = time.monotonic()
            subprocess.run(scene.main.command("import", str(file), "--no-wait"), check=True, capture_output=True)
            sent = time.monotonic() - begun
            until("all are stored", lambda: stored(scene) == LINES, 300)
            found[f"command, {kind}"] = {"sent": round(LINES / sent), "stored": round(LINES / (time.monotonic() - begun))}
            scene.stop()
        scene = started(rig, "stream")
        lines = files["ndjson"].read_bytes().splitlines(keepends=True)
        begun = time.monotonic()
        answers = post_lines(scene.main, lines)
        sent = time.monotonic() - begun
        assert {one["status"] for one in answers} == {"queued"}
        until("all are stored", lambda: stored(scene) == LINES, 300)
        found["HTTP"] = {"sent": round(LINES / sent), "stored": round(LINES / (time.monotonic() - begun)),
                         "peak MiB": round(scene.main.peak_memory_mib())}
        scene.stop()
    for name, figures in found.items():
        print(f"{name:16}", ", ".join(f"{figure:,} {what}" if what.startswith("peak") else f"{figure:,} lines/s {what}"
                                      for what, figure in figures.items()))
    Path("build/bench-import.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
