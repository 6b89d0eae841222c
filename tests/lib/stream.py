"""stream - clients of a body that comes in chunks: one that reads all of it, and one that stops when it likes."""

from __future__ import annotations

import re
import socket
from typing import Optional

from .http import BASE

CSV, NDJSON = "text/csv", "application/x-ndjson"


class Stream:
    """A GET of usages on a connection of its own. It reads nothing but the head until it is told to; the small window lets
    the service send no more than a few MB ahead."""

    def __init__(self, address: str, query: str = "", accept: str = NDJSON, method: str = "GET"):
        host, _, port = address.partition(":")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self._socket.settimeout(60)
        self._socket.connect((host, int(port)))
        target = f"{BASE}/usage{'?' + query if query else ''}"
        self._socket.sendall(f"{method} {target} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n".encode())
        self._bytes = bytearray()
        while b"\r\n\r\n" not in self._bytes:
            assert self._more(), f"no answer to {target}"
        head, _, rest = bytes(self._bytes).partition(b"\r\n\r\n")
        self._bytes = bytearray(rest)
        first, *fields = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}

    def _more(self) -> bool:
        piece = self._socket.recv(1 << 20)
        self._bytes += piece
        return bool(piece)

    def read(self) -> Optional[str]:
        """All of the body; None if the service has cut it off."""
        try:
            if "content-length" in self.headers:
                while len(self._bytes) < int(self.headers["content-length"]) and self._more():
                    pass
                return self._bytes.decode()
            while not self._bytes.endswith(b"\r\n0\r\n\r\n"):
                if not self._more():
                    return None
        except ConnectionError:
            return None
        return _unchunk(bytes(self._bytes)).decode()

    def read_some(self, count: int) -> None:
        """So many bytes at least, which the next read() has too."""
        while len(self._bytes) < count:
            assert self._more(), "the stream has ended"

    def close(self) -> None:
        self._socket.close()


def _unchunk(data: bytes) -> bytes:
    pieces, at = [], 0
    while True:
        size = re.compile(rb"([0-9a-fA-F]+)\r\n").match(data, at)
        assert size, "no chunk"
        count = int(size[1], 16)
        if count == 0:
            return b"".join(pieces)
        pieces.append(data[size.end():size.end() + count])
        at = size.end() + count + 2


def export(address: str, query: str = "", accept: str = NDJSON) -> str:
    """All of an export that is whole."""
    stream = Stream(address, query, accept)
    body = stream.read()
    stream.close()
    assert stream.status == 200 and body is not None, (stream.status, query)
    return body
