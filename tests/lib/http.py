"""http - requests to a service's API exactly as they are written: no client in between that tidies up the target."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

from . import swagger
from .expect import parse_json
from .sockets import readable

if TYPE_CHECKING:
    from rig import Service

BASE = "/tmf-api/usageManagement/v4"
JSON = "application/json;charset=utf-8"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    text: str

    def json(self) -> Any:
        return parse_json(self.text)

    def header(self, name: str) -> Optional[str]:
        return self.headers.get(name.lower())

    def ids(self) -> list[str]:
        """Of a list, in its order."""
        return [usage["id"] for usage in self.usages()]

    def usages(self) -> list[dict]:
        """Of a list that is 200, and whose header counts what is in it."""
        assert self.status == 200, self
        assert self.header("Content-Type") == JSON
        made = self.json()
        assert self.header("X-Result-Count") == str(len(made))
        return made

    def total(self) -> int:
        return int(self.header("X-Total-Count") or -1)

    def links(self) -> dict[str, str]:
        """The Link header by rel; empty without one."""
        text = self.header("Link") or ""
        found = re.findall(r'<([^>]*)>; rel="(\w+)"', text)
        assert ", ".join(f'<{url}>; rel="{rel}"' for url, rel in found) == text
        return {rel: url for url, rel in found}

    def is_error(self, status: int) -> str:
        """Asserts that it is the contract's Error of this status; its message."""
        assert self.status == status, self
        assert self.header("Content-Type") == JSON, self
        body = self.json()
        assert swagger.faults("Error", body) == []
        assert body["status"] == str(status) and body["code"] == f"ERR{status}" and body["@type"] == "Error"
        assert not re.search(r"(?i)\b(select|from usage|usage_row|libpq|sqlstate)\b", self.text), "it tells of SQL"
        return body["message"]


class Client:
    """One connection that is kept, and opened anew when the service has closed it."""

    def __init__(self, address: str):
        self._connection = http.client.HTTPConnection(address, timeout=30)

    def ask(self, method: str, target: str, body: Optional[bytes] = None, headers: Optional[dict] = None) -> Answer:
        self._let_go_of_a_closed_one()
        try:
            self._connection.request(method, target, body, headers or {})
            answer = self._connection.getresponse()
            made = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()},
                          answer.read().decode())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        return made

    def _let_go_of_a_closed_one(self) -> None:
        """The service closes a connection that was idle for half a minute, as between the tests of a slow module."""
        sock = self._connection.sock
        if sock and readable(sock):
            self._connection.close()

    def get(self, path: str) -> Answer:
        """GET below the base path."""
        return self.ask("GET", BASE + path)

    def close(self) -> None:
        self._connection.close()


def client_of(service: Service) -> Client:
    return Client(service.http)
