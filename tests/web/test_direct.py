"""The direct way: what is answered there, byte for byte, is what ASGI would answer, whatever comes when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.errors import MessageError
from router.events.received import Received
from router.sources.base import Answer
from router.sources.cloudevents import CloudEventsSource
from router.web.app import build
from router.web.body import Budget
from router.web.limits import Limits
from tests.web.running import BINARY, binary, head
from tests.web.stepped import HeldStore, Stepped, turn

JSON = {"content-type": "application/json"}

CHUNKED = BINARY | JSON | {"transfer-encoding": "chunked"}


def sized(data: bytes, headers: Mapping[str, str], target: str = "/events") -> bytes:
    """A whole request."""
    return head(target=target, headers={**headers, "content-length": str(len(data))}) + data


def numbered(number: int) -> bytes:
    """An event of its own."""
    return binary(b"%d" % number, {"ce-id": str(number)})


REQUESTS: Mapping[str, bytes] = {
    "binary": binary(b'{"n": 1}', JSON),
    "no data": head(headers=BINARY),
    "structured": sized(
        b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": [1]}',
        {"Content-Type": "application/cloudevents+json"},
    ),
    "chunked": head(headers=CHUNKED) + b"3\r\n[1,\r\n3\r\n 2]\r\n0\r\nce-type: trailing\r\n\r\n",
    "a header field twice": binary(b"1", {"x-a": "1", "X-A": "2"}),
    "no event": sized(b"{}", JSON),
    "no such format": sized(b"{}", {"content-type": "application/cloudevents+xml"}),
    "too large": sized(b"x" * 201, BINARY),
    "too large in chunks": head(headers=CHUNKED) + b"c9\r\n" + b"x" * 201 + b"\r\n0\r\n\r\n",
    "a foreign page": binary(b"1", {"origin": "https://evil.example"}),
    "an upgrade": binary(b"1", {"connection": "upgrade", "upgrade": "h2c"}),
    "an upgrade, half wished for": head(headers=CHUNKED | {"upgrade": "h2c"}) + b"0\r\n\r\n",
    "the last": binary(b"1", {"connection": "close"}),
    "HTTP/1.0": binary(b"1", version="1.0"),
    "HTTP/1.0, kept alive": binary(b"1", {"connection": "keep-alive"}, version="1.0"),
    "a coding": head(headers=BINARY | {"transfer-encoding": "gzip, chunked"}) + b"0\r\n\r\n",
    "baidu": sized(b"{}", JSON, "/baidu"),
    "alibaba": sized(b"{}", JSON, "/alibaba"),
    "tencent": sized(b"{}", JSON, "/tencent"),
    "nowhere": sized(b"{}", JSON, "/nowhere"),
    "a query": sized(b"{}", JSON, "/events?type=t&source=/s"),
    "a GET": head("GET"),
}

_VARIES = re.compile(rb"(?<=x-bce-request-id: )[^\r]+|(?<=requestId\":\")[^\"]+")


def answers(running: Stepped, packets: Sequence[bytes], count: int) -> tuple[list[bytes], list[object]]:
    """What is answered to these on one connection, and the data of the events that are stored then."""
    before = len(running.stored())

    async def talk() -> list[bytes]:
        line = await running.call()
        await line.send(*packets)
        answered = [_VARIES.sub(b"", await line.answer()) for _ in range(count)]
        if b"connection: close" in answered[-1]:
            assert await line.is_over()
        await line.leave()
        return answered

    return running.run(talk), running.data()[before:]


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_both_ways_answer_the_same_bytes(both: tuple[Stepped, Stepped], request_: bytes) -> None:
    direct, asgi = both
    expected = answers(asgi, [request_], 1)
    assert answers(direct, [request_], 1) == expected
    assert answers(direct, [bytes([byte]) for byte in request_], 1) == expected


LAST = ("the last", "HTTP/1.0", "HTTP/1.0, kept alive", "an upgrade, half wished for")
"""With their answers the connection ends."""

IN_A_ROW = st.builds(
    lambda names, last: [*names, *last],
    st.lists(st.sampled_from([name for name in REQUESTS if name not in LAST]), min_size=1, max_size=3),
    st.lists(st.sampled_from(LAST), max_size=1),
)


@settings(max_examples=200, deadline=None)
@given(names=IN_A_ROW, cuts=st.lists(st.floats(0, 1), max_size=6))
def test_wherever_the_packets_end(
    both: tuple[Stepped, Stepped], names: Sequence[str], cuts: Sequence[float]
) -> None:
    """Also where several requests stand in one packet, so that the later ones find the first unanswered."""
    sent = b"".join(REQUESTS[name] for name in names)
    places = sorted({0, len(sent), *(int(cut * len(sent)) for cut in cuts)})
    packets = [sent[begin:end] for begin, end in pairwise(places)]
    direct, asgi = both
    assert answers(direct, packets, len(names)) == answers(asgi, [sent], len(names))


def test_a_plain_post_needs_no_task(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, store=(store := HeldStore()), direct=direct) as running:

        async def talk() -> int:
            line = await running.call()
            await line.send(binary())
            tasks = len(running.server.server_state.tasks)
            store.gate.set()
            assert await line.statuses(1) == [202]
            return tasks

        assert running.run(talk) == (0 if direct else 1)


@pytest.mark.parametrize("request_", [binary(b"x" * 40), REQUESTS["chunked"]], ids=["sized", "chunked"])
def test_who_hangs_up_before_the_end_leaves_nothing_behind(tmp_path: Path, request_: bytes) -> None:
    with Stepped(tmp_path, budget=Budget(1_000)) as running:

        async def talk() -> None:
            for end in range(len(request_)):
                line = await running.call()
                await line.send(request_[: end // 2], request_[end // 2 : end])
                await line.leave()

        running.run(talk)
        assert running.data() == []
        assert answers(running, [binary(b"y" * 1_000)], 1)[1] == [b"y" * 1_000]  # what was held is free again


def test_who_hangs_up_after_the_end_is_stored_all_the_same(tmp_path: Path, *, direct: bool) -> None:
    store = HeldStore()
    with Stepped(tmp_path, store=store, budget=Budget(1_000), direct=direct) as running:

        async def talk() -> list[int]:
            line = await running.call()
            await line.send(binary(b"x" * 600))
            await line.leave()
            store.gate.set()
            await turn()
            other = await running.call()
            await other.send(binary(b"y" * 600))
            return await other.statuses(1)

        with capture_logs() as lines:
            assert running.run(talk) == [202]
        assert lines == []
        assert running.data() == [b"x" * 600, b"y" * 600]


@pytest.mark.parametrize("together", [True, False])
def test_who_does_not_wait_for_an_answer_gets_all_in_order(tmp_path: Path, *, together: bool) -> None:
    requests = [numbered(1), numbered(2), head("GET", "/nowhere"), numbered(3)]
    with Stepped(tmp_path, store=(store := HeldStore())) as running:

        async def talk() -> list[int]:
            line = await running.call()
            await line.send(*([b"".join(requests)] if together else requests))
            store.gate.set()
            found = await line.statuses(4)
            await line.send(numbered(4))
            return found + await line.statuses(1)

        assert running.run(talk) == [202, 202, 404, 202, 202]
        assert running.data() == [b"1", b"2", b"3", b"4"]


def test_a_hundred_requests_on_one_connection(tmp_path: Path) -> None:
    with Stepped(tmp_path) as running:

        async def talk() -> None:
            line = await running.call()
            for number in range(100):
                await line.send(numbered(number))
                assert await line.statuses(1) == [202]

        running.run(talk)
        assert running.data() == [b"%d" % number for number in range(100)]


def test_the_end_waits_for_an_answer_that_is_under_way(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, store=(store := HeldStore()), direct=direct) as running:

        async def talk() -> bytes:
            line, idle = await running.call(), await running.call()
            await line.send(binary(b"1"))
            running.server.should_exit = True
            assert await idle.is_over()
            store.gate.set()
            answer = await line.answer()
            assert await line.is_over()
            return answer

        answer = running.run(talk)
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert running.data() == [b"1"]


def test_the_rest_of_a_request_may_come_while_the_server_stops(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, direct=direct) as running:

        async def talk() -> bytes:
            line, idle = await running.call(), await running.call()
            await line.send(binary(b"12")[:-1])
            running.server.should_exit = True
            assert await idle.is_over()
            await line.send(b"2")
            answer = await line.answer()
            assert await line.is_over()
            return answer

        assert b"\r\nconnection: close\r\n" in running.run(talk)
        assert running.data() == [b"12"]


def test_and_when_it_has_waited_long_enough_says_nothing(tmp_path: Path) -> None:
    with Stepped(tmp_path, store=(store := HeldStore())) as running:
        running.server.config.timeout_graceful_shutdown = 0

        async def talk() -> None:
            line = await running.call()
            await line.send(binary(b"1"))
            running.server.should_exit = True
            assert await line.is_over()
            store.gate.set()
            await turn()

        running.run(talk)
        assert running.data() == [b"1"]


def test_the_doors_may_change_between_two_requests(tmp_path: Path) -> None:
    with Stepped(tmp_path) as running:

        async def talk() -> list[int]:
            line = await running.call()
            before = running.front.application
            found = []
            for application in (before, build({}), before):
                running.front.application = application
                await line.send(binary(b"1"))
                found += await line.statuses(1)
            return found

        assert running.run(talk) == [202, 404, 202]
        assert len(running.data()) == 2


class Talkative(CloudEventsSource):
    """It answers at length."""

    def accepted(self, received: Received) -> Answer:
        return Answer(202, b"x" * 200_000)


def test_who_reads_no_answers_is_not_listened_to_for_ever(tmp_path: Path, *, direct: bool) -> None:
    count = 200
    with Stepped(tmp_path, sources={"cloudevents": Talkative()}, direct=direct) as running:

        async def talk() -> int:
            line = await running.call()
            await line.send(*(numbered(number) for number in range(count)))
            stored = len([one async for one in running.store.scan()])
            assert await line.statuses(count) == [202] * count
            return stored

        assert running.run(talk) < count / 2
        assert running.data() == [b"%d" % number for number in range(count)]


def test_a_connection_ends_when_nothing_comes_for_a_while_and_not_while_it_is_used(
    tmp_path: Path, *, direct: bool
) -> None:
    idle = 0.2
    with Stepped(tmp_path, store=(store := HeldStore()), direct=direct) as running:
        running.server.config.timeout_keep_alive = cast("int", idle)

        async def talk() -> None:
            time = asyncio.get_running_loop().time
            left, used = await running.call(), await running.call()
            store.gate.set()
            for line in (left, used):
                await line.send(binary())
                assert await line.statuses(1) == [202]
            until = time() + 3 * idle
            while time() < until:
                await used.send(binary())
                assert await used.statuses(1) == [202]
            store.gate.clear()
            await used.send(binary())
            began = time()
            assert await left.is_over()
            while time() < began + 2 * idle:
                await turn()
            store.gate.set()
            assert await used.statuses(1) == [202]
            answered = time()
            assert await used.is_over()
            assert time() - answered > 0.9 * idle

        running.run(talk)


def test_each_request_has_the_same_time_to_come_in(tmp_path: Path, *, direct: bool) -> None:
    seconds = 0.4
    begun, rest = binary()[:-1], binary()[-1:]
    with Stepped(tmp_path, limits=Limits(seconds=seconds), direct=direct) as running:

        async def talk() -> list[int]:
            time = asyncio.get_running_loop().time
            line = await running.call()
            found, began = [], time()
            for number in range(1, 4):
                await line.send(begun)
                while time() < began + number * 0.75 * seconds:
                    await turn()
                await line.send(rest)
                found += await line.statuses(1)
            while time() < began + 4 * seconds:  # nothing is waited for
                await turn()
            await line.send(begun)
            began = time()
            found += await line.statuses(1)
            assert time() - began > 0.9 * seconds
            return found

        assert running.run(talk) == [202, 202, 202, 408]


class Broken(CloudEventsSource):
    """It cannot even refuse."""

    def refused(self, error: MessageError) -> Answer:
        raise ZeroDivisionError("a fault in a source")


def test_a_source_that_cannot_even_refuse_is_answered_for(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, sources={"cloudevents": Broken()}, direct=direct) as running:
        with capture_logs() as lines:
            (answer,), _ = answers(running, [REQUESTS["no event"]], 1)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"nothing of it was stored" in answer
        assert [line["event"] for line in lines] == ["request.failed"]


class Unspeakable(CloudEventsSource):
    """Its success cannot be said."""

    def accepted(self, received: Received) -> Answer:
        return Answer(202, headers={"x-price": "1 \N{EURO SIGN}"})


def test_success_that_cannot_be_said_is_none(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, sources={"cloudevents": Unspeakable()}, direct=direct) as running:
        (answer,), stored = answers(running, [binary()], 1)
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert stored == []


def test_a_refusal_is_logged_with_what_is_known_of_it(tmp_path: Path, *, direct: bool) -> None:
    with Stepped(tmp_path, direct=direct) as running, capture_logs() as lines:
        answers(running, [REQUESTS["no event"]], 1)
    (line,) = lines
    assert str(line.pop("client")).startswith("127.0.0.1:")
    assert str(line.pop("error")).startswith("no CloudEvent")
    assert line == {
        "event": "request.refused",
        "log_level": "warning",
        "source": "cloudevents",
        "status": 400,
        "reason": "unreadable",
        "path": "/events",
        "content_type": "application/json",
        "bytes": 2,
    }
