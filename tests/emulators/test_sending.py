from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import anyio
import anyio.lowlevel
import pytest

from router.emulators.alibaba import Alibaba
from router.emulators.baidu import Baidu
from router.emulators.request import Cloud
from router.emulators.schedule import EXPONENTIAL, Then
from router.emulators.sending import Attempt, Surroundings, send_all
from router.emulators.tencent import Tencent
from router.samples import Sample
from router.targets.sender import open_sender
from tests.receiver import DROP, Answer, Receiver

pytestmark = pytest.mark.anyio


class Hasty:
    """A clock on which every sleep is over at once.

    Attributes:
        slept: for how many seconds, each time.
    """

    def __init__(self) -> None:
        self._now = 1_800_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    async def sleep_until(self, when: float) -> None:
        self.slept.append(when - self._now)
        self._now = max(self._now, when)
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def around(
    clock: Hasty, told: list[Attempt], speed: float = 1.0, patience: float = 5.0
) -> AsyncIterator[Surroundings]:
    async with open_sender("tests") as sender:
        yield Surroundings(sender, clock, Random(1), told.append, speed, patience)


def events(*names: str) -> Sequence[Sample]:
    return [Sample(name, f"/{name}", "application/json; charset=utf-8", name.encode()) for name in names]


async def sent(
    cloud: Cloud, receiver: Receiver, *answers: Answer, speed: float = 1.0
) -> tuple[int, list[Attempt], list[float]]:
    """One event to a receiver that answers like this, then with 200."""
    receiver.script(*answers)
    clock, told = Hasty(), list[Attempt]()
    async with around(clock, told, speed) as surroundings:
        lost = await send_all(cloud, receiver.url, events("one"), surroundings)
    return lost, told, clock.slept


async def test_a_request_is_what_the_cloud_would_send(receiver: Receiver) -> None:
    lost, told, slept = await sent(Baidu(), receiver)
    (request,) = receiver.requests
    assert (request.method, request.target, request.body) == ("POST", "/one", b"one")
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert (lost, slept) == (0, [])
    assert [(one.status, one.then, one.attempt, one.said) for one in told] == [(200, Then.TAKEN, 1, "")]


@pytest.mark.parametrize("cloud", [Baidu(), Alibaba(EXPONENTIAL)], ids=lambda cloud: cloud.name)
@pytest.mark.parametrize(
    "answer", [Answer(202), Answer(204), Answer(302), Answer(400), Answer(503), DROP], ids=str
)
async def test_anything_but_200_is_sent_again(cloud: Cloud, answer: Answer, receiver: Receiver) -> None:
    lost, told, slept = await sent(cloud, receiver, answer, answer)
    assert lost == 0
    assert [one.then for one in told] == [Then.AGAIN, Then.AGAIN, Then.TAKEN]
    assert [one.attempt for one in told] == [1, 2, 3]
    assert slept == [1, 2]
    assert len(receiver.requests) == 3


async def test_baidu_waits_as_a_429_says(receiver: Receiver) -> None:
    busy = Answer(429, {"retry-after": "37"}, b'{"error": "later"}')
    lost, told, slept = await sent(Baidu(), receiver, busy, Answer(503, {"retry-after": "37"}))
    assert (lost, slept) == (0, [37, 1])
    assert told[0].said == '{"error": "later"}'


async def test_eventbridge_gives_up_after_three_further_tries(receiver: Receiver) -> None:
    lost, told, slept = await sent(Alibaba(), receiver, *[Answer(500)] * 4)
    assert lost == 1
    assert [one.then for one in told] == [Then.AGAIN] * 3 + [Then.LOST]
    assert len(slept) == 3
    assert all(10 <= pause <= 20 for pause in slept)


@pytest.mark.parametrize("answer", [Answer(503), Answer(204), DROP], ids=str)
async def test_tencent_does_not_come_again(answer: Answer, receiver: Receiver) -> None:
    lost, told, slept = await sent(Tencent(), receiver, answer)
    assert (lost, slept) == (1, [])
    assert [one.then for one in told] == [Then.LOST]


async def test_speed_divides_the_pauses_that_are_slept_and_not_those_that_are_told(
    receiver: Receiver,
) -> None:
    _, told, slept = await sent(Baidu(), receiver, Answer(500), Answer(500), speed=100)
    assert [one.pause for one in told] == [1, 2, 0]
    assert slept == pytest.approx([0.01, 0.02], rel=1e-4)


async def test_silence_is_no_answer(receiver: Receiver) -> None:
    gate = receiver.gate()
    receiver.script(Answer(gate=gate))
    told: list[Attempt] = []
    async with around(Hasty(), told, patience=0.2) as surroundings:
        assert await send_all(Tencent(), receiver.url, events("one"), surroundings) == 1
    gate.open()
    (attempt,) = told
    assert attempt.status is None
    assert attempt.said == f"no answer from 127.0.0.1:{receiver.port} within 0.2 s"


async def test_who_waits_for_a_further_try_holds_up_nobody(receiver: Receiver) -> None:
    class Never(Hasty):
        async def sleep_until(self, when: float) -> None:
            await anyio.sleep_forever()

    names = [str(number) for number in range(20)]
    receiver.decide = lambda request: Answer(500 if int(request.target[1:]) < 10 else 200)
    told: list[Attempt] = []
    async with around(Never(), told) as surroundings, anyio.create_task_group() as group:
        group.start_soon(send_all, Baidu(), receiver.url, events(*names), surroundings)
        await receiver.arrived(20)
        group.cancel_scope.cancel()


async def test_a_few_are_under_way_at_a_time_in_their_order(receiver: Receiver) -> None:
    made = 0

    def thirty() -> Iterator[Sample]:
        nonlocal made
        for made in range(1, 31):
            yield from events(str(made))

    gate = receiver.gate()
    receiver.decide = lambda _: Answer(gate=gate)
    told: list[Attempt] = []
    async with around(Hasty(), told) as surroundings, anyio.create_task_group() as group:
        group.start_soon(send_all, Baidu(), receiver.url, thirty(), surroundings)
        first = await receiver.arrived(4)
        assert {request.target for request in first} == {"/1", "/2", "/3", "/4"}
        assert made == 5  # events are made only as they are sent
        gate.open()
    assert {request.target for request in receiver.requests} == {f"/{number}" for number in range(1, 31)}
    assert len(told) == 30


async def test_what_is_lost_while_others_are_under_way_is_counted(receiver: Receiver) -> None:
    gate = receiver.gate()
    receiver.decide = lambda request: Answer(200, gate=gate) if request.target == "/kept" else Answer(503)
    told: list[Attempt] = []

    async def open_later() -> None:
        while len(told) < 3:
            await anyio.lowlevel.checkpoint()
        gate.open()

    async with around(Hasty(), told) as surroundings, anyio.create_task_group() as group:
        group.start_soon(open_later)
        assert await send_all(Tencent(), receiver.url, events("kept", "1", "2", "3"), surroundings) == 3


async def test_what_cannot_be_said_in_http_is_no_answer() -> None:
    told: list[Attempt] = []
    async with around(Hasty(), told) as surroundings:
        assert await send_all(Tencent(), "http://127.0.0.1:70000", events("one"), surroundings) == 1
    assert told[0].status is None
    assert told[0].said


async def test_a_token_goes_along(receiver: Receiver) -> None:
    await sent(Tencent("s3cret"), receiver)
    assert receiver.requests[0].target == "/one?token=s3cret"
