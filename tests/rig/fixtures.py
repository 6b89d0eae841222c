"""fixtures - pytest's `rig` and `scene`. A conftest.py takes them in with `from rig.fixtures import *`.

One rig serves a whole run; each test has a scene of its own. What the services of a failed test logged last is shown
with the failure.
"""

from typing import Iterator

import pytest

from .rig import Rig
from .scene import Scene

__all__ = ["rig", "scene"]

LOG_LINES = 40

_running: list[Rig] = []


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The first to ask starts it, and is the last to be torn down: each folder whose conftest.py takes this in has a
    fixture of its own."""
    if _running:
        yield _running[0]
        return
    with Rig() as started:
        _running.append(started)
        yield started
        _running.clear()


@pytest.fixture
def scene(rig: Rig, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Named after the test. Parts that the test left dead or frozen are up again for the next one."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.originalname or request.node.name)
    made = rig.scene(name.removeprefix("test_").removeprefix("test-")[:40].lower())
    yield made
    for service in made.services:
        lines = service.log_text().splitlines()[-LOG_LINES:]
        if lines:
            print(f"---- the last lines of {service.name}'s log, {service.log_file}", *lines, sep="\n")
    rig.mend()
    made.stop()
