"""The store: what was accepted, where it must go, and what became of it."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from router.errors import RouterError
from router.events import Event
from router.events.received import Original


class StoreError(RouterError):
    """The store cannot keep this now. Nothing of it was stored."""


class Route(msgspec.Struct, frozen=True, array_like=True):
    """One way an event goes: a target, a body, and the rules that asked for it.

    Attributes:
        variant: which body: "" is the event as it is, else the fingerprint of a transform.
        rules: names, in the order of the configuration.
    """

    target: str
    variant: str = ""
    rules: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted event with its routes: what one row of the store holds.

    Attributes:
        source: the name of the source that read it.
        received: seconds since the epoch.
        version: the configuration that routed it.
        routes: no two of them with the same target and variant: these are one delivery.
        notes: what the source was lenient about.
        original: the sender's request, shared by all events of that request.
    """

    event: Event
    source: str
    received: float
    version: str
    routes: tuple[Route, ...] = ()
    notes: tuple[str, ...] = ()
    original: Original | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to deliver.

    Attributes:
        at: when it began, seconds since the epoch.
        seconds: how long it took.
        status: the HTTP status, where there was one.
        error: why it did not succeed; None where it did.
        answer: the first bytes of the target's answer, as text.
    """

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    answer: str = ""


class State(enum.StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event to one target with one body.

    Attributes:
        version: the configuration whose transforms render the body.
        received: when the event was accepted, seconds since the epoch.
        attempts: those made so far, oldest first.
    """

    sequence: int
    target: str
    variant: str
    rules: tuple[str, ...]
    version: str
    received: float
    event: Event
    attempts: tuple[Attempt, ...] = ()

    @property
    def id(self) -> str:
        """Constant over attempts and restarts. Letters, digits and `-` only (Standard Webhooks 1.0.0).

        A target's name has no two dashes in a row, so no two deliveries share an id.
        """
        return f"{self.sequence}-{self.target}" + (f"--{self.variant}" if self.variant else "")


def delivery_of(sequence: int, route: Route, record: Record) -> Delivery:
    """The delivery that a record's route asks for, not tried yet."""
    return Delivery(
        sequence=sequence,
        target=route.target,
        variant=route.variant,
        rules=route.rules,
        version=record.version,
        received=record.received,
        event=record.event,
    )


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a claimed delivery.

    Attributes:
        state: DELIVERED, RETRYING or DEAD.
        attempt: None where it was dead without being tried again.
        due: when to try again, seconds since the epoch; with RETRYING only.
    """

    delivery: Delivery
    state: State
    attempt: Attempt | None = None
    due: float | None = None

    def tried(self) -> Delivery:
        """The delivery with this attempt in its history.

        Only the last attempt keeps its answer: the earlier ones tell when and why.
        """
        if self.attempt is None:
            return self.delivery
        earlier = (msgspec.structs.replace(attempt, answer="") for attempt in self.delivery.attempts)
        return msgspec.structs.replace(self.delivery, attempts=(*earlier, self.attempt))


class Stored(msgspec.Struct, frozen=True):
    """A record and its place in the store's order."""

    sequence: int
    record: Record


class DeadLetter(msgspec.Struct, frozen=True):
    """A delivery that was given up, with its history."""

    delivery: Delivery
    since: float


class Tally(msgspec.Struct, frozen=True):
    """How many deliveries of one target stand where."""

    pending: int = 0
    retrying: int = 0
    dead: int = 0


class Store(Protocol):
    """Keeps records in the order of their sequence, and the state of every delivery they ask for.

    Sequences grow, and are unique over the lives of all stores: a new store begins at its birth's
    milliseconds since the epoch times 1,000, so that delivery ids of a wiped `data/` never come again.
    One writer: a store that somebody else holds open refuses to open.
    """

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """Keep all records or none; return their sequences once they are on disk.

        Raises:
            StoreError: nothing was stored.
        """
        ...

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """Wait until `target` has deliveries to make, then take up to `most`.

        Retries come first, longest overdue first; then first tries, lowest sequence first.
        What is claimed is not handed out again until it is settled, or the store is opened anew.
        Cancelling the wait loses nothing.

        Raises:
            StoreError: what stands on disk cannot be read now; nothing was claimed.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write down what became of claimed deliveries; return once it is on disk.

        Raises:
            StoreError: nothing was written; settle them again.
        """
        ...

    async def due(self, now: float) -> float | None:
        """Let claims have every delivery whose retry time has come; return the time of the next one.

        What is settled later may have to wait for the next call, even if its time has come already.
        """
        ...

    def scan(self, first: int = 0, last: int | None = None) -> AsyncIterator[Stored]:
        """The records from sequence `first` to `last`, both included, in order."""
        ...

    async def dead(self, target: str | None = None) -> Sequence[DeadLetter]:
        """The dead letters, oldest first."""
        ...

    async def tally(self) -> dict[str, Tally]:
        """Where every target's deliveries stand; targets without any are left out."""
        ...

    async def remember(self, version: str, text: str) -> None:
        """Keep the text of a configuration version."""
        ...

    async def recall(self, version: str) -> str | None:
        """The text of a configuration version, None if it is unknown."""
        ...

    async def close(self) -> None:
        """Write down what is under way and let others open the store."""
        ...
