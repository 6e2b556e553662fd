"""A real OAuth 2.0 authorization server, and a receiver that asks it whether a token counts."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from tests.receiver import Answer, Receiver, Request
from tests.targets.clock import StandingClock

CLIENT = "router & co"
SECRET = "hush: +/%é"


@dataclass
class Authorization:
    """What such a server knows.

    Attributes:
        clock: its own and the router's.
        lasts: seconds that a token counts.
        issued: tokens and when they end, seconds since the epoch; taking one out revokes it.
        said: of each request for a token, the form that it sent.
        extra: what an answer holds beside the token; None leaves a member out.
    """

    clock: StandingClock
    server: Receiver
    resource: Receiver
    lasts: float = 3600.0
    issued: dict[str, float] = field(default_factory=dict)
    said: list[dict[str, str]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.server.decide = self._token
        self.resource.decide = self._judge

    @property
    def settings(self) -> dict[str, Any]:
        """Of a target that uses both."""
        oauth = {"token_url": f"{self.server.url}/token", "client_id": CLIENT, "client_secret": SECRET}
        return {"url": self.resource.url, "auth": {"oauth": oauth}}

    @property
    def tokens_used(self) -> list[str]:
        """Of each request at the receiver, what it brought."""
        return [one.headers["authorization"].removeprefix("Bearer ") for one in self.resource.requests]

    def _token(self, request: Request) -> Answer:
        """RFC 6749, sections 4.4.2, 4.4.3 and 5.2."""
        form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
        self.said.append(form)
        client, secret = _client(request, form)
        if (client, secret) != (CLIENT, SECRET):
            return _json(401, {"error": "invalid_client", "error_description": f"{secret} is wrong"})
        if form.get("grant_type") != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        token = f"hush.token-{next(self._numbers)}"
        self.issued[token] = self.clock.now() + self.lasts
        held = {"access_token": token, "token_type": "Bearer", "expires_in": self.lasts} | self.extra
        return _json(200, {name: value for name, value in held.items() if value is not None})

    def _judge(self, request: Request) -> Answer:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        counts = self.clock.now() < self.issued.get(token, 0)
        return Answer(200) if counts else Answer(401, {"www-authenticate": 'Bearer error="invalid_token"'})


@contextmanager
def authorization(clock: StandingClock, receiver: Receiver) -> Iterator[Authorization]:
    """Both servers, running."""
    with Receiver() as server:
        yield Authorization(clock, server, receiver)


def _client(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """Who asks: section 2.3.1, both ways, but not at once."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        assert "client_secret" not in form
        user, _, password = base64.b64decode(credentials).decode().partition(":")
        return unquote_plus(user), unquote_plus(password)
    return form.get("client_id", ""), form.get("client_secret", "")


def _json(status: int, held: dict[str, Any]) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(held).encode())
