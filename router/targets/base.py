"""What every target is: it takes messages and says of each what became of it. It knows nothing of retries."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
from pydantic import BaseModel

from router.events import Event

ANSWER_BYTES = 1024
"""How much of a peer's answer is kept with an attempt."""

REJECTING = frozenset({400, 413, 415, 422})
"""HTTP statuses that say that the content is wrong (RFC 9110, section 15.5), if the user says nothing."""


class Body(msgspec.Struct, frozen=True, gc=False):
    """What a transform made of an event."""

    content: bytes
    content_type: str


class Message(msgspec.Struct, frozen=True, gc=False):
    """One delivery as a target sees it.

    Attributes:
        id: constant over attempts and restarts: the idempotency key. Letters, digits and `-` only.
        sequence: the event's place in the store's order.
        body: the transformed body; None means the event itself, in the target's own format.
        rules: the names of the rules that sent it here.
        attempt: 1 for the first.
    """

    id: str
    sequence: int
    event: Event
    body: Body | None
    rules: tuple[str, ...]
    attempt: int


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """The target has it."""

    status: int | None = None
    answer: bytes = b""


class Cause(enum.Enum):
    """What a failure says of the target's other deliveries.

    Attributes:
        PASSING: nothing; it may pass by itself.
        THROTTLED: the target wants less to do: `after` counts for all of them.
        MISDIRECTED: none of them gets through until somebody mends the target's address or credentials.
    """

    PASSING = enum.auto()
    THROTTLED = enum.auto()
    MISDIRECTED = enum.auto()


class RetryLater(msgspec.Struct, frozen=True, gc=False):
    """Not this time.

    Attributes:
        reason: for the person who reads the dead letter; of a misdirected one, also what to do about it.
        after: seconds the target asked us to wait at least (Retry-After); None if it did not say.
    """

    reason: str
    status: int | None = None
    answer: bytes = b""
    after: float | None = None
    cause: Cause = Cause.PASSING


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """Never: the target says that this message is wrong. No attempt will change that."""

    reason: str
    status: int | None = None
    answer: bytes = b""


Outcome = Delivered | RetryLater | Rejected


class Target(Protocol):
    """Where deliveries go.

    Attributes:
        batch: how many messages one call of `deliver` takes at most.
        concurrency: how many calls of `deliver` may run at once, unless the user says otherwise.
    """

    batch: int
    concurrency: int

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Try once. One outcome for each message, in their order.

        An exception means that nobody knows what became of them: all are tried again.
        """
        ...


@runtime_checkable
class Lingering(Protocol):
    """A target for which it pays to wait until a batch is full.

    Attributes:
        linger: seconds that the first message of a batch waits for others at most.
    """

    linger: float


@runtime_checkable
class Paced(Protocol):
    """A target whose calls cost as much for one message as for many.

    Attributes:
        pace: seconds from the beginning of one call to that of the next at least. What comes alone is
            delivered at once; where much comes, calls are few and take much.
    """

    pace: float


@runtime_checkable
class Prompt(Protocol):
    """A target that can begin a delivery, and tell what came of it by a call, so that nobody has to wait.

    It is asked so only where its calls take one message each, and go in any order, as fast as can be.
    `deliver` stays the way for all else.

    Attributes:
        is_prompt: whether it can at all, as it is set up.
    """

    is_prompt: bool

    def begin(self, message: Message, done: Callable[[object], None]) -> bool:
        """Begin to deliver a message, if nothing has to be waited for; whether that was so.

        Where it was not, nothing has happened, and `deliver` is asked. Else `done` is called on the event
        loop with an answer that `outcome` understands, or with an exception: maybe at once, and no later than
        `deliver` would return. By then there may be nobody who listens. An exception that is raised, or is
        the answer, means the same as one of `deliver`.
        """
        ...

    def outcome(self, answer: Any) -> Outcome | None:
        """What an answer means; None where nothing has come of it, and `deliver` is to be asked at once.

        An answer may be that to several messages, where it means the same for all of them. An exception means
        the same as in `deliver`.
        """
        ...


Tell = Callable[[Event, str], Awaitable[None]]
"""Stores an event of the router's own for a target, by its name. Raises RouterError: it cannot be now."""


async def nobody(event: Event, to: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a kind may know of the router that its target lives in.

    Attributes:
        name: the target's name.
        data: the deployment's data folder; files are jailed in it.
        loopback: whether the router itself listens on loopback only.
        reject: the statuses that are final: the event is wrong, and no other attempt is made.
        tell: how a target has another one told of something, durably.
    """

    name: str
    data: Path
    loopback: bool
    reject: frozenset[int] = REJECTING
    tell: Tell = nobody


@runtime_checkable
class Telling(Protocol):
    """Settings that name other targets, which are told of something by `Surroundings.tell`.

    `check` refuses names that are nobody's, and the target's own.
    """

    def tells(self) -> Iterable[tuple[tuple[str, ...], str]]:
        """Where in these settings a target is named, and its name."""
        ...


@runtime_checkable
class AboutRules(Protocol):
    """Settings that name rules. `check` warns of names that are no rule's."""

    def about_rules(self) -> Iterable[tuple[tuple[str, ...], str]]:
        """Where in these settings a rule is named, and its name."""
        ...


@runtime_checkable
class Exclusive(Protocol):
    """Settings of a target that wants something for itself alone: two writers of one file mix their lines.

    A kind's settings may have this method; `check` refuses two targets that claim the same.
    """

    def claim(self) -> str | None:
        """What no other target may claim, as `what which`: `file audit.jsonl`; None for nothing."""
        ...


@runtime_checkable
class Doubtful(Protocol):
    """Settings of a target that may be odd, though they work. A kind's settings may have this method."""

    def doubts(self, *, loopback: bool) -> Iterable[tuple[str, str, str]]:
        """What `check` warns of: the key it is about, what it does, and what to do about that.

        A key inside of a mapping has those that lead to it before it, with dots between.

        Args:
            loopback: whether the router itself listens on loopback only.
        """
        ...


class Kind(Protocol):
    """A kind of target: `http`, `file`, `log`, or a plugin's. Entry-point group `router.targets`.

    Attributes:
        settings: the pydantic model of what stands under the kind's word in YAML. Unknown keys are refused.
            It may be `Exclusive`.
    """

    settings: type[BaseModel]

    def open(self, settings: Any, surroundings: Surroundings) -> AbstractAsyncContextManager[Target]:
        """The target, open as long as the context is. `settings` is an instance of `self.settings`.

        Raises:
            router.errors.ConfigurationError: what the settings ask for cannot be had here.
        """
        ...
