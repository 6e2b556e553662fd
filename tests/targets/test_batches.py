"""Several messages in one request: how they are written, and what becomes of each when it is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.events import Event
from router.events.json_format import decode_batch
from router.targets.base import Body, Delivered, Message, Rejected, RetryLater, Surroundings, Target
from router.targets.batches import key_of, lines_of
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.receiver import Answer, Receiver, Request
from tests.targets.clock import StandingClock


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def message(
    number: int,
    data: bytes | None = b"{}",
    content_type: str | None = "application/json",
    body: Body | None = None,
) -> Message:
    event = Event(id=str(number), source="/tests", type="test", datacontenttype=content_type, data=data)
    return Message(f"{number}-chat", number, event, body, ("rule",), 1)


@asynccontextmanager
async def opened(receiver: Receiver, **settings: Any) -> AsyncIterator[Target]:
    parsed = HttpSettings.model_validate({"url": receiver.url, "batch": {}} | settings)
    async with HttpKind(StandingClock(0.0)).open(
        parsed, Surroundings("chat", Path(), loopback=True)
    ) as target:
        yield target


def ids(request: Request) -> list[str]:
    return [event.id for event in decode_batch(request.body)]


class TestSettings:
    def test_what_nobody_says(self) -> None:
        batch = HttpSettings.model_validate({"url": "http://x/", "batch": {}}).batch
        assert batch is not None
        assert (batch.size, batch.linger) == (100, 0.0)

    @pytest.mark.parametrize(
        ("settings", "what"),
        [
            ({"batch": {"size": 1}}, "greater than or equal to 2"),
            ({"batch": {"size": 10_001}}, "less than or equal to 10000"),
            ({"batch": {"linger": "11s"}}, "less than or equal to 10"),
            ({"batch": {"linger": 1}}, "wants a duration"),
            ({"batch": 100}, "valid dictionary"),
            ({"batch": {"length": 5}}, "Extra inputs"),
            ({"batch": {}, "format": "binary"}, "carries one event; choose structured or data"),
        ],
    )
    def test_what_is_refused(self, settings: dict[str, Any], what: str) -> None:
        with pytest.raises(ValidationError, match=what):
            HttpSettings.model_validate({"url": "http://x/"} | settings)


class TestLines:
    @pytest.mark.parametrize(
        ("sent", "line"),
        [
            (message(1, b'{"a": 1.0,\n "b": [ ]}'), b'{"a": 1.0,"b": [ ]}'),
            (message(1, b'"text"', None), b'"text"'),
            (message(1, "ünï\n".encode(), "text/plain"), '"ünï\\n"'.encode()),
            (message(1, b"\xff\x00", "image/png"), b'"/wA="'),
            (message(1, None), b"null"),
            (message(1, body=Body(b"[1,\r\n2]", "application/json")), b"[1,2]"),
            (message(1, body=Body(b"1,2", "text/csv")), b'"1,2"'),
            (message(1, body=Body(b"no json", "application/json")), b'"no json"'),
        ],
    )
    def test_a_payload_is_one_line_of_json(self, sent: Message, line: bytes) -> None:
        assert lines_of([sent]) == line + b"\n"

    @given(
        st.lists(st.tuples(st.none() | st.binary(), st.sampled_from(["text/plain", "image/png"])), min_size=1)
    )
    def test_as_many_lines_as_messages_whatever_is_in_them(
        self, payloads: list[tuple[bytes | None, str]]
    ) -> None:
        text = lines_of([message(1, data, kind) for data, kind in payloads])
        lines = text.split(b"\n")
        assert (len(lines), lines[-1]) == (len(payloads) + 1, b"")
        for line in lines[:-1]:
            msgspec.json.decode(line)


class TestKey:
    def test_one_delivery_keeps_its_own(self) -> None:
        assert key_of([message(7)]) == "7-chat"

    def test_the_same_deliveries_have_the_same_and_others_another(self) -> None:
        messages = [message(number) for number in range(5)]
        assert key_of(messages) == key_of(list(messages))
        assert len({key_of(messages[:end]) for end in range(1, 6)}) == 5
        assert key_of(messages).isalnum()


@pytest.mark.anyio
class TestSending:
    async def test_a_batch_is_one_request(self, receiver: Receiver) -> None:
        async with opened(receiver) as target:
            assert target.batch == 100
            outcomes = await target.deliver([message(number) for number in range(100)])
        assert outcomes == [Delivered(200)] * 100
        (request,) = receiver.requests
        assert request.headers["content-type"] == "application/cloudevents-batch+json"
        assert ids(request) == [str(number) for number in range(100)]
        assert request.headers["idempotency-key"] == request.headers["webhook-id"]

    async def test_one_message_is_a_batch_as_well(self, receiver: Receiver) -> None:
        async with opened(receiver) as target:
            await target.deliver([message(1)])
        (request,) = receiver.requests
        assert (ids(request), request.headers["idempotency-key"]) == (["1"], "1-chat")

    async def test_payloads_are_json_lines(self, receiver: Receiver) -> None:
        async with opened(receiver, format="data") as target:
            await target.deliver([message(1, b"[1]"), message(2, body=Body(b'{"n": 2}', "application/json"))])
        (request,) = receiver.requests
        assert (request.headers["content-type"], request.body) == ("application/x-ndjson", b'[1]\n{"n": 2}\n')

    async def test_a_transformed_body_is_no_cloudevent_and_goes_alone(self, receiver: Receiver) -> None:
        receiver.decide = lambda request: Answer(503 if request.body == b"two" else 200)
        async with opened(receiver) as target:
            sent = [message(1), message(2, body=Body(b"two", "text/plain")), message(3)]
            outcomes = await target.deliver(sent)
        assert [type(outcome) for outcome in outcomes] == [Delivered, RetryLater, Delivered]
        alone, together = receiver.requests
        assert (alone.body, alone.headers["idempotency-key"]) == (b"two", "2-chat")
        assert ids(together) == ["1", "3"]

    async def test_bodies_alone_need_no_batch(self, receiver: Receiver) -> None:
        async with opened(receiver) as target:
            outcomes = await target.deliver([message(1, body=Body(b"one", "text/plain"))])
        assert (outcomes, len(receiver.requests)) == ([Delivered(200)], 1)

    @pytest.mark.parametrize("poison", [{0}, {63}, {99}, {17, 18}, {0, 50, 99}, set(range(100))])
    async def test_what_is_refused_is_found_and_the_others_arrive(
        self, receiver: Receiver, poison: set[int]
    ) -> None:
        def choosy(request: Request) -> Answer:
            return Answer(422 if poison & set(map(int, ids(request))) else 200)

        receiver.decide = choosy
        async with opened(receiver) as target:
            outcomes = await target.deliver([message(number) for number in range(100)])
        assert {number for number, outcome in enumerate(outcomes) if isinstance(outcome, Rejected)} == poison
        assert sum(isinstance(outcome, Delivered) for outcome in outcomes) == 100 - len(poison)
        arrived = [
            name
            for request in receiver.requests
            if not poison & set(map(int, ids(request)))
            for name in ids(request)
        ]
        assert sorted(map(int, arrived)) == sorted(set(range(100)) - poison)  # each once
        assert len(receiver.requests) <= 1 + 2 * 7 * len(poison)

    async def test_a_batch_that_is_too_long_is_sent_in_parts(self, receiver: Receiver) -> None:
        receiver.decide = lambda request: Answer(413 if len(request.body) > 1000 else 200)
        async with opened(receiver) as target:
            outcomes = await target.deliver([message(number) for number in range(100)])
        assert {type(outcome) for outcome in outcomes} == {Delivered}

    @pytest.mark.parametrize("status", [401, 429, 500])
    async def test_what_may_pass_is_not_split(self, receiver: Receiver, status: int) -> None:
        receiver.decide = lambda _: Answer(status, {"retry-after": "5"})
        async with opened(receiver) as target:
            outcomes = await target.deliver([message(number) for number in range(10)])
        assert len(receiver.requests) == 1
        assert len(set(map(repr, outcomes))) == 1
        assert isinstance(outcomes[0], RetryLater)
        assert len(outcomes) == 10

    async def test_a_half_that_may_pass_is_tried_again_later_alone(self, receiver: Receiver) -> None:
        receiver.script(Answer(400), Answer(503), Answer(200))
        async with opened(receiver) as target:
            outcomes: Sequence[object] = await target.deliver([message(number) for number in range(4)])
        assert [type(outcome) for outcome in outcomes] == [RetryLater] * 2 + [Delivered] * 2
