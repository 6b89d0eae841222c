"""fixtures - what flow and fault tests do again and again. A conftest.py takes them in with `from lib.fixtures import *`."""

import pytest

from .checker import check
from .publish import Publisher
from .settle import wait_settled

__all__ = ["publisher", "settled_and_right", "started"]


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
