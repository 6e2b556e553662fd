"""One target's deliveries in memory."""

from __future__ import annotations

import anyio
import pytest
from anyio.abc import TaskGroup

from router.store.base import Delivery, Route, delivery_of
from router.store.lane import Lane
from tests.store.support import record


def lane_of(*sequences: int) -> Lane:
    """A lane whose first tries are all in memory."""
    lane = Lane()
    lane.ready.extend(first_try(sequence) for sequence in sequences)
    lane.pending = len(sequences)
    return lane


def first_try(sequence: int, variant: str = "") -> Delivery:
    return delivery_of(sequence, Route("a", variant), record("a"))


class TestWatermark:
    def test_an_idle_lane_has_settled_everything(self) -> None:
        assert Lane().watermark(9, besides=set()) == 9

    def test_what_is_ready_holds_it(self) -> None:
        assert lane_of(5, 6).watermark(9, besides=set()) == 4

    def test_what_is_under_way_holds_it(self) -> None:
        lane = lane_of(5, 6)
        lane.take(2, now=0)
        assert lane.watermark(9, besides=set()) == 4

    def test_what_is_about_to_be_written_does_not(self) -> None:
        lane = lane_of(5, 7)
        lane.take(2, now=0)
        assert lane.watermark(9, besides={(5, "")}) == 6
        assert lane.watermark(9, besides={(7, "")}) == 4
        assert lane.watermark(9, besides={(5, ""), (7, "")}) == 9

    def test_what_stands_on_disk_only_holds_it(self) -> None:
        lane = Lane()
        lane.unread = 8
        assert lane.watermark(9, besides=set()) == 7

    def test_the_lowest_of_all_counts(self) -> None:
        lane = lane_of(3, 5)
        lane.unread = 8
        lane.take(1, now=0)
        assert lane.watermark(9, besides=set()) == 2
        assert lane.watermark(9, besides={(3, "")}) == 4

    def test_one_body_of_two_holds_the_whole_sequence(self) -> None:
        lane = Lane()
        lane.ready.extend([first_try(5, "x"), first_try(5, "y")])
        lane.take(1, now=0)
        assert lane.watermark(9, besides={(5, "x")}) == 4

    def test_retries_do_not_hold_it(self) -> None:
        lane = Lane()
        lane.again[5, ""] = 0.0
        assert lane.watermark(9, besides=set()) == 9


class TestWithholding:
    def test_what_is_withheld_cannot_be_claimed_and_holds_the_watermark(self) -> None:
        lane = lane_of(5, 6, 7)
        lane.withhold({(5, ""), (7, ""), (9, "")})
        assert [delivery.sequence for delivery in lane.take(10, now=0)] == [6]
        assert lane.watermark(9, besides={(6, "")}) == 4
        assert lane.pending == 3

    def test_what_is_decided_is_no_first_try_any_more(self) -> None:
        lane = lane_of(5, 6)
        lane.withhold({(5, "")})
        lane.decided({(5, "")})
        assert (lane.pending, lane.watermark(9, besides=set())) == (1, 5)

    def test_what_is_let_go_again_is_where_it_was(self) -> None:
        lane = lane_of(5, 6, 7)
        lane.withhold({(6, "")})
        news = lane.news
        lane.decided(())
        assert lane.news > news
        assert [delivery.sequence for delivery in lane.take(10, now=0)] == [5, 6, 7]
        assert lane.pending == 3

    def test_bytes_are_counted_for_what_can_be_claimed(self) -> None:
        lane = Lane()
        for sequence in (1, 2):
            lane.put(first_try(sequence))
        lane.withhold({(1, "")})
        assert lane.bytes == len(b"{}")
        lane.decided(())
        assert lane.bytes == 2 * len(b"{}")

    def test_what_stands_only_on_disk_is_decided_too(self) -> None:
        lane = lane_of(1)
        lane.pending, lane.unread = 3, 2
        lane.withhold({(2, "")})
        lane.decided({(2, "")})
        assert (lane.pending, lane.unread, len(lane.ready)) == (2, 2, 1)


class TestSlow:
    def test_from_the_limit_on(self) -> None:
        lane = lane_of(1, 2, 3)
        for now in (10.0, 11.0, 12.0):
            lane.take(1, now=now)
        assert lane.slow(since=11.0, now=12.0) == {(1, ""), (2, "")}

    def test_a_clock_that_was_set_back_makes_it_slow(self) -> None:
        lane = lane_of(1)
        lane.take(1, now=3_600.0)
        assert lane.slow(since=-1.0, now=0.0) == {(1, "")}

    def test_no_patience_means_all(self) -> None:
        lane = lane_of(1, 2)
        lane.take(2, now=5.0)
        assert lane.slow(since=5.0, now=5.0) == {(1, ""), (2, "")}


class TestSettled:
    def test_a_first_try_is_pending_no_more(self) -> None:
        lane = lane_of(1, 2)
        lane.take(2, now=0)
        lane.settled({(1, "")}, slow=set(), early=set(), mark=1)
        assert (lane.pending, lane.under_way()) == (1, {(2, ""): 0})

    def test_a_slow_one_stays_under_way_as_an_exception(self) -> None:
        lane = lane_of(1)
        lane.take(1, now=0)
        lane.settled(set(), slow={(1, "")}, early=set(), mark=9)
        assert (lane.pending, lane.claimed, lane.under_way()) == (0, {}, {(1, ""): 0})
        lane.settled({(1, "")}, slow=set(), early=set(), mark=9)
        assert (lane.pending, lane.under_way()) == (0, {})

    def test_early_ones_are_kept_until_the_watermark_passes_them(self) -> None:
        lane = Lane()
        lane.again.update({(5, ""): 0.0, (8, ""): 0.0})
        lane.settled({(5, ""), (8, "")}, slow=set(), early={(5, ""), (8, "")}, mark=4)
        assert lane.early == {(5, ""), (8, "")}
        lane.settled(set(), slow=set(), early=set(), mark=5)
        assert lane.early == {(8, "")}


class TestWaiting:
    pytestmark = pytest.mark.anyio

    @staticmethod
    async def waiting(lane: Lane, group: TaskGroup, count: int, most: int = 1) -> list[int]:
        """So many who wait for news; the list grows by each that is woken."""
        woken: list[int] = []

        async def wait(number: int) -> None:
            await lane.newer(lane.news, most)
            woken.append(number)

        for number in range(count):
            group.start_soon(wait, number)
        await anyio.wait_all_tasks_blocked()
        return woken

    async def test_one_piece_of_news_wakes_one_and_the_last_who_came(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            woken = await self.waiting(lane, group, 3)
            lane.notify()
            await anyio.wait_all_tasks_blocked()
            assert woken == [2]
            lane.notify()
            lane.notify()
        assert woken == [2, 1, 0]

    async def test_as_many_are_woken_as_it_takes(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            woken = await self.waiting(lane, group, 5, most=10)
            lane.notify(11)
            await anyio.wait_all_tasks_blocked()
            assert sorted(woken) == [3, 4]
            lane.notify(100)
        assert len(woken) == 5

    async def test_all_can_be_roused(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            woken = await self.waiting(lane, group, 3, most=7)
            gone = lane.wait(1)
            gone.cancel()
            lane.rouse()
        assert sorted(woken) == [0, 1, 2]

    async def test_who_has_gone_uses_up_no_news(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            woken = await self.waiting(lane, group, 1)
            gone = lane.wait(1)
            gone.cancel()
            lane.notify()
        assert woken == [0]

    async def test_news_from_while_somebody_looked_is_not_missed(self) -> None:
        lane = Lane()
        seen = lane.news
        lane.notify()
        with anyio.fail_after(1):
            await lane.newer(seen, 1)

    async def test_whoever_leaves_before_his_turn_takes_nobody_elses(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            async with anyio.create_task_group() as inner:
                await self.waiting(lane, inner, 1)
                woken = await self.waiting(lane, group, 1)
                inner.cancel_scope.cancel()
            lane.notify()
        assert woken == [0]

    async def test_what_somebody_leaves_is_the_next_ones(self) -> None:
        lane = Lane()
        async with anyio.create_task_group() as group:
            woken = await self.waiting(lane, group, 2)
            lane.ready.extend(first_try(sequence) for sequence in (1, 2))
            lane.pass_on()
        assert len(woken) == 2
