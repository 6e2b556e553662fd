"""The store: what was accepted, where it must go, and what became of it."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import NamedTuple, Protocol

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


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One accepted event with its routes: what one row of the store holds.

    Attributes:
        source: the name of the source that read it.
        received: seconds since the epoch.
        version: the configuration that routed it.
        routes: no two of them with the same target and variant: these are one delivery.
        notes: what the source was lenient about.
        original: the sender's request, shared by all events of that request.
        fingerprint: 16 bytes that tell a sender's second try from another event; b"" where nobody made one.
    """

    event: Event
    source: str
    received: float
    version: str
    routes: tuple[Route, ...] = ()
    notes: tuple[str, ...] = ()
    original: Original | None = None
    fingerprint: bytes = b""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try to deliver.

    Attributes:
        at: when it began, seconds since the epoch.
        seconds: how long it took.
        status: the HTTP status, where there was one.
        error: why it did not succeed; None where it did.
        answer: the first bytes of the target's answer, as text.
        redrive: this is no attempt: an operator said "again" at this time.
    """

    at: float
    seconds: float
    status: int | None = None
    error: str | None = None
    answer: str = ""
    redrive: bool = False


class State(enum.StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    IN_FLIGHT = "in-flight"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Place(NamedTuple):
    """Which delivery it is; places have an order, the oldest event's first."""

    sequence: int
    target: str
    variant: str = ""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One event to one target with one body.

    Attributes:
        version: the configuration whose transforms render the body.
        received: when the event was accepted, seconds since the epoch.
        attempts: those made so far, oldest first, and an operator's redrives among them.
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
    def place(self) -> Place:
        """Which delivery this is."""
        return Place(self.sequence, self.target, self.variant)

    @property
    def tries(self) -> tuple[Attempt, ...]:
        """The attempts that count for the target's policy: those since the last redrive."""
        redrives = [index for index, attempt in enumerate(self.attempts) if attempt.redrive]
        return self.attempts[redrives[-1] + 1 :] if redrives else self.attempts

    @property
    def id(self) -> str:
        """Constant over attempts and restarts. Letters, digits and `-` only (Standard Webhooks 1.0.0).

        A target's name has no two dashes in a row, so no two deliveries share an id.
        """
        if self.variant:
            return f"{self.sequence}-{self.target}--{self.variant}"
        return f"{self.sequence}-{self.target}"


def delivery_of(sequence: int, route: Route, record: Record) -> Delivery:
    """The delivery that a record's route asks for, not tried yet."""
    return Delivery(
        sequence, route.target, route.variant, route.rules, record.version, record.received, record.event
    )


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What became of a claimed delivery.

    Attributes:
        state: DELIVERED, RETRYING, DEAD or CANCELLED.
        attempt: None where it was given up without being tried again.
        due: when to try again, seconds since the epoch; with RETRYING only.
        lasting: whether no crash may repeat it once this is written, whatever is under way before it.
    """

    delivery: Delivery
    state: State
    attempt: Attempt | None = None
    due: float | None = None
    lasting: bool = False

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


class Standing(msgspec.Struct, frozen=True):
    """A delivery and where it stands.

    Attributes:
        at: with IN_FLIGHT when it was claimed, with RETRYING when it is due, with DEAD since when; seconds
            since the epoch. None with other states.
    """

    delivery: Delivery
    state: State
    at: float | None = None


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds.

    Attributes:
        first: the lowest sequence; None where it holds nothing.
        last: the highest.
        since: when the record with the lowest sequence was received, seconds since the epoch.
        bytes: what the store weighs, with everything that belongs to it.
    """

    first: int | None = None
    last: int | None = None
    since: float | None = None
    bytes: int = 0


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

    async def probe(self) -> None:
        """Find out whether `append` works now, without storing anything.

        Raises:
            StoreError: it does not.
        """
        ...

    async def claim(self, target: str, most: int) -> Sequence[Delivery]:
        """Wait until `target` has deliveries to make, then take up to `most`.

        Retries come first, longest overdue first; then first tries, lowest sequence first.
        What is claimed is not handed out again until it is settled, or the store is opened anew.
        Cancelling the wait loses nothing. What cannot be read is not handed out: it becomes dead.

        Raises:
            StoreError: what stands on disk cannot be read now; nothing was claimed.
        """
        ...

    def claim_now(self, target: str, most: int) -> Sequence[Delivery] | None:
        """As `claim`, without waiting: first tries that are in memory.

        Empty where there is nothing to claim; None where only `claim` can tell, because retries may be due or
        first tries stand on disk.
        """
        ...

    def news(self, target: str, most: int) -> Awaitable[None]:
        """Wait until it is worth asking `claim_now` again, for one who takes up to `most`.

        Nothing is missed by whoever waits at once when `claim_now` has found nothing. Several may wait, and
        only as many are woken as it takes to claim what has come.
        """
        ...

    def rouse(self, target: str) -> None:
        """Wake all who wait in `news` for this target."""
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

    def scan(
        self, first: int = 0, last: int | None = None, missed: Callable[[float], None] | None = None
    ) -> AsyncIterator[Stored]:
        """The records from sequence `first` to `last`, both included, in order.

        What cannot be read is left out; the log says so, and `missed` is told when it was received.
        """
        ...

    async def get(self, sequence: int) -> Stored | None:
        """The record at a sequence; None where there is none, or none any more.

        Raises:
            StoreError: it cannot be read.
        """
        ...

    async def first_at(self, when: float) -> int:
        """The lowest sequence received at `when` (seconds since the epoch) or later.

        One after the last if there is none.
        """
        ...

    async def standing(
        self,
        states: Collection[State],
        target: str | None = None,
        after: Place | None = None,
        most: int = 1_000,
    ) -> Sequence[Standing]:
        """Up to `most` unfinished and dead deliveries in the order of their places, those above `after`.

        Args:
            states: of PENDING, IN_FLIGHT, RETRYING and DEAD.
            target: only this one's.
            after: the last place of the page before.
            most: how many at most.

        Raises:
            StoreError: what stands on disk cannot be read now.
        """
        ...

    async def of_event(self, sequence: int) -> Sequence[Standing]:
        """All deliveries of one event in the order of their places, those delivered and cancelled too.

        Raises:
            StoreError: what stands on disk cannot be read now.
        """
        ...

    async def redrive(self, places: Sequence[Place], now: float, to: str | None = None) -> int:
        """Make dead deliveries again, or what waits for one target to another; return how many.

        Without `to`, what is dead may be claimed at once, with a redrive at `now` in its history; all else
        is left as it is. With `to`, what is dead, retrying or pending, and not in flight, is cancelled where
        it is, and becomes a delivery of the target `to` with the same event, variant, version and rules.
        That one is made once: where it is waiting, in flight or delivered already, it is left as it is;
        where it is dead or cancelled, it is made again. Places of `to` itself are as without it.

        Raises:
            StoreError: nothing was changed.
        """
        ...

    async def cancel(self, places: Sequence[Place]) -> int:
        """Never make these deliveries: those dead, retrying or pending, and not in flight; return how many.

        Raises:
            StoreError: nothing was changed.
        """
        ...

    async def trim(self, before: float, most: int) -> int:
        """Let old records go; return how many.

        They go in the store's own portions: those whose records are all older than `before` (seconds since
        the epoch), and those beyond the newest `most` bytes. What has an unfinished or dead delivery never
        goes, and a portion that is mostly needed may stay whole for a while.

        Raises:
            StoreError: what was to go cannot be read, or what must stay cannot be written: it has not gone.
        """
        ...

    async def extent(self) -> Extent:
        """What the store holds."""
        ...

    async def fingerprints(self, since: float, most: int) -> Sequence[tuple[int, float, bytes]]:
        """(sequence, received, fingerprint) of records received at `since` or later, by that time.

        Where there are more than `most`, it is the newest. Records without a fingerprint are left out.
        """
        ...

    async def tally(self) -> dict[str, Tally]:
        """Where every target's deliveries stand; targets without any are left out."""
        ...

    async def upcoming(self) -> dict[str, float]:
        """When the first retry of each target that has any is or was due, seconds since the epoch."""
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
