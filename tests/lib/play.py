"""play - rules, each a short script for one usage or more, played side by side while the service is killed in every step.

    @rule
    def test_guiding_that_comes_after_the_rating_changes_nothing(it):
        it.raw("created")
        yield
        it.rated("rated", "changed", 1, "0.60")
        yield
        it.rated("guided", "superseded")

        seen = yield THEN
        assert seen.account == {"created": 1, "changed": 1, "superseded": 1}

A bare `yield` ends a step: what was sent is stored and published before the script goes on. What stands behind
`yield THEN` is the test; it is run alone, when all scripts are through. Each rule has a partition of its own, so that
PostgreSQL's account of the partition is the account of the rule.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Callable, Generator, Optional

from rig.wait import until

from .accounts import account_problems
from .checker import check, read_outbound
from .consume import Decoder, Found
from .expect import parse_json
from .faults import QUICK, Failpoint
from .ledger import Entry
from .publish import Publisher
from .records import Record, Records, id_of
from .schemas_rated import RATED_PLAIN
from .settle import owed, wait_settled

if TYPE_CHECKING:
    from rig import Rig, Scene, Service

THEN = object()
Script = Generator[object, "Seen", None]

# What the service dies of in each step, one start after the other, and in the order in which each can be reached: what is
# left by one that died between its two commits is there only after that.
STEP_PLACES = (("before-first-row", "before-claim"), ("in-copy", "before-commit"), ("after-commit", "before-left"),
               ("before-send-offsets", "before-kafka-commit"), ("in-assign", "after-kafka-commit"), ("in-rebalance",))
# While the ratings end whose usage has not come.
SWEEP_PLACES = ("sweep-locked", "sweep-taken", "sweep-before-number", "sweep-committed", "http-before-publish",
                "http-before-kafka-commit", "http-before-clean")


def rule(script: Callable[[Cast], Script]) -> Callable[[Play], None]:
    """Makes a test of a script. It needs the fixture `played`."""

    @functools.wraps(script)
    def test(played: Play) -> None:
        played.judge(script.__name__)

    del test.__wrapped__  # else pytest would look for a fixture named like the script's argument
    test.script = script
    return test


def price(record: Record, date: Optional[int], net: str) -> Record:
    """One rating; `date` counts seconds from the usage's own."""
    made: Record = {"taxExcludedRatingAmount": {"unit": "CNY", "value": Decimal(net)},
                    "taxIncludedRatingAmount": {"unit": "CNY", "value": Decimal(net) * 2},
                    "taxRate": Decimal(100), "productRef": {"id": "prod-0001"}}
    return made if date is None else {"ratingDate": record["usageDate"] + date * 1000, **made}


class Cast:
    """What a script sends: the usage `record`, others from `another()`, and their ratings. `expect` is a record's
    outcome, of which there is one."""

    def __init__(self, publisher: Publisher, partition: int):
        self._publisher, self.partition = publisher, partition
        self._source = Records(5000 + partition)
        self.expiring: list[Entry] = []
        self.record = self.another()

    def another(self) -> Record:
        return {**self._source.next("voice"), "description": "A call"}

    def raw(self, expect: str, record: Optional[Record] = None, **options: Any) -> Entry:
        return self._publisher.raw(record or self.record, expect=expect, partition=self.partition, **options)

    def rated(self, status: str, expect: str, date: Optional[int] = None, net: Optional[str] = None,
              record: Optional[Record] = None, with_usage: bool = False, ratings: Optional[list[Record]] = None,
              description: Optional[str] = None, **options: Any) -> Entry:
        """Without `net` or `ratings` a record that has none."""
        record = record or self.record
        name = {"usage": record} if with_usage else {key: record[key] for key in ("source", "recordId", "usageDate")}
        if ratings is None:
            ratings = [] if net is None else [price(record, date, net)]
        rating = {**name, "status": status, "description": description, "ratedProductUsage": ratings}
        return self._publisher.rated(rating, expect=expect, partition=self.partition,
                                     **{"writer": RATED_PLAIN, **options})

    def applied(self, *entries: Entry, record: Optional[Record] = None) -> None:
        """The ratings that change the usage are these, in this order, which is not the one in which they were sent."""
        self._publisher.ledger.usages[id_of(record or self.record)].ratings[:] = entries

    def ends(self, entry: Entry, reason: str) -> None:
        """This parked rating becomes a dead letter in this step."""
        self._publisher.ledger.usages[entry.usage].ratings.remove(entry)
        entry.reason = reason

    def expires(self, entry: Entry) -> None:
        """This parked rating waits until, behind the last step, it has waited too long."""
        self.expiring.append(entry)

    def delete(self, record: Optional[Record] = None) -> None:
        """As a DELETE over HTTP leaves it: there is no other way yet to have a deleted usage."""
        usage = id_of(record or self.record)
        with self._publisher.scene.connect() as db:
            db.execute("UPDATE usage_row SET deleted_at = now() WHERE id = %s", (usage,))
        self._publisher.ledger.usages[usage].deleted = True


class Seen:
    """What became of one rule's records."""

    def __init__(self, scene: Scene, cast: Cast, events: dict[str, list[str]], letters: list[Found]):
        self._scene, self._cast, self._events = scene, cast, events
        self.letters = [(one.header("usaged.reason"), one.header("usaged.text")) for one in letters]
        self.account = self._counts("source_outcome")
        self.ended = self._counts("parked_outcome")

    def _counts(self, table: str) -> dict[str, int]:
        with self._scene.connect() as db:
            rows = db.execute(f"SELECT outcome, sum(records)::int FROM {table} WHERE partition = %s AND topic <> '@http' "
                              "GROUP BY 1", (self._cast.partition,)).fetchall()
        return dict(rows)

    @property
    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.letters]

    def usage(self, record: Optional[Record] = None) -> dict:
        with self._scene.connect() as db:
            row = db.execute("SELECT usage_json::text FROM usage WHERE id = %s",
                             (id_of(record or self._cast.record),)).fetchone()
        assert row is not None, "the usage is not there, or deleted"
        return parse_json(row[0])

    def status(self, record: Optional[Record] = None) -> str:
        return self.usage(record)["status"]

    def prices(self, record: Optional[Record] = None) -> list[tuple[str, bool]]:
        """Of each rating the net amount without zeros at its end, and whether it is billed."""
        return [(f"{one['taxExcludedRatingAmount']['value'].normalize():f}", one["isBilled"])
                for one in self.usage(record).get("ratedProductUsage", ())]

    def events(self, record: Optional[Record] = None) -> list[str]:
        """By revision: "1 create received", "2 received to rated", "3 change of ratedProductUsage"."""
        return sorted(self._events.get(id_of(record or self._cast.record), ()), key=lambda line: int(line.split()[0]))


def _line(event: dict) -> str:
    usage = event["event"]["usage"]
    what = {"UsageCreateEvent": lambda: f"create {usage['status']}",
            "UsageStateChangeEvent": lambda: f"{event['previousStatus']} to {usage['status']}",
            "UsageAttributeValueChangeEvent": lambda: f"change of {event['fieldPath']}"}[event["eventType"]]()
    return f"{usage['revision']} {what}"


class Play:
    """Plays all scripts at once. Between two steps no process runs: the records of the next one lie in Kafka, all of them
    for the first batch, when it is started to die."""

    def __init__(self, rig: Rig, scripts: list[Callable[[Cast], Script]]):
        self.scene = rig.scene("outcomes", create_topics=False)
        rig.kafka.create_topics(self.scene.outbound)
        for topic in self.scene.inbound:
            rig.kafka.create_topics([topic], len(scripts) + 1)
        self._publisher = Publisher(self.scene)
        settings = {**QUICK, "kafka.session.timeout.ms": 2000, "batch.records": 5000, "parked.max-age": "1h"}
        self.main: Service = self.scene.service("a", settings)
        self._second: Service = self.scene.service("b", settings)
        self._casts = {script.__name__: Cast(self._publisher, number) for number, script in enumerate(scripts)}
        self._scripts = {script.__name__: script(self._casts[script.__name__]) for script in scripts}
        self._extra = Cast(self._publisher, len(scripts))
        self._seen: dict[str, Seen] = {}
        self.fired: list[str] = []
        self.problems: list[str] = []

    def run(self) -> Play:
        self.main.migrate()
        going = dict(self._scripts)
        for places in itertools.islice(itertools.cycle(STEP_PLACES), 100):
            going = {name: script for name, script in going.items() if next(script) is not THEN}
            if not going and self._all_fired():
                break
            self._extra.raw("created", self._extra.another())  # each place is reached, whatever the scripts send
            self._step(places)
        self._sweep()
        self._look()
        return self

    def _all_fired(self) -> bool:
        return {place for places in STEP_PLACES for place in places} <= set(self.fired)

    def _step(self, places: tuple[str, ...]) -> None:
        self._publisher.flush()
        for place in places:
            point = Failpoint(self.scene, place, "kill", 1)
            self.main.start(wait=False, env=point.env)
            if place == "in-rebalance":
                self.main.wait_ready()
                self._second.start(wait=False)  # who joins makes the other one give its partitions back
            self._died(self.main, point)
        if not self._second.alive():
            self.main.start(wait=False)
        wait_settled(self.scene, self._publisher.ledger)
        for service in (self.main, self._second):
            if service.alive():
                service.stop()

    def _died(self, service: Service, point: Failpoint) -> None:
        until(f"{point} fires, see {service.log_file}", lambda: not service.alive(), 60)
        assert point.fired(), f"{service.name} has ended by itself at {point}, see {service.log_file}"
        self.fired.append(point.name)

    def _sweep(self) -> None:
        """What is parked still has waited too long now."""
        for cast in self._casts.values():
            for entry in cast.expiring:
                cast.ends(entry, "parked-expired")
        self.main.settings["parked.max-age"] = "1s"
        for place in SWEEP_PLACES:
            # A publisher that takes over for the first time commits its position in a transaction too.
            point = Failpoint(self.scene, place, "kill", 1)
            self.main.start(wait=False, env=point.env)
            self._died(self.main, point)
        self.main.start()
        until("nothing is owed", lambda: owed(self.scene, self._publisher.ledger) == 0, 60)
        wait_settled(self.scene, self._publisher.ledger)

    def _look(self) -> None:
        found = read_outbound(self.scene)
        self.problems = check(self.scene, self._publisher.ledger, found) + account_problems(self.scene)
        decoder = Decoder(self.scene.rig.registry.url)
        events: dict[str, list[str]] = {}
        for word in ("create", "state-change", "attribute-change"):
            for one in found[word]:
                event = decoder.decode(one.value)
                events.setdefault(str(event["event"]["usage"]["id"]), []).append(_line(event))
        letters = sorted(found["dead-letter"], key=lambda one: int(one.header("usaged.offset") or -1))
        for name, cast in self._casts.items():
            own = [one for one in letters if one.header("usaged.partition") == str(cast.partition)]
            self._seen[name] = Seen(self.scene, cast, events, own)

    def judge(self, name: str) -> None:
        """Runs what a script says behind `yield THEN`; and its account must hold each record that it has sent, with the
        outcome that the script gave."""
        seen, cast = self._seen[name], self._casts[name]
        sent = Counter(outcome for entry in self._publisher.ledger.entries if entry.partition == cast.partition
                       for outcome in entry.expect)
        try:
            self._scripts[name].send(seen)
        except StopIteration:
            pass
        else:
            raise AssertionError(f"{name} goes on behind `yield THEN`")
        assert seen.account == dict(sent), f"the account is {seen.account}, sent was {dict(sent)}"
