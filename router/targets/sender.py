"""The HTTP client behind a small protocol. This is the one module that knows which client it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
from anyio import get_cancelled_exc_class
from anyio.lowlevel import checkpoint_if_cancelled
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError, RequestError, RequestTimeoutError
from pyreqwest.response import Response

from router.errors import RouterError

READ_BYTES = 64 * 1024
"""How much of an answer is read at most; what is longer costs the peer its connection."""

_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

_DEFAULT_PORTS = {"http": 80, "https": 443}

_PHRASES = (
    ("Connection refused", "connection refused by {peer}"),
    ("Connection reset", "connection reset by {peer} before it answered"),
    ("Broken pipe", "connection closed by {peer} before it answered"),
    ("connection closed before message completed", "connection closed by {peer} before it answered"),
    ("No route to host", "no route to {peer}"),
    ("Network is unreachable", "the network of {peer} cannot be reached from here"),
    ("Too many open files", "this machine is out of file descriptors (ulimit -n)"),
    ("InvalidContentType", "{peer} does not speak TLS: is it http:// instead of https://?"),
)
"""What the client says (the operating system's words, mostly), and what we say. First match wins."""


class SendError(RouterError):
    """There was no answer."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An answer.

    Attributes:
        headers: by lower-case name; fields whose values are no ASCII text are left out, and so is
            all but the last of a repeated field. Empty where the status says success: nobody asks then,
            but of an answer to OPTIONS.
        body: what was read of it, at most `READ_BYTES`; less than was sent when the peer broke off.
            The status line was there by then: a broken body does not undo it.
    """

    status: int
    headers: dict[str, str]
    body: bytes


class Sender(Protocol):
    """Sends one request and reads its answer. Redirects are answers like any other."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """Send; return the answer.

        Args:
            method: upper case.
            url: absolute, http or https.
            headers: already valid (RFC 9110, section 5.5). What is not ASCII is sent as UTF-8.
            body: the content; its length is sent with it.
            seconds: the time for everything, from the connection to the answer's last byte; above 0.

        Raises:
            SendError: there was no answer; the message says why, for a person.
            ValueError: the method, the URL or a header cannot be sent at all.
        """
        ...


class PyreqwestSender:
    """`Sender` on a pyreqwest client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """See `Sender.send`."""
        if not body:
            headers = {**headers, "content-length": "0"}  # RFC 9110, section 8.6; the client leaves it out
        builder = self._client.request(method, url).headers(headers).body_bytes(body)
        # Without read-ahead the status is known before the body breaks.
        request = builder.timeout(_span(seconds)).streamed_read_buffer_limit(0).build_streamed()
        try:
            async with request as response:
                status = response.status
                succeeded = 200 <= status < 300 and method != "OPTIONS"  # noqa: PLR2004 -- a class of codes
                fields = {} if succeeded else _headers(response)
                return Reply(status, fields, await _read(response) if _has_body(status, response) else b"")
        except RequestTimeoutError:
            raise SendError(f"no answer from {_peer(url)} within {seconds:g} s") from None
        except RequestError as error:
            raise SendError(_reason(error, _peer(url))) from error
        except get_cancelled_exc_class():
            # The client raises a cancellation of its own instead of passing on the one it got; anyio
            # would not know it for its scope's. This raises the scope's again, if it was one.
            await checkpoint_if_cancelled()
            raise


@asynccontextmanager
async def open_sender(user_agent: str) -> AsyncIterator[Sender]:
    """A sender with a connection pool of its own: no redirects, no proxies, no decompression, no cookies."""
    builder = ClientBuilder().follow_redirects(enable=False).no_proxy().referer(enable=False)
    builder = builder.gzip(enable=False).brotli(enable=False).zstd(enable=False).deflate(enable=False)
    async with builder.user_agent(user_agent).build() as client:
        yield PyreqwestSender(client)


_span = lru_cache(lambda seconds: timedelta(seconds=seconds))


def _has_body(status: int, response: Response) -> bool:
    """Whether there is anything to wait for behind the head (RFC 9112, section 6.3)."""
    return status not in _WITHOUT_BODY and response.get_header("content-length") != "0"


async def _read(response: Response) -> bytes:
    """The body up to `READ_BYTES`, or up to where the peer broke off."""
    found = bytearray()
    reader = response.body_reader
    try:
        while len(found) < READ_BYTES and (chunk := await reader.read_chunk()) is not None:
            found += memoryview(chunk)
    except PyreqwestError:
        pass
    return bytes(found[:READ_BYTES])


def _headers(response: Response) -> dict[str, str]:
    fields = response.headers
    found = {}
    for name in fields:
        try:
            found[name] = fields[name]
        except ValueError:  # obs-text (RFC 9110, section 5.5)
            continue
    return found


def _peer(url: str) -> str:
    """`host:port`, as a person would look for it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}"


def _reason(error: RequestError, peer: str) -> str:
    causes = [cause["message"] for cause in error.details["causes"] or ()] or [error.message]
    root = causes[-1]
    for sign, phrase in _PHRASES:
        if any(sign in cause for cause in causes):
            return phrase.format(peer=peer)
    if "dns error" in causes:
        host = peer.rpartition(":")[0]
        return f"the name {host} cannot be resolved: {root.rpartition(': ')[2]}"
    if "certificate" in root:
        return f"TLS with {peer} failed: {root}"
    if "tcp connect error" in causes:
        return f"no connection to {peer}: {root}"
    return f"{peer} broke HTTP: {root}"
