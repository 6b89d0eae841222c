"""The one publisher of what is written through the source @http: who else may move its mark, what it reads of PostgreSQL,
and how long a transaction may take."""

import signal
import time
from contextlib import contextmanager

import pytest

from lib.consume import read_all
from lib.faults import QUICK, TRANSACTION_S, Failpoint, lines, throughout
from lib.missed import miss
from lib.peak import peak_of
from lib.records import Records
from lib.writers import Writers, settled
from rig.process import Process
from rig.wait import until

TWO = {"workers": 2, "parked.sweep-ms": 50, "log.level": "debug"}
TAKEN = "source @http taken over"
LET_GO = "source @http is let go"
MINUTE = {"kafka.transaction.timeout.ms": 60000}  # nothing ends by it here
LOCK = "hashtextextended('usaged.http', 0)"


# ---- what stands in PostgreSQL and in Kafka --------------------------------------------------------------------------

def group(scene):
    return f"{scene.group}-http"


def published(scene):
    return scene.rig.kafka.committed(group(scene), [scene.topic["create"]])[scene.topic["create"], 0]


def set_published(scene, number):
    scene.rig.kafka.set_committed(group(scene), {(scene.topic["create"], 0): number})


def stored(scene):
    with scene.connect() as db:
        return db.execute("SELECT next_offset FROM source_offset WHERE topic = '@http'").fetchone()[0]


def set_stored(db, number):
    db.execute("UPDATE source_offset SET next_offset = %s WHERE topic = '@http'", (number,))


def add_rows(db, first, last, messages=b""):
    """Outbox rows [first, first + 1), ... [last - 1, last)."""
    db.execute("INSERT INTO outbox SELECT '@http', 0, n, n + 1, 1, %s FROM generate_series(%s, %s - 1) AS n",
               (messages, first, last))


def rows(scene):
    with scene.connect() as db:
        return db.execute("SELECT from_offset, to_offset FROM outbox WHERE topic = '@http' ORDER BY from_offset").fetchall()


def traces(scene):
    with scene.connect() as db:
        return db.execute("SELECT at, stored_before, stored_after, published_before, published_after,"
                          " outbox_rows_given_up, messages_given_up, finished_at IS NOT NULL"
                          " FROM offset_mend ORDER BY id").fetchall()


@contextmanager
def locked(scene):
    """Nobody else publishes, or mends, meanwhile. A session ends a moment after its process."""
    with scene.connect() as db:
        until("the lock is free", lambda: db.execute(f"SELECT pg_try_advisory_lock({LOCK})").fetchone()[0])
        yield
        db.execute(f"SELECT pg_advisory_unlock({LOCK})")


def wait_unlocked(scene):
    with locked(scene):
        pass


def lose_session(scene, application):
    """Ends the session of this application that holds the lock."""
    with scene.connect() as db:
        ended = db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity AS a USING (pid)"
            " WHERE locktype = 'advisory' AND a.datname = current_database() AND a.application_name LIKE %s",
            (f"{application}/%",)).fetchall()
        assert ended == [(True,)]
    wait_unlocked(scene)


# ---- doing -----------------------------------------------------------------------------------------------------------

QUIET = {"log.level": "info"}


def words(at, *more):
    return "offsets", "--mend", "@http:0", "--at", str(at), *more


def mend(scene, at, *more):
    return scene.main.run(*words(at, *more), settings=QUIET, check=False)


def take_over_at(scene, number, settings, **start):
    """The service takes @http over, once more, with both marks at this number."""
    scene.main = scene.service(settings=settings)
    scene.main.migrate()
    scene.main.start()
    scene.main.wait_log(TAKEN)
    assert scene.main.stop() == 0
    with scene.connect() as db:
        set_stored(db, number)
    set_published(scene, number)
    scene.main.start(**start)
    until("it is taken over again", lambda: scene.main.log_text().count(TAKEN) == 2)


@pytest.fixture
def lost(request, scene, publisher):
    """A keeper that stands still at a place of `request.param`, with events in its hands, and does not know that it has
    lost the lock. It is [1, 2) that it publishes; [0, 1), without a message, is published and not removed yet."""
    place = request.param
    point = Failpoint(scene, place, "stop", 1 if place == "http-before-publish" else 2)  # the takeover passes the others
    take_over_at(scene, 1, {**TWO, **MINUTE}, env=point.env)
    with scene.connect() as db:
        add_rows(db, 0, 1)
    miss(scene, publisher, Records(601), 10)
    until(f"{point} fires", point.fired, 30)
    scene.main.freeze()  # it stands still already; the rig knows now
    lose_session(scene, "usaged")
    assert rows(scene)[:2] == [(0, 1), (1, 2)]
    return scene


def wake(scene):
    """Until it has learnt that something is not as it was."""
    before = len(lines(scene.main, LET_GO))
    scene.main.thaw()
    until("it has let all go", lambda: len(lines(scene.main, LET_GO)) > before, 30)


# ---- a mend of @http, and a publisher that has lost the lock unnoticed ------------------------------------------------

PLACES = ["http-before-publish", "http-before-send-offsets", "http-before-kafka-commit"]


@pytest.mark.parametrize("lost", [*(pytest.param(place, marks=pytest.mark.long) for place in PLACES[:2]), PLACES[2]], indirect=True)
def test_a_publisher_that_has_lost_the_lock_cannot_undo_a_mend(lost, settled_and_right):
    done = mend(lost, 0, "--yes")

    assert done.returncode == 0 and "  stored stays" in done.stdout and "  published: 1 -> 0\n" in done.stdout
    with locked(lost):
        wake(lost)
        assert lines(lost.main, rf"{LET_GO} .*another process has taken transactional.id {group(lost)} over")
        throughout("the mark is what the mend has set", lambda: published(lost) == 0, 0.5)
    settled_and_right()
    assert published(lost) == stored(lost) and traces(lost)[0][:1] + traces(lost)[0][-1:] == (0, True)


@pytest.mark.long
@pytest.mark.parametrize("lost", PLACES[:1], indirect=True)
def test_what_a_mend_has_given_up_does_not_come_out_later(lost):
    with lost.connect() as db:
        db.execute("UPDATE source_offset SET cluster_id = 'elsewhere' WHERE topic = '@http'")

    done = mend(lost, 0, "--yes")

    assert done.returncode == 0 and "  stored: 2 -> 0\n  published: 1 -> 0\n" in done.stdout
    with locked(lost):
        wake(lost)
    lost.main.wait_log(f"{TAKEN} found=equal stored=0 published=0")
    assert rows(lost) == [] and read_all(lost.rig.kafka, [lost.topic["state-change"]]) == []


@pytest.mark.parametrize("lost", PLACES[1:2], indirect=True)
def test_a_mend_without_yes_fences_nobody(lost, settled_and_right):
    done = mend(lost, 0)

    assert done.returncode == 1 and done.stderr == "usaged: offsets: nothing was changed: add --yes to do it\n"
    with locked(lost):
        wake(lost)
        assert published(lost) == 2  # its commit was taken
    settled_and_right()
    assert traces(lost) == []


@pytest.mark.long
def test_a_mend_that_has_lost_the_lock_cannot_move_the_mark_of_a_service(scene, publisher, settled_and_right):
    take_over_at(scene, 3, TWO)
    assert scene.main.stop() == 0
    wait_unlocked(scene)
    point = Failpoint(scene, "http-before-send-offsets", "stop", 1)
    log = scene.folder / "mend.log"
    process = Process(scene.main.command(*words(1, "--yes"), settings=QUIET), log, env=point.env)
    until(f"{point} fires", point.fired)
    lose_session(scene, "usaged-mend")
    scene.main.start()
    until("the service has taken it over", lambda: scene.main.log_text().count(TAKEN) == 3)

    process.send(signal.SIGCONT)

    assert process.wait(30) == 1
    assert log.read_text().endswith(f"usaged: offsets: another process has taken transactional.id {group(scene)} over\n")
    assert (stored(scene), published(scene), traces(scene)) == (3, 3, [(1, 3, 1, 3, 1, 0, 0, False)])
    miss(scene, publisher, Records(602), 5)
    settled_and_right()
    assert published(scene) == stored(scene) > 3


# ---- what is read of PostgreSQL --------------------------------------------------------------------------------------

def test_the_mark_and_the_outbox_that_a_takeover_finds_are_of_one_moment(scene):
    """A row and the mark behind it are committed while the takeover is asking."""
    take_over_at(scene, 3, TWO)
    assert scene.main.stop() == 0
    with scene.connect() as watch:
        with scene.connect() as db, db.transaction():
            db.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            scene.main.start(wait=False)
            until("the keeper asks", lambda: watch.execute(
                "SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE NOT granted"
                " AND datname = current_database()"
                " AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')").fetchone())
            set_stored(db, 4)
            add_rows(db, 3, 4)
    scene.main.wait_ready()
    scene.main.wait_log(f"{TAKEN} found=ahead stored=4 published=3")
    until("the row is published", lambda: published(scene) == 4 and rows(scene) == [])


def message(size):
    """A message of an outbox row: of topic.create, without key and headers, its value of this size."""
    length, varint = size + 1, bytearray()
    while length >= 0x80:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    return b"\0\0\0" + bytes(varint) + bytes(size)


@pytest.mark.long
@pytest.mark.parametrize("count, size, of_each", [(96, 1 << 20, 4), (250, 10, 3)], ids=["large", "many"])
def test_a_mend_counts_the_messages_of_any_outbox_in_little_memory(scene, count, size, of_each):
    take_over_at(scene, 1, TWO)
    assert scene.main.stop() == 0
    with scene.connect() as db:
        add_rows(db, 0, count, of_each * message(size))
        set_stored(db, count)

    _, said, peak_kib = peak_of(scene.main.command(*words(count), settings=QUIET), env={})

    assert f"  {count - 1} outbox rows with {of_each * (count - 1)} messages are given up" in said, said
    assert peak_kib < 450 << 10  # all of it is 384 MiB, and would be there twice; a sanitizer keeps 256 back


# ---- clients that write without a pause ------------------------------------------------------------------------------

SLOW = """
    CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM gone WHERE topic = '@http') THEN PERFORM pg_sleep({}); END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER slow AFTER DELETE ON outbox REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION slow()"""


@pytest.fixture
def busy(scene):
    """A keeper that needs 0.2 s for what it publishes at once, and clients that write in no less."""
    scene.main = scene.service(settings={**TWO, "parked.max-age": "1s", "http.idempotency.keep": "1s"})
    scene.main.migrate()
    with scene.connect() as db:
        db.execute(SLOW.format(0.2))
    scene.main.start()
    with Writers([scene.main], count=8) as writers:
        writers.more(100)
        scene.writers = writers
        yield scene


def oldest_key(scene):
    with scene.connect() as db:
        return db.execute("SELECT min(created_at) FROM idempotency").fetchone()[0]


def test_writes_without_a_pause_leave_all_else_its_turn(busy, publisher):
    source, oldest = Records(605), oldest_key(busy)
    publisher.rated(source.rating_of(source.next()), expect="parked", reason="parked-expired")
    publisher.flush()

    until("the rating has ended", lambda: busy.main.metric("usaged_parked_ended_total", outcome="dead") == 1)
    until("an old key is gone", lambda: oldest_key(busy) > oldest)

    busy.writers.__exit__()
    settled(busy, busy.writers)


def held_keeper(scene, db):
    """Is the keeper held up by the rows that are locked here? It may have removed them before."""
    db.execute("SELECT FROM outbox WHERE topic = '@http' FOR UPDATE SKIP LOCKED")
    with scene.connect() as looking:
        return looking.execute("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = "
                               "current_database() AND query LIKE 'DELETE FROM outbox%')").fetchone()[0]


def test_a_stop_publishes_what_is_stored_by_then_whoever_goes_on_writing(busy):
    with busy.connect() as db:
        db.execute(SLOW.format(0.02))  # of the two seconds that it has in all
        with db.transaction():
            until("what it has published stays", lambda: held_keeper(busy, db))
            busy.writers.more(20)
            before = stored(busy)
            busy.main.process.send(signal.SIGTERM)
            busy.main.wait_log(" stopping ")

    assert busy.main.wait_exit() == 0
    assert published(busy) >= before and not lines(busy.main, "did not end in time|is left to the next process")
    busy.main.start()
    busy.writers.more(20)
    busy.writers.__exit__()
    settled(busy, busy.writers)


# ---- the time-out of a transaction -----------------------------------------------------------------------------------

def test_a_transaction_that_was_too_old_is_tried_again_with_twice_the_time(scene, publisher, settled_and_right):
    scene.main = scene.service(settings={**TWO, **QUICK})
    scene.main.migrate()
    point = Failpoint(scene, "http-before-kafka-commit", "stop", 2)
    scene.main.start(env=point.env)
    miss(scene, publisher, Records(603), 10)
    until(f"{point} fires", point.fired, 30)
    scene.main.freeze()
    time.sleep(TRANSACTION_S + 3)  # the broker looks once a second

    scene.main.thaw()

    longer = rf"a transaction may take longer transactional.id={group(scene)} "
    scene.main.wait_log(rf"{longer}transaction.timeout.ms={2 * TRANSACTION_S * 1000:.0f}")
    settled_and_right()
    # What was published has brought the short time back, which takes a takeover.
    until("it is taken over for the third time", lambda: scene.main.log_text().count(TAKEN) == 3)
    miss(scene, publisher, Records(604), 5)
    settled_and_right()
    assert len(lines(scene.main, longer)) == 1 and len(lines(scene.main, TAKEN)) == 3
