"""fixtures - what flow and fault tests do again and again. A conftest.py takes them in with `from lib.fixtures import *`."""

import pytest

from .accounts import account_problems
from .checker import check
from .listener import Listener
from .publish import Publisher
from .settle import wait_settled

__all__ = ["accounted", "listening", "publisher", "pytest_configure", "settled_and_right", "started"]


def pytest_configure(config):
    config.addinivalue_line("markers", "unaccounted(why): records are passed over, or read twice, on purpose")
    config.addinivalue_line("markers", "long: not in make test, but in make faults")


@pytest.fixture(autouse=True)
def accounted(request):
    """Behind each test that has a scene: every record that was read has one outcome in PostgreSQL's account."""
    scene = request.getfixturevalue("scene") if "scene" in request.fixturenames else None
    yield
    if scene is not None and request.node.get_closest_marker("unaccounted") is None:
        scene.rig.mend()  # a test may leave any part dead or frozen
        problems = account_problems(scene)
        assert not problems, "\n".join(problems)


@pytest.fixture
def listening():
    """Makes listeners that end with the test."""
    made = []

    def listener(*args, **more):
        made.append(Listener(*args, **more))
        return made[-1]

    yield listener
    for one in made:
        one.close()


@pytest.fixture
def started(scene):
    """A scene whose database is migrated, with one running service."""
    service = scene.service()
    service.migrate()
    scene.main = service.start()
    return scene


@pytest.fixture
def publisher(scene):
    return Publisher(scene)


@pytest.fixture
def settled_and_right(scene, publisher):
    """Waits until all is stored and published, then compares it with the ledger."""

    def settled(seconds=60):
        publisher.flush()
        wait_settled(scene, publisher.ledger, seconds)
        problems = check(scene, publisher.ledger)
        assert not problems, "\n".join(problems)

    return settled
