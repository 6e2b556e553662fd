"""What verified senders sent and nobody could read: kept, shown, and read again when an operator says so.

A cloud would repeat such a request for a day, and no repetition makes it readable. So its sender is told that
it was taken; it becomes an event of the router's own, which the rules see like any other, and a dead letter
of the target `quarantine`. To redrive that is to read it again, with the router and the settings of that day.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import msgspec

from router.delivery.engine import Way
from router.delivery.retry import Policy
from router.errors import MessageError
from router.events import Event
from router.events.received import Reading, Received
from router.service import Service
from router.sources.base import Request, Source
from router.store.base import StoreError
from router.targets.base import Delivered, Message, Outcome, Rejected, RetryLater

TYPE = "rule-router.request.quarantined"
"""The type of these events."""

NOTE = "out-of-quarantine"
"""The note on events that were read at a later time than they came."""

_KEPT = re.compile(r"content-(?:type|encoding)|(?:ce|x-ci|x-mns)-.*", re.DOTALL)
"""The header fields that a source may need to read a request. No credentials are among them."""

_SECRET = re.compile(r"(?i)token|signature|secret|password|authorization")
"""Keys of a query whose values are not kept."""


class Sheet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request in quarantine: the data of its event.

    Attributes:
        source: the name of the source it was sent to.
        kind: that source's; another kind would read something else in it.
        reason: why it cannot be read.
        path, query, headers: as sent, without credentials.
        body: without credentials; text where it is UTF-8, else `body_base64`.
    """

    source: str
    kind: str
    reason: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: str = ""
    body_base64: bytes | None = None


def set_aside(name: str, source: Source, request: Request, error: MessageError) -> Received:
    """A request that cannot be read, as an event; the same for each try of its sender.

    Args:
        name: the source's name.
        source: what could not read it.
        request: what a verified sender sent.
        error: why it cannot be read.
    """
    body = source.redacted(request.body)
    try:
        parts: dict[str, str | bytes] = {"body": body.decode()}
    except UnicodeDecodeError:
        parts = {"body_base64": body}
    sheet = Sheet(
        source=name,
        kind=source.kind,
        reason=error.message,
        path=request.path,
        query=_without_secrets(request.query),
        headers={key: value for key, value in request.headers.items() if _KEPT.fullmatch(key)},
        **parts,  # type: ignore[arg-type] # one of them, with its own type
    )
    data = msgspec.json.encode(sheet)
    event = Event(
        id=hashlib.sha256(data).hexdigest(),
        source=f"/rule-router/sources/{name}",
        type=TYPE,
        subject=name,
        time=datetime.fromtimestamp(request.received, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=data,
    )
    return Received((Reading(event),))


def _without_secrets(query: str) -> str:
    """A query without the values that let somebody in; as it was sent, where there are none."""
    if not _SECRET.search(query):
        return query
    given = parse_qsl(query, keep_blank_values=True)
    return urlencode([(key, value) for key, value in given if not _SECRET.search(key)])


class QuarantineTarget:
    """Reads what is in quarantine again. At its first try it cannot: that is how it came here.

    Args:
        sources: today's, by name.
        service: where its events go when it can be read.
        now: seconds since the epoch.
    """

    batch = 1
    concurrency = 1

    def __init__(
        self, sources: Callable[[], Mapping[str, Source]], service: Service, now: Callable[[], float]
    ) -> None:
        self._sources = sources
        self._service = service
        self._now = now

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """See `router.targets.base.Target.deliver`."""
        return [await self._read(message) for message in messages]

    async def _read(self, message: Message) -> Outcome:
        assert message.event.data is not None
        sheet = msgspec.json.decode(message.event.data, type=Sheet)
        source = self._sources().get(sheet.source)
        if source is None or source.kind != sheet.kind:
            return Rejected(f"no source is called {sheet.source!r} now that is of the kind {sheet.kind!r}")
        body = sheet.body.encode() if sheet.body_base64 is None else sheet.body_base64
        request = Request("POST", sheet.path, sheet.query, sheet.headers, body, self._now())
        try:
            received = source.read(request)
        except MessageError as error:
            return Rejected(f"it cannot be read: {error.message}")
        readings = tuple(Reading(one.event, (*one.notes, NOTE)) for one in received.readings)
        try:
            await self._service.accept(sheet.source, Received(readings, received.original))
        except StoreError as error:
            return RetryLater(error.message)
        return Delivered(answer=f"{len(readings)} events".encode())


def way(target: QuarantineTarget) -> Way:
    """How it is gone to: whatever cannot be read is a dead letter at once."""
    policy = Policy(attempts=1_000, within=float("inf"), first=1.0, most=60.0)
    return Way(target, policy, target.concurrency, None, None, None)
