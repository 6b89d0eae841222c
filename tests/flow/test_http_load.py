"""Many connections from one address, some of them slow: each is answered, and no slow one holds up another."""

import json

import pytest

from lib.http import BASE
from lib.sockets import Drip, allow_files, connect, dripping, request
from rig.wait import until

CONNECTIONS, SLOW = 500, 100


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
