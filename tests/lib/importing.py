"""importing - streams of POST usage with application/x-ndjson: bodies of any length, sent at once or bit by bit."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Iterable, Optional

from .http import BASE
from .sockets import readable
from .stream import NDJSON

if TYPE_CHECKING:
    from rig.service import Service


class Import:
    """One import: `send` as often as you like, then `answer`."""

    def __init__(self, service: Service, token: Optional[str] = None, seconds: float = 60, **headers: str):
        self._connection = http.client.HTTPConnection(service.http, timeout=seconds)
        self._connection.putrequest("POST", f"{BASE}/usage")
        fields = {"Content-Type": NDJSON, "Transfer-Encoding": "chunked",
                  **({"Authorization": f"Bearer {token}"} if token else {}),
                  **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in fields.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()

    @property
    def socket(self) -> socket.socket:
        return self._connection.sock

    def send(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        self.socket.sendall(b"0\r\n\r\n")

    def is_silent(self) -> bool:
        """Nothing has been said on it, and it is open."""
        return not readable(self.socket)

    def answer(self) -> tuple[int, str, str]:
        """Status, media type and body."""
        got = self._connection.getresponse()
        body = got.read().decode()
        self._connection.close()
        return got.status, got.getheader("Content-Type") or "", body

    def leave(self) -> None:
        """Without the end of the body."""
        self._connection.close()


def post_lines(service: Service, lines: Iterable[bytes], token: Optional[str] = None) -> list[dict]:
    """The answer's lines to an import that is taken."""
    stream = Import(service, token)
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= 50_000:
            stream.send(bytes(piece))
            piece.clear()
    if piece:
        stream.send(bytes(piece))
    stream.end()
    status, kind, body = stream.answer()
    assert (status, kind) == (200, NDJSON), (status, body)
    assert not body or body.endswith("\n")
    return [json.loads(line) for line in body.splitlines()]
