"""`usaged replay`: dead letters go back to where they came from, each once, over kills, rivals and selections."""

import os
import re
import signal
import subprocess
import time

import pytest

from lib.consume import read_all
from lib.faults import Failpoint
from lib.records import Records
from lib.schemas import MEDIATION
from lib.settle import outcomes, wait_settled
from lib.terminal import Terminal
from rig.process import Process
from rig.service import binary_path
from rig.wait import until

YEAR_MS = 365 * 24 * 3600 * 1000
CURED = {"usage.newest": "10 y"}


class Letters:
    """Records that end as dead letters, and what a replay sends back of them, of which the ledger then learns."""

    def __init__(self, scene, publisher):
        self.scene, self.publisher, self.ledger = scene, publisher, publisher.ledger
        self.service = scene.service()
        self.service.migrate()
        self._records, self._known = {}, set()

    def ahead(self, source, count, **options):
        """Dead letters `date`, as long as that is not cured."""
        for record in source.take(count):
            record = {**record, "usageDate": int(time.time() * 1000) + 3 * YEAR_MS}
            value = self.publisher.encoded(record)
            self._records[value] = MEDIATION.carries(record)
            self.publisher.bytes(value, "date", key=record["recordId"].encode(), **options)
        return self

    def unframed(self, count, **options):
        """Dead letters `framing`, for ever."""
        for _ in range(count):
            self.publisher.bytes(b"?%d" % len(self.ledger.entries), "framing", **options)
        return self

    def die(self, **settings):
        """Lets the service take all that is there; it has stopped then."""
        self.publisher.flush()
        if not self.service.alive():
            self.service.settings.update(settings)
            self.service.start()
        wait_settled(self.scene, self.ledger)
        self.service.stop()
        return self

    def replay(self, *words, check=True, settings=None):
        return self.service.run("replay", *words, check=check, settings=settings)

    def start_replay(self, *words, name="replay", env=None, settings=None):
        """In the background; its output is in the file `log`."""
        process = Process(self.service.command("replay", *words, settings=settings), self.scene.folder / f"{name}.log",
                          env={**self.service._environment(), **(env or {})})
        process.log = self.scene.folder / f"{name}.log"
        return process

    def start_frozen(self, place="before-kafka-commit", settings=None):
        """In the background, in batches of ten at most; it stands still there for the third time."""
        fault = Failpoint(self.scene, place, "stop", 3)
        run = self.start_replay(env=fault.env, settings={"batch.records": 10, **(settings or {})})
        until("it stands still", fault.fired)
        return run

    def back(self):
        """What replays have sent, in the order of each partition."""
        return [one for one in read_all(self.scene.rig.kafka, self.scene.inbound) if one.header("usaged.replays")]

    def back_since(self, seconds):
        """How many of them are not older; they have the times at which they were sent."""
        return len([one for one in self.back() if one.timestamp >= int(seconds * 1000)])

    def learn(self, cured=False):
        """The ledger learns of what came back since: created, if the cause is cured, else dead once more."""
        for one in self.back():
            if one.place() in self._known:
                continue
            self._known.add(one.place())
            record = self._records.get(one.value)
            if record and cured:
                entry = self.ledger.raw(one.topic, one.key, one.value, one.headers, record, expect="created")
            else:
                reason = "date" if record else "framing"
                entry = self.ledger.bytes(one.topic, one.key, one.value, one.headers, reason)
            entry.partition, entry.offset, entry.timestamp = one.partition, one.offset, one.timestamp
        return self

    def cured(self):
        """.. of the dates, and the service takes what came back."""
        self.learn(cured=True).die(**CURED)


@pytest.fixture
def letters(scene, publisher):
    return Letters(scene, publisher)


def counts(done):
    """The table of a run by reason, of all topics: sent, before, left out."""
    found = {}
    for topic, reason, *numbers in re.findall(r"^(\S+) +([a-z-]*) +(\d+) +(\d+) +(\d+)$", done.stdout, flags=re.M):
        name = reason or topic
        found[name] = tuple(a + int(b) for a, b in zip(found.get(name, (0, 0, 0)), numbers))
    return found


def sent(done):
    return counts(done)["all"][0]


def values(records):
    return sorted(one.value for one in records)


# ---- what comes back -------------------------------------------------------------------------------------------------

def test_dead_letters_of_a_cured_cause_are_sent_back_and_become_usages(scene, publisher, letters, settled_and_right):
    headers = [("trace", b"a"), ("empty", b""), ("none", None), ("trace", b"b")]
    letters.ahead(Records(1), 40, headers=headers, partition=2).unframed(3).die()

    done = letters.replay("--reason", "date")

    assert counts(done) == {"date": (40, 0, 0), "all": (40, 0, 0)}
    dead = {one.value: one for one in publisher.ledger.entries if one.reason == "date"}
    back = letters.back()
    assert values(back) == sorted(dead)
    for one in back:
        origin = dead[one.value]
        assert (one.partition, one.key) == (origin.partition, origin.key)
        assert one.headers == [*origin.headers, ("usaged.replays", b"1")]
    letters.cured()
    settled_and_right()
    assert outcomes(scene) == {"created": 40, "dead": 43}


def test_records_of_one_key_come_back_in_their_order(scene, publisher, letters):
    for number in range(300):
        publisher.bytes(b"?%d" % number, "framing", key=b"k%d" % (number % 7), topic="rated")
    letters.die()

    letters.replay(settings={"batch.records": 20})

    by_key = {}
    for one in letters.back():
        by_key.setdefault(one.key, []).append(int(one.value[1:]))
    assert len(by_key) == 7 and all(numbers == sorted(numbers) for numbers in by_key.values())
    assert {one.topic for one in letters.back()} == {scene.topic["rated"]}


def test_a_record_that_dies_again_is_sent_back_until_the_limit_and_has_one_header_that_counts(scene, letters,
                                                                                           settled_and_right):
    letters.unframed(10, headers=[("own", b"1")], key=b"k").die()

    for number in range(1, 4):
        assert sent(letters.replay()) == 10
        letters.learn().die()
    ended = letters.replay()
    more = letters.replay("--max-replays", "4")

    assert counts(ended) == {"framing": (0, 0, 10), "all": (0, 0, 10)}
    assert len(re.findall(r"^left out: \S+\.usage\.raw\[\d\]@\d+, framing, dead letter \S+: it was sent back too often$",
                          ended.stdout, flags=re.M)) == 10
    assert sent(more) == 10
    dead = read_all(scene.rig.kafka, [scene.topic["dead-letter"]])
    told = [[value for name, value in one.headers if name == "usaged.replays"] for one in dead]
    assert sorted(told) == [[]] * 10 + [[b"1"]] * 10 + [[b"2"]] * 10 + [[b"3"]] * 10
    assert all(one.headers[0] == ("own", b"1") for one in dead)
    letters.learn().die()
    settled_and_right()


def test_a_dead_letter_that_lacks_bytes_of_its_record_is_reported_with_its_position(scene, publisher, letters,
                                                                                    settled_and_right):
    letters.service.settings.update({"event.max-bytes": "96 KiB", "record.max-bytes": "8 KiB"})
    large = publisher.bytes(b"?" * 120_000, "too-large")
    wide = publisher.bytes(b"?", "too-large", key=b"k" * 70_000)
    none = publisher.bytes(None, "framing")
    letters.unframed(2).die()

    done = letters.replay()

    assert counts(done) == {"framing": (2, 0, 1), "too-large": (0, 0, 2), "all": (2, 0, 3)}
    for entry, why in ((large, "it has no value"), (none, "it has no value"),
                       (wide, "its key and headers were too large to be kept")):
        assert re.search(rf"^left out: {re.escape(entry.place())}, {entry.reason}, dead letter "
                         rf"{scene.topic['dead-letter']}\[\d\]@\d+: {why}$", done.stdout, flags=re.M)
    assert len(letters.back()) == 2
    letters.learn().die()
    settled_and_right()


def test_a_record_that_has_headers_of_our_names_is_sent_back_all_the_same(scene, letters):
    letters.unframed(2, headers=[("usaged.topic", b"elsewhere"), ("usaged.reason", b"none"), ("usaged.key-bytes", b"1"),
                                 ("usaged.value-bytes", b"2"), ("own", b"3")]).die()

    done = letters.replay()

    assert sent(done) == 2 and [one.headers for one in letters.back()] == [[("own", b"3"), ("usaged.replays", b"1")]] * 2


def test_a_record_that_has_as_many_headers_as_the_limits_allow_comes_back_whole(scene, letters, settled_and_right):
    letters.ahead(Records(9), 2, headers=[("h", b"v" * 65_535)])
    letters.ahead(Records(10), 2, headers=[("h", b"v")] * 976)
    letters.unframed(2, headers=[("h", b"v" * 65_535)]).die()

    assert sent(letters.replay()) == 6
    letters.learn().die()
    assert sent(letters.replay()) == 6

    assert {one.header("usaged.replays") for one in letters.back()} == {"1", "2"}
    letters.cured()
    settled_and_right()
    assert outcomes(scene) == {"created": 4, "dead": 14}


@pytest.mark.unaccounted("the topic is made anew")
def test_a_record_whose_partition_is_gone_goes_by_its_key(scene, letters):
    raw = scene.topic["raw"]
    letters.unframed(20, partition=3, key=b"k").die()
    scene.rig.kafka.delete_topics([raw])
    until("it is gone", lambda: raw not in scene.rig.kafka.admin().list_topics(timeout=5).topics)
    scene.rig.kafka.create_topics([raw], 2)

    assert sent(letters.replay()) == 20

    back = letters.back()
    assert len(back) == 20 and len({one.partition for one in back}) == 1


# ---- what is selected ------------------------------------------------------------------------------------------------

def test_a_dead_letter_is_sent_back_once_whatever_is_selected(scene, letters, settled_and_right):
    letters.ahead(Records(2), 10).unframed(10).unframed(5, topic="rated").die()

    runs = [letters.replay("--reason", "date"), letters.replay("--reason", "date"),
            letters.replay("--topic", scene.topic["rated"]), letters.replay("--reason", "date,framing"), letters.replay()]
    look = letters.replay("--dry-run")

    assert [sent(done) for done in runs] == [10, 0, 5, 10, 0]
    assert counts(look) == {"date": (0, 10, 0), "framing": (0, 15, 0), "all": (0, 25, 0)}
    letters.cured()
    settled_and_right()


def test_a_later_run_sends_what_has_died_since(letters, settled_and_right):
    letters.unframed(10).die()
    assert sent(letters.replay("--reason", "framing")) == 10
    letters.learn()
    letters.ahead(Records(3), 5).unframed(7).die()

    assert sent(letters.replay("--reason", "date")) == 5
    assert sent(letters.replay("--reason", "framing")) == 17

    letters.learn(cured=True).die(**CURED)
    settled_and_right()


def test_a_dry_run_counts_by_topic_and_reason_and_changes_nothing(scene, letters, settled_and_right):
    letters.ahead(Records(4), 10).unframed(4).unframed(3, topic="rated").die()

    done = letters.replay("--dry-run")

    assert counts(done) == {"date": (10, 0, 0), "framing": (7, 0, 0), "all": (17, 0, 0)}
    assert re.search(rf"^{scene.topic['rated']} +framing +3 +0 +0$", done.stdout, flags=re.M)
    assert counts(letters.replay("--dry-run", "--reason", "date")) == {"date": (10, 0, 0), "all": (10, 0, 0)}
    assert sent(letters.replay("--dry-run", "--limit", "4")) == 4
    assert letters.back() == [] and scene.rig.kafka.committed(f"{scene.group}-replay", [scene.topic["dead-letter"]]) == {}
    settled_and_right()


def test_a_limit_ends_the_run_and_the_next_one_goes_on(letters, settled_and_right):
    letters.ahead(Records(5), 25).unframed(5).die()

    first = letters.replay("--limit", "10", "--reason", "date")
    rest = [letters.replay("--limit", "10", "--reason", "date") for _ in range(3)]

    assert "stopped at the limit" in first.stdout and "stopped" not in rest[1].stdout
    assert [sent(done) for done in (first, *rest)] == [10, 10, 5, 0]
    letters.cured()
    settled_and_right()


def test_a_window_of_time_is_that_of_the_dead_letter(scene, letters):
    letters.unframed(20).die()
    dead = read_all(scene.rig.kafka, [scene.topic["dead-letter"]])
    edge = max(one.timestamp for one in dead) + 1
    until("the clock is past it", lambda: time.time() * 1000 > edge + 1)
    letters.unframed(30).die()
    between = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(edge / 1000)) + f".{edge % 1000:03d}Z"

    assert sent(letters.replay("--dry-run", "--from", "2020-01-01", "--to", "2021-01-01T00:00:00+08:00")) == 0
    assert sent(letters.replay("--dry-run", "--from", "2099-01-01")) == 0
    later = letters.replay("--from", between)
    assert values(letters.back()) == values(letters.ledger.entries[20:])
    earlier = letters.replay("--to", between)

    assert (sent(later), sent(earlier), sent(letters.replay())) == (30, 20, 0)
    assert values(letters.back()) == values(letters.ledger.entries)


@pytest.mark.parametrize("words,line", [
    (("--reason", "value,odd"), 'option --reason: "odd" is none of too-large, framing, schema-unknown,.*, database'),
    (("--reason", ""), 'option --reason: "" is none of too-large.*'),
    (("--topic", "usage.create"), 'option --topic: "usage.create" is none of usage.raw, usage.rated, usage.import'),
    (("--from", "yesterday"), 'option --from: "yesterday" is no time such as 2026-11-23T08:15:30Z, nor a date .*'),
    (("--to", "2026-02-30"), 'option --to: "2026-02-30" is no time .*'),
    (("--from", "2026-11-02", "--to", "2026-11-02"), 'option --to: "2026-11-02" is not later than --from'),
    (("--limit", "0"), 'option --limit: "0" is not in 1 to .*'),
    (("--max-replays", "x"), 'option --max-replays: "x" is not in 1 to 1000'),
])
def test_an_option_that_makes_no_sense_is_one_line_and_exit_2(words, line):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("USAGED_")}

    done = subprocess.run([binary_path(), "replay", *words], env=clean, capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"usaged: {line}\n", done.stderr)


# ---- kills, rivals, outages ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("place", [pytest.param("before-send-offsets", marks=pytest.mark.long), "before-kafka-commit",
                                   "after-kafka-commit"])
def test_a_killed_run_is_run_again_and_each_is_back_once(scene, letters, settled_and_right, place):
    letters.ahead(Records(6), 60).unframed(20).die()
    fault = Failpoint(scene, place, "kill", 3)

    killed = letters.start_replay("--reason", "date", env=fault.env, settings={"batch.records": 10})
    assert killed.wait(30) == -signal.SIGKILL and fault.fired()
    dead_at = time.time()
    again = letters.replay("--reason", "date")

    assert 0 < sent(again) < 60 and sent(again) == letters.back_since(dead_at)
    assert values(letters.back()) == values(one for one in letters.ledger.entries if one.reason == "date")
    letters.cured()
    settled_and_right()


def test_the_second_of_two_runs_goes_on_and_the_first_says_so_and_ends(scene, letters, settled_and_right):
    letters.ahead(Records(7), 60).die()
    first = letters.start_frozen()

    frozen_at = time.time()
    second = letters.replay()
    first.thaw()

    assert first.wait(30) == 1
    assert 0 < sent(second) < 60 and sent(second) == letters.back_since(frozen_at)
    said = first.log.read_text()
    assert "usaged: replay: another `usaged replay` of this group has begun: it goes on with what is left\n" in said
    assert values(letters.back()) == values(letters.ledger.entries)
    letters.cured()
    settled_and_right()


@pytest.mark.long
def test_a_run_that_was_frozen_past_its_transaction_sends_nothing_twice(scene, letters, settled_and_right):
    letters.ahead(Records(8), 60).die()
    short = {"batch.records": 10, "kafka.transaction.timeout.ms": 1000}
    frozen = letters.start_frozen(settings=short)
    second = letters.replay("--limit", "15", settings=short)
    stopped_at = time.monotonic()
    until("its transaction is too old", lambda: time.monotonic() > stopped_at + 1.5)

    frozen.thaw()

    assert sent(second) == 15
    assert frozen.wait(30) == 0
    assert values(letters.back()) == values(letters.ledger.entries)
    letters.cured()
    settled_and_right()


@pytest.mark.long
def test_a_broker_that_is_away_is_waited_for(scene, letters, settled_and_right):
    letters.ahead(Records(9), 60).die()
    run = letters.start_frozen()

    scene.rig.kafka.kill()
    run.thaw()
    until("it says so", lambda: "usaged: replay: waiting: Kafka does not answer" in run.log.read_text())
    scene.rig.kafka.start()

    assert run.wait(60) == 0
    assert values(letters.back()) == values(letters.ledger.entries)
    letters.cured()
    settled_and_right()


@pytest.mark.long
def test_a_signal_ends_a_run_that_waits_for_the_broker_and_the_next_one_goes_on(scene, letters, settled_and_right):
    letters.ahead(Records(10), 60).die()
    run = letters.start_frozen()
    scene.rig.kafka.kill()
    run.thaw()
    until("it waits", lambda: "usaged: replay: waiting: Kafka does not answer" in run.log.read_text())

    run.send(signal.SIGINT)
    code = run.wait(20)
    scene.rig.kafka.start()
    rest = letters.replay()

    said = re.search(r"^all +(\d+) ", run.log.read_text(), flags=re.M)
    assert code == 1 and 0 < int(said[1]) < 60
    assert "usaged: replay: stopped while Kafka was away" in run.log.read_text()
    assert sent(rest) == 60 - int(said[1])
    letters.cured()
    settled_and_right()


def test_a_signal_ends_a_run_with_what_was_done(scene, letters, settled_and_right):
    letters.ahead(Records(11), 300).die()
    run = letters.start_frozen("after-kafka-commit")

    run.send(signal.SIGINT)
    run.thaw()

    assert run.wait(20) == 0
    said = re.search(r"^all +(\d+) .*\nstopped as asked: run it again for the rest$", run.log.read_text(), flags=re.M)
    assert 0 < int(said[1]) < 300 and sent(letters.replay()) == 300 - int(said[1])
    letters.cured()
    settled_and_right()


# ---- what is not there -----------------------------------------------------------------------------------------------

def test_a_missing_dead_letter_topic_is_one_line_and_exit_1(rig):
    scene = rig.scene("bare", create_topics=False)

    done = scene.service().run("replay", check=False)

    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"usaged: replay: topic \S+\.usage\.dead-letter does not exist \(setting topic\.dead-letter\): "
                        r"`usaged topics --create` makes it; or else grant Read on topic \S+\n", done.stderr)


@pytest.mark.unaccounted("the topic is made anew")
def test_a_topic_that_cannot_be_sent_back_to_ends_the_run_and_loses_nothing(scene, letters):
    letters.unframed(10, topic="rated").unframed(10).die()
    raw, rated = scene.topic["raw"], scene.topic["rated"]
    elsewhere = {"topic.raw": f"{scene.name}.other"}

    unread = letters.replay(check=False, settings=elsewhere)
    some = letters.replay("--topic", rated, settings=elsewhere)
    scene.rig.kafka.delete_topics([raw])
    until("it is gone", lambda: raw not in scene.rig.kafka.admin().list_topics(timeout=5).topics)
    gone = letters.replay(check=False)
    scene.rig.kafka.create_topics([raw], 4)
    whole = letters.replay()

    assert unread.returncode == 1 and gone.returncode == 1
    assert re.search(rf"is of topic {raw}, which is in none of topic\.raw, topic\.rated and topic\.import: ", unread.stderr)
    assert re.search(rf"is of topic {raw}, which does not exist: ", gone.stderr)
    assert sent(unread) + sent(some) == 10 and (sent(gone), sent(whole)) == (0, 10)
    assert values(letters.back()) == values(letters.ledger.entries)


def test_records_go_back_to_a_topic_that_takes_but_a_few_at_once(scene, publisher, letters):
    scene.rig.kafka.take_at_most([scene.topic["raw"]], 60_000)
    for _ in range(20):
        publisher.bytes(os.urandom(50_000), "framing", partition=0)
        publisher.flush()
    letters.unframed(100, partition=0).die()

    done = letters.replay()

    assert sent(done) == 120 and values(letters.back()) == values(letters.ledger.entries)


def test_what_is_no_dead_letter_of_ours_is_reported_and_left_alone(scene, letters):
    letters.unframed(3).die()
    producer = letters.publisher._producer
    producer.produce(scene.topic["dead-letter"], b"x", b"k", headers=[("usaged.topic", b"\x1b[31m")], partition=0)
    producer.flush()

    done = letters.replay()

    assert sent(done) == 3
    assert re.search(r"^left out: dead letter \S+\[0\]@\d+: it does not say where it came from$", done.stdout, flags=re.M)


# ---- how far it is ---------------------------------------------------------------------------------------------------

def test_a_terminal_is_told_how_far_it_is_and_a_file_is_not(letters):
    letters.unframed(50).die()
    terminal = Terminal()

    quiet = letters.replay("--limit", "10")
    done = subprocess.run(letters.service.command("replay"), env=letters.service._environment(), stdout=subprocess.PIPE,
                          stderr=terminal.theirs, text=True, timeout=60, check=True)
    told = terminal.told()

    assert quiet.stderr == ""
    assert sent(done) == 40
    assert re.match(r"\r\x1b\[Kusaged: replay: \d+ sent back, \d+ of \d+ looked at", told) and told.endswith("\r\x1b[K")
