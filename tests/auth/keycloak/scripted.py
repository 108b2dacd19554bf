"""A scripted Keycloak, for what a real one does only when it is broken."""

from dataclasses import dataclass, field
from typing import Any

import httpx


def organization(number: int, **fields: Any) -> dict[str, Any]:
    name = f"tenant-{number:04}"
    return {"id": f"id-{number:04}", "alias": name, "name": name, "enabled": True, "attributes": {}} | fields


@dataclass
class ScriptedKeycloak:
    """Answers like Keycloak; what it knows and how it fails can be changed."""

    organizations: list[dict[str, Any]] = field(default_factory=lambda: [organization(1), organization(2)])
    secret: str = "secret"
    status: int = 200
    down: bool = False
    hidden_once: set[str] = field(default_factory=set)
    pages: int = 0
    token_requests: int = 0

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._handle)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("connection refused")
        if request.url.path.endswith("/token"):
            self.token_requests += 1
            credentials = httpx.BasicAuth("mizan-reader", self.secret)._auth_header
            if request.headers["Authorization"] != credentials:
                return httpx.Response(401, json={"error": "unauthorized_client"})
            return httpx.Response(200, json={"access_token": "t", "expires_in": 300})
        if self.status != 200:
            return httpx.Response(self.status)
        identifier = request.url.path.rpartition("/organizations/")[2]
        if identifier != request.url.path:
            found = [entry for entry in self.organizations if entry["id"] == identifier]
            return httpx.Response(200, json=found[0]) if found else httpx.Response(404)
        self.pages += 1
        visible = [entry for entry in self.organizations if entry["id"] not in self.hidden_once]
        self.hidden_once = set()
        assert request.url.params["briefRepresentation"] == "false"
        first, size = int(request.url.params["first"]), int(request.url.params["max"])
        return httpx.Response(200, json=visible[first : first + size])
