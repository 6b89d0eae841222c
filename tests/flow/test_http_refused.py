"""The source @http while its marks contradict each other: no process takes a change, whichever has noticed, and each says what
mends it. And before its first mark is there."""

import pytest
from lib.http import BASE, client_of
from rig.wait import until

BODY = b'{"usageSpecification":{"id":"x"}}'
LOCK = "hashtextextended('usaged.http', 0)"


def ask(client, method, path, body=None):
    return client.ask(method, BASE + path, body, {"Content-Type": "application/json"} if body else None)


@pytest.fixture
def refused(scene):
    """Two services; the first one has noticed, the second one cannot look. Their clients, and what mends it."""
    first, second = scene.service("a"), scene.service("b")
    first.migrate()
    first.start()
    client = client_of(first)
    made = ask(client, "POST", "/usage", BODY).json()["id"]
    place, group = (scene.topic["create"], 0), f"{scene.group}-http"
    until("it is published", lambda: scene.rig.kafka.committed(group, [place[0]])[place] == 1)
    first.stop()
    scene.rig.kafka.set_committed(group, {place: 7})
    first.start(wait=False)
    first.wait_log("partition refused topic=@http")
    with scene.connect() as db:
        until("nobody has the lock", lambda: db.execute(f"SELECT pg_try_advisory_lock({LOCK})").fetchone()[0])
        second.start()

        def mend():
            scene.rig.kafka.set_committed(group, {place: 1})
            db.execute(f"SELECT pg_advisory_unlock({LOCK})")

        yield [client_of(first), client_of(second)], made, mend


def test_while_the_marks_contradict_each_other_every_process_refuses_and_names_the_remedy(scene, refused):
    clients, usage, mend = refused

    for client in clients:
        for method, path, body in (("POST", "/usage", BODY), ("PATCH", f"/usage/{usage}", b'{"description":"x"}'),
                                   ("DELETE", f"/usage/{usage}", None), ("POST", "/usageSpecification", b'{"name":"x"}')):
            answer = ask(client, method, path, body)
            assert "usaged offsets --mend @http:0" in answer.is_error(503)
            assert answer.header("Retry-After")
        assert client.get("/usage").ids() == [usage]
        assert client.get("/usageSpecification").usages() == []

    mend()
    for client in clients:
        until("changes are taken again", lambda: ask(client, "POST", "/usage", BODY).status == 201)
    assert ask(clients[1], "DELETE", f"/usage/{usage}").status == 204


def test_before_the_first_publisher_a_change_is_refused_with_the_reason_and_taken_a_moment_later(scene):
    service = scene.service()
    service.migrate()
    with scene.connect() as db:
        db.execute(f"SELECT pg_advisory_lock({LOCK})")
        service.start()
        client = client_of(service)

        answer = ask(client, "POST", "/usage", BODY)

        assert "first time" in answer.is_error(503) and answer.header("Retry-After") == "1"
        assert client.get("/usage").usages() == []
        db.execute(f"SELECT pg_advisory_unlock({LOCK})")
    until("it is taken", lambda: ask(client, "POST", "/usage", BODY).status == 201)
    assert len(client.get("/usage").usages()) == 1
