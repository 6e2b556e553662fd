"""When a target is tried: the breaker, the rate, pauses, and targets that change while the engine runs."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from router.delivery.breaker import Breaker, Mode
from router.delivery.engine import Way
from router.delivery.retry import Policy
from router.store.base import Delivery, Place, State
from router.store.memory import MemoryStore
from router.store.sqlite import SqliteStore
from router.targets.base import Body, Cause, Delivered, Outcome, Rejected, RetryLater
from tests.delivery.clock import JumpingClock
from tests.delivery.crews import Gated, Switch, condition, settle_down
from tests.delivery.house import POLICY, House, transformed
from tests.support import ScriptedTarget, record

pytestmark = pytest.mark.anyio

EXPIRED = RetryLater("expired", 401, cause=Cause.MISDIRECTED)
HOUR = 3600.0


class TestBreaker:
    async def test_one_expired_token_costs_a_backlog_one_attempt_a_probe(self) -> None:
        target = Switch(EXPIRED, concurrency=8)
        async with House({"a": target}, Policy(first=8.0, most=60.0)).running() as house:
            await house.store.append([record(number, "a") for number in range(100)])
            await house.watcher.wait_for(1)
            await settle_down()
            assert len(target.seen) <= 8
            for wait in (8.0, 16.0, 32.0, 60.0):
                opened = condition(house)
                assert (opened.mode, opened.until) == (Mode.OPEN, house.clock.now() + wait)
                seen = len(target.seen)
                house.clock.advance(wait - 0.1)
                await settle_down()
                assert len(target.seen) == seen
                house.clock.advance(0.1)
                await settle_down()
                assert len(target.seen) == seen + 1
            target.outcome = Delivered()
            failed = len(target.seen)
            house.clock.advance(60.0)
            await settle_down()
            assert condition(house).mode is Mode.CLOSED
            house.clock.advance(60.0)
            settlements = await house.watcher.wait_for(failed + 100)
        assert [s.state for s in settlements].count(State.DELIVERED) == 100
        assert [s.state for s in settlements].count(State.RETRYING) == failed

    async def test_while_it_is_open_news_waits_and_costs_no_attempt(self) -> None:
        target = Switch(EXPIRED)
        async with House({"a": target, "b": ScriptedTarget()}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            await settle_down()
            await house.store.append([record(number, "a", "b") for number in range(2, 20)])
            await house.watcher.wait_for(1 + 18)
            assert len(target.seen) == 1
            target.outcome = Delivered()
            house.clock.advance(8.0)
            await house.watcher.wait_for(1 + 18 + 19)
        assert [message.attempt for message in target.seen if message.event.id != "1"] == [1] * 18

    async def test_a_worker_that_waits_for_work_does_not_take_any_when_it_opens(self) -> None:
        """Its claim was under way before."""
        slow = Gated(concurrency=2)
        slow.decide = lambda _: EXPIRED
        async with House({"a": slow}).running() as house:
            await house.store.append([record(1, "a")])
            await slow.wait_for(1)
            slow.go_on.set()
            await house.watcher.wait_for(1)
            await house.store.append([record(2, "a")])
            await settle_down()
        assert len(slow.seen) == 1

    async def test_half_open_one_at_a_time_is_tried(self) -> None:
        target = Gated(concurrency=8)
        target.decide = lambda _: EXPIRED
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await target.wait_for(1)
            target.go_on.set()
            await house.watcher.wait_for(1)
            target.go_on = anyio.Event()
            target.decide = lambda _: Delivered()
            await house.store.append([record(number, "a") for number in range(2, 30)])
            house.clock.advance(8.0)
            await target.wait_for(2)
            await settle_down()
            assert len(target.seen) == 2
            assert condition(house).mode is Mode.HALF_OPEN
            target.go_on.set()
            await house.watcher.wait_for(1 + 29)
            assert condition(house).mode is Mode.CLOSED

    async def test_half_open_with_nothing_to_do_many_that_come_are_not_all_probes(self) -> None:
        target = Gated(concurrency=8)
        target.decide = lambda _: EXPIRED
        async with House({"a": target}, Policy(first=8.0, most=60.0)).running() as house:
            (sequence,) = await house.store.append([record(1, "a")])
            await target.wait_for(1)
            target.go_on.set()
            await house.watcher.wait_for(1)
            await house.store.cancel([Place(sequence, "a")])
            target.go_on = anyio.Event()
            house.clock.advance(8.0)
            await settle_down()
            assert condition(house).mode is Mode.HALF_OPEN
            await house.store.append([record(number, "a") for number in range(2, 30)])
            await settle_down()
            assert len(target.seen) == 2

    async def test_half_open_a_batch_is_of_one(self) -> None:
        target = Switch(EXPIRED, batch=10)
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(30)])
            await house.watcher.wait_for(10)
            house.clock.advance(8.0)
            await house.watcher.wait_for(11)
            await settle_down()
            assert len(target.seen) == 11

    async def test_a_probe_whose_body_cannot_be_made_is_no_answer(self) -> None:
        async def broken(delivery: Delivery) -> Body | None:
            await settle_down()  # the others wait for this probe
            if delivery.event.id == "1":
                raise ZeroDivisionError
            return None

        target = Switch(EXPIRED, concurrency=3)
        async with House({"a": target}).running() as house:
            await house.store.append([transformed(1, "a")])
            await house.watcher.wait_for(1)
            house.render = broken
            target.outcome = Delivered()
            house.clock.advance(8.0)
            await house.watcher.wait_for(2)
            assert condition(house).mode is Mode.HALF_OPEN
            await house.store.append([record(2, "a")])
            await house.watcher.wait_for(3)
        assert house.watcher.settlements[-1].delivery.event.id == "2"

    async def test_a_target_that_refuses_an_event_works(self) -> None:
        target = Switch(EXPIRED)
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            target.outcome = Rejected("422")
            house.clock.advance(8.0)
            await house.watcher.wait_for(2)
            assert condition(house) == Breaker(since=house.clock.now())

    async def test_being_asked_for_a_pause_stops_the_whole_target(self) -> None:
        target = Switch(RetryLater("slow down", 429, after=300.0, cause=Cause.THROTTLED))
        async with House({"a": target}).running() as house:
            await house.store.append([record(number, "a") for number in range(10)])
            await house.watcher.wait_for(1)
            await settle_down()
            assert condition(house).until == house.clock.now() + 300.0
            target.outcome = Delivered()
            house.clock.advance(299.0)
            await settle_down()
            assert len(target.seen) == 1
            house.clock.advance(1.0)
            await house.watcher.wait_for(11)

    async def test_after_failures_in_a_row_it_is_left_alone(self) -> None:
        target = Switch(RetryLater("refused"), concurrency=2)
        policy = Policy(first=0.5, most=60.0)
        async with House({"a": target}, policy).running() as house:
            await house.store.append([record(1, "a")])
            while condition(house).mode is not Mode.OPEN:
                await settle_down()
                house.clock.advance(1.0)
            assert len(target.seen) == 5
            assert condition(house).reason == "refused"


class TestReload:
    async def test_a_new_target_gets_what_waited_for_its_name(self) -> None:
        async with House({}).running() as house:
            await house.store.append([record(1, "new")])
            target = ScriptedTarget()
            await house.engine.reload({"new": Way(target, POLICY, 1)})
            await house.watcher.wait_for(1)
        assert len(target.seen) == 1

    async def test_a_target_that_changed_ends_what_it_has_and_the_rest_goes_to_the_new_one(self) -> None:
        old, new = Gated(concurrency=2), ScriptedTarget(concurrency=3)
        async with House({"a": old}).running() as house:
            await house.store.append([record(number, "a") for number in range(20)])
            await old.wait_for(2)
            reloaded = anyio.Event()

            async def reload() -> None:
                await house.engine.reload({"a": Way(new, POLICY, 3)})
                reloaded.set()

            async with anyio.create_task_group() as group:
                group.start_soon(reload)
                await new.wait_for(18)
                await settle_down()
                assert not reloaded.is_set()  # the old one is in use
                old.go_on.set()
            settlements = await house.watcher.wait_for(20)
        assert {s.state for s in settlements} == {State.DELIVERED}
        assert len({s.delivery.id for s in settlements}) == 20
        assert (len(old.seen), len(new.seen)) == (2, 18)

    async def test_when_it_is_done_it_is_written_what_became_of_the_old_ones_deliveries(
        self, tmp_path: Path
    ) -> None:
        clock = JumpingClock()
        store = SqliteStore(tmp_path, clock)
        target = Gated(concurrency=4)
        target.decide = lambda _: Rejected("422")
        async with House({"a": target}, store=store, clock=clock).running() as house:
            await store.append([record(number, "a") for number in range(4)])
            await target.wait_for(4)
            target.go_on.set()
            await house.engine.reload({})
            assert len(await store.standing([State.DEAD])) == 4
        await store.close()

    async def test_what_is_removed_keeps_its_backlog_in_the_store(self) -> None:
        target = Gated()
        async with House({"a": target, "b": ScriptedTarget()}).running() as house:
            await house.store.append([record(number, "a", "b") for number in range(5)])
            await target.wait_for(1)
            target.go_on.set()
            b = house.ways["b"]
            await house.engine.reload({"b": b})
            seen = len(target.seen)
            await house.store.append([record(9, "a", "b")])
            await house.watcher.wait_for(seen + 6)
            assert list(house.engine.conditions()) == ["b"]
            assert len(target.seen) == seen
            assert (await house.store.tally())["a"].pending == 6 - seen

    async def test_a_target_that_is_as_it_was_goes_on(self) -> None:
        target = Switch(EXPIRED)
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            await house.engine.reload(dict(house.ways))
            assert condition(house).mode is Mode.OPEN
            await house.engine.reload({"a": Way(target, Policy(first=1.0), 1)})
            assert condition(house).mode is Mode.CLOSED  # somebody has mended something

    async def test_what_was_loaded_runs_until_the_engine_stops_and_no_longer(self) -> None:
        target = ScriptedTarget()
        house = House({})
        await house.engine.reload({"a": Way(ScriptedTarget(), POLICY, 1)})  # before it runs
        async with house.running():
            await house.engine.reload({"a": Way(target, POLICY, 1)})
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            house.engine.stop()
            await house.engine.reload({"a": Way(target, POLICY, 2)})
            await house.store.append([record(2, "a")])
            await settle_down()
        await house.engine.reload({})
        assert len(target.seen) == 1


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
class TestTheClockIsSet:
    async def test_a_retry_comes_when_it_is_due(self, jump: float) -> None:
        answers: list[Outcome] = [RetryLater("busy"), Delivered()]
        target = ScriptedTarget(lambda _: answers.pop(0))
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            await settle_down()
            house.clock.jump(jump)
            house.clock.advance(3.8)
            await settle_down()
            assert len(target.seen) == 1
            house.clock.advance(0.3)
            *_, last = await house.watcher.wait_for(2)
        assert last.state is State.DELIVERED

    async def test_nothing_is_given_up_early_nor_late(self, jump: float) -> None:
        target = Switch(RetryLater("busy"))
        policy = Policy(attempts=1000, within=1800.0, first=10.0, most=60.0)
        async with House({"a": target}, policy).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            house.clock.jump(jump)
            began = house.clock.steady()
            while (await house.store.tally())["a"].dead == 0:
                house.clock.advance(5.0)
                await settle_down()
            assert 0.98 * 1800 <= house.clock.steady() - began <= 1.02 * 1800 + 60

    async def test_a_probe_comes_when_it_is_due(self, jump: float) -> None:
        target = Switch(EXPIRED)
        async with House({"a": target}).running() as house:
            await house.store.append([record(1, "a")])
            await house.watcher.wait_for(1)
            await settle_down()
            house.clock.jump(jump)
            target.outcome = Delivered()
            house.clock.advance(7.8)
            await settle_down()
            assert len(target.seen) == 1
            house.clock.advance(0.4)
            await house.watcher.wait_for(2)

    async def test_a_rate_stays_what_it_is(self, jump: float) -> None:
        target = ScriptedTarget(concurrency=4)
        house = House({"a": target}, rate=10.0)
        await house.store.append([record(number, "a") for number in range(500)])
        async with house.running():
            await settle_down()
            house.clock.jump(jump)
            for _ in range(100):
                house.clock.advance(0.01)
                await settle_down()
        assert len(target.seen) == pytest.approx(12, abs=1)

    async def test_what_an_earlier_life_left_does_not_wait_for_the_clock(self, jump: float) -> None:
        clock = JumpingClock()
        store = MemoryStore(clock)
        target = Switch(RetryLater("busy"))
        async with House({"a": target}, store=store, clock=clock).running() as house:
            await store.append([record(1, "a")])
            await house.watcher.wait_for(1)
        clock.jump(jump)
        target.outcome = Delivered()
        async with House({"a": target}, store=store, clock=clock).running() as house:
            await settle_down()
            clock.advance(3.8)
            await settle_down()
            assert len(target.seen) == (2 if jump > 0 else 1)  # nobody knows for how long it was down
            clock.advance(0.3)
            await house.watcher.wait_for(1)
        assert len(target.seen) == 2
