"""What is told: structs that are one JSON text in every place, with times as RFC 3339 in UTC."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec
from msgspec import Struct

from router.store.base import State


class Refusal(Struct, frozen=True):
    """Why something could not be asked or done."""

    error: str


class EventSummary(Struct, frozen=True, kw_only=True):
    """One event of a list.

    Attributes:
        received: when it was accepted.
        targets: where its rules routed it, whether or not it has arrived there.
        rules: those that matched.
    """

    sequence: int
    received: datetime
    id: str
    source: str
    type: str
    subject: str | None
    targets: tuple[str, ...]
    rules: tuple[str, ...]


class EventPage(Struct, frozen=True, kw_only=True):
    """One page of events.

    Attributes:
        next: ask for the next page `after` this; None where this is the last one. A page may be shorter
            than asked for, and even be empty, without being the last: one request looks at so much.
    """

    events: tuple[EventSummary, ...]
    next: int | None


class AttemptTold(Struct, frozen=True, kw_only=True):
    """One try to deliver; the fields of `router.store.base.Attempt`."""

    at: datetime
    seconds: float
    status: int | None
    error: str | None
    answer: str
    redrive: bool


class ConditionTold(Struct, frozen=True, kw_only=True):
    """How a target fares, as its circuit breaker sees it.

    Attributes:
        state: closed (it works), open (nothing is sent), half-open (one delivery is tried).
        since: when it came to be so.
        reason: why; "" where it works.
        probe: when it may be tried again, if it is open.
        probe_in: seconds until then.
        failing_since: when the first attempt failed after the last that did not; None where that one did not.
            A router knows of no attempt before its start.
    """

    state: str
    since: datetime | None
    reason: str
    probe: datetime | None
    probe_in: float | None
    failing_since: datetime | None = None


class DeliverySummary(Struct, frozen=True, kw_only=True):
    """One delivery of a list.

    Attributes:
        at: in flight since then, to be tried again then, dead since then; None in other states.
        received: when its event was accepted.
        attempts: how many were made.
        last: the last of them.
        waits_for: the earlier delivery of the same key (`order_by`) that must be done with before this one
            goes. Until then it is kept in memory, and in flight for the store, or pending. None where it
            waits for none, or where nobody knows.
        paused: how its target fares, where that is what this one waits for; None where it is not, or where
            nobody knows.
    """

    id: str
    sequence: int
    target: str
    variant: str
    rules: tuple[str, ...]
    state: State
    at: datetime | None
    received: datetime
    event_id: str
    event_source: str
    event_type: str
    attempts: int
    last: AttemptTold | None
    waits_for: str | None = None
    paused: ConditionTold | None = None


class DeliveryTold(DeliverySummary, frozen=True, kw_only=True):
    """One delivery with everything that is known of it.

    Attributes:
        version: the configuration that makes its body.
        history: every attempt, oldest first, and an operator's redrives among them.
    """

    version: str
    history: tuple[AttemptTold, ...]


class DeliveryPage(Struct, frozen=True, kw_only=True):
    """One page of deliveries; `next` as in `EventPage`."""

    deliveries: tuple[DeliverySummary, ...]
    next: str | None


class EventTold(EventSummary, frozen=True, kw_only=True):
    """One event with everything that is known of it.

    Attributes:
        read_by: the name of the router's source that read it.
        version: the configuration that routed it.
        notes: what that source was lenient about.
        event: the CloudEvent in its JSON format, with the payload as its sender wrote it.
        deliveries: all of them, also those that were made.
    """

    read_by: str
    version: str
    notes: tuple[str, ...]
    event: msgspec.Raw
    deliveries: tuple[DeliveryTold, ...]


class Left(enum.StrEnum):
    """Why a change leaves a delivery as it is.

    Attributes:
        IN_FLIGHT: it is under way, or held back until an earlier one of its key is done (`order_by`).
        UNREADABLE: its event cannot be read any more: it can be dropped, and never made.
        OTHER_STATE: it was named, and stands where this cannot be done with it.
        OTHER_FILTER: it was named, and does not fit the rest of what was said.
        THERE_ALREADY: it waits for the target already that it was to be delivered to.
        MEANWHILE: it was under way, or done with, when its turn came.
    """

    IN_FLIGHT = "in-flight"
    UNREADABLE = "unreadable"
    OTHER_STATE = "other-state"
    OTHER_FILTER = "other-filter"
    THERE_ALREADY = "there-already"
    MEANWHILE = "meanwhile"


class Changed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a change came to.

    Attributes:
        count: how many deliveries were changed, or with `dry` would be.
        targets: the same by target.
        next: where there are more than one request changes: go on `after` this.
        left: how many were meant and left as they are, by why.
    """

    count: int
    targets: dict[str, int]
    next: str | None
    left: dict[Left, int] = {}


class ReplayState(enum.StrEnum):
    """Where a replay stands. The last three are the end."""

    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_end(self) -> bool:
        """Whether nothing more comes of it."""
        return self in {ReplayState.DONE, ReplayState.STOPPED, ReplayState.FAILED}


class ReplayTold(Struct, frozen=True, kw_only=True):
    """A replay and how far it is.

    Attributes:
        since, until, rule, target, type, rate: as it was asked for.
        reason: what it waits for, or why it ended before its time (with `dry`: would); "" where there is
            nothing to say.
        looked: how many archived events it has looked at.
        replayed: how many of them went through the rules to a target again.
        deliveries: how many deliveries came of that.
        targets: the same by target.
        rules: how many of these events each rule asks for; only with `dry`.
        unreadable: how many events of that time were left out because they cannot be read.
        dry: nothing is replayed; it counts what would be.
        reached: everything accepted before this is done.
        after: everything up to this sequence is done: the `after` of a replay that goes on from here. None
            where nothing is.
    """

    name: str
    state: ReplayState
    since: datetime
    until: datetime
    rule: str | None
    target: str | None
    type: str | None
    rate: float | None
    began: datetime
    ended: datetime | None
    reason: str
    looked: int
    replayed: int
    deliveries: int
    reached: datetime
    targets: dict[str, int] = {}
    rules: dict[str, int] = {}
    unreadable: int = 0
    dry: bool = False
    after: int | None = None


class ReplayList(Struct, frozen=True, kw_only=True):
    """The replays since the router's start; `next` is the name of the last one, as in `EventPage`."""

    replays: tuple[ReplayTold, ...]
    next: str | None


class TargetStatus(Struct, frozen=True, kw_only=True):
    """One target and its deliveries.

    Attributes:
        gone: no target has this name now: what waits for it waits until one has, or an operator decides.
        condition: None where no router runs that could tell.
        blocked: how many keys (`order_by`) wait for a dead letter (`on_poison: block`), as far as was looked;
            0 where the configuration is not known.
        next_try: when the next of its deliveries is tried: when the first is due, but not before the target
            may be tried again. Where no router runs, when its first retry is due, or was: it is tried at a
            start after that. None where nothing waits, or nobody knows: what is due may be of a blocked key.
        next_try_in: seconds until then; less than 0 where that has gone by.
        waiting_since: when the oldest event that is pending or retried was accepted; None where nothing
            waits, or that one cannot be read.
    """

    name: str
    gone: bool
    pending: int
    retrying: int
    dead: int
    condition: ConditionTold | None
    blocked: int = 0
    next_try: datetime | None = None
    next_try_in: float | None = None
    waiting_since: datetime | None = None


class SourceStatus(Struct, frozen=True, kw_only=True):
    """One source and what came to it since the router's start.

    Attributes:
        verifies: whether it asks who sends.
        requests: that were taken, those that carried no event among them.
        events: that these held.
        quarantined: requests of verified senders that could not be read, and were kept.
        refused: requests of which nothing was kept, by why: a signature or token that is `missing`, `wrong`,
            `expired`, `altered`, `unfit` or of an `unknown-key`; `unreadable`, `too-large`, `foreign-origin`,
            `overloaded`, `failed`.
    """

    name: str
    kind: str
    verifies: bool
    requests: int
    events: int
    quarantined: int
    refused: dict[str, int]


class Status(Struct, frozen=True, kw_only=True):
    """What a router is at.

    Attributes:
        running: whether a router runs on this store.
        version: the configuration it routes by; None where none runs, and none was asked for.
        ready: why it turns senders away; empty where it does not.
        since: when the oldest event that is kept was accepted.
        sources: empty where no router runs that could tell.
        refused: why the router that runs does not run what is in the files now; "" where it does.
    """

    running: bool
    version: str | None
    rules: int
    ready: tuple[str, ...]
    first: int | None
    last: int | None
    since: datetime | None
    bytes: int
    targets: tuple[TargetStatus, ...]
    sources: tuple[SourceStatus, ...] = ()
    refused: str = ""
