"""The HTTP side: which path leads to which source, and what else a router answers."""

from __future__ import annotations

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
from router.web.ingest import client_of
from router.web.refusals import Refusals


class Front:
    """An application that can be exchanged between two requests."""

    def __init__(self, application: ASGIApp) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application of this moment answer."""
        await self.application(scope, receive, send)


def build(
    doors: Mapping[str, ASGIApp],
    complaints: Callable[[], Sequence[str]] = list,
    clock: Clock | None = None,
    mounted: Mapping[str, ASGIApp] | None = None,
) -> ASGIApp:
    """The application.

    Args:
        doors: what answers a POST, by path: a Starlette path template, and after a `?` the key that the
            query must carry for this door (`/v1/{bucket}/?result`).
        complaints: why senders are turned away now; nothing where they are not.
        clock: for the log; the machine's own where nothing is said.
        mounted: what answers everything below a path.
    """
    direct = {path: door for path, door in doors.items() if not set(path) & {"{", "?"}}
    app = Starlette(
        routes=[
            Route("/healthz", _alive, methods=["GET"]),
            Route("/readyz", partial(_ready, complaints), methods=["GET"]),
            *(Mount(path, inner) for path, inner in (mounted or {}).items()),
            *(Route(path, _Keyed(keyed), methods=["POST"]) for path, keyed in _by_path(doors).items()),
        ],
        exception_handlers={
            HTTPException: partial(_said, Refusals(clock or SystemClock())),
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False  # a sender's POST must never meet a redirect

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        # The way of nearly every event: no router, no middleware in between.
        if scope["type"] == "http" and scope["method"] == "POST":
            door = direct.get(scope["path"])
            if door is not None and not scope["query_string"]:
                return await door(scope, receive, send)
        return await app(scope, receive, send)

    return application


class _Keyed:
    """The doors on one path, told apart by a key of the query."""

    def __init__(self, doors: Mapping[str, ASGIApp]) -> None:
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        keys = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        for key, door in self._doors.items():
            if key in keys:
                return await door(scope, receive, send)
        if "" in self._doors:
            return await self._doors[""](scope, receive, send)
        wanted = " or ".join(f"?{key}" for key in self._doors)
        raise HTTPException(HTTPStatus.NOT_FOUND, f"a POST to {scope['path']} needs {wanted}")


def _by_path(doors: Mapping[str, ASGIApp]) -> dict[str, dict[str, ASGIApp]]:
    by_path: dict[str, dict[str, ASGIApp]] = {}
    for place, door in doors.items():
        path, _, key = place.partition("?")
        by_path.setdefault(path, {})[key] = door
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
