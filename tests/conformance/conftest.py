"""conftest - the rig, and one service for all tests of the contract's rules: links begin with the URL that clients see."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.fixtures import *  # noqa: E402,F401,F403
from lib.fixtures import *  # noqa: E402,F401,F403
from lib.writing import Writing  # noqa: E402

PUBLIC = "https://bss.example.net/tmf-api/usageManagement/v4"


@pytest.fixture(scope="session")
def writing(rig):
    made = Writing(rig.scene("contract"), {"http.base-url": PUBLIC})
    yield made
    made.close()
