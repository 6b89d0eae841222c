"""`usaged offsets --mend`: what it says, when it refuses, what it leaves when it dies in between, and its trace.

That it resolves each refusal of the takeover's table, by the very call that the refusal prints, is in test_takeover.py;
here are the rest of its rule, and the source @http.
"""

import re
import signal

import pytest
from confluent_kafka import Consumer
from rig.process import Process
from rig.wait import until

from lib.faults import QUICK, Failpoint
from lib.ledger import Ledger
from lib.publish import Publisher
from lib.records import Records
from lib.settle import outcomes, stored, wait_settled

CALL = re.compile(r"usaged stopped: usaged (offsets --mend (\S+):(\d+) --at (\d+) --yes)")


@pytest.fixture
def source():
    return Records(301)


@pytest.fixture
def stopped(started, publisher, source):
    """A service that has taken ten records of raw[0], and has ended in order."""
    publisher.raws(source.take(10), partition=0)
    publisher.flush()
    wait_settled(started, publisher.ledger)
    assert started.main.stop() == 0
    return started


@pytest.fixture
def ahead(scene, publisher, source):
    """A service that was killed with two batches of twenty records of raw[0] stored and not published."""
    scene.main = scene.service(settings={**QUICK, "batch.records": 20, "batch.wait-ms": 10000})
    scene.main.migrate()
    publisher.raws(source.take(40), partition=0)
    publisher.flush()
    scene.main.start(wait=False, env=Failpoint(scene, "after-commit", "kill", 2).env)
    assert scene.main.wait_exit() == -9
    wait_without_members(scene)
    assert (stored(scene)[raw(scene)], scene.committed()[raw(scene)], outbox(scene)) == (40, 0, [(0, 20), (20, 40)])
    scene.main.settings["batch.wait-ms"] = 20
    return scene


def raw(scene):
    return scene.topic["raw"], 0


def wait_without_members(scene):
    until("the group has no member", lambda: scene.rig.kafka.group_members(scene.group) == 0)


def outbox(scene, topic=None):
    with scene.connect() as db:
        return db.execute("SELECT from_offset, to_offset FROM outbox WHERE topic = %s ORDER BY from_offset",
                          (topic or scene.topic["raw"],)).fetchall()


def traces(scene):
    with scene.connect() as db:
        return db.execute("SELECT at, stored_before, stored_after, published_before, published_after,"
                          " outbox_rows_given_up, messages_given_up, finished_at IS NOT NULL"
                          " FROM offset_mend ORDER BY id").fetchall()


def words(scene, at, *more, topic=None, partition=0):
    return "offsets", "--mend", f"{topic or scene.topic['raw']}:{partition}", "--at", str(at), *more


def mend(scene, at, *more, check=False, **place):
    return scene.main.run(*words(scene, at, *more, **place), check=check)


def begin_mend(scene, at, point):
    """A mend that meets this failpoint."""
    process = Process(scene.main.command(*words(scene, at, "--yes")), scene.folder / "mend.log", env=point.env)
    until(f"{point} has fired", point.fired)
    return process


def said(scene):
    return (scene.folder / "mend.log").read_text()


def verdict(scene, topic):
    line = next(line for line in scene.main.run("offsets").stdout.splitlines() if line.split()[0] == topic)
    return line.split(maxsplit=7)[7]


# ---- the rule ------------------------------------------------------------------------------------------------------

def test_without_yes_it_says_all_and_changes_nothing(stopped):
    before = stored(stopped), stopped.committed()

    done = mend(stopped, 4)

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{stopped.topic['raw']}:0: equal", "mending it at 4:", "  stored: 10 -> 4", "  published: 10 -> 4",
        "  6 records, [4, 10), are read again: one that this database knows is a duplicate, the events of one that it "
        "does not know go out again"]
    assert done.stderr == "usaged: offsets: nothing was changed: add --yes to do it\n"
    assert (stored(stopped), stopped.committed()) == before and traces(stopped) == []


def test_what_is_so_already_is_done(stopped):
    done = mend(stopped, 10, "--yes", check=True)

    assert done.stdout.endswith("nothing is to be done\n") and traces(stopped) == []


@pytest.mark.unaccounted("records are skipped")
def test_records_are_skipped_and_what_is_on_its_way_is_published(ahead, publisher, source, settled_and_right):
    lost = Publisher(ahead, Ledger())
    lost.raws(source.take(20), partition=0)
    lost.flush()
    publisher.raws(source.take(20), partition=0)
    publisher.flush()
    ahead.rig.kafka.delete_records(ahead.topic["raw"], {0: 60})

    call = CALL.search(verdict(ahead, ahead.topic["raw"]))
    assert call.group(4) == "60"
    told = ahead.main.run(*call.group(1).split()).stdout

    assert "  20 records, [40, 60), are never read\n" in told
    assert "  2 outbox rows with 40 messages are published" in told
    assert outbox(ahead) == [(0, 20), (20, 60)]
    assert traces(ahead) == [(60, 40, 60, 0, 0, 0, 0, True)]
    ahead.main.start()
    settled_and_right()


@pytest.mark.unaccounted("read again")
def test_an_offset_within_the_outbox_gives_it_up_and_counts_what_is_lost(ahead, publisher):
    told = mend(ahead, 10, "--yes", check=True).stdout

    assert "  30 records, [10, 40), are read again" in told and "  2 outbox rows with 40 messages are given up" in told
    assert outbox(ahead) == [] and traces(ahead) == [(10, 40, 10, 0, 10, 2, 40, True)]
    ahead.main.start()
    wait_settled(ahead, publisher.ledger)
    assert outcomes(ahead) == {"created": 40, "duplicate": 30}


@pytest.mark.unaccounted("read again")
def test_records_are_read_again_when_their_ratings_are_still_parked(started, publisher, source):
    records = source.take(5)
    publisher.raws(source.take(5), partition=0)
    for record in records:
        publisher.rated(source.rating_of(record), partition=0, expect="parked")
    publisher.flush()
    wait_settled(started, publisher.ledger)
    assert started.main.stop() == 0

    mend(started, 0, "--yes", topic=started.topic["rated"], check=True)
    started.main.start()

    until("the ratings are read again", lambda: stored(started)[started.topic["rated"], 0] == 5)
    with started.connect() as db:
        assert db.execute("SELECT count(*) FROM parked_rating").fetchone() == (5,)
        assert db.execute("SELECT outcome, records FROM parked_outcome").fetchall() == [("duplicate", 5)]
    until("the metric counts them once", lambda: started.main.metric("usaged_parked") == 5)
    publisher.raws(records, partition=1)
    publisher.flush()
    wait_settled(started, publisher.ledger)
    with started.connect() as db:
        assert db.execute("SELECT status, count(*) FROM usage GROUP BY status ORDER BY status").fetchall() == [
            ("rated", 5), ("received", 5)]


# ---- refusals of its own ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, why", [
    (("--mend", "usage.raw", "--at", "3"), "--mend wants TOPIC:PARTITION, as in usage.raw:3, not usage.raw"),
    (("--mend", "usage.raw:-1", "--at", "3"), "--mend wants TOPIC:PARTITION"),
    (("--mend", ":1", "--at", "3"), "--mend wants TOPIC:PARTITION"),
    (("--mend", "usage.raw:1"), "--mend wants --at OFFSET"),
    (("--mend", "usage.raw:1", "--at", "-3"), "--at wants an offset, a number from 0 on, not -3"),
    (("--mend", "usage.raw:1", "--at", "end"), "--at wants an offset"),
    (("--at", "3"), "--at and --yes go with --mend TOPIC:PARTITION"),
    (("--yes",), "--at and --yes go with --mend TOPIC:PARTITION"),
    (("--mend", "usage.create:0", "--at", "3"),
     "records come from the topics of topic.raw, topic.rated and topic.import, and from @http:0"),
    (("--mend", "@http:1", "--at", "3"), "records come from the topics of topic.raw"),
])
def test_a_wrong_call_is_one_line_that_tells_the_right_one_and_exit_2(scene, line, why):
    done = scene.service().run("offsets", *line, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and why in done.stderr


def test_an_offset_that_kafka_does_not_hold_is_refused_with_both_ends(stopped):
    stopped.rig.kafka.delete_records(stopped.topic["raw"], {0: 3})

    for at in (2, 11):
        done = mend(stopped, at, "--yes")

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"usaged: offsets: --at {at} is not within [3, 10], which is what Kafka holds of it\n"
    assert traces(stopped) == []


def test_a_partition_of_a_running_service_is_left_alone(started, publisher, source, settled_and_right):
    publisher.raws(source.take(10), partition=0)
    settled_and_right()

    told, done = mend(started, 4), mend(started, 4, "--yes")

    refused = f"usaged: offsets: nothing was changed: group {started.group} has members; end every usaged of it first\n"
    assert (told.returncode, told.stderr, done.returncode, done.stderr) == (1, refused, 1, refused)
    assert "  6 records, [4, 10), are read again" in told.stdout
    publisher.raws(source.take(10), partition=0)
    settled_and_right()
    assert traces(started) == []


def test_a_member_that_joins_in_between_is_seen_by_kafka(stopped):
    point = Failpoint(stopped, "before-mend", "stop", 1)
    process = begin_mend(stopped, 4, point)
    member = Consumer({**stopped.rig.kafka.client, "group.id": stopped.group})
    member.subscribe([stopped.topic["raw"]])
    until("it is a member", lambda: member.poll(0.1) is None and member.assignment())

    process.send(signal.SIGCONT)

    assert process.wait(30) == 1
    member.close()
    assert said(stopped).endswith(f"usaged: offsets: group {stopped.group} has members\n")
    assert stored(stopped)[raw(stopped)] == stopped.committed()[raw(stopped)] == 10
    assert traces(stopped) == [(4, 10, 4, 10, 4, 0, 0, False)]


def test_a_service_that_takes_the_partition_over_in_between_keeps_it(stopped, publisher, source, settled_and_right):
    point = Failpoint(stopped, "before-mend", "stop", 1)
    process = begin_mend(stopped, 4, point)
    stopped.main.start()

    process.send(signal.SIGCONT)

    assert process.wait(30) == 1
    assert "it moved meanwhile" in said(stopped)
    publisher.raws(source.take(10), partition=0)
    settled_and_right()


# ---- deaths ----------------------------------------------------------------------------------------------------------

@pytest.mark.unaccounted("read again")
@pytest.mark.parametrize("place, published", [("before-mend", 10), ("before-mend-commit", 4)])
def test_a_mend_that_dies_is_refused_or_was_not_begun_and_can_be_done_again(stopped, publisher, place, published):
    point = Failpoint(stopped, place, "kill", 1)
    assert begin_mend(stopped, 4, point).wait(30) == -signal.SIGKILL
    assert (stored(stopped)[raw(stopped)], stopped.committed()[raw(stopped)]) == (10, published)
    verdict_then = "equal" if published == 10 else "refused: stored 10 is above"
    assert verdict(stopped, stopped.topic["raw"]).startswith(verdict_then)

    mend(stopped, 4, "--yes", check=True)

    assert [trace[0:1] + trace[-1:] for trace in traces(stopped)] == [(4, False), (4, True)]
    stopped.main.start()
    wait_settled(stopped, publisher.ledger)
    assert outcomes(stopped) == {"created": 10, "duplicate": 6}


def test_a_mend_that_dies_between_the_two_commits_over_a_full_outbox_loses_no_event(ahead, settled_and_right):
    ahead.rig.kafka.delete_group(ahead.group)
    call = CALL.search(verdict(ahead, ahead.topic["raw"]))
    assert call.group(4) == "0"
    point = Failpoint(ahead, "before-mend-commit", "kill", 1)
    assert begin_mend(ahead, 0, point).wait(30) == -signal.SIGKILL

    assert verdict(ahead, ahead.topic["raw"]).startswith("ahead: ")
    ahead.main.start()

    settled_and_right()


@pytest.mark.unaccounted("records are skipped")
def test_a_worker_that_is_frozen_in_its_transaction_is_put_out_and_cannot_undo_the_mend(scene, publisher, source,
                                                                                       settled_and_right):
    skipped = Publisher(scene, Ledger())
    skipped.raws(source.take(5), partition=0)
    skipped.flush()
    publisher.raws(source.take(20), partition=0)
    publisher.flush()
    scene.main = scene.service(settings=QUICK)
    scene.main.migrate()
    point = Failpoint(scene, "before-commit", "stop", 1)
    scene.main.start(wait=False, env=point.env)
    until("it is frozen", point.fired)
    wait_without_members(scene)

    done = mend(scene, 5, "--yes", check=True)

    assert "  stored: 0 -> 5\n" in done.stdout
    scene.main.thaw()
    settled_and_right()


# ---- a partition that is gone ----------------------------------------------------------------------------------------

@pytest.mark.unaccounted("the topic is another")
def test_what_is_known_of_a_partition_that_is_gone_is_forgotten(stopped, publisher, source):
    topic = stopped.topic["raw"]
    stopped.rig.kafka.delete_topics([topic])
    until("it is gone", lambda: topic not in stopped.rig.kafka.admin().list_topics(timeout=5).topics)
    call = CALL.search(verdict(stopped, topic))
    assert call.groups()[1:] == (topic, "0", "0")

    done = stopped.main.run(*call.group(1).split())

    assert done.stdout.endswith("  if the partition comes back, it is read from its beginning\ndone\n")
    assert verdict(stopped, topic).startswith("forgotten: Kafka has no such partition")
    stopped.rig.kafka.create_topics([topic], 1)
    later = Publisher(stopped, Ledger())
    later.raws(source.take(3), partition=0)
    later.flush()
    stopped.main.start()
    wait_settled(stopped, later.ledger)
    assert outcomes(stopped) == {"created": 13}


# ---- the source @http ------------------------------------------------------------------------------------------------

def http_state(scene, next_number, published, rows=(), cluster=None):
    """What no kill leads to, made by hand: the source's two marks, and outbox rows without a message."""
    group, place = f"{scene.group}-http", (scene.topic["create"], 0)
    with scene.connect() as db:
        db.execute("UPDATE source_offset SET next_offset = %s, cluster_id = coalesce(%s, cluster_id)"
                   " WHERE topic = '@http'", (next_number, cluster))
        for number in rows:
            db.execute("INSERT INTO outbox VALUES ('@http', 0, %s, %s, 1, '')", (number, number + 1))
    if published is None:
        scene.rig.kafka.delete_group(group)
    else:
        scene.rig.kafka.set_committed(group, {place: published})


def http_committed(scene):
    return scene.rig.kafka.committed(f"{scene.group}-http", [scene.topic["create"]])[scene.topic["create"], 0]


@pytest.mark.parametrize("state, at, after", [
    ({"next_number": 5, "published": 5, "cluster": "elsewhere"}, 5, (5, 5)),
    ({"next_number": 5, "published": None, "rows": [3, 4]}, 3, (5, 3)),
    ({"next_number": 5, "published": 9}, 9, (9, 9)),
    ({"next_number": 5, "published": 1, "rows": [3, 4]}, 3, (5, 3)),
    ({"next_number": 5, "published": 1}, 5, (5, 5)),
], ids=["cluster", "forgotten", "backup", "gap", "lost"])
def test_each_refusal_of_what_is_written_over_http_is_mended_by_the_call_that_it_prints(
        stopped, publisher, source, settled_and_right, state, at, after):
    http_state(stopped, **state)
    stopped.main.start(wait=False)
    why = stopped.main.wait_log(r'error keeper: partition refused topic=@http partition=0 why="(.*)"').group(1)
    until("/readyz names it", lambda: stopped.main.readyz()[1]["waiting"] == {"partitions": "@http[0]"})
    assert stopped.main.stop() == 0
    assert verdict(stopped, "@http") == f"refused: {why}"
    call = CALL.search(why)
    assert call.groups()[1:] == ("@http", "0", str(at))

    assert stopped.main.run(*call.group(1).split()).stdout.endswith("done\n")

    assert (stored_http(stopped), http_committed(stopped)) == after
    stopped.main.start()
    publisher.raws(source.take(5), partition=0)
    settled_and_right()
    until("all is published", lambda: http_committed(stopped) == stored_http(stopped) and not outbox(stopped, "@http"))


def stored_http(scene):
    with scene.connect() as db:
        return db.execute("SELECT next_offset FROM source_offset WHERE topic = '@http'").fetchone()[0]


def test_what_is_written_over_http_is_left_alone_while_a_service_publishes_it(stopped):
    http_state(stopped, 3, 3)
    stopped.main.start()
    until("it is taken over", lambda: stopped.main.log_text().count("source @http taken over") == 2)

    done, outside = mend(stopped, 1, "--yes", topic="@http"), mend(stopped, 4, topic="@http")

    assert done.returncode == 1 and "mending it at 1:\n  stored: 3 -> 1\n  published: 3 -> 1\n" in done.stdout
    assert done.stderr == ("usaged: offsets: nothing was changed: a usaged publishes what is written over HTTP; end "
                           f"every one of group {stopped.group} first\n")
    assert (outside.returncode, outside.stderr) == (
        1, "usaged: offsets: --at 4 is not within [0, 3], which is what is counted so far\n")
    assert (stored_http(stopped), http_committed(stopped), traces(stopped)) == (3, 3, [])
