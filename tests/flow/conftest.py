"""conftest - the rig and a scene for each test; and what all flow tests do again and again."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.fixtures import *  # noqa: E402,F401,F403
from lib.checker import check  # noqa: E402
from lib.publish import Publisher  # noqa: E402
from lib.settle import wait_settled  # noqa: E402


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
