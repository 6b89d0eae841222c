"""listener - what a partner runs: an HTTP server that takes the hub's events, or does not."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from typing import Callable, Optional

from rig.wait import until

from .expect import parse_json

CLOSE = "close"  # the connection ends without an answer
HANG = "hang"  # no answer comes, until the listener ends


@dataclass
class Told:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> dict:
        return parse_json(self.text)

    @property
    def type(self) -> str:
        return self.body["eventType"]

    @property
    def resource(self) -> dict:
        made, = self.body["event"].values()
        return made


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that has gone, or whose handshake failed: that is what the tests are about."""


class Listener:
    """Answers 201 to all, unless `answer` says otherwise: a status, CLOSE or HANG for a request. `told` are the requests
    that it said 2xx to, `tried` all of them, both in the order in which they were answered."""

    def __init__(self, answer: Callable[[Told], object] = lambda _: 201, host: str = "127.0.0.1", port: int = 0,
                 tls: Optional[ssl.SSLContext] = None):
        self.answer = answer
        self.told: list[Told] = []
        self.tried: list[Told] = []
        self.connections = 0
        self.pause = 0.0  # seconds, between taking an event and saying so
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = _Server((host, port), self._handler(), bind_and_activate=False)
        self._server.server_bind()
        self._server.server_activate()
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def _handler(self) -> type:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and end in one piece

            def setup(self):
                super().setup()
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                outer.connections += 1

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._take(Told(self.path, {name.lower(): value for name, value in self.headers.items()}, text))

            def do_GET(self):
                outer.tried.append(Told(self.path, {}, ""))
                self.send_error(405)

            def _take(self, told: Told) -> None:
                answer = outer.answer(told)
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                with outer._lock:
                    outer.tried.append(told)
                    if isinstance(status, int) and 200 <= status < 300:
                        outer.told.append(told)
                time.sleep(outer.pause)
                if answer == HANG:
                    outer._ended.wait()
                if answer in (HANG, CLOSE):
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)  # "Connection: close" ends it
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def wait(self, count: int, seconds: float = 30) -> list[Told]:
        """What it was told, once that is at least `count`."""
        until(f"{count} events at {self.url}, which has {len(self.told)}", lambda: len(self.told) >= count, seconds)
        return list(self.told)

    def wait_tried(self, count: int, seconds: float = 30) -> list[Told]:
        until(f"{count} tries at {self.url}", lambda: len(self.tried) >= count, seconds)
        return list(self.tried)

    def close(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
