"""The read API while parts are away: only PostgreSQL's absence takes reads away, and only for as long as it lasts."""

import time

import pytest

from lib.http import BASE, Client, client_of
from lib.records import Records, id_of
from lib.schemas import PLAIN
from lib.settle import wait_settled
from rig.wait import until


@pytest.fixture
def asked(scene, request):
    """A function that starts a service with these settings and 60 usages, and returns a client of its API."""

    def start(publisher, **settings) -> Client:
        scene.main = scene.service(settings={name.replace("_", "-").replace("http-", "http."): value
                                             for name, value in settings.items()})
        scene.main.migrate()
        scene.records = Records(81).take(60)
        publisher.raws(scene.records)
        scene.main.start()
        publisher.flush()
        wait_settled(scene, publisher.ledger)
        client = client_of(scene.main)
        request.addfinalizer(client.close)
        return client

    return start


def test_a_service_that_has_not_found_its_group_yet_is_not_ready(scene):
    service = scene.service()
    service.migrate()
    scene.rig.registry.freeze()

    service.start(wait=False)
    service.wait_log("HTTP serves")

    status, body = service.readyz()
    assert status == 503 and not body["ready"] and "assignment" in body["waiting"]
    scene.rig.registry.thaw()
    service.wait_ready()
    assert client_of(service).get("/usage").usages() == []


def all_reads_answer(client: Client, records: list) -> bool:
    return client.get(f"/usage/{id_of(records[0])}").status == 200 and client.get("/usage?limit=1").total() == len(records)


def is_up(service, part: str) -> bool:
    return service.metrics()[f'usaged_dependency_up{{name="{part}"}}'] == 1


def test_a_registry_that_is_away_takes_no_read_away(scene, publisher, asked):
    client = asked(publisher)
    late = Records(82).next()
    publisher.schema_id(scene.topic["raw"], PLAIN)  # known there, and not yet to the service
    scene.rig.registry.freeze()
    publisher.raw(late, writer=PLAIN)
    publisher.flush()
    until("the record waits for its schema", lambda: "registry" in scene.main.readyz()[1]["waiting"])

    assert scene.main.readyz()[0] == 503
    assert not is_up(scene.main, "registry")
    assert all_reads_answer(client, scene.records)
    assert client.get(f"/usage/{id_of(late)}").is_error(404)

    scene.rig.registry.thaw()
    until("the record is taken", lambda: client.get(f"/usage/{id_of(late)}").status == 200)
    until("ready again", lambda: scene.main.readyz() == (200, {"ready": True, "waiting": {}}))
    until("and said to be up", lambda: is_up(scene.main, "registry"))


def test_a_refused_partition_takes_no_read_away(scene, publisher, asked):
    client = asked(publisher)
    scene.main.stop()
    place, offset = next((place, offset) for place, offset in scene.committed().items() if offset > 0)
    scene.rig.kafka.set_committed(scene.group, {place: 0})

    scene.main.start(wait=False)

    name = f"{place[0]}[{place[1]}]"
    until("the partition is refused", lambda: scene.main.readyz()[1].get("waiting") == {"partitions": name})
    assert all_reads_answer(client_of(scene.main), scene.records)
    assert scene.main.metric("usaged_takeovers_total", found="refused") == 1
    scene.main.wait_log(rf"partition refused.*stored {offset} is above published 0")
    client.close()


def test_reads_are_refused_while_postgresql_is_away_and_go_on_when_it_is_back(scene, publisher, asked):
    client = asked(publisher)
    assert all_reads_answer(client, scene.records)

    scene.rig.postgres.kill()

    for path in (f"/usage/{id_of(scene.records[0])}", "/usage?limit=1", "/usage?status=rated"):
        answer = client.get(path)
        assert "database" in answer.is_error(503)
        assert answer.header("Retry-After") == "1"
    client.get("/usage?status=nonsense").is_error(400)
    until("not ready", lambda: "postgres" in scene.main.readyz()[1]["waiting"])
    assert scene.main.healthz() == 200 and not is_up(scene.main, "postgres")

    scene.rig.postgres.start()
    until("reads go on", lambda: all_reads_answer(client, scene.records))
    until("ready again", lambda: scene.main.readyz()[0] == 200 and is_up(scene.main, "postgres"))
    assert scene.main.metric("usaged_http_requests_total", route="/usage/{id}", status="503") == 1
    assert scene.main.log_text().count("HTTP waits for the database") == 1


def test_no_read_notices_that_postgresql_was_started_again(scene, publisher, asked):
    client = asked(publisher)
    for _ in range(12):
        assert all_reads_answer(client, scene.records)  # each of its connections has been used

    scene.rig.postgres.restart()

    for _ in range(12):
        assert all_reads_answer(client, scene.records)


def test_a_frozen_postgresql_is_answered_for_in_time(scene, publisher, asked):
    client = asked(publisher, http_statement_timeout_ms=300, http_count_timeout_ms=100)
    until("reads are in time", lambda: all_reads_answer(client, scene.records))

    scene.rig.postgres.freeze()

    began = time.monotonic()
    client.get("/usage?limit=1").is_error(503)
    assert time.monotonic() - began < 20
    scene.rig.postgres.thaw()
    until("reads go on", lambda: all_reads_answer(client, scene.records))


def test_a_statement_that_takes_too_long_is_given_up(scene, publisher, asked):
    client = asked(publisher, http_statement_timeout_ms=300)

    with scene.connect() as db, db.transaction():
        db.execute("LOCK TABLE usage_row IN ACCESS EXCLUSIVE MODE")
        for path in (f"/usage/{id_of(scene.records[0])}", "/usage?limit=1"):
            assert "http.statement-timeout-ms" in client.get(path).is_error(503)

    until("reads are in time again", lambda: all_reads_answer(client, scene.records))


def test_a_count_that_takes_too_long_is_the_planners_guess(scene, publisher, asked):
    client = asked(publisher, http_count_timeout_ms=200, http_statement_timeout_ms=5000)
    with scene.connect() as db:  # the run-time role now waits for 20 ms at each row that it sees
        db.execute("CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql AS "
                   "$$ BEGIN PERFORM pg_sleep(0.02); RETURN true; END $$")
        db.execute("CREATE POLICY slow ON usage_row USING (usaged.slow()); "
                   "ALTER TABLE usage_row ENABLE ROW LEVEL SECURITY")

    answer = client.get("/usage?limit=2&usageType=VOICE,SMS,DATA")

    assert answer.header("X-Total-Count-Estimated") == "true"
    assert len(answer.usages()) == 2 <= answer.total()
    assert set(answer.links()) == {"first", "next"}, "where the last page is nobody knows"
    second = client.get(answer.links()["next"].partition(BASE)[2])
    assert len(second.usages()) == 2 and set(second.links()) == {"first", "prev", "next"}
    with scene.connect() as db:
        db.execute("ALTER TABLE usage_row DISABLE ROW LEVEL SECURITY")

    def counted():
        answer = client.get("/usage?limit=2")
        return answer.header("X-Total-Count-Estimated") is None and answer.total() == len(scene.records)

    until("a count is in time again, and exact", counted)
