"""One marked test event, sent straight to a target: no rule, no store, no second attempt."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from anyio import to_thread

from router.errors import RouterError
from router.events import Event
from router.targets.base import Kind, Message, Outcome, RetryLater, Surroundings
from router.targets.connection import ConnectionSettings
from router.targets.http import HttpKind
from router.targets.network.connection import Connection
from router.targets.network.facts import Facts, look
from router.targets.registry import Registry
from router.targets.sender import OpenSender, Reply, Sender, open_sender
from router.targets.spec import TargetSpec

TYPE = "rule-router.test"
MARK = "ruleroutertest"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        reply: None where there was none.
        seconds: from the beginning to the answer's end.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    reply: Reply | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a test event.

    Attributes:
        seconds: that the target took.
        exchanges: what an `http` target sent, in order: the last one is the event, if it came to that.
        facts: of the peer of an `http` target.
    """

    event: Event
    outcome: Outcome
    seconds: float
    exchanges: tuple[Exchange, ...]
    facts: Facts | None


@dataclass(frozen=True, slots=True)
class _Recorder:
    """A sender that remembers what it sent."""

    sender: Sender
    exchanges: list[Exchange] = field(default_factory=list)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> Reply:
        """See `Sender.send`."""
        began = time.monotonic()
        reply: Reply | None = None
        try:
            reply = await self.sender.send(method, url, headers, body, seconds)
        finally:
            taken = time.monotonic() - began
            self.exchanges.append(Exchange(method, url, dict(headers), body, reply, taken))
        return reply


def event() -> Event:
    """A test event: whoever gets it can tell by its type, and by its extension."""
    said = "This is a test of the connection between a rule router and this receiver."
    return Event(
        id=f"test-{uuid.uuid4().hex}",
        source="rule-router",
        type=TYPE,
        time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        datacontenttype="application/json",
        extensions={MARK: True},
        data=json.dumps({"message": said}).encode(),
    )


async def attempt(spec: TargetSpec, surroundings: Surroundings, registry: Registry) -> Trial:
    """Send a test event to a target, once.

    Whatever goes wrong is the outcome's: a target that cannot be opened is one that cannot be delivered to.
    """
    exchanges: list[Exchange] = []
    facts = None
    kind = registry.kind(spec.kind)
    if isinstance(kind, HttpKind) and isinstance(spec.settings, ConnectionSettings):
        connection = spec.settings.connection(loopback=surroundings.loopback)
        facts = await to_thread.run_sync(look, str(spec.settings.url), connection)
        kind = HttpKind(open_sender=_recording(exchanges))
    made = event()
    message = Message(id=made.id, sequence=0, event=made, body=None, rules=(), attempt=1)
    began = time.monotonic()
    outcome = await _delivered(kind, spec, surroundings, message)
    return Trial(made, outcome, time.monotonic() - began, tuple(exchanges), facts)


def _recording(exchanges: list[Exchange]) -> OpenSender:
    @asynccontextmanager
    async def opened(user_agent: str, connection: Connection) -> AsyncIterator[Sender]:
        async with open_sender(user_agent, connection, every_header=True) as sender:
            yield _Recorder(sender, exchanges)

    return opened


async def _delivered(kind: Kind, spec: TargetSpec, surroundings: Surroundings, message: Message) -> Outcome:
    try:
        async with kind.open(spec.settings, surroundings) as target:
            (outcome,) = await target.deliver([message])
            return outcome
    except RouterError as error:
        return RetryLater(error.message)
    except Exception as error:  # noqa: BLE001 -- a plugin may raise anything: see `Target.deliver`
        return RetryLater(f"it failed: {error!r}")
