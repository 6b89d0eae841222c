"""sockets - many connections to a service at once, each fed by hand: whole requests, or one byte at a time."""

from __future__ import annotations

import resource
import select
import socket
import threading
from typing import Any, Iterable, Optional, Sequence

END = b"\r\n\r\n"


def allow_files(count: int) -> None:
    """Lets this process hold so many sockets and its other files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard))


def readable(file: Any, seconds: float = 0) -> bool:
    """Something can be read, or its other end is gone; waits so long. select.select() knows no more than 1,024 files."""
    look = select.poll()
    look.register(file, select.POLLIN)
    return bool(look.poll(seconds * 1000))


def request(method: str, target: str, body: Optional[bytes] = None, *fields: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: t", *fields]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + END + (body or b"")


class Connection:
    """One connection; its answers are read as they come."""

    def __init__(self, address: str):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self._heard = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def is_silent(self) -> bool:
        """Open, and nothing was said on it that has not been read."""
        return not self._heard and not readable(self.socket)

    def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer, which has a Content-Length; ConnectionError if the service closed instead."""
        head = self._until(lambda: self._heard.find(END) + len(END) if END in self._heard else 0)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                length = int(value)
        body = self._until(lambda: length if len(self._heard) >= length else 0) if length else b""
        return int(head.split(b" ", 2)[1]), body

    def is_closed(self) -> bool:
        """Waits for the service's end; False if it says something first."""
        try:
            return not self._heard and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _until(self, size) -> bytes:
        while not size():
            more = self.socket.recv(65536)
            if not more:
                raise ConnectionError(f"closed after {self._heard[:200]!r}")
            self._heard += more
        taken, self._heard = self._heard[:size()], self._heard[size():]
        return taken

    def close(self) -> None:
        self.socket.close()


def connect(address: str, count: int) -> list[Connection]:
    return [Connection(address) for _ in range(count)]


class Drip(threading.Thread):
    """Sends requests a byte a second each, until end() sends what is left of them. `requests` are what each connection
    says, as (at once, drop by drop)."""

    def __init__(self, address: str, requests: Sequence[tuple[bytes, bytes]], seconds: float = 1.0):
        super().__init__(daemon=True)
        self.connections = connect(address, len(requests))
        self._left = [drops for _, drops in requests]
        self._seconds, self._over = seconds, threading.Event()
        self.rounds = 0
        for connection, (first, _) in zip(self.connections, requests):
            connection.send(first)

    def run(self) -> None:
        while not self._over.is_set():
            for at, connection in enumerate(self.connections):
                assert len(self._left[at]) > 1, "what is left must not run dry"
                connection.send(self._left[at][:1])
                self._left[at] = self._left[at][1:]
            self.rounds += 1
            self._over.wait(self._seconds)

    def are_silent(self) -> bool:
        """None of them has been answered or closed."""
        return all(connection.is_silent() for connection in self.connections)

    def end(self) -> Iterable[tuple[int, bytes]]:
        """The answers to the requests, which are whole now."""
        self._over.set()
        self.join()
        for connection, left in zip(self.connections, self._left):
            connection.send(left)
        return [connection.answer() for connection in self.connections]

    def close(self) -> None:
        self._over.set()
        for connection in self.connections:
            connection.close()


def dripping(base: str, count: int) -> list[tuple[bytes, bytes]]:
    """Requests for a Drip: half of them come to a stop in their head, half of them in the body of a POST."""
    body = b'{"usageSpecification":{"id":"dripped"},"description":"' + b"x" * 900 + b'"}'
    whole = request("POST", f"{base}/usage", body)
    at = whole.index(END) + len(END)
    slow_head = f"GET {base}/usage?limit=1 HTTP/1.1\r\nHost: t\r\n".encode()
    return [(whole[:at], whole[at:]) if number % 2 else (slow_head, b"X-Slow: " + b"x" * 900 + END)
            for number in range(count)]
