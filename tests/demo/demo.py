"""demo - the main job once through, on real parts, with a crash in the middle: `make demo`.

    python tests/demo/demo.py [--records N]

From a terminal it stays up until Ctrl-C; otherwise it ends by itself. The exit code is 1 if anything does not agree.
"""

import argparse
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # run as a file: packages are in the folder above

from demo.bad import Bad
from demo.engine import Engine
from demo.pace import Pace
from demo.progress import Progress
from lib import expect, settle
from lib.checker import check, read_outbound
from lib.consume import Found
from lib.publish import Publisher
from lib.records import DAY_MS, Record, Records
from lib.schemas import PLAIN
from rig import Rig, Scene, Service
from rig.rig import raise_on_signals

DUPLICATES = 0.01
OVERTAKES = 0.01  # ratings that are sent before their usage
CHUNK = 100


def main() -> int:
    parser = argparse.ArgumentParser(description="usaged's main job on real parts, with a crash in the middle")
    parser.add_argument("--records", type=int, default=10_000)
    count = parser.parse_args().records
    raise_on_signals()
    progress = Progress()
    progress.step("Starting Kafka, PostgreSQL and the schema registry")
    rig = Rig(say=progress.update)
    try:
        rig.start()
        progress.done("all up")
        return Demo(rig, progress, count).run()
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    except (OSError, RuntimeError, TimeoutError) as error:
        print(f"\nThe demo cannot go on: {error}")
        return 1
    finally:
        print("Stopping all parts", flush=True)
        rig.stop()


class Demo:
    """The story, in the order in which it happens."""

    def __init__(self, rig: Rig, progress: Progress, count: int):
        self._progress, self._count = progress, count
        self._dice = random.Random(2026)
        self._scene: Scene = rig.scene("demo", partitions=4)
        # A dead process's partitions are free once its session has lapsed, a schema is given up and a rating has waited
        # too long: all sooner than by default, for the eye.
        self._service: Service = self._scene.service("demo", {"kafka.session.timeout.ms": 3000,
                                                              "kafka.heartbeat.interval.ms": 500,
                                                              "registry.unknown-wait": "1s", "parked.max-age": "15s"})
        self._source = Records(seed=2026)
        self._publisher = Publisher(self._scene)
        self._ledger = self._publisher.ledger
        self._engine = Engine(self._scene, self._publisher, self._source)
        self._bad = Bad(self._scene, self._publisher, self._source)
        self._overtaken = 0
        self._late: list[Record] = []  # their ratings have been sent

    def run(self) -> int:
        self._progress.step("Creating the tables and starting usaged")
        self._service.migrate()
        self._bad.prepare()
        self._service.start()
        self._progress.done("ready")

        self._pace = Pace(self._scene)
        begun = time.monotonic()
        self._publish()
        self._settle()
        took = time.monotonic() - begun
        self._pace.stop()

        self._progress.step("Comparing every record with PostgreSQL and the events, by id and content")
        found = read_outbound(self._scene)
        problems = check(self._scene, self._ledger, found)
        usage = self._one_rated()
        answer = self._service.get(f"/usage/{usage}")
        problems += self._compare_answer(usage, answer.status_code, answer.text)
        self._progress.done(_disagreements(problems) if problems else "all agree")

        self._print_table(found, took)
        self._print_usage(usage, answer.text)
        for problem in problems:
            print(f"DISAGREES  {problem}")
        print("\nEverything agrees." if not problems else f"\n{_disagreements(problems)}.", flush=True)
        self._stay()
        return 1 if problems else 0

    def _publish(self) -> None:
        """Records in small steps, the rating engine's turn after each; the crash comes when half are sent."""
        self._progress.step(f"Publishing {self._count} call records, and ratings for half of them")
        sent: list[Record] = []
        crashed = False
        while len(sent) < self._count:
            self._send(self._source.take(min(CHUNK, self._count - len(sent))), sent)
            self._engine.work(0.005)
            self._must_live()
            self._progress.update(f"{len(sent)} sent, {self._engine.rated} rated")
            if not crashed and len(sent) >= self._count // 2:
                crashed = True
                self._crash(sent)
        for record in self._late:
            self._publisher.raw(record)
        self._bad.send(sent[0])
        self._publisher.flush()
        self._progress.done(f"{len(self._ledger.entries)} records and ratings sent, {self._engine.rated} rated so far")

    def _send(self, records: list[Record], sent: list[Record]) -> None:
        late, self._late = self._late, []
        for record in late + records:
            if record not in late and self._dice.random() < OVERTAKES:
                self._publisher.rated(self._source.rating_of(record), expect=("parked", "changed"))
                self._overtaken += 1
                self._late.append(record)
                continue
            sent.append(record)
            self._publisher.raw(record)
            if len(sent) % 2 == 0 and record not in late:
                self._engine.wants(record)
            if self._dice.random() < DUPLICATES:
                self._send_again(sent)

    def _crash(self, sent: list[Record]) -> None:
        """In the middle of work: some usages are rated, some records are under way, none is waited for."""
        deadline = time.monotonic() + 60
        while self._engine.rated < len(sent) // 4:
            self._engine.work(0.05)
            self._must_live()
            self._progress.update(f"{len(sent)} sent, {self._engine.rated} rated")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no events after 60 s, see {self._service.log_file}")
        self._service.kill()
        self._progress.say(f"usaged was killed (kill -9): {len(sent)} records were sent, {self._engine.rated} rated; "
                           "it is started again")
        self._service.start(wait=False)

    def _send_again(self, sent: list[Record]) -> None:
        """The same record once more, half of the time as another system's schema would put it."""
        record = self._dice.choice(sent[-3000:])
        self._publisher.raw(record, writer=self._dice.choice((None, PLAIN)))

    def _settle(self) -> None:
        """Until each usage that is to be rated has its rating, and all is stored and published."""
        self._progress.step("Waiting until all is stored and published, and ratings without a usage have expired (15 s)")
        deadline = time.monotonic() + 120
        while self._engine.waiting() or settle.lag(self._scene, self._ledger) or settle.owed(self._scene, self._ledger):
            self._engine.work(0.1)
            self._bad.follow_up()
            self._publisher.flush()
            self._progress.update(f"{self._engine.waiting()} to be rated, "
                                  f"{settle.lag(self._scene, self._ledger)} records on their way, "
                                  f"{settle.owed(self._scene, self._ledger)} ratings parked")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not settled after 120 s, see {self._service.log_file}")
            self._must_live()
        self._engine.close()
        self._progress.done(f"{self._engine.rated} rated")

    def _must_live(self) -> None:
        if not self._service.alive():
            raise RuntimeError(f"usaged has ended:\n{self._service.log_text()[-2000:]}")

    def _one_rated(self) -> str:
        return next(usage.id for usage in self._ledger.usages.values() if usage.copies and usage.ratings)

    def _compare_answer(self, usage: str, status: int, text: str) -> list[str]:
        if status != 200:
            return [f"http: GET /usage/{usage} answers {status}"]
        found = expect.parse_json(text)
        href = found.pop("href", "")
        wanted = self._ledger.history(self._ledger.usages[usage])[-1].document
        lines = [f"http: {line}" for line in expect.differences(wanted, found)]
        return lines + ([] if href.endswith(f"/usage/{usage}") else [f"http: href is {href!r}"])

    def _print_table(self, found: dict[str, list[Found]], took: float) -> None:
        """From four sources: the generator's ledger, SQL, a read_committed consumer, the process itself."""
        kinds = Counter(entry.kind for entry in self._ledger.entries)
        with self._scene.connect() as db:
            stored = db.execute("SELECT count(*), count(*) FILTER (WHERE status = 'rated') FROM usage").fetchone()
            parked = dict(db.execute("SELECT outcome, sum(records) FROM parked_outcome GROUP BY outcome").fetchall())
        raw = settle.outcomes(self._scene, self._scene.topic["raw"])
        rated = settle.outcomes(self._scene, self._scene.topic["rated"])
        reasons = Counter(one.header("usaged.reason") for one in found["dead-letter"])
        wanted = self._ledger.outcomes()
        expected = Counter(entry.reason for entry in self._ledger.entries if entry.reason)
        rows = [
            ("published: call records", kinds["raw"] + kinds["bytes"], "ledger"),
            ("published: ratings", kinds["rated"], "ledger"),
            ("stored usages", stored[0], f"SQL; expected {self._ledger.created()}"),
            ("duplicates", raw.get("duplicate", 0), f"SQL; expected {wanted['duplicate']}"),
            ("rated usages", stored[1], f"SQL; expected {self._engine.rated + self._overtaken}"),
            ("ratings sent before their usage", self._overtaken, f"ledger; parked {rated.get('parked', 0)}, of these "
                                                                 f"applied {parked.get('changed', 0)}, expired "
                                                                 f"{parked.get('dead', 0)}"),
            *((f"dead letters: {reason}", count, f"read_committed; expected {expected[reason]}")
              for reason, count in sorted(reasons.items())),
            *((f"events: {expect_name}", len(found[word]), "read_committed")
              for word, expect_name in (("create", "UsageCreateEvent"), ("state-change", "UsageStateChangeEvent"))),
            ("records a second, all in all", round(len(self._ledger.entries) / took), "the generator's pace and the "
                                                                                       "crash included"),
            ("records a second, at best", round(self._pace.best), "SQL, one second"),
            ("memory of usaged, MiB", round(self._service.peak_memory_mib(), 1), "peak"),
        ]
        print()
        for name, value, source in rows:
            print(f"  {name:<34}{value:>10}   {source}")

    def _print_usage(self, usage: str, text: str) -> None:
        print(f"\nOne rated usage, as GET {self._service.base}/usage/{usage} answered:\n")
        print(_indented(text))
        if self._stays():
            self._print_hints()

    def _print_hints(self) -> None:
        print(f"""
Look further:
  curl '{self._service.base}/usage?limit=3'
  curl http://{self._service.operate}/metrics
  psql {self._scene.url} -c "SELECT status, count(*) FROM usage GROUP BY status"
  logs in {self._scene.folder.parent}""")

    @staticmethod
    def _stays() -> bool:
        return sys.stdin.isatty() and sys.stdout.isatty()

    def _stay(self) -> None:
        if self._stays():
            print("\nAll stays up until Ctrl-C.", flush=True)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                print()


def _disagreements(problems: list[str]) -> str:
    return f"{len(problems)} disagreement" + ("s" if len(problems) > 1 else "")


def _indented(text: str) -> str:
    """JSON for reading, each number with the digits that it came with."""
    parsed = json.loads(text, parse_float=lambda digits: f"\1{digits}\1")
    return re.sub(r'"\\u0001(.*?)\\u0001"', r"\1", json.dumps(parsed, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
