"""checker - compares a ledger with PostgreSQL and the outbound topics: nothing lost, nothing twice, nothing else.

    problems = check(scene, publisher.ledger)
    assert not problems, "\\n".join(problems)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Iterable, Optional

from . import expect as expectation
from .check_events import check_dead_letters, check_events
from .consume import Decoder, Found, read_all
from .ledger import RACE, Change, Entry, Ledger
from .settle import ends, stored

if TYPE_CHECKING:
    from rig import Scene

LINES_PER_SUBJECT = 12


@dataclass
class Report:
    """Discrepancies by subject; only the first of each are kept, the rest are counted."""

    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter = field(default_factory=Counter)

    def say(self, subject: str, line: str) -> None:
        self.counts[subject] += 1
        if len(self.lines[subject]) < LINES_PER_SUBJECT:
            self.lines[subject].append(line)

    def all(self) -> list[str]:
        made = []
        for subject, lines in self.lines.items():
            made += [f"{subject}: {line}" for line in lines]
            if self.counts[subject] > len(lines):
                made.append(f"{subject}: and {self.counts[subject] - len(lines)} more")
        return made


def check(scene: Scene, ledger: Ledger, found: Optional[dict[str, list[Found]]] = None, stores: bool = True,
          publishes: bool = True) -> list[str]:
    """All discrepancies, readable; an empty list is the verdict "exactly once". Call after `wait_settled`.

    `found` are the outbound topics' records by topic word, if they were read already. `stores` and `publishes` choose
    one side only.
    """
    report = Report()
    changes = {usage.id: ledger.history(usage) for usage in ledger.usages.values()}
    changes = {usage: steps for usage, steps in changes.items() if steps}
    if stores:
        _check_usages(scene, {usage: steps for usage, steps in changes.items() if not ledger.usages[usage].deleted}, report)
        _check_offsets(scene, ledger, report)
        _check_account(scene, ledger, report)
        _check_parked(scene, ledger, report)
    if publishes:
        found = found if found is not None else read_outbound(scene)
        decoder = Decoder(scene.rig.registry.url)
        check_events(scene, changes, found, decoder, report)
        check_dead_letters(scene, ledger, found["dead-letter"], report)
    return report.all()


def read_outbound(scene: Scene, seconds: float = 60) -> dict[str, list[Found]]:
    """All outbound topics as a read_committed consumer sees them, by topic word."""
    words = {scene.topic[word]: word for word in scene.topic if scene.topic[word] in scene.outbound}
    found: dict[str, list[Found]] = {word: [] for word in words.values()}
    for one in read_all(scene.rig.kafka, words, seconds=seconds):
        found[words[one.topic]].append(one)
    return found


def _check_usages(scene: Scene, changes: dict[str, list[Change]], report: Report) -> None:
    seen = set()
    with scene.connect() as db:
        rows = db.execute("SELECT id::text, usage_date, usage_type, status, specification_id, party_id, revision, "
                          "usage_json::text FROM usage")
        for usage, date, kind, status, specification, party, revision, text in rows:
            if usage in seen:
                report.say("usage", f"{usage}: stored twice")
            seen.add(usage)
            if usage not in changes:
                report.say("usage", f"{usage}: stored, but no published record makes it")
                continue
            last = changes[usage][-1]
            for line in expectation.differences(last.document, expectation.parse_json(text)):
                report.say("usage", f"{usage}{line}")
            wanted = last.document
            columns = {"usage_date": (wanted["usageDate"], expectation.instant(expectation.millis(date))),
                       "usage_type": (wanted["usageType"], kind), "status": (wanted["status"], status),
                       "specification_id": (wanted["usageSpecification"]["id"], specification),
                       "party_id": (expectation.party_of(wanted), party), "revision": (last.revision, revision)}
            for column, (expected, have) in columns.items():
                if expected != have:
                    report.say("usage", f"{usage}: column {column} is {have!r}, expected {expected!r}")
    for usage in changes.keys() - seen:
        report.say("usage", f"{usage}: not stored, published at {_places(changes[usage][0].causes)}")


def _check_offsets(scene: Scene, ledger: Ledger, report: Report) -> None:
    in_postgres, in_kafka = stored(scene), scene.committed()
    for place, end in ends(ledger).items():
        for name, marks in (("stored", in_postgres), ("published", in_kafka)):
            if marks.get(place) != end:
                report.say("mark", f"{place[0]}[{place[1]}]: {name} is {marks.get(place)}, expected {end}")


def _check_account(scene: Scene, ledger: Ledger, report: Report) -> None:
    """Every record has one outcome. By partition where the ledger knows it, by the sum where a race decided."""
    with scene.connect() as db:
        rows = db.execute("SELECT topic, partition, outcome, records FROM source_outcome").fetchall()
    have: dict[tuple[str, int], Counter] = defaultdict(Counter)
    for topic, partition, outcome, records in rows:
        have[topic, partition][outcome] += records
    entries: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in ledger.entries:
        entries[entry.topic, entry.partition].append(entry)
    for place in have.keys() | entries.keys():
        name = f"{place[0]}[{place[1]}]"
        total = have[place].total()
        if total != len(entries[place]):
            here = {one.offset for one in read_all(scene.rig.kafka, [place[0]]) if one.partition == place[1]}
            lost = sorted(entry.offset for entry in entries[place] if entry.offset not in here)
            report.say("account", f"{name}: {total} records have an outcome, {len(entries[place])} were published, "
                                  f"{len(here)} are in Kafka" + (f", not there: {lost}" if lost else ""))
        for outcome in have[place].keys() | {one for entry in entries[place] for one in entry.expect}:
            least = sum(1 for entry in entries[place] if entry.expect == {outcome})
            most = sum(1 for entry in entries[place] if outcome in entry.expect)
            if not least <= have[place][outcome] <= most:
                report.say("account", f"{name}: {outcome} is {have[place][outcome]}, expected {_range(least, most)}")
    created = sum(counts["created"] for counts in have.values())
    if created != ledger.created():
        report.say("account", f"{created} records are counted as created, expected {ledger.created()}")
    surplus = sum(1 for entry in ledger.entries if entry.expect == RACE) - sum(
        1 for usage in ledger.usages.values() if usage.copies and usage.copies[0].expect == RACE)
    fixed = sum(1 for entry in ledger.entries if entry.expect == {"duplicate"})
    flexible = any("duplicate" in entry.expect and entry.expect not in (RACE, {"duplicate"})
                   for entry in ledger.entries)
    duplicates = sum(counts["duplicate"] for counts in have.values())
    if duplicates != surplus + fixed and not flexible:
        report.say("account", f"{duplicates} records are counted as duplicate, expected {surplus + fixed}")


def _check_parked(scene: Scene, ledger: Ledger, report: Report) -> None:
    with scene.connect() as db:
        rows = db.execute("SELECT usage_id::text, topic, partition, record_offset FROM parked_rating").fetchall()
        counted = db.execute("SELECT (SELECT coalesce(sum(records), 0) FROM source_outcome WHERE outcome = 'parked') - "
                             "(SELECT coalesce(sum(records), 0) FROM parked_outcome)").fetchone()[0]
    if counted != len(rows):
        report.say("account", f"{len(rows)} ratings are parked, and by what was parked and ended it should be {counted}")
    have = Counter((usage, f"{topic}[{partition}]@{offset}") for usage, topic, partition, offset in rows)
    wanted = Counter((entry.usage, entry.place()) for entry in ledger.waiting())
    for usage, place in (have - wanted):
        report.say("parked", f"{usage}: the rating at {place} is parked and should not be")
    for usage, place in (wanted - have):
        report.say("parked", f"{usage}: the rating at {place} should be parked and is not")


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _places(entries: Iterable[Entry]) -> str:
    return ", ".join(entry.place() for entry in entries)
