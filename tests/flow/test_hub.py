"""The hub: who has registered a callback is told of every event, in the contract's JSON."""

import json

import pytest
from lib import swagger
from lib.http import BASE, client_of
from lib.listener import Listener
from rig.wait import until

LOOPBACK = {"hub.allow-networks": "127.0.0.0/8", "hub.retry-ms": 100, "hub.timeout-ms": 2000}


class Hub:
    """A service that tells, and its API."""

    def __init__(self, rig, name, settings=None):
        self.scene = rig.scene(name)
        self.service = self.scene.service(settings={**LOOPBACK, **(settings or {})})
        self.service.migrate()
        self.service.start()
        self.client = client_of(self.service)

    def send(self, method, path, body=None, kind="application/json"):
        head = {"Content-Type": kind} if body is not None else {}
        return self.client.ask(method, BASE + path, json.dumps(body).encode() if body is not None else None, head)

    def register(self, callback, query=None):
        answer = self.send("POST", "/hub", {"callback": callback, **({"query": query} if query is not None else {})})
        assert answer.status == 201, answer
        return answer

    def made(self, **attributes):
        answer = self.send("POST", "/usage", {"usageSpecification": {"id": "x"}, **attributes})
        assert answer.status == 201, answer
        return answer.json()


@pytest.fixture(scope="module")
def hub(rig):
    made = Hub(rig, "hub")
    yield made
    made.client.close()


@pytest.fixture()
def listener():
    made = Listener()
    yield made
    made.close()


def test_a_listener_is_told_until_it_is_unregistered(hub, listener):
    answer = hub.register(listener.url)
    registered = answer.json()
    assert swagger.faults("EventSubscription", registered) == []
    assert registered["callback"] == listener.url and "query" not in registered
    assert answer.header("Location") == f"{hub.service.base}/hub/{registered['id']}"

    usage = hub.made(description="first")

    told, = listener.wait(1)
    assert told.path == "/listener/usageCreateEvent"
    assert told.headers["content-type"] == "application/json;charset=utf-8"
    assert told.resource == usage
    assert hub.send("DELETE", f"/hub/{registered['id']}").status == 204
    hub.send("DELETE", f"/hub/{registered['id']}").is_error(404)
    hub.made(description="second")
    until("nobody is told any more", lambda: hub.service.metric("usaged_hub_listeners") == 0)
    assert len(listener.told) == 1
