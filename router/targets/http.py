"""The `http` kind: one request for each message, to one address."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl

from router import __version__
from router.clock import Clock, SystemClock
from router.config.environment import Secret
from router.config.units import Duration
from router.events import Event
from router.events.http import encode_binary, encode_structured
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
from router.targets.sender import Sender, SendError, open_sender

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


class HttpSettings(BaseModel):
    """What stands under `http:`.

    Attributes:
        headers: further ones. Tokens stand in them, so their values show themselves nowhere.
        format: how an event is sent (CloudEvents HTTP binding 1.0, section 3): `structured` is the whole
            event as JSON, `binary` its payload with the attributes in headers, `data` the payload alone.
            A transformed body is sent as it is, whatever stands here.
        timeout: seconds for everything, from the connection to the answer's last byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[HttpUrl, AfterValidator(_vetted_url)]
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[dict[str, Secret], AfterValidator(_vetted_headers)] = {}
    format: Literal["structured", "binary", "data"] = "structured"
    timeout: Annotated[Duration, Field(gt=0)] = 10.0


class HttpTarget:
    """Sends messages to one address."""

    batch = 1
    concurrency = 16

    def __init__(
        self, settings: HttpSettings, sender: Sender, clock: Clock, reject: frozenset[int] = REJECTING
    ) -> None:
        self._settings = settings
        self._url = str(settings.url)
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._sender = sender
        self._clock = clock
        self._reject = reject

    async def deliver(self, messages: Sequence[Message]) -> list[Outcome]:
        """See `Target.deliver`."""
        return [await self._deliver(message) for message in messages]

    async def _deliver(self, message: Message) -> Outcome:
        settings = self._settings
        content_headers, content = self._content(message)
        # Idempotency-Key: draft-ietf-httpapi-idempotency-key-header; webhook-id: Standard Webhooks 1.0.0.
        own = {"idempotency-key": message.id, "webhook-id": message.id}
        headers = content_headers | own | self._headers
        try:
            reply = await self._sender.send(settings.method, self._url, headers, content, settings.timeout)
        except SendError as error:
            return RetryLater(error.message)
        except ValueError as error:
            return Rejected(f"this cannot be said in HTTP: {str(error)!a}")
        return outcome_of(reply, self._clock.now(), self._reject)

    def _content(self, message: Message) -> tuple[Headers, bytes]:
        if message.body is not None:
            return {"content-type": message.body.content_type}, message.body.content
        match self._settings.format:
            case "structured":
                return encode_structured(message.event)
            case "binary":
                return encode_binary(message.event)
            case "data":
                return _payload(message.event)


def _payload(event: Event) -> tuple[Headers, bytes]:
    """The payload as it came. Without a `datacontenttype` it is JSON (CloudEvents JSON format, 3.1.1)."""
    if event.data is None:
        return {}, b""
    return {"content-type": event.datacontenttype or "application/json"}, event.data


class HttpKind:
    """The kind of target named `http`."""

    settings: type[BaseModel] = HttpSettings

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    @asynccontextmanager
    async def open(self, settings: HttpSettings, surroundings: Surroundings) -> AsyncIterator[Target]:
        """See `Kind.open`."""
        async with open_sender(f"rule-router/{__version__}") as sender:
            yield HttpTarget(settings, sender, self._clock, surroundings.reject)
