"""A head that comes again: the answers are those that the parser's way gives, and the parser is not asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.events.received import Received
from router.signatures.base import Reason, SignatureError
from router.sources.base import Request
from router.sources.cloudevents import CloudEventsSettings, CloudEventsSource
from router.web.app import build
from router.web.body import Budget
from router.web.heads import LONGEST, PATIENCE
from router.web.limits import HEAD, Limits
from router.web.protocol import Protocol
from tests.web.running import BINARY, binary, head
from tests.web.stepped import HeldStore, Stepped, turn
from tests.web.test_direct import REQUESTS, Talkative, numbered


def connection_of(running: Stepped) -> Protocol:
    """The only connection, as the server has it."""
    (connection,) = running.server.server_state.connections
    assert isinstance(connection, Protocol)
    return connection


def known(running: Stepped, first: bytes, second: bytes) -> bool:
    """Whether a server that was sent the first request answers the second one without its parser."""

    async def talk() -> int:
        line = await running.call()
        await line.send(first)
        assert (await line.answer()).startswith(b"HTTP/1.1 202 ")
        connection: Any = connection_of(running)
        parser = connection.parser
        connection.parser = _Deaf()
        await line.send(second)
        connection.parser = parser
        await line.leave()
        return len([one async for one in running.store.scan()])

    before = len(running.stored())
    return running.run(talk) == before + 2


class _Deaf:
    """A parser that hears nothing."""

    def feed_data(self, data: bytes) -> None:
        pass


def sized(length: str, data: bytes, name: str = "content-length") -> bytes:
    """A request that announces its length in this way."""
    return head(headers=BINARY | {name: length, "x-last": "1"}) + data


_VARIES = re.compile(rb"(?<=date: )[^\r]+|(?<=x-bce-request-id: )[^\r]+|(?<=requestId\":\")[^\"]+")


@pytest.fixture
def stepped(tmp_path: Path) -> Iterator[Stepped]:
    """A server that does nothing unless it is told to."""
    with Stepped(tmp_path, body=20_000) as running:
        yield running


def test_a_head_that_came_before_needs_no_parser(stepped: Stepped) -> None:
    assert known(stepped, binary(b"1"), binary(b"2"))
    assert known(stepped, binary(b"1"), binary(b"x" * 12_345))
    assert known(stepped, sized("0", b""), sized("00", b""))
    assert known(stepped, sized("7", b"content"), sized("12", b"\r\n\r\nContent-"))
    assert not known(stepped, sized("7", b"content"), sized("7", b"content", "Content-Length"))
    assert known(stepped, sized("7", b"content", "cONTENT-lENGTH"), sized("1", b"1", "cONTENT-lENGTH"))
    assert stepped.data()[:4] == [b"1", b"2", b"1", b"x" * 12_345]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (binary(b"1"), numbered(2)),
        (binary(b"1"), binary(b"2") + b"\r\n"),
        (binary(b"1"), b"\r\n" + binary(b"2")),
        (binary(b"1"), binary(b"2")[:-1]),
        (binary(b"1"), binary(b"2") + binary(b"3")),
        (binary(b"1") + b"\r\n", binary(b"1") + b"\r\n"),
        (sized("1", b"1"), sized("+1", b"1")),
        (sized("1", b"1"), sized(" 1", b"1")),
        (sized("1", b"1"), sized("", b"")),
        (sized("1", b"1"), sized("1" * 400, b"1")),
        (head(headers=BINARY), head(headers=BINARY)),
        (REQUESTS["chunked"], REQUESTS["chunked"]),
        (binary(headers={"x": "x" * LONGEST}), binary(headers={"x": "x" * LONGEST})),
    ],
)
def test_whatever_else_differs_is_parsed(stepped: Stepped, first: bytes, second: bytes) -> None:
    assert not known(stepped, first, second)


def test_a_sender_that_repeats_no_head_is_not_watched_for_ever(stepped: Stepped) -> None:
    others = [numbered(number) for number in range(2, 2 + PATIENCE)]

    async def talk() -> list[int]:
        line = await stepped.call()
        patience = []
        for request in [numbered(0), numbered(1), numbered(1), *others, binary(b"1"), binary(b"1")]:
            await line.send(request)
            assert await line.statuses(1) == [202]
            patience.append(connection_of(stepped).memory.patience)
        return patience

    assert stepped.run(talk) == [PATIENCE - 1, PATIENCE - 2, PATIENCE, *reversed(range(PATIENCE)), 0, 0]


ENDLESS = binary(b"12345")[:-1]
"""Its body does not end where it should."""

REPEATED: Sequence[bytes] = [
    *REQUESTS.values(),
    *[binary(b"x" * size) for size in (0, 1, 9, 10, 99, 100, 200, 201)] * 3,
    *[sized(length, b"1") for length in ("1", "01", "1 ", "0", "2", "-1", "1_0", "1,1")],
    binary(b"1\r\n\r\n"),
    binary(b"1") + b"\r\n",
    ENDLESS,
    b"\n",
]

STREAMS = st.lists(st.sampled_from(REPEATED), min_size=1, max_size=4).flatmap(
    lambda some: st.lists(st.sampled_from(some), min_size=2, max_size=6)
)


class Listener(asyncio.Protocol):
    """It hears to the end, whichever end that is."""

    def __init__(self) -> None:
        self._heard = b""
        self.said: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.said.set_result(self._heard)


def outcome(running: Stepped, packets: Sequence[bytes]) -> tuple[bytes, list[object]]:
    """All that is answered to these on one connection, and the data of the events that are stored then."""
    before = len(running.stored())

    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        transport, listener = await loop.create_connection(Listener, *running.address)
        for packet in packets:
            if not transport.is_closing():
                transport.write(packet)
                await turn()
        if not transport.is_closing():
            transport.write_eof()
        async with asyncio.timeout(4):
            return _VARIES.sub(b"", await listener.said)

    return running.run(talk), running.data()[before:]


def agree(both: tuple[Stepped, Stepped], packets: Sequence[bytes]) -> None:
    direct, asgi = (outcome(running, packets) for running in both)
    assert direct == asgi


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_whatever_comes_again_is_answered_as_before(both: tuple[Stepped, Stepped], request_: bytes) -> None:
    agree(both, [request_] * 3)
    agree(both, [binary(b"1"), request_, request_, binary(b"1")])


@settings(max_examples=200, deadline=None)
@given(requests=STREAMS, cuts=st.lists(st.floats(0, 1), max_size=3))
def test_wherever_the_packets_end_the_answers_are_those_of_the_parser(
    both: tuple[Stepped, Stepped], requests: Sequence[bytes], cuts: Sequence[float]
) -> None:
    sent = b"".join(requests)
    ends = [sum(map(len, requests[:count])) for count in range(len(requests) + 1)]
    places = sorted({*ends, *(int(cut * len(sent)) for cut in cuts)})
    agree(both, [sent[begin:end] for begin, end in pairwise(places)])


@settings(max_examples=300, deadline=None)
@given(
    request=st.sampled_from([binary(b"12"), sized("10", b"0123456789", "Content-Length")]),
    at=st.floats(0, 1),
    cut=st.integers(0, 3),
    added=st.text("\r\n 01:x", max_size=3),
)
def test_nor_does_it_matter_what_is_wrong_with_a_head_that_is_nearly_known(
    both: tuple[Stepped, Stepped], request: bytes, at: float, cut: int, added: str
) -> None:
    place = int(at * len(request))
    changed = request[:place] + added.encode() + request[place + cut :]
    agree(both, [request, changed, request])
    agree(both, [changed, changed, request])


class Witness(CloudEventsSource):
    """It keeps what it is asked to read."""

    seen: ClassVar[list[Request]] = []

    def read(self, request: Request) -> Received:
        self.seen.append(request)
        return super().read(request)


def test_a_source_sees_the_same_header_fields(tmp_path: Path, *, direct: bool) -> None:
    Witness.seen.clear()
    sizes = [1, 1, 100, 2, 2]
    with Stepped(tmp_path, sources={"cloudevents": Witness()}, direct=direct) as running:
        outcome(running, [binary(b"x" * size, {"X-A": "1", "x-a": "\xe9"}) for size in sizes])
    fields = BINARY | {"host": "localhost", "content-type": "application/octet-stream", "x-a": "1, \xe9"}
    assert [request.headers for request in Witness.seen] == [
        fields | {"content-length": str(size)} for size in sizes
    ]
    assert {(request.method, request.path, request.query) for request in Witness.seen} == {
        ("POST", "/events", "")
    }


def test_who_does_not_wait_for_an_answer_gets_all_in_order(tmp_path: Path) -> None:
    with Stepped(tmp_path, store=(store := HeldStore())) as running:

        async def talk() -> list[int]:
            line = await running.call()
            store.gate.set()
            await line.send(binary(b"1"))
            found = await line.statuses(1)
            store.gate.clear()
            await line.send(binary(b"2"), binary(b"3"), head("GET", "/nowhere"), binary(b"4"))
            store.gate.set()
            found += await line.statuses(4)
            await line.send(binary(b"5"))
            return found + await line.statuses(1)

        assert running.run(talk) == [202, 202, 202, 404, 202, 202]
        assert running.data() == [b"1", b"2", b"3", b"4", b"5"]


def test_what_is_behind_other_doors_is_asked_anew(stepped: Stepped) -> None:
    async def talk() -> list[int]:
        line = await stepped.call()
        before = stepped.front.application
        found = []
        for application in (before, before, build({}), build({}), before, before):
            stepped.front.application = application
            await line.send(binary(b"1"))
            found += await line.statuses(1)
        return found

    assert stepped.run(talk) == [202, 202, 404, 404, 202, 202]
    assert len(stepped.data()) == 4


def test_what_went_before_a_request_does_not_count_for_the_next_head(stepped: Stepped) -> None:
    lines = b"\r\n" * (HEAD // 3)
    packets = [binary(b"1"), lines, binary(b"2"), lines, binary(b"3")]
    assert outcome(stepped, packets)[1] == [b"1", b"2", b"3"]


class Fickle(CloudEventsSource):
    """It trusts nobody for ever."""

    trusting = True

    def admit(self, request: Request) -> None:
        super().admit(request)
        if not Fickle.trusting:
            raise SignatureError(Reason.WRONG, "not any more")


def test_who_may_send_is_asked_every_time(tmp_path: Path, *, direct: bool) -> None:
    source = Fickle(CloudEventsSettings.model_validate({"kind": "cloudevents", "token": "right"}))
    right, wrong = (binary(b"1", {"authorization": f"Bearer {token}"}) for token in ("right", "wrong"))
    with Stepped(tmp_path, sources={"cloudevents": source}, direct=direct) as running:

        async def talk() -> list[int]:
            line = await running.call()
            await line.send(right, wrong, wrong, right, right)
            Fickle.trusting = False
            await line.send(right)
            Fickle.trusting = True
            await line.send(right)
            return await line.statuses(7)

        assert running.run(talk) == [202, 401, 401, 202, 202, 401, 202]
        assert len(running.data()) == 4


def test_bodies_count_for_the_budget_until_they_are_answered(tmp_path: Path, *, direct: bool) -> None:
    store = HeldStore()
    with Stepped(tmp_path, store=store, budget=Budget(1_000), direct=direct) as running:

        async def talk() -> list[int]:
            lines = [await running.call(), await running.call()]
            store.gate.set()
            for line in lines:
                await line.send(binary(b"x"))
                assert await line.statuses(1) == [202]
            store.gate.clear()
            first, second = lines
            await first.send(binary(b"x" * 600))
            await second.send(binary(b"x" * 600))
            found = await second.statuses(1)
            store.gate.set()
            found += await first.statuses(1)
            await second.send(binary(b"x" * 1_000))
            return found + await second.statuses(1)

        assert running.run(talk) == [429, 202, 202]


def test_the_end_waits_for_the_answer(tmp_path: Path) -> None:
    with Stepped(tmp_path, store=(store := HeldStore())) as running:

        async def talk() -> bytes:
            line, idle = await running.call(), await running.call()
            store.gate.set()
            await line.send(binary(b"1"))
            assert await line.statuses(1) == [202]
            store.gate.clear()
            await line.send(binary(b"2"))
            running.server.should_exit = True
            assert await idle.is_over()
            store.gate.set()
            answer = await line.answer()
            assert await line.is_over()
            return answer

        assert b"\r\nconnection: close\r\n" in running.run(talk)
        assert running.data() == [b"1", b"2"]


def test_who_is_waited_for_has_come(tmp_path: Path, *, direct: bool) -> None:
    """After the rest of a request that was refused early, a sender has some time for the next one."""
    with Stepped(tmp_path, limits=Limits(seconds=0.3), body=10, direct=direct) as running:

        async def talk() -> list[int]:
            line = await running.call()
            refused = binary(b"x" * 20)
            await line.send(binary(b"1"), refused[:-1], refused[-1:], binary(b"1"))
            found = await line.statuses(3)
            silent = await running.call()
            assert await silent.is_over()  # so much time has passed
            await line.send(binary(b"1"))
            return found + await line.statuses(1)

        assert running.run(talk) == [202, 413, 202, 202]


def test_who_reads_no_answers_is_not_listened_to_for_ever(tmp_path: Path, *, direct: bool) -> None:
    count = 200
    with Stepped(tmp_path, sources={"cloudevents": Talkative()}, direct=direct) as running:

        async def talk() -> int:
            line = await running.call()
            await line.send(*(binary(b"%d" % number) for number in range(count)))
            stored = len([one async for one in running.store.scan()])
            assert await line.statuses(count) == [202] * count
            return stored

        assert running.run(talk) < count / 2
        assert running.data() == [b"%d" % number for number in range(count)]
