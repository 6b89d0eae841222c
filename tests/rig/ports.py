"""ports - free ports of 127.0.0.1, below those that the system gives to clients.

A port of the ephemeral range may be taken by some client's own connection while its server is down, and a client
that calls such a port may even meet itself. Two runs of tests side by side (pytest-xdist) have halves of their own, so that
neither takes a port whose server the other has just killed.
"""

import os
import random
import socket
import threading

_LOW, _HIGH = {"gw0": (10000, 20000), "gw1": (20000, 30000)}.get(os.environ.get("PYTEST_XDIST_WORKER", ""), (10000, 30000))
_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A port that nobody listens on; never the same one twice in a process."""
    with _lock:
        for _ in range(1000):
            port = random.SystemRandom().randrange(_LOW, _HIGH)
            if port not in _given and _is_free(port):
                _given.add(port)
                return port
    raise RuntimeError(f"no free port between {_LOW} and {_HIGH}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
