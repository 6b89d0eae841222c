"""pace - how many records a second the service stores at its best, looked at from PostgreSQL's account."""

import threading
import time

from rig import Scene

WINDOW_S = 1.0


class Pace:
    """Looks every 0.1 s, on a connection of its own, from construction to `stop`."""

    def __init__(self, scene: Scene):
        self.best = 0.0
        self._db = scene.connect()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        seen: list[tuple[float, int]] = []
        while not self._over.wait(0.1):
            row = self._db.execute("SELECT coalesce(sum(records), 0)::bigint FROM source_outcome").fetchone()
            seen.append((time.monotonic(), row[0]))
            while seen[-1][0] - seen[0][0] > 2 * WINDOW_S:
                seen.pop(0)
            for then, count in seen:
                took = seen[-1][0] - then
                if took >= WINDOW_S:
                    self.best = max(self.best, (seen[-1][1] - count) / took)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._db.close()
