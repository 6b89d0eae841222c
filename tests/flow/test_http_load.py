"""Many connections from one address, some of them slow: each is answered, and no slow one holds up another."""

import json

import pytest

from lib import swagger
from lib.http import BASE
from lib.sockets import Drip, allow_files, connect, dripping, request
from lib.stream import Stream
from rig.wait import until

CONNECTIONS, SLOW = 500, 100
HELD_MIB = 256  # of pages that clients have yet to take


class Loaded:
    """A service with one usage. A request may take long, so that a slow client is not cut off while a test runs."""

    def __init__(self, rig):
        allow_files(2 * CONNECTIONS)
        self.scene = rig.scene("load")
        self.service = self.scene.service(settings={"http.timeout-ms": 600_000})
        self.service.migrate()
        self.service.start()
        first, = self.ask(connect(self.service.http, 1), [self.creation("first")])
        self.usage = json.loads(first[1])["id"]

    @staticmethod
    def creation(word):
        return request("POST", f"{BASE}/usage", json.dumps({"usageSpecification": {"id": word}}).encode())

    @staticmethod
    def ask(connections, requests):
        """All are sent before the first answer is read."""
        for connection, one in zip(connections, requests):
            connection.send(one)
        return [connection.answer() for connection in connections]

    def reading(self):
        return request("GET", f"{BASE}/usage/{self.usage}")

    def stored(self, word):
        with self.scene.connect() as db:
            return db.execute("SELECT count(*) FROM usage_row WHERE specification_id = %s", (word,)).fetchone()[0]


@pytest.fixture(scope="module")
def loaded(rig):
    made = Loaded(rig)
    yield made
    made.scene.stop()


def test_five_hundred_connections_from_one_address_are_served_at_once(loaded):
    before = loaded.service.metric("process_open_fds")
    connections = connect(loaded.service.http, CONNECTIONS)

    for _ in range(2):  # and each of them again
        answers = loaded.ask(connections, [loaded.reading()] * CONNECTIONS)
        assert [status for status, _ in answers] == [200] * CONNECTIONS
        assert {json.loads(body)["id"] for _, body in answers} == {loaded.usage}
    assert loaded.service.metric("process_open_fds") >= before + CONNECTIONS, "they were open at once"
    written = loaded.ask(connections, [loaded.creation("at-once")] * CONNECTIONS)

    assert [status for status, _ in written] == [201] * CONNECTIONS
    assert len({json.loads(body)["id"] for _, body in written}) == loaded.stored("at-once") == CONNECTIONS
    for connection in connections:
        connection.close()


def test_those_that_send_a_byte_a_second_hold_up_nobody(loaded):
    drip = Drip(loaded.service.http, dripping(BASE, SLOW))
    drip.start()
    others = connect(loaded.service.http, CONNECTIONS - SLOW)
    until("all have sent a byte", lambda: drip.rounds >= 1)

    answers = loaded.ask(others, [loaded.reading()] * len(others))
    written = loaded.ask(others[:40], [loaded.creation("beside")] * 40)
    rounds = drip.rounds

    assert [status for status, _ in answers] == [200] * len(others)
    assert [status for status, _ in written] == [201] * 40
    assert drip.are_silent(), "all others were answered before the first of the slow ones was"
    assert loaded.stored("dripped") == 0
    until("they went on all the time", lambda: drip.rounds > rounds)

    statuses = [status for status, _ in drip.end()]
    assert statuses == [200, 201] * (SLOW // 2), "and a slow one is served once it is whole"
    assert loaded.stored("dripped") == SLOW // 2
    drip.close()
    for other in others:
        other.close()


def test_connections_that_say_nothing_hold_up_nobody(loaded):
    silent = connect(loaded.service.http, CONNECTIONS - 1)

    answer, = loaded.ask(connect(loaded.service.http, 1), [loaded.reading()])

    assert answer[0] == 200
    assert all(connection.is_silent() for connection in silent)
    for connection in silent:
        connection.close()


def test_pages_that_nobody_takes_have_a_bound_and_hold_up_nobody(loaded):
    address, query = loaded.service.http, "usageSpecification.id=long&limit=1000"
    body = json.dumps({"usageSpecification": {"id": "long"}, "description": "x" * 850_000}).encode()
    written = loaded.ask(connect(address, 10), [request("POST", f"{BASE}/usage", body)] * 10)
    assert [status for status, _ in written] == [201] * 10
    before = loaded.service.memory_mib()

    pages = [Stream(address, query, "application/json") for _ in range(40)]

    taken, refused = ([page for page in pages if page.status == status] for status in (200, 503))
    size = int(taken[0].headers["content-length"])
    assert size > 8 << 20 and len(taken) == (HELD_MIB << 20) // size and len(taken) + len(refused) == 40
    error = json.loads(refused[0].read())
    assert swagger.faults("Error", error) == [] and "smaller limit" in error["message"]
    assert refused[0].headers["retry-after"] == "1"
    assert loaded.service.is_sanitized() or loaded.service.memory_mib() < before + HELD_MIB + 64
    first = connect(address, 1)
    assert loaded.ask(first, [loaded.reading()])[0][0] == 200
    assert loaded.ask(first, [request("GET", f"{BASE}/usage?id={loaded.usage}")])[0][0] == 200
    assert loaded.ask(first, [loaded.creation("beside-pages")])[0][0] == 201
    assert len(json.loads(taken[0].read())) == 10, "who reads on has all of it"
    for connection in (*pages, *first):
        connection.close()

    def room():
        page = Stream(address, query, "application/json")
        page.close()
        return page.status == 200

    until("there is room again", room)
    until("and the memory is free", lambda: loaded.service.is_sanitized() or loaded.service.memory_mib() < before + 64)
