"""conftest - the long fault runs: the plays of ../flow with more records, more rounds and a new seed each time.

USAGED_SEED=N repeats a run: the seed is printed with every failure.
"""

import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.fixtures import *  # noqa: E402,F401,F403
from lib.fixtures import *  # noqa: E402,F401,F403


def pytest_collection_modifyitems(items):
    here = Path(__file__).resolve().parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.long)


@pytest.fixture
def seed():
    chosen = int(os.environ.get("USAGED_SEED") or random.randrange(1_000_000))
    print("USAGED_SEED", chosen)
    return chosen
