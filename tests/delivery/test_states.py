"""The table of states: each transition is made by a real engine and a real store."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from router.config.expressions import compile_expression
from router.delivery.engine import OrderBy
from router.delivery.order import OnPoison
from router.delivery.retry import Policy
from router.delivery.states import BEGINNINGS, TRANSITIONS, Happening, ImpossibleError, after, diagram
from router.store.base import Place, State, Tally
from router.store.sqlite import SqliteStore
from router.targets.base import Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.house import House
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio

README = Path(__file__).parents[2] / "router" / "README.md"

OUTCOMES: dict[Happening, Outcome] = {
    Happening.DELIVERED: Delivered(),
    Happening.FAILED: RetryLater("busy"),
    Happening.REJECTED: Rejected("no such field"),
    Happening.EXHAUSTED: RetryLater("busy"),
}


class Held(ScriptedTarget):
    """Answers with `outcome` once it is let go."""

    def __init__(self) -> None:
        super().__init__(lambda _: self.outcome)
        self.outcome: Outcome = Delivered()
        self.go_on = anyio.Event()

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        await super().deliver(messages)
        await self.go_on.wait()
        return [self.outcome]


class Life:
    """One delivery, from state to state.

    Args:
        policy: its target's.
    """

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.clock = JumpingClock()
        self.folder = folder / "store"
        self.store = SqliteStore(self.folder, self.clock)
        self.target = Held()
        self.place = Place(0, "a")
        self._policy = policy
        self._house: House | None = None
        self._engine = AsyncExitStack()

    async def state(self) -> State:
        """As the store tells it."""
        found = {one.delivery.place: one.state for one in await self.store.of_event(self.place.sequence)}
        return found[self.place]

    async def be(self, state: State) -> None:
        """Come to a state."""
        if self.place.sequence == 0:
            (sequence,) = await self.store.append([record(1, "a")])
            self.place = Place(sequence, "a")
        match state:
            case State.IN_FLIGHT:
                await self.happen(Happening.CLAIMED)
            case State.RETRYING:
                await self.be(State.IN_FLIGHT)
                await self.happen(Happening.FAILED)
            case State.DEAD:
                await self.be(State.IN_FLIGHT)
                await self.happen(Happening.REJECTED)
            case State.CANCELLED:
                await self.store.redrive([self.place], self.clock.now(), to="b")
        assert await self.state() is state

    async def happen(self, happening: Happening) -> None:
        """Let it happen."""
        match happening:
            case Happening.CLAIMED:
                self.clock.advance(3600.0)  # whatever waits is due
                self.target = Held()
                self._house = House({"a": self.target}, self._policy, self.store, self.clock)
                await self._engine.enter_async_context(self._house.running(grace=0.01))
                await self.target.wait_for(1)
            case Happening.REDRIVEN:
                moved = await self.state() is State.CANCELLED
                place = self.place._replace(target="b") if moved else self.place
                await self.store.redrive([place], self.clock.now(), to="a")
            case Happening.CANCELLED:
                await self.store.cancel([self.place])
            case Happening.LOST | Happening.LOST_LATE:
                await self._crash(late=happening is Happening.LOST_LATE)
            case _:
                assert self._house is not None
                self.target.outcome = OUTCOMES[happening]
                self.target.go_on.set()
                await self._house.watcher.wait_for(1)
                await self._engine.aclose()

    async def _crash(self, *, late: bool) -> None:
        """The next life finds the files as they stand."""
        if late:
            while await self.store.tally() != {"a": Tally(retrying=1)}:
                self.clock.advance(1.0)
                await anyio.wait_all_tasks_blocked()
        found = self.folder.with_name("found")
        await anyio.to_thread.run_sync(shutil.copytree, self.folder, found)
        await self.close()
        self.store = SqliteStore(found, self.clock)

    async def close(self) -> None:
        await self._engine.aclose()
        await self.store.close()


@asynccontextmanager
async def life(folder: Path, policy: Policy | None = None) -> AsyncIterator[Life]:
    lived = Life(folder, policy or Policy())
    try:
        yield lived
    finally:
        await lived.close()


PARKED = (State.IN_FLIGHT, Happening.PARKED)
"""This takes an earlier event, and has a test of its own."""


@pytest.mark.parametrize(("state", "happening"), [pair for pair in TRANSITIONS if pair != PARKED])
async def test_every_transition_is_made(state: State, happening: Happening, tmp_path: Path) -> None:
    policy = Policy(attempts=1) if happening is Happening.EXHAUSTED else None
    async with life(tmp_path, policy) as one:
        await one.be(state)
        await one.happen(happening)
        assert await one.state() is after(state, happening)


async def test_what_follows_a_dead_letter_is_parked() -> None:
    target = ScriptedTarget(lambda message: Rejected("no") if message.event.id == "1" else Delivered())
    one_key = OrderBy(compile_expression("type"), OnPoison.PARK)
    async with House({"a": target}, order=one_key).running() as house:
        sequences = await house.store.append([record(1, "a"), record(2, "a")])
        await house.watcher.wait_for(1)
        (second,) = await house.store.of_event(sequences[1])
        assert second.state is State.IN_FLIGHT
        house.clock.advance(1.1)
        await house.watcher.wait_for(2)
        (second,) = await house.store.of_event(sequences[1])
        assert second.state is after(*PARKED)


async def test_what_is_moved_begins_where_it_is_moved_to(tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        await one.be(State.PENDING)
        await one.store.redrive([one.place], one.clock.now(), to="b")
        one.place = one.place._replace(target="b")
        assert BEGINNINGS[await one.state()] == "moved here from another target"


@pytest.mark.parametrize("state", [State.PENDING, State.RETRYING, State.IN_FLIGHT, State.DELIVERED])
async def test_an_operator_revives_nothing_that_is_not_dead(state: State, tmp_path: Path) -> None:
    async with life(tmp_path) as one:
        if state is State.DELIVERED:
            await one.be(State.IN_FLIGHT)
            await one.happen(Happening.DELIVERED)
        else:
            await one.be(state)
        assert await one.store.redrive([one.place], one.clock.now()) == 0
        assert await one.state() is state


IMPOSSIBLE = [pair for pair in itertools.product(State, Happening) if pair not in TRANSITIONS]


@pytest.mark.parametrize(("state", "happening"), IMPOSSIBLE)
def test_nothing_else_can_happen(state: State, happening: Happening) -> None:
    with pytest.raises(ImpossibleError, match=f"a delivery that is {state} cannot be {happening}"):
        after(state, happening)


def test_every_state_can_be_reached_and_all_but_one_can_be_left() -> None:
    assert set(BEGINNINGS) | set(TRANSITIONS.values()) == set(State)
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.DELIVERED}


def test_the_readme_shows_the_table() -> None:
    assert f"```mermaid\n{diagram()}```\n" in README.read_text(encoding="utf-8")
