"""Sends archived events through today's rules again, as new events that say so, beside all other work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol, Self

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from router.clock import Clock
from router.config.names import check_name
from router.config.problems import did_you_mean
from router.errors import RouterError
from router.operations.answers import ReplayList, ReplayState, ReplayTold
from router.operations.errors import AskedWrongError, NotNowError, NotThereError
from router.operations.events import within
from router.operations.moments import moment
from router.operations.questions import ListQuery, ReplayQuery
from router.operations.walking import window
from router.rules.model import Deployment
from router.store.base import Record, Route, Store, Stored, StoreError

NAME = "replayname"
"""The extension that names a replayed event's replay."""

ORIGINAL = "replayof"
"""The extension that holds the sequence, as text, of the event that is replayed."""

MARK = "replay:"
"""What the note of a replayed record begins with: nobody who sends events can write it."""

GROUP = 50
"""Events that are stored at once."""

MOST_PENDING = 100
"""First tries that may wait for a target while a replay adds to them: no live event queues behind more."""

SLICE = 20
"""Events that are looked at before all others have their turn."""

BREATH = 0.002
"""Seconds of that turn at least, so that a replay that finds nothing does not take the whole processor."""

PAUSE = 0.05
"""Seconds before it is asked again whether there is room."""

RESTS = 100
"""Ended replays that are remembered."""

AT_ONCE = 4
"""Replays under way at the same time."""

log = structlog.stdlib.get_logger(__name__)


class Ground(Protocol):
    """What replays stand on."""

    store: Store
    clock: Clock

    def deployment(self) -> Deployment:
        """Today's rules."""
        ...

    def complaints(self) -> Sequence[str]:
        """Why nothing can be stored now; empty if it can."""
        ...

    def accepted(self, sequences: Sequence[int], records: Sequence[Record]) -> None:
        """These were stored."""
        ...

    @property
    def most(self) -> int | None:
        """How many events one replay may store; None where somebody delivers them meanwhile."""
        ...


class Replays:
    """All replays of a router's life. They run as long as the context is open."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._all: dict[str, _Replay] = {}
        self._stack = AsyncExitStack()
        self._group: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_all("the router ended")
        await self._stack.aclose()

    def stop_all(self, reason: str) -> None:
        """Let every replay end where it is."""
        for replay in self._all.values():
            replay.stop(reason)

    async def begin(self, query: ReplayQuery) -> ReplayTold:
        """Begin one.

        Raises:
            AskedWrongError: it can never be like this.
            NotThereError: there is no such rule or target.
            NotNowError: there is one of this name, or there are too many.
        """
        ground = self._ground
        assert self._group is not None
        now = ground.clock.now()
        name = query.name or f"replay-{moment(now):%Y%m%d-%H%M%S-%f}"
        until = query.until or moment(now)
        if query.since >= until:
            raise AskedWrongError("a replay's since must be before its until")
        first, last = await window(ground.store, query.since, until)
        self._check(query, name)  # last of all: from here on nobody else can take the name
        asked = msgspec.structs.replace(query, name=name, until=until)
        replay = self._all[name] = _Replay(ground, asked, first, last)
        self._group.start_soon(replay.run)
        self._forget()
        return replay.told()

    def page(self, query: ListQuery) -> ReplayList:
        """The next of them, in the order in which they began.

        Raises:
            NotThereError: there is none to go on after.
        """
        names = list(self._all)
        begin = 0 if query.after is None else names.index(self._find(query.after).told().name) + 1
        shown = names[begin : begin + query.most]
        more = begin + query.most < len(names)
        return ReplayList(replays=tuple(map(self.named, shown)), next=shown[-1] if more else None)

    def named(self, name: str) -> ReplayTold:
        """One of them.

        Raises:
            NotThereError: there is none of this name.
        """
        return self._find(name).told()

    def stop(self, name: str) -> ReplayTold:
        """End one before its time; one that has ended stays as it is.

        Raises:
            NotThereError: there is none of this name.
        """
        replay = self._find(name)
        replay.stop("an operator stopped it")
        return replay.told()

    def _find(self, name: str) -> _Replay:
        if name not in self._all:
            raise NotThereError(f"there is no replay {name[:100]!r} since this router's start")
        return self._all[name]

    def _check(self, query: ReplayQuery, name: str) -> None:
        try:
            check_name(name)
        except ValueError as error:
            raise AskedWrongError(f"name: {error}") from None
        deployment = self._ground.deployment()
        _check_known("rule", query.rule, [rule.name for rule in deployment.rules])
        _check_known("target", query.target, list(deployment.targets))
        running = [replay for replay in self._all.values() if not replay.told().state.is_end]
        if name in self._all:
            raise NotNowError(f"there has been a replay {name!r} already; give this one another name")
        if len(running) >= AT_ONCE:
            raise NotNowError(f"{AT_ONCE} replays are under way; wait for one of them, or stop it")

    def _forget(self) -> None:
        ended = [name for name, replay in self._all.items() if replay.told().state.is_end]
        for name in ended[: max(len(ended) - RESTS, 0)]:
            del self._all[name]


def _check_known(what: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        hint = did_you_mean(name, known) or f"there is: {', '.join(known)}"
        raise NotThereError(f"there is no {what} {name[:100]!r}; {hint}")


@dataclass(slots=True)
class _Progress:
    """How far a replay is."""

    reached: float
    state: ReplayState = ReplayState.RUNNING
    reason: str = ""
    looked: int = 0
    replayed: int = 0
    deliveries: int = 0
    ended: float | None = None


@dataclass(slots=True)
class _Room:
    """How many more deliveries each target may get before somebody must look again."""

    left: dict[str, int] = field(default_factory=dict)

    def take(self, wanted: Mapping[str, int]) -> bool:
        """Take this much, if there is so much."""
        if any(self.left.get(target, 0) < count for target, count in wanted.items()):
            return False
        for target, count in wanted.items():
            self.left[target] -= count
        return True


class _Replay:
    """One replay."""

    def __init__(self, ground: Ground, query: ReplayQuery, first: int, last: int) -> None:
        assert query.until is not None
        self._ground = ground
        self._query = query
        self._until = query.until
        self._span = (first, last)
        self._began = ground.clock.now()
        self._progress = _Progress(reached=query.since.timestamp())
        self._room = _Room()
        self._scope = anyio.CancelScope()

    def told(self) -> ReplayTold:
        """How far it is."""
        query, progress = self._query, self._progress
        return ReplayTold(
            name=query.name or "",
            state=progress.state,
            since=query.since,
            until=self._until,
            rule=query.rule,
            target=query.target,
            rate=query.rate,
            began=moment(self._began),
            ended=None if progress.ended is None else moment(progress.ended),
            reason=progress.reason,
            looked=progress.looked,
            replayed=progress.replayed,
            deliveries=progress.deliveries,
            reached=moment(progress.reached),
        )

    def stop(self, reason: str) -> None:
        """Let it end where it is."""
        if not self._progress.state.is_end:
            self._end(ReplayState.STOPPED, reason)
            self._scope.cancel()

    async def run(self) -> None:
        """Replay everything; whatever goes wrong here is told, and costs nobody else anything."""
        try:
            with self._scope:
                await self._replay()
        except RouterError as error:
            self._end(ReplayState.FAILED, error.message)
        except Exception as error:  # a replay that fails must not end the router
            log.exception("replay.failed", replay=self._query.name)
            self._end(ReplayState.FAILED, f"{type(error).__name__}: {error}")
        if not self._progress.state.is_end:
            self._end(ReplayState.DONE, "")

    def _end(self, state: ReplayState, reason: str) -> None:
        self._progress.state, self._progress.reason = state, reason
        self._progress.ended = self._ground.clock.now()

    async def _replay(self) -> None:
        in_time = within(self._query.since.timestamp(), self._until.timestamp())
        group: list[Record] = []
        reached = self._progress.reached
        async for stored in self._ground.store.scan(*self._span):
            self._progress.looked += 1
            received = stored.record.received
            if in_time(received) and (record := self._again(stored)) is not None:
                group.append(record)
            reached = max(reached, received)
            if len(group) >= self._size():
                await self._store(group, reached)
                group = []
            if self._progress.looked % SLICE == 0:
                self._progress.reached = self._progress.reached if group else reached
                await anyio.sleep(BREATH)
            if self._ground.most is not None and self._progress.replayed + len(group) >= self._ground.most:
                break
        else:
            await self._store(group, self._until.timestamp())
            return
        await self._store(group, reached)
        self._end(ReplayState.STOPPED, f"without a running router, {self._ground.most} events go at a time")

    def _size(self) -> int:
        """How many events go together: what goes in a tenth of a second, where there is a rate."""
        rate = self._query.rate
        return GROUP if rate is None else max(1, min(GROUP, int(rate / 10)))

    def _again(self, stored: Stored) -> Record | None:
        """The new record of an archived one; None if nobody wants it, or it is of a replay itself."""
        record = stored.record
        if any(note.startswith(MARK) for note in record.notes):
            return None
        assert self._query.name is not None
        marks = {NAME: self._query.name, ORIGINAL: str(stored.sequence)}
        event = msgspec.structs.replace(record.event, extensions={**record.event.extensions, **marks})
        notes = [*record.notes, MARK + self._query.name]

        def failed(rule: str, _why: str) -> None:
            notes.append(f"could-not-ask:{rule}")

        deployment = self._ground.deployment()
        routes = tuple(filter(self._wants, deployment.route(event, failed)))
        if not routes:
            return None
        return Record(
            event=event,
            source=record.source,
            received=self._ground.clock.now(),
            version=deployment.version,
            routes=routes,
            notes=tuple(notes),
        )

    def _wants(self, route: Route) -> bool:
        query = self._query
        return query.target in {None, route.target} and (query.rule is None or query.rule in route.rules)

    async def _store(self, records: Sequence[Record], reached: float) -> None:
        """Store a group when there is room for it; then wait as the rate demands."""
        progress, clock = self._progress, self._ground.clock
        if records:
            wanted = Counter(route.target for record in records for route in record.routes)
            while (reason := await self._obstacle(wanted)) or (reason := await self._append(records)):
                progress.state, progress.reason = ReplayState.WAITING, reason
                await clock.sleep_until(clock.now() + PAUSE)
            progress.state, progress.reason = ReplayState.RUNNING, ""
            progress.replayed += len(records)
            progress.deliveries += wanted.total()
        progress.reached = reached
        if self._query.rate is not None:
            await clock.sleep_until(clock.now() + len(records) / self._query.rate)

    async def _obstacle(self, wanted: Mapping[str, int]) -> str:
        """Why there is no room for so many deliveries now; "" if there is."""
        if complaints := self._ground.complaints():
            return complaints[0]
        if self._ground.most is not None or self._room.take(wanted):
            return ""
        tallies = await self._ground.store.tally()
        for target, count in wanted.items():
            pending = tallies[target].pending if target in tallies else 0
            if pending >= MOST_PENDING:
                return f"{pending} deliveries wait for the target {target} already"
            self._room.left[target] = max(MOST_PENDING - pending, count)
        self._room.take(wanted)
        return ""

    async def _append(self, records: Sequence[Record]) -> str:
        """Store a group; why it cannot be, "" if it was."""
        with anyio.CancelScope(shield=True):  # it must not stay open whether these are stored
            try:
                sequences = await self._ground.store.append(records)
            except StoreError as error:
                return error.message
            self._ground.accepted(sequences, records)
        return ""
