"""The HTTP side: which path leads to which source, and what else a router answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from router.clock import Clock, SystemClock
from router.web.ingest import Ingest
from router.web.refusals import Refusals
from router.web.visit import Door, client_of

LONGEST_QUERY = 8_192
"""Bytes of a query. To take thousands of keys apart costs more than any event."""

Doors = Mapping[bytes, Door]
"""Who takes a POST without ASGI, by the target of such a request: a path without template, and no query."""


class Served:
    """An ASGI application that is served, and what can be reached without ASGI.

    Attributes:
        doors: that.
    """

    def __init__(self, application: ASGIApp, doors: Doors) -> None:
        self._application = application
        self.doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._application(scope, receive, send)


class Front(Served):
    """An application that can be exchanged between two requests."""

    def __init__(self, application: ASGIApp) -> None:
        super().__init__(application, {})
        self.application = application

    @property
    def application(self) -> ASGIApp:
        """The one of this moment."""
        return self._application

    @application.setter
    def application(self, application: ASGIApp) -> None:
        self._application = application
        self.doors = application.doors if isinstance(application, Served) else {}


def build(
    doors: Mapping[str, ASGIApp],
    complaints: Callable[[], Sequence[str]] = list,
    clock: Clock | None = None,
    mounted: Mapping[str, ASGIApp] | None = None,
) -> Served:
    """The application.

    Args:
        doors: what answers a POST, by path: a Starlette path template, and after a `?` the key that the
            query must carry for this door (`/v1/{bucket}/?result`), or after a `!` the header field that must
            be there (`/!x-amz-target`).
        complaints: why this router is not ready; nothing where it is.
        clock: for the log; the machine's own where nothing is said.
        mounted: what answers everything below a path.
    """
    app = Starlette(
        routes=[
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", partial(_ready, complaints), methods=["GET"]),
            *(Mount(path, inner) for path, inner in (mounted or {}).items()),
            *(Route(path, _Keyed(keyed)) for path, keyed in _by_path(doors).items()),
        ],
        exception_handlers={
            HTTPException: partial(_said, Refusals(clock or SystemClock())),
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False  # a sender's POST must never meet a redirect

    direct = {
        path.encode(): door.door
        for path, keyed in _by_path(doors).items()
        if len(keyed) == 1 and isinstance(door := keyed.get(""), Ingest) and not set(path) & set("{%")
    }
    return Served(app, direct)


class _Keyed:
    """The doors on one path, told apart by a header field (`!name`) or a key of the query (`name`)."""

    def __init__(self, doors: Mapping[str, ASGIApp]) -> None:
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"POST", "OPTIONS"}:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        if len(scope["query_string"]) > LONGEST_QUERY:
            told = f"a query of {len(scope['query_string'])} bytes; at most {LONGEST_QUERY} are read"
            raise HTTPException(HTTPStatus.REQUEST_URI_TOO_LONG, told)
        keys = {f"!{name.decode('latin-1')}" for name, _ in scope["headers"]}
        keys |= parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys()
        for key, door in self._doors.items():
            if key in keys:
                return await door(scope, receive, send)
        if "" in self._doors:
            return await self._doors[""](scope, receive, send)
        wanted = " or ".join(f"the header {key[1:]}" if key[0] == "!" else f"?{key}" for key in self._doors)
        raise HTTPException(HTTPStatus.NOT_FOUND, f"a POST to {scope['path']} needs {wanted}")


def _by_path(doors: Mapping[str, ASGIApp]) -> dict[str, dict[str, ASGIApp]]:
    by_path: dict[str, dict[str, ASGIApp]] = {}
    for place, door in doors.items():
        path, *key = re.split(r"[?]|(?=!)", place, maxsplit=1)
        by_path.setdefault(path, {})["".join(key)] = door
    return by_path


async def _alive(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def _ready(complaints: Callable[[], Sequence[str]], _: Request) -> JSONResponse:
    found = list(complaints())
    if found:
        return JSONResponse({"status": "not ready", "reasons": found}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ready"})


async def _said(refusals: Refusals, request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    told = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND and told == HTTPStatus.NOT_FOUND.phrase:
        told = f"nothing listens on {request.method} {request.url.path}"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        told = f"{request.url.path} does not take {request.method}"
    refusals.refused(told, error.status_code, client=client_of(request.scope))
    return JSONResponse({"error": told}, error.status_code, headers=error.headers)


async def _failed(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"the router failed: {type(error).__name__}; see its log"}, 500)
