"""`/api/v1`: operators' questions and changes as JSON over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from router.clock import Clock
from router.errors import MessageError
from router.operations.address import BASE
from router.operations.answers import Refusal
from router.operations.base import Operations
from router.operations.errors import AskedWrongError
from router.store.base import StoreError
from router.web.api_access import Access, TokenNeededError
from router.web.api_endpoints import ENDPOINTS, Asked, Endpoint
from router.web.api_openapi import describe
from router.web.body import Body, Budget, CrowdedError, GoneError
from router.web.ingest import BUDGET
from router.web.limits import RETRY_AFTER
from router.web.refusals import Refusals
from router.web.visit import client_of

LONGEST_BODY = 1_000_000
"""Bytes of a request's body: so many ids are a page."""

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def api(operations: Operations, access: Access, clock: Clock, budget: Budget = BUDGET) -> ASGIApp:
    """The application; it is mounted at `BASE`.

    Args:
        operations: what it does.
        access: who may use it.
        clock: for its log.
        budget: what the bodies of all requests under way may hold together.
    """
    refusals = Refusals(clock)
    description = msgspec.json.encode(describe(BASE, ENDPOINTS))
    routes = [Route(one.path, _handler(one, operations, budget), methods=[one.method]) for one in ENDPOINTS]
    routes.append(Route("/openapi.json", partial(_described, description), methods=["GET"]))
    app = Starlette(
        routes=routes,
        exception_handlers={
            MessageError: _refused,
            StoreError: _unable,
            CrowdedError: _unable,
            HTTPException: _unknown,
            Exception: _failed,
        },
    )
    app.router.redirect_slashes = False

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            access.check(scope)
        except MessageError as error:
            refusals.refused(error.message, error.status, path=scope["path"], client=client_of(scope))
            return await _refusal(error.message, error.status, _challenge(error))(scope, receive, send)
        return await app(scope, receive, send)

    return guarded


def _handler(
    endpoint: Endpoint, operations: Operations, budget: Budget
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        given: Any = None
        if endpoint.query is not None:
            given = _query(request, endpoint.query)
        if endpoint.body is not None:
            given = await _body(request, endpoint.body, budget)
        answer = await endpoint.call(operations, Asked(request.path_params, given))
        return _json(answer, HTTPStatus.OK)

    return handle


def _query(request: Request, kind: type[Struct]) -> Struct:
    """The query string as a struct. A list is a parameter that comes several times."""
    lists = {
        field.name
        for field in msgspec.structs.fields(kind)
        if isinstance(msgspec.inspect.type_info(field.type), msgspec.inspect.VarTupleType)
    }
    given: dict[str, Any] = {}
    for name, value in parse_qsl(request.url.query, keep_blank_values=True):
        if name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise AskedWrongError(f"the query holds {name[:100]!r} twice")
        else:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise AskedWrongError(f"the query cannot be understood: {error}") from None


async def _body(request: Request, kind: type[Struct], budget: Budget) -> Struct:
    body = Body(LONGEST_BODY, budget)
    try:
        return msgspec.json.decode(await body.read(request.headers, request.receive), type=kind)
    except msgspec.MsgspecError as error:
        raise AskedWrongError(f"the body cannot be understood: {error}") from None
    except GoneError:
        raise AskedWrongError("the client has gone") from None
    finally:
        body.release()


async def _described(description: bytes, _: Request) -> Response:
    return Response(description, headers=_HEADERS, media_type="application/json")


def _json(content: Struct, status: int, headers: dict[str, str] | None = None) -> Response:
    body = msgspec.json.encode(content)
    return Response(body, status, headers=_HEADERS | (headers or {}), media_type="application/json")


def _refusal(why: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return _json(Refusal(why), status, headers)


def _challenge(error: MessageError) -> dict[str, str]:
    return {"www-authenticate": "Bearer"} if isinstance(error, TokenNeededError) else {}


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, MessageError)
    return _refusal(error.message, error.status)


async def _unable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError | CrowdedError)
    return _refusal(error.message, HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": str(RETRY_AFTER)})


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        told = f"there is no {request.method} {request.url.path}; see {BASE}/openapi.json"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        told = f"{request.url.path} does not take {request.method}"
    return _refusal(told, error.status_code, dict(error.headers or {}))


async def _failed(_: Request, error: Exception) -> Response:
    return _refusal(f"the router failed: {type(error).__name__}; see its log", 500)
