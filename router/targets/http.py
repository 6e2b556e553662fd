"""The `http` kind: requests to one address, one for each message or for a batch of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, model_validator

from router import __version__
from router.clock import Clock, SystemClock
from router.config.secrets import Secret
from router.config.units import Duration
from router.events import Event
from router.events.http import encode_batch, encode_binary, encode_structured
from router.targets.answers import outcome_of
from router.targets.base import (
    REJECTING,
    Message,
    Outcome,
    Rejected,
    RetryLater,
    Surroundings,
    Target,
)
from router.targets.batches import LINES, Batch, key_of, lines_of
from router.targets.connection import ConnectionSettings
from router.targets.sender import OpenSender, Sender, SendError, open_sender
from router.targets.signing import Outgoing, Signing

Headers = dict[str, str]

_FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_FIELD_VALUE = re.compile(r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?\Z")
_OURS = re.compile(
    r"(?i)(?:content-type|content-length|host|idempotency-key|webhook-.*|ce-.*"
    r"|connection|expect|keep-alive|te|trailer|transfer-encoding|upgrade)\Z"
)


def _vetted_url(url: HttpUrl) -> HttpUrl:
    if url.username is not None or url.password is not None:
        raise ValueError("no user name or password in the address: it would end up in logs; use headers")
    if url.fragment is not None:
        raise ValueError("no fragment (#…) in the address: a fragment is never sent")
    return url


def _vetted_headers(headers: dict[str, Secret]) -> dict[str, Secret]:
    """RFC 9110, sections 5.1 and 5.5; and the router's own fields stay the router's own."""
    seen = set()
    for name, value in headers.items():
        if not _FIELD_NAME.match(name):
            raise ValueError(f"{name!r} is no header name: letters, digits and !#$%&'*+-.^_`|~ only")
        if _OURS.match(name):
            raise ValueError(f"{name!r} is set by the router or by the connection; leave it out")
        if name.lower() in seen:
            raise ValueError(f"{name!r} is there twice; upper and lower case do not matter in header names")
        if not _FIELD_VALUE.match(value.get_secret_value()):
            raise ValueError(
                f"the value of {name!r} has a control character (a line break?) or a blank at its ends"
            )
        seen.add(name.lower())
    return headers


class HttpSettings(ConnectionSettings):
    """What stands under `http:`, beside how a connection is made.

    Attributes:
        url: where to.
        headers: further ones. Tokens stand in them, so their values show themselves nowhere.
        format: how an event is sent (CloudEvents HTTP binding 1.0, section 3): `structured` is the whole
            event as JSON, `binary` its payload with the attributes in headers, `data` the payload alone.
            A transformed body is sent as it is, whatever stands here.
        timeout: seconds for everything, from the connection to the answer's last byte.
        batch: several events in one request; None for one request each. `structured` makes a CloudEvents
            batch of them, `data` JSON lines.
        sign: how requests are signed, anew for each attempt; None for not at all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: Annotated[HttpUrl, AfterValidator(_vetted_url)]
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[dict[str, Secret], AfterValidator(_vetted_headers)] = Field(default_factory=dict)
    format: Literal["structured", "binary", "data"] = "structured"
    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    batch: Batch | None = None
    sign: Signing | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch is not None and self.format == "binary":
            raise ValueError("a request in the format binary carries one event; choose structured or data")
        if self.sign is not None:
            twice = [name for name in self.headers if name.lower() in self.sign.signer.sets]
            if twice:
                raise ValueError(f"{twice[0]!r} is set by sign; leave it out of the headers")
        return self


def _payload(event: Event) -> tuple[Headers, bytes]:
    """The payload as it came. Without a `datacontenttype` it is JSON (CloudEvents JSON format, 3.1.1)."""
    if event.data is None:
        return {}, b""
    return {"content-type": event.datacontenttype or "application/json"}, event.data


_ENCODE = {"structured": encode_structured, "binary": encode_binary, "data": _payload}


class HttpTarget:
    """Sends messages to one address.

    Attributes:
        linger: see `router.targets.base.Lingering`.
    """

    concurrency = 16

    def __init__(
        self, settings: HttpSettings, sender: Sender, clock: Clock, reject: frozenset[int] = REJECTING
    ) -> None:
        self._settings = settings
        self._url = str(settings.url)
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._encode = _ENCODE[settings.format]
        self._signer = None if settings.sign is None else settings.sign.signer
        self._sender = sender
        self._clock = clock
        self._reject = reject
        self.batch = 1 if settings.batch is None else settings.batch.size
        self.linger = 0.0 if settings.batch is None else settings.batch.linger

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        if self._settings.batch is None:
            (message,) = messages
            return [await self._send(message.id, *self._content(message))]
        if self._settings.format == "data":
            return await self._deliver_together(messages)
        # No transformed body is a CloudEvent: each goes alone.
        bodies = {id(one): await self._send(one.id, *self._content(one)) for one in messages if one.body}
        events = [one for one in messages if not one.body]
        rest = iter(await self._deliver_together(events) if events else ())
        return [bodies[id(one)] if one.body else next(rest) for one in messages]

    async def _deliver_together(self, messages: Sequence[Message]) -> list[Outcome]:
        """In one request; where that is refused, in halves, until what is wrong with it stands alone."""
        outcome = await self._send(key_of(messages), *self._batch(messages))
        if len(messages) == 1 or not isinstance(outcome, Rejected):
            return [outcome] * len(messages)
        middle = len(messages) // 2
        first = await self._deliver_together(messages[:middle])
        return first + await self._deliver_together(messages[middle:])

    async def _send(self, key: str, content_headers: Headers, content: bytes) -> Outcome:
        settings = self._settings
        # Idempotency-Key: draft-ietf-httpapi-idempotency-key-header; webhook-id: Standard Webhooks 1.0.0.
        headers = {**content_headers, "idempotency-key": key, "webhook-id": key, **self._headers}
        headers |= self._signature(key, headers, content)
        try:
            reply = await self._sender.send(settings.method, self._url, headers, content, settings.timeout)
        except SendError as error:
            return RetryLater(error.message, cause=error.cause)
        except ValueError as error:
            return Rejected(f"this cannot be said in HTTP: {str(error)!a}")
        return outcome_of(reply, self._clock.now(), self._reject)

    def _signature(self, key: str, headers: Headers, content: bytes) -> Headers:
        """The headers that sign this attempt."""
        if self._signer is None:
            return {}
        url = urlsplit(self._url)
        seen = {name.lower(): value for name, value in headers.items()}
        seen |= {"host": url.netloc, "content-length": str(len(content))}
        request = Outgoing(key, self._settings.method, url.path or "/", url.query, seen, content)
        return self._signer.headers(request, self._clock.now())

    def _content(self, message: Message) -> tuple[Headers, bytes]:
        if message.body is not None:
            return {"content-type": message.body.content_type}, message.body.content
        return self._encode(message.event)

    def _batch(self, messages: Sequence[Message]) -> tuple[Headers, bytes]:
        if self._settings.format == "data":
            return {"content-type": LINES}, lines_of(messages)
        return encode_batch(message.event for message in messages)


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
