"""slow_registry - the rig's registry as one that is far away: each question for a schema takes a while, and is counted."""

from __future__ import annotations

import http.server
import threading
import time
from collections import Counter

import requests


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """A service that has been stopped while it asked."""


class SlowRegistry:
    """Passes all on to `url`. `asked` counts the questions by id, `most_at_once` were on their way together."""

    def __init__(self, url: str, seconds: float):
        self.asked: Counter[int] = Counter()
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler(url, seconds))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _begin(self, path: str) -> None:
        with self._lock:
            self.asked[int(path.rpartition("/")[2])] += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)

    def _end(self) -> None:
        with self._lock:
            self._now -= 1

    def _handler(self, url: str, seconds: float) -> type:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def setup(self):
                super().setup()
                self.session = requests.Session()

            def do_GET(self):
                outer._begin(self.path)
                try:
                    time.sleep(seconds)
                    self._pass_on("GET", b"")
                finally:
                    outer._end()

            def do_POST(self):
                self._pass_on("POST", self.rfile.read(int(self.headers["Content-Length"])))

            def _pass_on(self, method: str, body: bytes) -> None:
                headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
                answer = self.session.request(method, url + self.path, data=body, headers=headers, timeout=10)
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_):
                pass

        return Handler

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
