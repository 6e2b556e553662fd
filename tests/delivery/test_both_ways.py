"""Real HTTP deliveries, begun or waited for: whatever the receiver does, the same becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import pytest

from router.delivery.breaker import Breaker
from router.events import Event
from router.store.base import Record, Settlement, State, Tally
from router.targets.base import Message, Outcome, Prompt
from tests.delivery.crews import condition
from tests.delivery.house import House
from tests.receiver import DROP, RESET, Answer, Receiver
from tests.support import record
from tests.targets.clock import StandingClock
from tests.targets.sending import NOW, message, opened

pytestmark = pytest.mark.anyio


class Counted:
    """An HTTP target; it may have to do without `begin`.

    Attributes:
        begun: how many were begun.
        asked: how many `deliver` was asked for.
    """

    batch = 1
    concurrency = 1

    def __init__(self, target: Any, *, is_prompt: bool) -> None:
        assert isinstance(target, Prompt)
        assert target.is_prompt
        self._target: Any = target
        self.is_prompt = is_prompt
        self.outcome = target.outcome
        self.begun = self.asked = 0

    def begin(self, message: Message, done: Callable[[object], None]) -> bool:
        is_begun: bool = self._target.begin(message, done)
        self.begun += is_begun
        return is_begun

    async def deliver(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.asked += 1
        found: Sequence[Outcome] = await self._target.deliver(messages)
        return found


def event(number: int, **more: Any) -> Record:
    one = Event(id=str(number), source="/tests", type="t", data=b'{"a": 1}', **more)
    return msgspec.structs.replace(record(number, "a"), event=one)


Seen = tuple[list[Settlement], Breaker, list[tuple[bytes, tuple[tuple[bytes, bytes], ...], bytes]]]


async def one_after_the_other(
    *records: Record, answers: Sequence[Answer], is_prompt: bool, began: int | None = None, **settings: Any
) -> Seen:
    """What becomes of these, the breaker, and the requests but for `Host`. The first opens the connection."""
    with Receiver() as receiver:
        receiver.script(*answers)
        async with opened({"url": f"{receiver.url}/hook", **settings}) as http:
            target = Counted(http, is_prompt=is_prompt)
            async with House({"a": target}).running() as house:
                for count, one in enumerate(records, 1):
                    await house.store.append([one])
                    await house.watcher.wait_for(count)
                seen = condition(house)
        if is_prompt:
            assert target.begun == (len(records) - 1 if began is None else began)
        else:
            assert target.begun == 0
        requests = [
            (one.target.encode(), tuple(pair for pair in one.fields if pair[0] != b"Host"), one.body)
            for one in receiver.requests
        ]
        port = str(receiver.port)  # each has its own
        settlements = [_anywhere(one, port) for one in house.watcher.settlements]
    return settlements, replace(seen, reason=seen.reason.replace(port, "PORT")), requests


def _anywhere(settlement: Settlement, port: str) -> Settlement:
    attempt = settlement.attempt
    assert attempt is not None
    if attempt.error is not None:
        attempt = msgspec.structs.replace(attempt, error=attempt.error.replace(port, "PORT"))
    return msgspec.structs.replace(settlement, attempt=attempt)


async def both(
    *records: Record, answers: Sequence[Answer], began: int | None = None, **settings: Any
) -> Seen:
    """As `one_after_the_other`; it is the same by both ways."""
    waited = await one_after_the_other(*records, answers=answers, is_prompt=False, **settings)
    begun = await one_after_the_other(*records, answers=answers, is_prompt=True, began=began, **settings)
    assert begun == waited
    return begun


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"
GZIP = {"content-encoding": "gzip"}


CASES = {
    "200": (Answer(200, {}, b"fine"), State.DELIVERED, None),
    "204": (Answer(204), State.DELIVERED, None),
    "no text": (Answer(200, GZIP, b"\x1f\x8b\xff"), State.DELIVERED, None),
    "much": (Answer(200, {}, b"x" * 100_000), State.DELIVERED, None),
    "302": (Answer(302, {"location": "/there"}), State.RETRYING, "pointing to /there"),
    "400": (Answer(400, {}, b"bad"), State.DEAD, "answered 400 Bad Request"),
    "401": (Answer(401), State.RETRYING, "credentials"),
    "410": (Answer(410), State.RETRYING, "this address is gone"),
    "429": (Answer(429, {"retry-after": "7"}), State.RETRYING, "answered 429"),
    "500": (Answer(500, {}, b"oh"), State.RETRYING, "answered 500 Internal Server Error"),
    "503": (Answer(503, {"retry-after": "30"}), State.RETRYING, "answered 503"),
    "no HTTP": (Answer(raw=b"220 smtp ready\r\n"), State.RETRYING, "127.0.0.1:PORT"),
    "half a head": (Answer(raw=b"HTTP/1.1 200 OK\r\n", then="close"), State.RETRYING, "127.0.0.1:PORT"),
    "half a body": (Answer(raw=HALF, then="close"), State.DELIVERED, None),
    "the last": (Answer(200, {}, b"fine", then="close"), State.DELIVERED, None),
}


@pytest.mark.parametrize(("answer", "state", "error"), CASES.values(), ids=CASES)
async def test_each_answer_means_the_same(answer: Answer, state: State, error: str | None) -> None:
    settlements, _, _ = await both(event(1), event(2), answers=[Answer(), answer])
    one = settlements[1]
    assert one.state is state
    assert one.attempt is not None
    assert (one.attempt.error is None) == (error is None)
    assert (error or "") in (one.attempt.error or "")


async def test_what_a_time_of_the_receivers_means_is_counted_from_the_answer() -> None:
    answers = [Answer(), Answer(429, {"retry-after": "Fri, 15 Jan 2027 08:00:09 GMT"})]
    settlements, breaker, _ = await both(event(1), event(2), answers=answers)
    assert settlements[1].due == NOW + 9
    assert breaker.until == NOW + 9


async def test_no_answer_in_time() -> None:
    settlements, _, _ = await both(event(1), event(2), answers=[Answer(), Answer(raw=b"")], timeout="300ms")
    assert settlements[1].attempt is not None
    assert settlements[1].attempt.error == "no answer from 127.0.0.1:PORT within 0.3 s"


@pytest.mark.parametrize("gone", [DROP, RESET], ids=["closed", "reset"])
async def test_a_connection_that_was_gone_before_is_no_failure(gone: Answer) -> None:
    settlements, _, requests = await both(event(1), event(2), answers=[Answer(), gone, Answer(202)])
    assert [one.state for one in settlements] == [State.DELIVERED] * 2
    assert len(requests) == 3


@pytest.mark.parametrize("gone", [DROP, RESET], ids=["closed", "reset"])
async def test_but_one_that_goes_again_is(gone: Answer) -> None:
    settlements, _, _ = await both(event(1), event(2), answers=[Answer(), gone, gone])
    assert settlements[1].state is State.RETRYING


async def test_secrets_in_an_answer_are_hidden() -> None:
    settings: dict[str, Any] = {"headers": {"Authorization": "Bearer hush-hush-hush"}}
    for status in (200, 400, 500):
        answer = Answer(status, {}, b"you said hush-hush-hush")
        settlements, _, _ = await both(event(1), event(2), answers=[Answer(), answer], **settings)
        assert settlements[1].attempt is not None
        assert settlements[1].attempt.answer == "you said ***"


@pytest.mark.parametrize("given", ["structured", "binary", "data"])
async def test_the_same_is_sent(given: str) -> None:
    traced = event(2, extensions={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    settings: dict[str, Any] = {
        "format": given,
        "headers": {"X-Of": "{{ id }} of {{ type }}", "X-Always": "yes"},
        "sign": {"standard-webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    }
    _, _, requests = await both(event(1), traced, event(3), answers=[Answer()] * 3, **settings)
    names = {name.lower() for name, _ in requests[1][1]}
    assert {b"traceparent", b"x-of", b"x-always", b"webhook-signature", b"idempotency-key"} <= names


async def test_what_cannot_be_said_in_http_is_rejected() -> None:
    odd = event(2, subject="a\nb")
    settlements, _, requests = await both(
        event(1), odd, event(3), answers=[Answer()] * 2, began=1, headers={"X-Subject": "{{ subject }}"}
    )
    assert [one.state for one in settlements] == [State.DELIVERED, State.DEAD, State.DELIVERED]
    assert len(requests) == 2


async def test_what_is_under_way_when_time_is_up_leaves_nothing_behind(receiver: Receiver) -> None:
    async with opened({"url": receiver.url}) as http:
        target = Counted(http, is_prompt=True)
        house = House({"a": target})
        async with house.running(grace=0.01):
            await house.store.append([event(1)])
            await house.watcher.wait_for(1)
            receiver.script(Answer(raw=b""))
            await house.store.append([event(2)])
            await receiver.arrived(2)
            house.engine.stop()
        assert target.begun == 1
        assert await house.store.tally() == {"a": Tally(pending=1)}
    receiver.wait_for_gone(1)
    assert receiver.connections == 1
    assert len(house.watcher.settlements) == 1


class CountingClock(StandingClock):
    """Counts how often it is looked at: each signature does."""

    looks = 0

    def now(self) -> float:
        self.looks += 1
        return super().now()


async def test_what_cannot_be_begun_is_not_made_again_and_again(receiver: Receiver) -> None:
    clock = CountingClock(NOW)
    sign = {"standard-webhooks": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    async with opened({"url": receiver.url, "sign": sign}, clock) as target:
        assert isinstance(target, Prompt)
        for _ in range(9):
            assert not target.begin(message(), lambda _: None)
        assert clock.looks == 1
        await target.deliver([message()])
        answered = anyio.Event()
        assert target.begin(message(), lambda _: answered.set())
        assert not target.begin(message(), lambda _: None)
        await answered.wait()
        assert target.begin(message(), lambda _: None)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch": {"size": 2}},
        {"handshake": {"origin": "here"}},
        {"auth": {"oauth": {"token_url": "http://127.0.0.1/t", "client_id": "c", "client_secret": "hush"}}},
        {"url": "https://127.0.0.1/"},
        {"proxy": {"url": "http://127.0.0.1:1/"}},
    ],
    ids=lambda one: next(iter(one)),
)
async def test_where_something_may_have_to_be_waited_for_nothing_is_begun(settings: dict[str, Any]) -> None:
    async with opened({"url": "http://127.0.0.1/", **settings}) as target:
        assert isinstance(target, Prompt)
        assert not target.is_prompt
