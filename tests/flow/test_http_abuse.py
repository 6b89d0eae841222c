"""Bad input: each is refused with an Error that names what is wrong, the connection is usable or closed, nothing is stored."""

import json
import time
from urllib.parse import quote

import pytest

from lib import swagger
from lib.faults import Failpoint
from lib.http import BASE
from lib.sockets import Connection, request
from rig.wait import until

SOUND = {"usageSpecification": {"id": "x"}}
LIMIT = 1 << 20
HASTY_MS = 1000


def post(body, *fields):
    return request("POST", f"{BASE}/usage", body if isinstance(body, bytes) else json.dumps(body).encode(), *fields)


def specification(body):
    return request("POST", f"{BASE}/usageSpecification", json.dumps(body).encode())


def get(query):
    return request("GET", f"{BASE}/usage?{query}")


def with_text(size):
    """A body of so many bytes."""
    body = json.dumps({**SOUND, "description": ""}).encode()
    return body.replace(b'""', b'"' + b"x" * (size - len(body)) + b'"')


def smuggled(body=b"{}"):
    return (f"POST {BASE}/usage HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n").encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


# What is sent, the status, and a word that the message must have.
BAD = {
    "json that ends in the middle": (post(b'{"usageSpecification":{"id":"x"}'), 400, "JSON"),
    "json with a comma too many": (post(b'{"usageSpecification":{"id":"x"},}'), 400, "JSON"),
    "no json": (post(b"usageSpecification=x"), 400, "JSON"),
    "json that nests too deep": (post(b'{"usageSpecification":{"id":"x"},"x":' + b"[" * 100 + b"]" * 100 + b"}"), 400, "deep"),
    "an empty body": (post(b""), 400, "JSON"),
    "a key twice": (post(b'{"usageSpecification":{"id":"x"},"description":"a","description":"b"}'), 400, "description"),
    "a key twice deep inside": (post(b'{"usageSpecification":{"id":"x"},"relatedParty":[{"id":"a","id":"b","@referredType":"C"}]}'),
                                400, "id"),
    "a key twice, once with an escape": (post(b'{"usageSpecification":{"id":"x"},"usageType":"a","usageTyp\\u0065":"b"}'), 400,
                                         "usageType"),
    "a number for a text": (post({**SOUND, "description": 7}), 400, "description"),
    "a text for an object": (post({"usageSpecification": "x"}), 400, "usageSpecification"),
    "an object for an array": (post({**SOUND, "relatedParty": {"id": "a"}}), 400, "relatedParty"),
    "a text for a number": (post({**SOUND, "ratedProductUsage": [{"taxRate": "6"}]}), 400, "ratedProductUsage[0].taxRate"),
    "a number for a truth": (post({**SOUND, "ratedProductUsage": [{"isBilled": 0}]}), 400, "ratedProductUsage[0].isBilled"),
    "a specification's wrong type": (specification({"name": "n", "isBundle": "no"}), 400, "isBundle"),
    "a text with a NUL": (post(b'{"usageSpecification":{"id":"x"},"description":"\\u0000"}'), 400, "NUL"),
    "half a character": (post(b'{"usageSpecification":{"id":"x"},"description":"\\ud800"}'), 400, ""),
    "more digits than are kept": (post({**SOUND, "ratedProductUsage": [{"taxRate": 1e30}]}), 400, "taxRate"),
    "a body over the limit": (post(with_text(LIMIT + 1)), 413, str(LIMIT)),
    "a body far over the limit": (post(with_text(3 * LIMIT)), 413, str(LIMIT)),
    "an attribute that nobody knows": (get("colour=red"), 400, "colour"),
    "an operator that nobody knows": (get("usageType.like=a"), 400, "usageType"),
    "a value of a wrong type": (get("usageDate.gt=yesterday"), 400, "usageDate"),
    "a query on a change": (request("POST", f"{BASE}/usage?colour=red", b"{}"), 400, "query"),
    "a regular expression of too many states": (get("description.regex=" + quote("((((x{1,200}){1,200}){1,200}){1,200})")), 400,
                                                "description"),
    "a regular expression over the limit": (get("description.regex=" + "a" * 257), 400, "256"),
    "more filters than are allowed": (get("&".join(["id=a"] * 1001)), 400, "1000"),
    "ten thousand filters": (get("&".join(["id=a"] * 10_000)), 414, "target"),
    "ten thousand values": (get("id=" + ",".join(["a"] * 10_000)), 414, "target"),
    "a length and a coding": (smuggled(), 400, "Content-Length and Transfer-Encoding"),
    "two lengths": (post(SOUND, "Content-Length: 3"), 400, "Content-Length"),
    "two idempotency keys": (post(SOUND, "Idempotency-Key: a", "Idempotency-Key: b"), 400, "Idempotency-Key"),
    "two lines of a condition": (post(SOUND, 'If-Match: "1"', 'If-Match: "2"'), 400, "If-Match"),
}
EVERYTHING = """
SELECT (SELECT count(*) FROM usage_row), (SELECT count(*) FROM usage_specification), (SELECT count(*) FROM idempotency),
       (SELECT coalesce(sum(next_offset), 0) FROM source_offset WHERE topic = '@http')
"""


@pytest.fixture(scope="module")
def abused(rig):
    scene = rig.scene("abused")
    service = scene.service()
    service.migrate()
    service.start()
    scene.hasty = scene.service("hasty", settings={"http.statement-timeout-ms": HASTY_MS})
    scene.hasty.start()
    client = Connection(service.http)
    for word in ("aaaa", "x" * 20_001 + "!"):
        client.send(post({**SOUND, "description": word}))
        assert client.answer()[0] == 201
    client.close()
    scene.service_, scene.db = service, scene.connect()
    yield scene
    scene.db.close()
    scene.stop()


def is_usable_or_closed(connection, service, statuses=(200,)):
    """And another one is usable whatever became of it."""
    for one in (connection, Connection(service.http)):
        try:
            one.send(get("limit=1"))
            assert one.answer()[0] in (statuses if one is connection else (200,))
        except ConnectionError:
            assert one is connection
        one.close()


def goes_on(connection, abused):
    """The hasty one, which may be late with the next request, too: that is an answer."""
    is_usable_or_closed(connection, abused.service_, (200, 503))
    other = Connection(abused.hasty.http)

    def in_time():
        other.send(get("limit=1"))
        return other.answer()[0] == 200

    until("a request is in time", in_time)
    other.close()


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_by_name_and_nothing_is_stored(abused, what):
    asked, status, word = BAD[what]
    before = abused.db.execute(EVERYTHING).fetchone()
    connection = Connection(abused.service_.http)

    connection.send(asked)
    found, body = connection.answer()

    error = json.loads(body)
    assert found == status, error
    assert swagger.faults("Error", error) == [] and error["status"] == str(status)
    assert word in error["message"], error
    is_usable_or_closed(connection, abused.service_)
    assert abused.db.execute(EVERYTHING).fetchone() == before


def test_what_stands_in_a_smuggled_body_is_no_request(abused):
    """A proxy that believes the length would see one request, one that believes the coding two."""
    before = abused.db.execute(EVERYTHING).fetchone()
    hidden = post(SOUND)
    connection = Connection(abused.service_.http)

    connection.send(f"POST {BASE}/usage HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(hidden) + 5}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode() + hidden)

    assert connection.answer()[0] == 400
    assert connection.is_closed()
    connection.close()
    assert abused.db.execute(EVERYTHING).fetchone() == before


def test_a_url_of_two_megabytes_is_refused_or_cut_off(abused):
    """It does not fit into a connection's memory: libmicrohttpd says 414 in its own words, or the client is still sending when the
    connection is closed."""
    connection = Connection(abused.service_.http)

    try:
        connection.send(get("id=" + "a" * 2_000_000))
        status, _ = connection.answer()
    except ConnectionError:
        status = None

    assert status in (414, None)
    is_usable_or_closed(connection, abused.service_)


def test_a_regular_expression_that_never_ends_is_given_up(abused):
    """Back references make PostgreSQL's search try each way to cut a value into pieces: of 20,001 in three there are 10^12."""
    bomb = r"^(x+)(x+)(x+)\1\2\3!$"
    connection = Connection(abused.hasty.http)

    connection.send(get("limit=1&description.regex=" + quote(bomb)))
    status, body = connection.answer()

    error = json.loads(body)
    assert status == 503 and "http.statement-timeout-ms" in error["message"], error
    goes_on(connection, abused)


def test_regular_expressions_that_take_long_to_compile_share_one_timeout(abused):
    """Each is in time by itself, but together they hold a thread for all of their times. How long one takes is the machine's: here
    the process stands still between two of them."""
    hasty, point = abused.hasty, Failpoint(abused, "regex-checked", "stop", 1)
    hasty.stop()
    hasty.start(env=point.env)
    connection = Connection(hasty.http)

    connection.send(get("limit=1&" + "&".join(f"description.regex={letter}" for letter in "ab")))
    until("one is compiled", point.fired)
    time.sleep(HASTY_MS / 1000)
    hasty.thaw()
    status, body = connection.answer()

    error = json.loads(body)
    assert status == 503 and "http.statement-timeout-ms" in error["message"], error
    goes_on(connection, abused)
