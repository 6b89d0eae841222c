"""conftest - lets these tests import `lib` and `rig` from the folder above, and gives them a rig."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rig.fixtures import *  # noqa: E402,F401,F403
