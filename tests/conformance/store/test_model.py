"""Random actions, crashes among them, against the model: nothing accepted is lost or handed out twice."""

from __future__ import annotations

import asyncio
import math
import shutil
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from router.store import archive, claims, trimming
from router.store.base import Delivery, Place, Record, Route, Settlement, Standing, State, Store
from router.store.layout import remove
from router.store.ledger import Limits
from router.store.memory import MemoryStore
from router.store.settling import LAGGARD
from router.store.sqlite import SqliteStore
from tests.conformance.store.model import Model
from tests.store.support import FakeClock, attempt, claim, dead_letters, drain, record, sequences_of

T = TypeVar("T")

ROUTED = ("a", "b")
TARGETS = (*ROUTED, "c")
ROUTES = st.sampled_from([Route(target, variant) for target in ROUTED for variant in ("", "x")])
RECORDS = st.builds(lambda routes: record(*routes), st.lists(ROUTES, min_size=1, unique=True))
OUTCOMES = st.sampled_from([State.DELIVERED, State.DELIVERED, State.RETRYING, State.DEAD, State.CANCELLED])
OPEN = (State.PENDING, State.IN_FLIGHT, State.RETRYING, State.DEAD)
SECONDS = st.sampled_from([0.0, 0.25, LAGGARD, 5.0])
ENOUGH = 10**12
"""More bytes than there are."""


class StoreMachine(RuleBasedStateMachine):
    """Drives one store; each step runs to its end, several workers of a step run at once."""

    patience = math.inf

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.clock = FakeClock()
        self.model = Model(self.patience)
        self.held: dict[Place, Delivery] = {}
        self.store = self.open()

    def open(self) -> Store:
        return MemoryStore(self.clock)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(records=st.lists(RECORDS, min_size=1, max_size=6))
    def append(self, records: list[Record]) -> None:
        records = [msgspec.structs.replace(one, received=self.clock.now()) for one in records]
        self.model.appended(self.run(self.store.append(records)), records)

    # -- deliveries ---------------------------------------------------------------------------------------

    @precondition(lambda self: any(map(self.model.claimable, TARGETS)))
    @rule(data=st.data(), most=st.integers(1, 5), workers=st.integers(1, 3))
    def claim(self, data: st.DataObject, most: int, workers: int) -> None:
        lane = data.draw(st.sampled_from([name for name in TARGETS if self.model.claimable(name)]))
        if workers > 1:
            most = 1  # so that none of them waits for what another took
        self.run(self._claim(lane, most, min(workers, self.model.claimable(lane))))

    async def _claim(self, target: str, most: int, workers: int) -> None:
        async def worker() -> None:
            taken = await claim(self.store, target, most)
            self.model.claimed(taken, self.clock.now())
            self.held.update({delivery.place: delivery for delivery in taken})

        async with anyio.create_task_group() as tasks:
            for _ in range(workers):
                tasks.start_soon(worker)

    @rule(name=st.sampled_from(TARGETS), most=st.integers(1, 5))
    def claim_now(self, name: str, most: int) -> None:
        taken = self.store.claim_now(name, most)
        if taken is None:
            assert isinstance(self, SqliteMachine), "all is in memory"
            if self.model.claimable(name):
                self.run(self._claim(name, most, 1))
            return
        assert len(taken) <= most
        self.model.claimed(taken, self.clock.now())
        self.held.update({delivery.place: delivery for delivery in taken})
        assert taken or not self.model.claimable(name)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), together=st.booleans())
    def settle(self, data: st.DataObject, together: bool) -> None:
        settlements = self.outcomes(data)
        groups = [settlements] if together else [[settlement] for settlement in settlements]
        self.run(self._settle(groups))

    def outcomes(self, data: st.DataObject) -> list[Settlement]:
        outcomes = data.draw(st.dictionaries(st.sampled_from(sorted(self.held)), OUTCOMES, min_size=1))
        return [
            Settlement(
                delivery=self.held.pop(place),
                state=state,
                attempt=attempt(),
                due=self.clock.now() + data.draw(SECONDS) if state is State.RETRYING else None,
            )
            for place, state in outcomes.items()
        ]

    async def _settle(self, groups: Sequence[Sequence[Settlement]]) -> None:
        async with anyio.create_task_group() as tasks:
            for group in groups:
                tasks.start_soon(self.store.settle, group)
        for group in groups:
            self.model.settled(group, self.clock.now())

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def due(self) -> None:
        upcoming = self.run(self.store.due(self.clock.now()))
        assert upcoming == self.model.next_due(self.clock.now())

    # -- operators ----------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.certain())
    @rule(data=st.data(), to=st.sampled_from([None, *TARGETS]))
    def redrive(self, data: st.DataObject, to: str | None) -> None:
        places = data.draw(st.lists(st.sampled_from(self.model.certain()), min_size=1, max_size=5))
        count = self.run(self.store.redrive(places, self.clock.now(), to))
        assert count == self.model.redriven(places, self.clock.now(), to)

    @precondition(lambda self: self.model.certain())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        places = data.draw(st.lists(st.sampled_from(self.model.certain()), min_size=1, max_size=3))
        assert self.run(self.store.cancel(places)) == self.model.cancelled(places)

    @precondition(lambda self: self.held and self.model.certain())
    @rule(data=st.data())
    def cancel_while_others_are_settled(self, data: st.DataObject) -> None:
        flying = self.model.under_way()
        places = data.draw(st.lists(st.sampled_from(self.model.certain()), max_size=3))
        places = [place for place in places if place not in flying]
        settlements = self.outcomes(data)
        counts: list[int] = []

        async def cancel() -> None:
            counts.append(await self.store.cancel(places))

        async def both() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel)
                tasks.start_soon(self.store.settle, settlements)

        self.run(both())
        assert counts == [self.model.cancelled(places)]
        self.model.settled(settlements, self.clock.now())

    @rule(age=SECONDS, most=st.sampled_from([0, ENOUGH]))
    def trim(self, age: float, most: int) -> None:
        before = self.clock.now() - age
        count = self.run(self.store.trim(before, most))
        left = self.run(sequences_of(self.store))
        assert left == sorted(set(left))
        assert self.model.trimmed(left, before, most) == count

    @rule(
        states=st.sets(st.sampled_from(OPEN), min_size=1),
        only=st.sampled_from([None, *TARGETS]),
        most=st.integers(1, 4),
    )
    def look(self, states: set[State], only: str | None, most: int) -> None:
        found: list[Standing] = []
        while page := self.run(
            self.store.standing(states, only, found[-1].delivery.place if found else None, most)
        ):
            assert len(page) <= most
            found.extend(page)
        self.model.check_standing(found, states, only)

    @precondition(lambda self: self.model.records)
    @rule(data=st.data())
    def look_at_an_event(self, data: st.DataObject) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.model.records)))
        self.model.check_event(self.run(self.store.of_event(sequence)), sequence)
        stored = self.run(self.store.get(sequence))
        assert stored is not None
        assert stored.record == self.model.records[sequence]

    # -- the end ------------------------------------------------------------------------------------------

    @invariant()
    def tally(self) -> None:
        self.model.check(self.run(self.store.tally()))

    def teardown(self) -> None:
        try:
            self.run(self._everything_is_accounted_for())
        finally:
            self.run(self.store.close())
            self.stack.close()

    async def _everything_is_accounted_for(self) -> None:
        assert await sequences_of(self.store) == sorted(self.model.records)
        letters = await dead_letters(self.store)
        assert {letter.delivery.place for letter in letters} == self.model.places(State.DEAD)
        later = self.clock.now() + 1e6
        assert await self.store.due(later) is None
        self.model.next_due(later)
        rest = [delivery for target in TARGETS for delivery in await drain(self.store, target)]
        self.model.claimed(rest, later)
        came = {delivery.place for delivery in rest} | self.held.keys()
        assert self.model.places(State.PENDING, State.RETRYING) <= came


class SqliteMachine(StoreMachine):
    """With restarts and crashes, a segment for each append, and so little memory that lanes overflow."""

    patience = LAGGARD

    def __init__(self) -> None:
        self.folders: list[Path] = []
        super().__init__()
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(claims, "IN_MEMORY", 3)
        patch.setattr(claims, "CHUNK", 2)
        patch.setattr(archive, "BATCH", 2)
        patch.setattr(archive, "OPEN", 2)
        patch.setattr(trimming, "PORTION", 2)
        patch.setattr(trimming, "SWEEP", 0)

    def open(self) -> Store:
        if not self.folders:
            memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # this is about states, not disks
            self.folders.append(Path(self.stack.enter_context(tempfile.TemporaryDirectory(dir=memory))) / "0")

        async def opened() -> Store:
            return SqliteStore(self.folders[-1], self.clock, Limits(bytes=1))

        return self.run(opened())

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.model.closed(self.clock.now())
        self.held.clear()
        self.store = self.open()

    @rule()
    def crash(self) -> None:
        """The next life finds the files as they are now, as after SIGKILL: nobody has closed them."""
        self._go_on_with(self._as_it_is())

    @rule(most=st.sampled_from([0, ENOUGH]))
    def crash_while_a_segment_goes(self, most: int) -> None:
        """What is needed of it was copied, and it is still there."""
        found: list[Path] = []

        def kill_before_removing(path: Path) -> None:
            if not found:
                found.append(self._as_it_is())
            remove(path)

        before = self.clock.now()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trimming, "remove", kill_before_removing)
            self.run(self.store.trim(before, most))
        self._go_on_with(found[0] if found else self._as_it_is())
        left = self.run(sequences_of(self.store))
        assert left == sorted(set(left))
        self.model.trimmed(left, before, most)

    def _as_it_is(self) -> Path:
        left = self.folders[-1]
        return Path(shutil.copytree(left, left.with_name(str(len(self.folders)))))

    def _go_on_with(self, found: Path) -> None:
        self.run(self.store.close())
        self.folders.append(found)
        self.model.crashed()
        self.held.clear()
        self.store = self.open()


TestMemory = StoreMachine.TestCase
TestSqlite = SqliteMachine.TestCase
TestMemory.settings = settings(max_examples=100, deadline=None)
TestSqlite.settings = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # A step takes milliseconds of disk, so that shrinking would take minutes: a failure shows its seed.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
