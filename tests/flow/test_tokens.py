"""Who may: bearer tokens, read again on SIGHUP; a port that others reach is opened only on purpose."""

import hashlib
import signal

import pytest
from lib.http import BASE, client_of
from rig.wait import until

READ, WRITE, LATER = "a-token-that-reads", "a-token-that-writes", "a-later-token"


def line(token, name, right):
    return f"{hashlib.sha256(token.encode()).hexdigest()} {name} {right}\n"


@pytest.fixture(scope="module")
def guarded(rig, tmp_path_factory):
    """A service that asks for tokens, its file, and a way to ask."""
    scene = rig.scene("tokens")
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text("# who may\n" + line(READ, "analyst", "read") + line(WRITE, "partner", "write"))
    service = scene.service(settings={"http.tokens": file, "hub.allow-networks": "127.0.0.1/32"})
    service.migrate()
    service.start()
    client = client_of(service)

    def ask(method, path, token=None, scheme="Bearer", body=b'{"usageSpecification":{"id":"x"}}', **head):
        head |= {"Authorization": f"{scheme} {token}"} if token else {}
        body = body if method == "POST" else None
        return client.ask(method, BASE + path, body, {**head, **({"Content-Type": "application/json"} if body else {})})

    yield service, file, ask
    client.close()


@pytest.mark.parametrize("method, path", [("GET", "/usage"), ("GET", "/usage/x"), ("POST", "/usage"), ("DELETE", "/usage/x")])
def test_without_a_known_token_it_is_401(guarded, method, path):
    _, _, ask = guarded
    for token, scheme in ((None, ""), ("unknown", "Bearer"), (READ, "Basic")):
        answer = ask(method, path, token, scheme)
        told = answer.is_error(401)
        assert told.startswith("This is no bearer token that is known" if token else "A bearer token is needed")
        assert answer.header("WWW-Authenticate") == "Bearer"


def test_a_token_that_reads_may_not_write(guarded):
    _, _, ask = guarded

    assert ask("GET", "/usage", READ).status == 200
    ask("POST", "/usage", READ).is_error(403)
    ask("DELETE", "/usage/01a20779-75ca-882e-8c96-86cbff439931", READ).is_error(403)


def test_listeners_come_and_go_by_a_token_that_writes(guarded, listening):
    service, _, ask = guarded
    listener = listening()
    body = b'{"callback":"%s"}' % listener.url.encode()

    for token, status in ((None, 401), ("unknown", 401), (READ, 403)):
        ask("POST", "/hub", token, body=body).is_error(status)
    assert service.metric("usaged_hub_listeners") == 0
    made = ask("POST", "/hub", WRITE, body=body)
    assert made.status == 201
    path = f"/hub/{made.json()['id']}"
    for token, status in ((None, 401), ("unknown", 401), (READ, 403)):
        ask("DELETE", path, token).is_error(status)
    ask("POST", "/usage", WRITE)

    listener.wait(1)
    assert "authorization" not in listener.told[0].headers
    assert ask("DELETE", path, WRITE).status == 204
    service.wait_log(f"listener registered token=partner listener={made.json()['id']}")


def test_an_export_wants_a_token_that_reads(guarded):
    _, _, ask = guarded

    ask("GET", "/usage", Accept="text/csv").is_error(401)
    assert ask("GET", "/usage", READ, Accept="text/csv").header("Content-Type") == "text/csv;charset=utf-8"


def test_a_token_that_writes_may_both_and_its_name_is_in_the_log(guarded):
    service, _, ask = guarded

    answer = ask("POST", "/usage", WRITE)

    assert answer.status == 201 and ask("GET", "/usage", WRITE).status == 200
    until("the write is logged", lambda: f"token=partner method=POST resource=usage id={answer.json()['id']}"
          in service.log_text())
    assert WRITE not in service.log_text() and hashlib.sha256(WRITE.encode()).hexdigest() not in service.log_text()


def test_the_file_is_read_again_on_sighup_and_a_broken_one_changes_nothing(guarded):
    service, file, ask = guarded
    before = file.read_text()
    ask("GET", "/usage", LATER).is_error(401)

    file.write_text(before + line(LATER, "later", "read"))
    service.process.send(signal.SIGHUP)
    until("the new token may", lambda: ask("GET", "/usage", LATER).status == 200)
    file.write_text("nonsense\n")
    service.process.send(signal.SIGHUP)
    until("the fault is said", lambda: "tokens not read again" in service.log_text())

    assert f"{file}, line 1" in service.log_text()
    assert ask("GET", "/usage", LATER).status == 200
    file.write_text(before)
    service.process.send(signal.SIGHUP)
    until("the token may no more", lambda: ask("GET", "/usage", LATER).status == 401)


def test_a_port_that_others_reach_is_opened_only_on_purpose(scene, tmp_path):
    service = scene.service("open")
    port = service.http.rpartition(":")[2]
    tokens = tmp_path / "tokens"
    tokens.write_text(line(READ, "analyst", "read"))

    refused = service.run("settings", settings={"http.listen": f"*:{port}"}, check=False)

    assert refused.returncode == 2
    assert "http.listen" in refused.stderr and "http.tokens" in refused.stderr and "http.open=true" in refused.stderr
    for more in ({"http.open": "true"}, {"http.tokens": tokens}):
        assert service.run("settings", settings={"http.listen": f"*:{port}", **more}).returncode == 0


def test_a_broken_file_stops_the_start_and_names_the_line(scene, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("abc analyst read\n")
    service = scene.service("broken", {"http.tokens": tokens})
    service.migrate()

    done = service.run("run", check=False)

    assert done.returncode == 1 and f"{tokens}, line 1" in done.stderr and "sha256sum" in done.stderr
