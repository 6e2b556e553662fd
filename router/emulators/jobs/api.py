"""`POST /jobs` over HTTP: who may submit, and the callback after a while."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from socket import socket

import anyio
import msgspec
from anyio.abc import TaskGroup
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from router.emulators.jobs import told
from router.emulators.jobs.submission import Queue, RefusedError, read
from router.emulators.sending import Surroundings, send_all
from router.emulators.tencent import Tencent
from router.errors import MessageError
from router.events import EventError
from router.samples import Sample
from router.signatures import cos
from router.signatures.base import Key, Reason, SignatureError
from router.web import origin
from router.web.server import Server

PATH = "/jobs"

MOST_BYTES = 128 * 1024
"""How long a request may be; the document's examples have some hundred bytes."""

_HOST = re.compile(r"([a-z0-9-]+)\.(?:ci|cos)\.([a-z0-9-]+)\.(?:myqcloud|tencentcos)\.com(?::\d+)?")

ELSEWHERE = ("test-1234567890", "ap-chongqing")
"""Bucket and region where the Host header names none: the document's."""

_CODES = {Reason.UNKNOWN_KEY: "InvalidAccessKeyId", Reason.WRONG: "SignatureDoesNotMatch"}


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request was answered.

    Attributes:
        time: when.
        job: its id; None where it is refused.
        outcome: how it will end.
        callback: where this will be told, without the query: tokens stand there. None for nowhere.
        refused: why it is refused; empty where it is not.
    """

    time: datetime
    job: str | None = None
    object: str = ""
    outcome: str = ""
    callback: str | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the emulator is told.

    Attributes:
        keys: whose signatures count; without any, nobody's is asked for.
        outcome: how jobs end whose object's name does not say.
        takes: seconds of the cloud's time that a job takes.
        tell: is told of each request.
    """

    keys: Sequence[Key]
    queue: Queue
    outcome: told.Outcome
    takes: float
    tell: Callable[[Submitted], None]


class Jobs:
    """An ASGI application.

    Args:
        terms: what it is told.
        around: with which callbacks are made, and told of.
        group: where jobs are waited for.
    """

    def __init__(self, terms: Terms, around: Surroundings, group: TaskGroup) -> None:
        self._terms = terms
        self._around = around
        self._group = group

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        name = uuid.uuid4().hex
        headers = {"x-ci-request-id": name, "x-cos-request-id": name}
        try:
            job = await self._job(request)
        except RefusedError as refused:
            content = told.error(refused.code, refused.message, request.url.path, name)
            answer = Response(content, refused.status, headers, "application/xml")
            what = f"{refused.status} {refused.code}: {refused.message}"
            self._terms.tell(Submitted(time=self._around.now(), refused=what))
        else:
            where = job.submission.callback
            answer = Response(told.submitted(job), HTTPStatus.OK, headers, "application/xml")
            self._terms.tell(
                Submitted(
                    time=self._around.now(),
                    job=job.id,
                    object=job.submission.name,
                    outcome=job.outcome,
                    callback=where and where.partition("?")[0],
                )
            )
            self._group.start_soon(self._run, job)
        await answer(scope, receive, send)

    async def _job(self, request: Request) -> told.Job:
        """The job of a request.

        Raises:
            RefusedError: there is none to be done.
        """
        if (request.method, request.url.path) != ("POST", PATH):
            raise RefusedError(
                "MethodNotAllowed", f"this emulator takes POST {PATH}", HTTPStatus.METHOD_NOT_ALLOWED
            )
        self._verify(request)
        body = await _body(request)
        try:
            submission = read(body, self._terms.queue)
        except EventError as error:
            raise RefusedError("MalformedXML", error.message) from None
        host = _HOST.fullmatch(request.headers.get("host", "").lower())
        bucket, region = host.groups() if host else ELSEWHERE
        return told.Job(
            id=f"j{uuid.uuid4().hex}",
            bucket=bucket,
            region=region,
            submission=submission,
            created=self._around.clock.now(),
            outcome=told.outcome_of(submission.name, self._terms.outcome),
        )

    def _verify(self, request: Request) -> None:
        if "origin" in request.headers:  # a web page that a browser here shows is no client of ours
            try:
                origin.check(request.headers["origin"], request.scope)
            except MessageError as error:
                raise RefusedError("AccessDenied", error.message, HTTPStatus.FORBIDDEN) from None
        if not self._terms.keys:
            return
        fields = {name.lower(): value for name, value in request.headers.items()}
        path = request.scope["raw_path"].decode("ascii")
        now = self._around.clock.now()
        try:
            cos.verify(self._terms.keys, request.method, path, request.url.query, fields, now=now)
        except SignatureError as error:
            code = _CODES.get(error.reason, "AccessDenied")
            raise RefusedError(code, error.message, HTTPStatus.FORBIDDEN) from None

    async def _run(self, job: told.Job) -> None:
        """The job itself: time passes, and it is told what became of it."""
        clock = self._around.clock
        await clock.sleep_until(job.created + self._terms.takes / self._around.speed)
        if job.submission.callback is None:
            return
        content_type, body = told.callback(job, clock.now())
        event = Sample(f"{job.submission.name or job.id} {job.outcome}", "", content_type, body)
        await send_all(Tencent(), job.submission.callback, (event,), self._around)


@asynccontextmanager
async def serving(terms: Terms, around: Surroundings, listening: socket) -> AsyncIterator[None]:
    """Serve as long as the context is open. Jobs that are not done by then are forgotten."""
    async with anyio.create_task_group() as group, anyio.create_task_group() as jobs:
        server = Server(Jobs(terms, around, jobs))
        group.start_soon(_shielded, server, listening)
        try:
            yield
        finally:
            server.should_exit = True
            jobs.cancel_scope.cancel()


async def _shielded(server: Server, listening: socket) -> None:
    """Serve until it is told to exit: one that is cancelled leaves its socket behind."""
    with anyio.CancelScope(shield=True):
        await server.serve([listening])


async def _body(request: Request) -> bytes:
    found = bytearray()
    async for piece in request.stream():
        found += piece
        if len(found) > MOST_BYTES:
            raise RefusedError("EntityTooLarge", f"the request is longer than {MOST_BYTES:,} bytes")
    return bytes(found)
