"""ledger - what was published, where it lies in Kafka, and what must become of it.

Each record that is published gets an Entry. Its `expect` holds the outcomes that are right for it: usually one, more
where a race decides (two copies on two partitions; a rating sent while its usage may still be on its way).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Iterable, Optional, Union

from . import expect as expectation
from .records import Record, id_of

Headers = list[tuple[str, Optional[bytes]]]
Expect = Union[str, Iterable[str], None]

APPLIED = {"changed", "updated"}
RACE = frozenset({"created", "duplicate"})


@dataclass(slots=True)
class Entry:
    """`record` is what the writer's schema carried; None for bytes that are no record. `offset` is -1 until the broker
    has it."""

    kind: str  # raw, rated, bytes
    topic: str
    key: Optional[bytes]
    value: Optional[bytes]
    headers: Headers
    record: Optional[Record]
    usage: Optional[str]
    expect: frozenset[str]
    reason: Optional[str]
    partition: int = -1
    offset: int = -1
    timestamp: int = -1

    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(slots=True)
class Change:
    """One step of a usage's life: the documents after it and before it, and the records that may have brought it about."""

    document: dict
    revision: int
    previous_status: Optional[str]
    causes: list[Entry]
    before: Optional[dict] = None


@dataclass(slots=True)
class Usage:
    """All records that name one usage, in the order in which they were published. One that is deleted is seen no more, and
    its events stay."""

    id: str
    copies: list[Entry] = field(default_factory=list)
    ratings: list[Entry] = field(default_factory=list)
    deleted: bool = False


class Ledger:
    """`default_specification` is the service's setting of that name."""

    def __init__(self, default_specification: str = "default"):
        self.entries: list[Entry] = []
        self.usages: dict[str, Usage] = {}
        self._default_specification = default_specification

    def raw(self, topic: str, key: Optional[bytes], value: bytes, headers: Headers, record: Record,
            expect: Expect = None, reason: Optional[str] = None) -> Entry:
        """Without `expect`: created if it is the first, duplicate if the same content is there, else dead, conflict.
        Of two copies either may be the one that creates, if they go to two partitions."""
        usage = self._usage(id_of(record))
        entry = Entry("raw", topic, key, value, headers, record, usage.id, _outcomes(expect, reason), reason)
        if not entry.expect:
            self._judge_raw(entry, usage)
        if "dead" not in entry.expect:
            usage.copies.append(entry)
        return self._add(entry)

    @staticmethod
    def _judge_raw(entry: Entry, usage: Usage) -> None:
        if not usage.copies:
            entry.expect = frozenset({"created"})
        elif same_content(usage.copies[0].record, entry.record):
            entry.expect = RACE
            for copy in usage.copies:
                if copy.expect == {"created"}:
                    copy.expect = RACE
        else:
            entry.expect, entry.reason = frozenset({"dead"}), "conflict"

    def rated(self, topic: str, key: Optional[bytes], value: bytes, headers: Headers, record: Record,
              expect: Expect = None, reason: Optional[str] = None) -> Entry:
        """Without `expect`: parked if its usage was not published yet, else changed or parked, whichever comes first;
        created if it holds its usage and that is not there. Parked with a `reason`: its usage does not come, and it ends
        as a dead letter."""
        usage = self._usage(id_of(record))
        entry = Entry("rated", topic, key, value, headers, record, usage.id, _outcomes(expect, reason), reason)
        creates = "usage" in record and not usage.copies
        if not entry.expect:
            entry.expect = frozenset({"created"} if creates else {"changed", "parked"} if usage.copies else {"parked"})
        if creates and "created" in entry.expect:
            usage.copies.append(entry)
        elif reason is None and entry.expect & (APPLIED | {"parked"}):
            usage.ratings.append(entry)
        return self._add(entry)

    def bytes(self, topic: str, key: Optional[bytes], value: Optional[bytes], headers: Headers, reason: str) -> Entry:
        """A value that is no record, or none that can be taken: dead, with this reason."""
        return self._add(Entry("bytes", topic, key, value, headers, None, None, frozenset({"dead"}), reason))

    def _add(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        return entry

    def _usage(self, usage_id: str) -> Usage:
        usage = self.usages.get(usage_id)
        if usage is None:
            usage = self.usages[usage_id] = Usage(usage_id)
        return usage

    def history(self, usage: Usage) -> list[Change]:
        """The changes that this usage must have gone through; none if nothing creates it."""
        if not usage.copies:
            return []
        first = usage.copies[0]
        if first.kind == "rated":
            made = expectation.document(first.record["usage"], usage.id, self._default_specification)
            made = expectation.rated(made, first.record)
        else:
            made = expectation.document(first.record, usage.id, self._default_specification)
        changes = [Change(made, 1, None, usage.copies)]
        for rating in usage.ratings:
            after = expectation.rated(made, rating.record)
            changes.append(Change(after, len(changes) + 1, made["status"], [rating], made))
            made = after
        return changes

    def waiting(self) -> list[Entry]:
        """The ratings that must be parked still, since nothing creates their usage."""
        return [rating for usage in self.usages.values() if not usage.copies for rating in usage.ratings]

    def created(self) -> int:
        return sum(1 for usage in self.usages.values() if usage.copies)

    def outcomes(self) -> Counter:
        """How many records must have each outcome; one that a race decides counts under "a or b"."""
        counted = Counter(" or ".join(sorted(entry.expect)) for entry in self.entries if entry.expect != RACE)
        racing = [entry for entry in self.entries if entry.expect == RACE]
        firsts = sum(1 for usage in self.usages.values() if usage.copies and usage.copies[0].expect == RACE)
        counted["created"] += firsts
        counted["duplicate"] += len(racing) - firsts
        return +counted


def same_content(one: Optional[Record], other: Optional[Record]) -> bool:
    """All of RawUsage but `status`, numbers by value. A rating that holds its usage counts as that usage."""
    def content(record: Optional[Record]) -> Optional[Record]:
        inner = (record or {}).get("usage") or record or {}
        return {key: value for key, value in inner.items() if key != "status"}
    return content(one) == content(other)


def _outcomes(expect: Expect, reason: Optional[str]) -> frozenset[str]:
    if expect is None:
        return frozenset({"dead"} if reason else ())
    return frozenset({expect} if isinstance(expect, str) else expect)
