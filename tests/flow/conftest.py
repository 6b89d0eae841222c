"""conftest - the rig and a scene for each test; and what all flow tests do again and again."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.fixtures import *  # noqa: E402,F401,F403
from lib.fixtures import *  # noqa: E402,F401,F403
