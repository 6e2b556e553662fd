"""One attempt: what a target says of a group is said of each of its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.delivery.attempt import Attempts, Tried
from router.delivery.retry import Policy
from router.store.base import Attempt, Delivery, Route, State, delivery_of
from router.targets.base import Body, Cause, Delivered, Message, Outcome, Rejected, RetryLater
from tests.delivery.house import POLICY, as_it_is
from tests.support import HandClock, ScriptedTarget, record

OUTCOMES: Sequence[Outcome] = (
    Delivered(),
    Delivered(202, b"taken"),
    Delivered(200, b"\xff" * 2_000),
    Rejected("no such field", 400, b"no"),
    RetryLater("answered 503", 503, b"busy", 20.0),
    RetryLater("\udcff is no character", cause=Cause.MISDIRECTED),
)
ODD = (None, True, "done", Delivered, Delivered("204"), Delivered(204, "taken"), RetryLater(503))  # type: ignore[arg-type]


class Saying(ScriptedTarget):
    """A target that says this of a group, whatever it is."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        self._said = said

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        await super().deliver(messages)
        found: Sequence[Outcome] = self._said
        return found


def deliveries(count: int, history: Sequence[Attempt] = ()) -> list[Delivery]:
    found = [delivery_of(number, Route("a"), record(number)) for number in range(count)]
    return [msgspec.structs.replace(one, attempts=tuple(history)) for one in found]


def tried(said: Any, sent: Sequence[Delivery], policy: Policy = POLICY, *, lasting: bool = False) -> Tried:
    attempts = Attempts(as_it_is, HandClock(), chance=lambda: 0.5)

    async def make() -> Tried:
        return await attempts.make(Saying(said), policy, sent, lasting=lasting)

    return anyio.run(make)


class TestGroups:
    @given(said=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=8), lasting=st.booleans())
    def test_outcomes_that_many_share_mean_the_same_as_those_of_their_own(
        self, said: list[Outcome], lasting: bool
    ) -> None:
        sent = deliveries(len(said))
        together = tried(said, sent, lasting=lasting)
        alone = [
            tried([msgspec.structs.replace(said[at])], sent[at : at + 1], lasting=lasting)
            for at in range(len(said))
        ]
        assert together.settlements == [one for each in alone for one in each.settlements]
        assert list(together.outcomes) == said

    def test_those_that_are_tried_for_the_last_time_say_so_each_by_its_own_count(self) -> None:
        failed = Attempt(1_799_999_999.0, 0.1, 503, "answered 503")
        sent = [*deliveries(1), *deliveries(1, [failed]), *deliveries(1, [failed] * 2)]
        found = tried([OUTCOMES[4]] * 3, sent).settlements
        assert [one.state for one in found] == [State.RETRYING, State.RETRYING, State.DEAD]
        assert found[-1].attempt is not None
        assert found[-1].attempt.error == "answered 503; gave up after 3 attempts"


def test_nobody_is_asked_for_the_body_of_an_event_as_it_is() -> None:
    async def never(_: Delivery) -> Body | None:
        raise AssertionError

    async def make() -> Tried:
        attempts = Attempts(never, HandClock(), chance=lambda: 0.5)
        return await attempts.make(ScriptedTarget(), POLICY, deliveries(2))

    assert [one.state for one in anyio.run(make).settlements] == [State.DELIVERED] * 2


class TestOdd:
    @pytest.mark.parametrize("odd", ODD, ids=repr)
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_an_odd_outcome_anywhere_has_all_tried_again(self, odd: Any, place: int) -> None:
        said: list[Any] = [OUTCOMES[1]] * 3
        said[place] = odd
        found = tried(said, deliveries(3))
        assert [one.state for one in found.settlements] == [State.RETRYING] * 3
        errors = {one.attempt.error or "" for one in found.settlements if one.attempt is not None}
        (error,) = errors
        assert error.startswith("the target's code failed: TypeError: an outcome for each of 3 messages")

    @pytest.mark.parametrize("odd", ODD, ids=repr)
    def test_so_has_one_that_many_share(self, odd: Any) -> None:
        found = tried([odd] * 3, deliveries(3))
        assert [one.state for one in found.settlements] == [State.RETRYING] * 3

    @pytest.mark.parametrize("count", [0, 2, 4])
    def test_so_have_too_few_and_too_many(self, count: int) -> None:
        found = tried([OUTCOMES[0]] * count, deliveries(3))
        assert [one.state for one in found.settlements] == [State.RETRYING] * 3
