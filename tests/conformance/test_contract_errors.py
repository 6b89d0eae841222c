"""Section 7 of the HTTP contract (docs/http.md): what each status is for, and that each comes with an Error.

Those of tokens, 401 and 403: flow/test_tokens. Reads without a database: flow/test_http_faults. Bad queries: flow/test_query.
"""

import socket

import pytest
from lib.http import BASE, JSON, Answer
from rig.postgres import RUNTIME
from rig.wait import until

RESOURCES = pytest.mark.parametrize("path, body", [("/usage", {"usageSpecification": {"id": "x"}}),
                                                   ("/usageSpecification", {"name": "x"})])
UNKNOWN = "01a20779-75ca-882e-8c96-86cbff439931"
ODD = ("odd", "0", "-1", "*", "null", "%00", "%", "%zz", "%2e%2e", "a%2Fb", "%F0%9F%92%A9", "%ff", "';--",
       pytest.param("a" * 4000, id="long"), UNKNOWN, UNKNOWN + "x")


def raw(service, *parts):
    """The answer to bytes that are sent as they are, and then nothing more."""
    host, _, port = service.http.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        try:
            for part in parts:
                link.sendall(part)
        except OSError:
            pass  # it has answered, and closed, before all was sent
        said = b""
        while True:
            more = link.recv(65536)
            said += more
            head, _, body = said.partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
            fields = {name.lower(): value for name, value in fields.items()}
            if not more or len(body) >= int(fields.get("content-length", 1 << 30)):
                return Answer(int(said.split(b" ")[1]), fields, body.decode())


@RESOURCES
@pytest.mark.parametrize("text", [b"", b"{", b"nonsense", b"{'a':1}", b'{"a":1,}', b'{"description":"a","description":"b"}',
                                  b'{"x":{"a":1,"a":2}}', b'{"description":"\xff"}', b'{"description":"\\ud800"}', b"{} {}", b"[" * 5000,
                                  b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", b'{"x":01}', b'{"x":NaN}', b"\xef\xbb\xbf{}"])
def test_400_is_of_a_body_that_is_no_json(writing, path, body, text):
    made = writing.send("POST", path, body).json()

    writing.send("POST", path, text).is_error(400)
    writing.send("PATCH", f"{path}/{made['id']}", text).is_error(400)

    assert writing.get(f"{path}/{made['id']}").json() == made


@RESOURCES
@pytest.mark.parametrize("one", ODD)
def test_404_is_of_an_unknown_id_however_odd_it_is(writing, path, body, one):
    for answer in (writing.get(f"{path}/{one}"), writing.send("PATCH", f"{path}/{one}", {"description": "x"}),
                   writing.send("DELETE", f"{path}/{one}")):
        assert path[1:] in answer.is_error(404)


@RESOURCES
def test_400_is_of_a_target_with_what_no_uri_may_hold_and_414_of_one_that_is_too_long(writing, path, body):
    for method in ("GET", "PATCH", "DELETE", "OPTIONS"):
        for one in ('a"b', "a<b", "a\\b", "a^b", "a|b", "{a}", "客户"):
            said = raw(writing.service, f"{method} {BASE}{path}/{one} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert "URI" in said.is_error(400), one
        writing.send(method, f"{path}/{'a' * 9000}").is_error(414)
        writing.send(method, f"{path}?fields={'a' * 9000}").is_error(414)
    # What no connection has memory for is refused by libmicrohttpd, which has no Error.
    assert raw(writing.service, f"GET {BASE}{path}?x={'a' * (2 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).status == 414


def test_408_is_of_a_request_that_takes_too_long(writing):
    service = writing.scene.service("slow", {"http.timeout-ms": 300})
    service.start()
    for path in ("/usage", "/usageSpecification"):
        head = f"POST {BASE}{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n".encode()
        raw(service, head, b'{"name').is_error(408)
    assert service.stop() == 0


@RESOURCES
def test_413_is_of_a_body_that_is_too_long(writing, path, body):
    made = writing.send("POST", path, body).json()
    long = {**body, "description": "x" * (1 << 20)}

    writing.send("POST", path, long).is_error(413)
    writing.send("PATCH", f"{path}/{made['id']}", long).is_error(413)

    assert writing.get(f"{path}/{made['id']}").json() == made


@RESOURCES
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json5", "application/jsonp",
                                  "application/x-www-form-urlencoded", "application/ld+json", ""])
def test_415_is_of_a_body_of_another_media_type(writing, path, body, kind):
    made = writing.send("POST", path, body).json()

    writing.send("POST", path, body, kind=kind).is_error(415)
    patched = writing.send("PATCH", f"{path}/{made['id']}", {"description": "x"}, kind=kind)
    patched.is_error(415)

    assert "application/merge-patch+json" in patched.header("Accept-Patch")
    assert writing.get(f"{path}/{made['id']}").json() == made


@RESOURCES
def test_415_is_of_a_body_that_is_packed(writing, path, body):
    writing.send("POST", path, body, {"Content-Encoding": "gzip"}).is_error(415)


@RESOURCES
def test_431_is_of_headers_that_are_too_long(writing, path, body):
    head = f"GET {BASE}{path} HTTP/1.1\r\nHost: x\r\n".encode()

    raw(writing.service, head + b"X-Long: " + b"a" * 40_000 + b"\r\n\r\n").is_error(431)
    raw(writing.service, head + b"".join(b"X-%d: %s\r\n" % (at, b"a" * 1000) for at in range(40)) + b"\r\n").is_error(431)
    # What no connection has memory for is refused by libmicrohttpd, which has no Error.
    assert raw(writing.service, head + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n").status == 431


@RESOURCES
def test_an_accept_that_cannot_be_met_gets_json(writing, path, body):
    head = {"Accept": "text/html;q=1, application/xml"}
    made = writing.send("POST", path, body, head)
    one = f"{path}/{made.json()['id']}"

    for answer in (made, writing.send("GET", path, headers=head), writing.send("GET", one, headers=head),
                   writing.send("PATCH", one, {"description": "x"}, head), writing.send("GET", f"{path}/x", headers=head)):
        assert answer.status in (200, 201, 404) and answer.header("Content-Type") == JSON and answer.json()


def test_500_is_our_fault_and_says_nothing_of_the_inside(writing):
    made = writing.made_specification()
    with writing.scene.connect() as db:
        db.execute(f"REVOKE ALL ON usage_specification FROM {RUNTIME}")
        try:
            answers = [writing.get("/usageSpecification"), writing.get(f"/usageSpecification/{made['id']}"),
                       writing.send("PATCH", f"/usageSpecification/{made['id']}", {"description": "x"})]
        finally:
            db.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON usage_specification TO {RUNTIME}")

    for answer in answers:
        message = answer.is_error(500)
        assert "permission" not in message and "usage_specification" not in answer.text
    assert writing.get(f"/usageSpecification/{made['id']}").json() == made


def away(scene, is_away):
    """A killed PostgreSQL is away for longer: flow/test_http_write_faults."""
    with scene.rig.postgres.connect() as db:
        db.execute(f"ALTER DATABASE {scene.database} ALLOW_CONNECTIONS {not is_away}")
        if is_away:
            db.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", (scene.database,))


def test_503_is_of_a_change_while_the_database_is_away(writing):
    usage, specification = f"/usage/{writing.made()['id']}", f"/usageSpecification/{writing.made_specification()['id']}"
    before = writing.get("/usage?limit=0").total()
    away(writing.scene, True)

    answers = [writing.send(method, path, body) for method, path, body in (
        ("POST", "/usage", {"usageSpecification": {"id": "x"}}), ("PATCH", usage, {"description": "x"}), ("DELETE", usage, None),
        ("POST", "/usageSpecification", {"name": "x"}), ("PATCH", specification, {"description": "x"}), ("DELETE", specification, None))]

    away(writing.scene, False)
    for answer in answers:
        assert "database" in answer.is_error(503)
        assert answer.header("Retry-After") == "1"
    until("changes are taken again", lambda: writing.send("PATCH", usage, {"description": "y"}).status == 200)
    assert writing.get("/usage?limit=0").total() == before
