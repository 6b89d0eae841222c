"""judge - asks the service's own code which events a listener's query wants (fuzz/events.c)."""

import os
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAM = Path(os.environ.get("USAGED_BIN", "build/test/usaged")).parent / "fuzz" / "events"


def ask(frames: Sequence[bytes]) -> list[str]:
    """The answer to each frame: b"Q" and a query ("", or why it is refused), or b"E" and an event ("1": wanted by the query before
    it, or "0")."""
    sent = b"".join(struct.pack(">I", len(one)) + one for one in frames)
    done = subprocess.run([PROGRAM], input=sent, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    answers, rest = [], done.stdout
    while rest:
        size = struct.unpack(">I", rest[:4])[0]
        answers.append(rest[4:4 + size].decode())
        rest = rest[4 + size:]
    assert len(answers) == len(frames)
    return answers
