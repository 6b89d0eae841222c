"""The hub while something goes wrong: a process that is killed, a restart, a listener that is too far behind, a name that
means another host all of a sudden."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lib.faults import Failpoint, lines
from lib.http import BASE, client_of
from lib.hub import Hub, check_numbers, numbers_of
from rig.wait import until


def partitions_of(service):
    """How many this process has been given last."""
    said = lines(service, "the hub has partitions")
    return int(said[-1].partition("count=")[2].split()[0]) if said else 0


def share(hub):
    """Waits until the group has divided the partitions among all processes."""
    wanted = 5 * hub.scene.partitions
    until("all partitions are divided", lambda: sum(map(partitions_of, hub.services)) == wanted and
          all(map(partitions_of, hub.services)))


def kills(scene, listening, places):
    """One of two processes dies at each place while events flow, and is started again."""
    hub = Hub(scene, count=2)
    listener, picky = listening(), listening()
    hub.register(listener.url)
    hub.register(picky.url, "eventType=UsageDeleteEvent")
    share(hub)
    sent = 0
    for place, times in places:
        point, victim = Failpoint(scene, place, "kill", times), hub.services[1]
        victim.stop()
        victim.start(wait=False, env=point.env)

        def go_on():
            nonlocal sent
            hub.numbered(sent, 40)
            sent += 40

        until(f"{point} fires", lambda: not victim.alive(), 60, meanwhile=go_on)
        assert point.fired(), victim.log_text()[-2000:]
        hub.numbered(sent, 40)
        sent += 40
        victim.start()
    hub.numbered(sent, 200)
    sent += 200
    until("all is told", lambda: len(set(numbers_of(list(listener.told)))) == sent, 60)
    check_numbers(listener, 0, sent, scene.partitions)
    assert not picky.tried
    share(hub)
    hub.client.close()


def test_a_kill_loses_nothing_and_changes_no_order(scene, listening):
    kills(scene, listening, [("hub-delivered", 5)])


@pytest.mark.long
def test_a_kill_at_any_place_loses_nothing_and_changes_no_order(scene, listening):
    kills(scene, listening, [("hub-in-assign", 1), ("hub-before-keep", 3), ("hub-delivered", 1), ("hub-delivered", 60),
                             ("hub-before-keep", 1)])


def test_retries_survive_a_restart(scene, listening):
    hub = Hub(scene, {"hub.retry-ms": 400})
    refusing = [True]
    listener, good = listening(lambda _: 500 if refusing[0] else 200), listening()
    id_ = hub.register(listener.url)
    hub.register(good.url)
    hub.numbered(0, 20)
    good.wait(20)
    listener.wait_tried(6)

    def waiting():
        with scene.connect() as db:
            return db.execute("SELECT count(*) FROM hub_position WHERE listener = %s AND failures > 1 AND "
                              "retry_at IS NOT NULL", (id_,)).fetchone()[0]

    until("the back-off is written down", waiting)
    until("the other's place is written down", lambda: hub.service.metric("usaged_hub_backlog", listener=id_) ==
          hub.service.metric("usaged_hub_backlog") > 0)
    hub.service.kill()
    refusing[0] = False
    hub.service.start()

    until("all is told", lambda: len(set(numbers_of(list(listener.told)))) == 20)
    check_numbers(listener, 0, 20, scene.partitions)
    hub.service.wait_log(f"listener takes events again listener={id_}")
    assert len(good.told) == 20, "what was written down is not told again"
    hub.client.close()


def test_an_orderly_restart_tells_nothing_twice(scene, listening):
    hub = Hub(scene)
    listener = listening()
    listener.pause = 0.1  # so that the stop comes in between
    hub.register(listener.url)
    for first in range(0, 40, 20):
        hub.numbered(first, 20)
        listener.wait(first + 20)
        assert hub.service.stop() == 0
        hub.service.start()
    hub.numbered(40, 8)

    listener.wait(48)

    check_numbers(listener, 0, 48, scene.partitions)
    assert len(listener.tried) == 48
    assert "Sanitizer" not in hub.service.log_text()
    hub.client.close()


def test_a_listener_too_far_behind_is_suspended_and_seen(scene, listening):
    hub = Hub(scene, {"hub.backlog": 30})
    refusing = [True]
    late, good = listening(lambda _: 503 if refusing[0] else 201), listening()
    id_ = hub.register(late.url)
    hub.register(good.url)
    for first in range(0, 60, 10):
        hub.numbered(first, 10)
        good.wait(first + 10)

    hub.service.wait_log(f"listener suspended: .*listener={id_} host=http://127.0.0.1:{late.port} backlog=\\d+ hub.backlog=30")

    until("it is seen", lambda: [hub.service.metric("usaged_hub_listeners", state=state)
                                 for state in ("active", "suspended")] == [1, 1])
    assert hub.service.metric("usaged_hub_backlog", listener=id_) > 30
    refusing[0] = False
    tried = len(late.tried)
    hub.numbered(60, 10)
    good.wait(70)
    again = hub.register(late.url)
    hub.numbered(70, 8)
    late.wait(8)
    assert sorted(numbers_of(late.told)) == list(range(70, 78)) and len(late.tried) == tried + 8
    assert hub.send("DELETE", f"/hub/{id_}").status == 204
    until("it is gone", lambda: hub.service.metric("usaged_hub_listeners", state="suspended") == 0)
    assert len(lines(hub.service, "listener suspended")) == 1
    assert hub.send("DELETE", f"/hub/{again}").status == 204
    hub.client.close()


@pytest.fixture
def resolver(tmp_path):
    """A name, partner.test, that means what a file says, and as slowly as it says; the environment for that, and the file."""
    if "asan" in os.environ.get("USAGED_BIN", ""):
        pytest.skip("the sanitizer wants to be the first library")
    library = tmp_path / "resolver.so"
    source = Path(__file__).resolve().parents[1] / "lib" / "resolver.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, capture_output=True)
    file = tmp_path / "addresses"
    return {"LD_PRELOAD": str(library), "PARTNER_ADDRESSES": str(file)}, file


def test_what_a_name_means_is_looked_at_for_each_connection(scene, listening, resolver):
    env, addresses = resolver
    hub = Hub(scene, env=env)
    listener = listening(lambda _: (201, {"Connection": "close"}))
    forbidden = listening(host="127.0.0.2", port=listener.port)
    callback = f"http://partner.test:{listener.port}"
    addresses.write_text("127.0.0.2\n")
    assert "127.0.0.2" in hub.send("POST", "/hub", {"callback": callback}).is_error(400)
    addresses.write_text("")
    assert "resolved" in hub.send("POST", "/hub", {"callback": callback}).is_error(400)
    addresses.write_text("127.0.0.1\n")
    id_ = hub.register(callback)
    hub.numbered(0, 4)
    listener.wait(4)

    addresses.write_text("127.0.0.2\n")
    hub.numbered(4, 4)

    hub.service.wait_log(f"listener fails, .*listener={id_} .*why=.*127.0.0.2 is not public")
    assert len(listener.told) == 4 and forbidden.connections == 0
    addresses.write_text("127.0.0.1\n")
    listener.wait(8)
    check_numbers(listener, 0, 8, scene.partitions)
    assert forbidden.connections == 0
    hub.client.close()


def test_a_registration_that_is_refused_for_its_time_is_not_stored(scene, listening, resolver):
    """Names are looked up one after another, and 4 s after a request its client hears 503, while the look-up may be under way."""
    env, addresses = resolver
    hub = Hub(scene, {"http.statement-timeout-ms": 999, "http.count-timeout-ms": 1}, env=env)
    callback = f"http://partner.test:{listening().port}"
    addresses.write_text("127.0.0.1\n1500\n")

    def register(_):
        client = client_of(hub.service)
        answer = client.ask("POST", BASE + "/hub", b'{"callback":"%s"}' % callback.encode(), {"Content-Type": "application/json"})
        client.close()
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(register, range(4)))
    addresses.write_text("127.0.0.1\n")
    told = [hub.register(callback)]  # behind what was still looked up

    told += [answer.json()["id"] for answer in answers if answer.status == 201]
    late = [answer for answer in answers if answer.status != 201]
    assert late and len(told) > 1
    assert all("in time" in answer.is_error(503) and answer.header("Retry-After") == "1" for answer in late)
    with scene.connect() as db:
        stored = [str(id_) for id_, in db.execute("SELECT id FROM hub_listener")]
    assert sorted(stored) == sorted(told)
    hub.client.close()


def test_a_name_may_take_all_the_time_of_a_delivery(scene, listening, resolver):
    env, addresses = resolver
    hub = Hub(scene, {"hub.timeout-ms": 9000}, env=env)
    listener = listening()
    addresses.write_text("127.0.0.1\n")
    hub.register(f"http://partner.test:{listener.port}")
    addresses.write_text("127.0.0.1\n4000\n")

    hub.numbered(0, 1)

    listener.wait(1)
    assert not lines(hub.service, "listener fails")
    hub.client.close()


def waiting_for(db, what, seconds=30, **wait):
    """The pid of the session that waits so in a statement that has these words."""
    (column, value), = wait.items()
    rows = []
    until(f"{what} waits", lambda: rows.extend(db.execute(
        f"SELECT pid FROM pg_stat_activity WHERE {column} = %s AND query LIKE %s AND pid != pg_backend_pid()",
        (value, f"%{what}%")).fetchall()) or rows, seconds)
    return rows[0][0]


def test_a_listener_that_is_deleted_while_places_are_written_down_fails_none(scene, listening):
    hub = Hub(scene)
    listener, other = listening(), listening()
    id_ = hub.register(listener.url)
    kept = hub.register(other.url)
    hub.numbered(0, 8)
    listener.wait(8)

    with scene.connect() as db, scene.connect() as looking:
        with db.transaction():
            db.execute("DELETE FROM hub_listener WHERE id = %s", (id_,))
            hub.numbered(8, 8)
            waiting_for(looking, "INSERT INTO hub_position AS old", wait_event_type="Lock")
        until("the other's places are written down", lambda: looking.execute(
            "SELECT sum(next_offset) FROM hub_position WHERE listener = %s AND topic = %s",
            (kept, scene.topic["create"])).fetchone()[0] == 16)
        assert looking.execute("SELECT count(*) FROM hub_position WHERE listener = %s", (id_,)).fetchone()[0] == 0

    assert not lines(hub.service, "the hub waits")
    hub.client.close()


class Unanswered:
    """A POST of a listener whose COMMIT is on disk, and waits for a standby that never comes."""

    def __init__(self, hub, callback):
        self.db = hub.scene.rig.postgres.connect()
        self._set("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        self._pool = ThreadPoolExecutor(1)
        self._answer = self._pool.submit(hub.send, "POST", "/hub", {"callback": callback})
        try:
            self.pid = waiting_for(self.db, "INSERT INTO hub_listener", wait_event="SyncRep")
        except BaseException:
            self.end(self.db)
            raise

    def _set(self, sql):
        self.db.execute(sql)
        self.db.execute("SELECT pg_reload_conf()")

    def answer(self):
        return self._answer.result(60)

    def end(self, db):
        self.db = db
        self._set("ALTER SYSTEM RESET synchronous_standby_names")


def test_a_registration_whose_commit_was_not_answered_is_taken_back(scene, listening):
    hub = Hub(scene)
    sent = Unanswered(hub, listening().url)
    try:
        sent.db.execute("SELECT pg_terminate_backend(%s)", (sent.pid,))
        waiting_for(sent.db, "DELETE FROM hub_listener", wait_event="SyncRep")
    finally:
        sent.end(sent.db)

    assert sent.answer().is_error(503) == "The database is away"
    with scene.connect() as db:
        assert db.execute("SELECT count(*) FROM hub_listener").fetchone()[0] == 0
    hub.client.close()


def test_a_registration_that_may_be_stored_says_its_id(scene, listening):
    hub = Hub(scene)
    sent = Unanswered(hub, listening().url)
    postgres = scene.rig.postgres
    postgres.kill()
    try:
        said = sent.answer().is_error(503)
    finally:
        postgres.start()
        sent.end(postgres.connect())

    with scene.connect() as db:
        id_, = db.execute("SELECT id::text FROM hub_listener").fetchone()
    assert f"listener {id_} may be stored" in said and "DELETE http://127.0.0.1:" in said
    assert f"/hub/{id_} removes it" in said
    until("PostgreSQL is there", lambda: hub.send("DELETE", f"/hub/{id_}").status == 204)
    hub.client.close()


def stored(scene, callback, query=None):
    """The id of a listener that was written into the table, with no place in any topic."""
    with scene.connect() as db:
        return str(db.execute("INSERT INTO hub_listener (id, callback, query, token) VALUES (gen_random_uuid(), %s, %s, '') "
                              "RETURNING id", (callback, query)).fetchone()[0])


def test_kafka_is_asked_nothing_for_a_listener_that_has_no_place(scene, listening):
    """One that is deleted between two questions of one look at PostgreSQL has none either."""
    hub = Hub(scene)
    listener = listening()
    hub.register(listener.url)
    hub.numbered(0, 4)
    listener.wait(4)
    for port in (1, 2, 3):
        stored(scene, f"http://127.0.0.1:{port}")
    until("they are seen", lambda: hub.service.metric("usaged_hub_listeners", state="active") == 4)
    sent, end = 4, time.monotonic() + 30

    for _ in range(10):  # two questions about each of twenty partitions are a minute
        hub.numbered(sent, 4)
        sent += 4
        listener.wait(sent, end - time.monotonic())

    hub.client.close()


def test_a_query_that_cannot_be_read_is_said_once_and_stops_nobody(scene, listening):
    hub = Hub(scene)
    listener = listening()
    ids = {stored(scene, "http://127.0.0.1:1", "eventType=") for _ in range(2)}
    hub.register(listener.url)
    hub.numbered(0, 4)
    listener.wait(4)
    until("they are seen", lambda: hub.service.metric("usaged_hub_listeners", state="active") == 3)

    time.sleep(3.5)  # some looks

    said = lines(hub.service, "a listener's query cannot be read")
    assert len(said) == 2 and {line.rpartition("listener=")[2] for line in said} == ids
    hub.client.close()


def test_a_wait_of_more_than_a_minute_survives_a_restart(scene, listening):
    hub = Hub(scene, {"hub.retry-ms": 600000})
    listener = listening(lambda _: 500)
    id_ = hub.register(listener.url)

    def retry():
        with scene.connect() as db:
            return db.execute("SELECT high_offset, extract(epoch FROM retry_at - now()) FROM hub_position WHERE listener = %s "
                              "AND failures = 1", (id_,)).fetchone() or (0, 0)

    hub.numbered(0, 1)
    until("it is written down", lambda: retry()[1] > 500)
    hub.service.kill()
    hub.service.start()
    hub.numbered(scene.partitions, 1)
    until("it is written down again", lambda: retry()[0] == 2)

    assert retry()[1] > 500
    assert len(listener.tried) == 1
    hub.client.close()


@pytest.mark.long
def test_deliveries_go_on_after_each_part_was_away(scene, listening):
    hub = Hub(scene)
    listener = listening()
    hub.register(listener.url)
    sent = 0
    hub.numbered(0, 0)  # knows its schema's id now, and the hub does not
    for part in (scene.rig.registry, scene.rig.postgres, scene.rig.kafka):
        part.kill()
        if part is not scene.rig.kafka:
            hub.numbered(sent, 20)
            sent += 20
        part.start()
        hub.numbered(sent, 20)
        sent += 20
        until(f"all is told after {part.name} was away", lambda: len(set(numbers_of(list(listener.told)))) == sent, 90)
    check_numbers(listener, 0, sent, scene.partitions)
    hub.client.close()
