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


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    with Rig() as started:
        yield started


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
