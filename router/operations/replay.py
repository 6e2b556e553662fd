"""Sends archived events through today's rules again, as new events that say so, beside all other work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import msgspec
import structlog

from router.clock import Clock
from router.errors import RouterError
from router.operations.answers import ReplayState, ReplayTold
from router.operations.events import glob, within
from router.operations.moments import moment
from router.operations.questions import ReplayQuery
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


@dataclass(slots=True)
class _Progress:
    """How far a replay is."""

    reached: float
    after: int | None
    state: ReplayState = ReplayState.RUNNING
    reason: str = ""
    looked: int = 0
    replayed: int = 0
    unreadable: int = 0
    targets: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
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


class Replay:
    """One replay.

    Args:
        query: what to replay; with a name and an end.
        first, last: the sequences between which all of that stands.
    """

    def __init__(self, ground: Ground, query: ReplayQuery, first: int, last: int) -> None:
        assert query.until is not None
        self._ground = ground
        self._query = query
        self._type = glob(query.type)
        self._until = query.until
        self._span = (first, last)
        self._began = ground.clock.now()
        self._progress = _Progress(reached=query.since.timestamp(), after=query.after)
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
            type=query.type,
            rate=query.rate,
            began=moment(self._began),
            ended=None if progress.ended is None else moment(progress.ended),
            reason=progress.reason,
            looked=progress.looked,
            replayed=progress.replayed,
            deliveries=progress.targets.total(),
            reached=moment(progress.reached),
            targets=dict(progress.targets),
            rules=dict(progress.rules),
            unreadable=progress.unreadable,
            dry=query.dry,
            after=progress.after,
        )

    def stop(self, reason: str) -> None:
        """Let it end where it is."""
        if not self._progress.state.is_end:
            self._end(ReplayState.STOPPED, reason)
            self._scope.cancel()

    async def run(self) -> None:
        """Replay everything; whatever goes wrong here is told, and costs nobody else anything."""
        if self._is_logged:
            log.info("replay.began", **self._asked())
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
        if self._is_logged:
            log.info("replay.ended", **self._asked(), **self._came())

    @property
    def _is_logged(self) -> bool:
        """Whether the log is told of it: what a command does by itself, it says itself."""
        return self._ground.most is None and not self._query.dry

    def _asked(self) -> dict[str, object]:
        """What was asked for: only what was said."""
        query = self._query
        asked = {"rule": query.rule, "target": query.target, "type": query.type, "rate": query.rate}
        asked["after"] = query.after
        times = {"since": query.since.isoformat(), "until": self._until.isoformat()}
        said = {name: value for name, value in asked.items() if value is not None}
        return {"replay": query.name, **times, **said}

    def _came(self) -> dict[str, object]:
        """What it came to."""
        progress = self._progress
        return {
            "state": progress.state.value,
            "reason": progress.reason,
            "looked": progress.looked,
            "replayed": progress.replayed,
            "unreadable": progress.unreadable,
            "targets": dict(progress.targets),
        }

    def _end(self, state: ReplayState, reason: str) -> None:
        self._progress.state, self._progress.reason = state, reason
        self._progress.ended = self._ground.clock.now()

    async def _replay(self) -> None:
        since, until = self._query.since.timestamp(), self._until.timestamp()
        in_time = within(since, until)
        group: list[Record] = []
        reached, after = since, self._query.after

        def missed(received: float) -> None:
            self._progress.unreadable += in_time(received)

        async for stored in self._ground.store.scan(*self._span, missed):
            self._progress.looked += 1
            received = stored.record.received
            if in_time(received) and (record := self._again(stored)) is not None:
                group.append(record)
            reached, after = min(max(received, since), until), stored.sequence
            if len(group) >= self._size():
                await self._store(group, reached, after)
                group = []
            if self._progress.looked % SLICE == 0:
                if not group:
                    self._progress.reached, self._progress.after = reached, after
                await anyio.sleep(BREATH)
            if self._most is not None and self._progress.replayed + len(group) >= self._most:
                break
        else:
            await self._store(group, until, after)
            if self._ground.most is not None and self._progress.replayed > self._ground.most:
                self._end(ReplayState.DONE, self._bound)
            return
        await self._store(group, reached, after)
        self._end(ReplayState.STOPPED, self._bound)

    @property
    def _bound(self) -> str:
        """What is to be said where there are more events than it may store."""
        return f"without a running router, {self._ground.most} events go at a time"

    @property
    def _most(self) -> int | None:
        """How many events it may store; None where there is no bound."""
        return None if self._query.dry else self._ground.most

    def _size(self) -> int:
        """How many events go together: what goes in a tenth of a second, where there is a rate."""
        rate = self._query.rate
        return GROUP if rate is None else max(1, min(GROUP, int(rate / 10)))

    def _again(self, stored: Stored) -> Record | None:
        """The new record of an archived one; None if nobody wants it, or it is of a replay itself.

        What the router said itself (checkpoints, notices, quarantine) asked no rule, and asks none now.
        """
        record = stored.record
        if any(note.startswith(MARK) for note in record.notes) or not self._type(record.event.type):
            return None
        if record.routes and not any(route.rules for route in record.routes):
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

    async def _store(self, records: Sequence[Record], reached: float, after: int | None) -> None:
        """Store a group when there is room for it, or only count it; then wait as the rate demands."""
        progress, clock = self._progress, self._ground.clock
        wanted = Counter(route.target for record in records for route in record.routes)
        if records and not self._query.dry:
            while (reason := await self._obstacle(wanted)) or (reason := await self._append(records)):
                progress.state, progress.reason = ReplayState.WAITING, reason
                await clock.sleep_until(clock.now() + PAUSE)
            progress.state, progress.reason = ReplayState.RUNNING, ""
        progress.replayed += len(records)
        progress.targets += wanted
        progress.reached, progress.after = reached, after
        if self._query.dry:
            for record in records:
                progress.rules.update({rule for route in record.routes for rule in route.rules})
        elif self._query.rate is not None:
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
