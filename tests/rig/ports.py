"""ports - free ports of 127.0.0.1, below those that the system gives to clients.

A port of the ephemeral range may be taken by some client's own connection while its server is down, and a client
that calls such a port may even meet itself.
"""

import random
import socket
import threading

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """A port that nobody listens on; never the same one twice in a process."""
    with _lock:
        for _ in range(1000):
            port = random.SystemRandom().randrange(10000, 30000)
            if port not in _given and _is_free(port):
                _given.add(port)
                return port
    raise RuntimeError("no free port between 10000 and 30000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
