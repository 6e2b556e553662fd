"""The `http` kind: requests to one address, one for each message or for a batch of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from router import __version__
from router.clock import Clock, SystemClock
from router.events import Event
from router.events.http import encode_batch, encode_binary, encode_structured
from router.targets.answers import outcome_of
from router.targets.auth.hiding import hidden, hidden_in
from router.targets.auth.spec import AUTHORIZATION
from router.targets.auth.tokens import Token, TokenError, Tokens
from router.targets.base import (
    REJECTING,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Surroundings,
    Target,
)
from router.targets.batches import LINES, key_of, lines_of
from router.targets.fields import FieldError, Headers, Templates
from router.targets.handshake import Consent
from router.targets.http_settings import HttpSettings
from router.targets.sender import OpenSender, PromptSender, Reply, Sender, SendError, open_sender
from router.targets.signing.base import Outgoing, Signer
from router.targets.trace import PARENT, STATE, trace_headers


def _payload(event: Event) -> tuple[Headers, bytes]:
    """The payload as it came. Without a `datacontenttype` it is JSON (CloudEvents JSON format, 3.1.1)."""
    if event.data is None:
        return {}, b""
    return {"content-type": event.datacontenttype or "application/json"}, event.data


def _attributes(event: Event) -> tuple[Headers, bytes]:
    """The attributes in headers, and no payload."""
    headers, _ = encode_binary(event)
    headers.pop("content-type", None)
    return headers, b""


_ENCODE = {"structured": encode_structured, "binary": encode_binary, "data": _payload}


class HttpTarget:
    """Sends messages to one address.

    Attributes:
        linger: see `router.targets.base.Lingering`.
        is_prompt: see `router.targets.base.Prompt`.
    """

    def __init__(
        self, settings: HttpSettings, sender: Sender, clock: Clock, reject: frozenset[int] = REJECTING
    ) -> None:
        self._settings = settings
        self._method, self._timeout = settings.method, settings.timeout
        self._url = settings.address
        self._headers = settings.constants
        self._templates = Templates(settings.templates) if settings.templates else None
        self._traces = not any(name.lower() in {PARENT, STATE} for name in settings.headers)
        self._encode = _attributes if settings.method == "GET" else _ENCODE[settings.format]
        self._signer = None if settings.sign is None else settings.sign.signer
        self._sender = sender
        self._clock = clock
        self._reject = reject
        self._consent: Consent | None = None
        if settings.handshake is not None:
            self._consent = Consent(settings.handshake, str(settings.url), sender, clock, settings.timeout)
        self._tokens: Tokens | None = None
        if settings.auth is not None and settings.auth.oauth is not None:
            self._tokens = Tokens(settings.auth.oauth, sender, clock, settings.timeout)
        self._secrets = settings.secrets
        # Who was told a rate waits for each request's turn: many at once would only wait for one another.
        self.concurrency = 16 if settings.handshake is None else 1
        self.batch = 1 if settings.batch is None else settings.batch.size
        self.linger = 0.0 if settings.batch is None else settings.batch.linger
        needs_nothing = settings.batch is None and self._consent is None and self._tokens is None
        self._prompt = sender if isinstance(sender, PromptSender) and needs_nothing else None
        self._lacks_connections = False  # whether the latest was not begun: the next is not made for nothing
        self.is_prompt = self._prompt is not None and self._url.startswith("http://")

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        if self.batch == 1:
            (message,) = messages
            return [await self._deliver_alone(message)]
        # No transformed body is a CloudEvent: each goes alone.
        events = [one for one in messages if one.body is None]
        if self._settings.format == "data" or len(events) == len(messages):
            return await self._deliver_together(messages)
        bodies = {id(one): await self._deliver_alone(one) for one in messages if one.body is not None}
        rest = iter(await self._deliver_together(events) if events else ())
        return [next(rest) if one.body is None else bodies[id(one)] for one in messages]

    def begin(self, message: Message, done: Callable[[object], None]) -> bool:
        """See `Prompt.begin`: where there is an idle connection. What cannot be said is left to `deliver`."""
        if self._prompt is None or message.body is not None:
            return False
        try:
            if self._lacks_connections and not self._prompt.is_ready(self._url):
                return False
            headers, content = self._request(message)
            headers = self._signed(message.id, self._whole(message.id, headers), content)
            is_begun = self._prompt.begin(self._method, self._url, headers, content, self._timeout, done)
        except (FieldError, ValueError):
            return False
        self._lacks_connections = not is_begun
        return is_begun

    def outcome(self, answer: Any) -> Outcome | None:
        """See `Prompt.outcome`."""
        assert self._prompt is not None
        try:
            reply = self._prompt.reply(answer, self._url, self._timeout)
        except SendError as error:
            return _unanswered(error, self._secrets)
        return None if reply is None else self._answered(reply, self._secrets)

    def _deliver_alone(self, message: Message) -> Awaitable[Outcome]:
        if message.body is not None and self._method == "GET":
            return _said("GET sends no content, and a transform made some: choose POST, or no transform")
        try:
            headers, content = self._request(message)
        except FieldError as error:
            return _said(error.message)
        return self._send(message.id, headers, content)

    def _request(self, message: Message) -> tuple[Headers, bytes]:
        """What belongs to this message alone. Raises FieldError."""
        headers, content = self._content(message)
        if self._traces and PARENT in message.event.extensions:
            headers |= trace_headers(message.event.extensions)
        if self._templates is not None:
            headers |= self._templates.fill(message.event)
        return headers, content

    async def _deliver_together(self, messages: Sequence[Message]) -> list[Outcome]:
        """In one request; where that is refused, in halves, until what is wrong with it stands alone."""
        outcome = await self._send(key_of(messages), *self._batch(messages))
        if len(messages) == 1 or not isinstance(outcome, Rejected):
            return [outcome] * len(messages)
        middle = len(messages) // 2
        first = await self._deliver_together(messages[:middle])
        return first + await self._deliver_together(messages[middle:])

    def _send(self, key: str, own: Headers, content: bytes) -> Awaitable[Outcome]:
        """Send one request, as soon as it may be sent.

        Args:
            key: what it is recognised by.
            own: the headers that belong to what is sent.
            content: the body.
        """
        headers = self._whole(key, own)
        if self._consent is None and self._tokens is None:
            return self._attempt(key, headers, content, self._secrets)
        return self._send_admitted(key, headers, content)

    def _whole(self, key: str, own: Headers) -> Headers:
        """All headers but the signature's."""
        # Idempotency-Key: draft-ietf-httpapi-idempotency-key-header; webhook-id: Standard Webhooks 1.0.0.
        return {**own, "idempotency-key": key, "webhook-id": key, **self._headers}

    async def _send_admitted(self, key: str, headers: Headers, content: bytes) -> Outcome:
        """With the receiver's consent, and a token, where these are asked for."""
        if self._consent is not None and (lacking := await self._consent.lacking()) is not None:
            return lacking
        if self._tokens is None:
            return await self._attempt(key, headers, content, self._secrets)
        return await self._attempt_with(self._tokens, key, headers, content)

    async def _attempt_with(self, tokens: Tokens, key: str, headers: Headers, content: bytes) -> Outcome:
        """With a token; and where that is not taken (401), once more with another one."""
        try:
            token = await tokens.get()
            outcome = await self._attempt_as(token, key, headers, content)
            if outcome.status == HTTPStatus.UNAUTHORIZED:
                token = await tokens.get(refused=token.number)
                outcome = await self._attempt_as(token, key, headers, content)
        except TokenError as error:
            return RetryLater(error.message, after=error.after, cause=error.cause)
        return outcome

    async def _attempt_as(self, token: Token, key: str, headers: Headers, content: bytes) -> Outcome:
        headers = {**headers, AUTHORIZATION: f"Bearer {token.text}"}
        return await self._attempt(key, headers, content, (*self._secrets, *token.secrets))

    async def _attempt(self, key: str, headers: Headers, content: bytes, secrets: Sequence[str]) -> Outcome:
        """Send one request. Nothing that comes of it has one of the secrets in it."""
        headers = self._signed(key, headers, content)
        try:
            reply = await self._sender.send(self._method, self._url, headers, content, self._timeout)
        except SendError as error:
            return _unanswered(error, secrets)
        except ValueError as error:
            return Rejected(f"this cannot be said in HTTP: {hidden(str(error), secrets)!a}")
        return self._answered(reply, secrets)

    def _answered(self, reply: Reply, secrets: Sequence[str]) -> Outcome:
        if secrets:
            reply = hidden_in(reply, secrets)
        return outcome_of(reply, self._clock.now(), self._reject)

    def _signed(self, key: str, headers: Headers, content: bytes) -> Headers:
        if self._signer is None:
            return headers
        return headers | self._signature(self._signer, key, headers, content)

    def _signature(self, signer: Signer, key: str, headers: Headers, content: bytes) -> Headers:
        """The headers that sign this attempt."""
        url = urlsplit(self._url)
        seen = {name.lower(): value for name, value in headers.items()}
        seen |= {"host": url.netloc, "content-length": str(len(content))}
        request = Outgoing(key, self._method, url.path or "/", url.query, seen, content)
        return signer.headers(request, self._clock.now())

    def _content(self, message: Message) -> tuple[Headers, bytes]:
        if message.body is not None:
            return {"content-type": message.body.content_type}, message.body.content
        return self._encode(message.event)

    def _batch(self, messages: Sequence[Message]) -> tuple[Headers, bytes]:
        if self._settings.format == "data":
            return {"content-type": LINES}, lines_of(messages)
        return encode_batch(message.event for message in messages)


def _unanswered(error: SendError, secrets: Sequence[str]) -> Outcome:
    return RetryLater(hidden(error.message, secrets), cause=error.cause)


async def _said(reason: str) -> Outcome:
    """What is never sent."""
    return Rejected(reason)


class HttpKind:
    """The kind of target named `http`."""

    settings: type[BaseModel] = HttpSettings

    def __init__(self, clock: Clock | None = None, open_sender: OpenSender = open_sender) -> None:
        self._clock = clock or SystemClock()
        self._open_sender = open_sender

    @asynccontextmanager
    async def open(self, settings: HttpSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        connection = settings.connection(loopback=surroundings.loopback)
        async with self._open_sender(f"rule-router/{__version__}", connection) as sender:
            yield HttpTarget(settings, sender, self._clock, surroundings.reject)
