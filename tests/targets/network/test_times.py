"""How long a connection may take, and whose turn it is where a name has several addresses."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from router.targets.network.connection import Connection
from router.targets.sender import SendError
from tests.receiver import Receiver
from tests.targets.senders import OpenSender, SenderKind

pytestmark = pytest.mark.anyio


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address of loopback that answers nobody who wants to connect: its queue is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(closing(socket.socket()))
        listening.bind(("127.0.0.2", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


async def test_a_connection_takes_no_longer_than_it_may(
    open_sender: OpenSender, silent: tuple[str, int]
) -> None:
    url = f"http://127.0.0.2:{silent[1]}/"
    began = time.monotonic()
    async with open_sender("tests", Connection(connect=0.2)) as sender:
        with pytest.raises(SendError) as caught:
            await sender.send("POST", url, {}, b"", 10.0)
    assert caught.value.message == f"no connection to 127.0.0.2:{silent[1]} within 0.2 s"
    assert time.monotonic() - began < 5


async def test_nor_than_the_whole_may_take(open_sender: OpenSender, silent: tuple[str, int]) -> None:
    async with open_sender("tests", Connection(connect=30.0)) as sender:
        with pytest.raises(SendError) as caught:
            await sender.send("POST", f"http://127.0.0.2:{silent[1]}/", {}, b"", 0.2)
    assert caught.value.message == f"no answer from 127.0.0.2:{silent[1]} within 0.2 s"


async def test_each_address_of_a_name_gets_its_turn(open_sender: OpenSender, receiver: Receiver) -> None:
    connection = Connection(resolver=lambda _host, _port: ["127.0.0.3", "::1", "127.0.0.1"])
    async with open_sender("tests", connection) as sender:
        for _ in range(2):
            assert (await sender.send("POST", f"http://a.test:{receiver.port}/", {}, b"", 10.0)).status == 200
    assert [request.connection for request in receiver.requests] == [1, 1]


REFUSING = [f"127.0.1.{number}" for number in range(1, 21)]


async def test_of_many_addresses_a_request_tries_a_few_and_the_next_one_goes_on(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    url = f"http://a.test:{receiver.port}/"
    connection = Connection(resolver=lambda _host, _port: [*REFUSING, "127.0.0.1"])
    async with open_sender("tests", connection) as sender:
        for _ in range(2):
            with pytest.raises(SendError, match=r"connection refused by a\.test"):
                await sender.send("POST", url, {}, b"", 10.0)
        assert (await sender.send("POST", url, {}, b"", 10.0)).status == 200
        assert (await sender.send("POST", url, {}, b"", 10.0)).status == 200


async def test_refusals_take_no_longer_than_the_whole_may(
    sender_kind: SenderKind, receiver: Receiver
) -> None:
    clock = itertools.count()  # by which two tries, each of which has more than a moment, take all there is
    connection = Connection(resolver=lambda _host, _port: [*REFUSING[:6], "127.0.0.1"])
    sender = sender_kind("tests", connection, steady=lambda: float(next(clock)))
    try:
        with pytest.raises(SendError, match=r"connection refused by a\.test"):
            await sender.send("POST", f"http://a.test:{receiver.port}/", {}, b"", 5.0)
    finally:
        await sender.close()
    assert receiver.requests == []


async def test_also_one_after_another_that_does_not_answer(
    open_sender: OpenSender, silent: tuple[str, int]
) -> None:
    with closing(socket.create_server(("127.0.0.1", silent[1]))) as listening:
        connection = Connection(connect=0.2, resolver=lambda _host, _port: ["127.0.0.2", "127.0.0.1"])
        async with open_sender("tests", connection) as sender:
            with pytest.raises(SendError, match=r"^no answer from a\.test:\d+ within 1 s$"):
                await sender.send("POST", f"http://a.test:{silent[1]}/", {}, b"", 1.0)
        listening.accept()[0].close()


async def test_a_name_that_nobody_resolves_in_time(open_sender: OpenSender) -> None:
    answer = threading.Event()

    def resolver(host: str, port: int) -> list[str]:
        answer.wait()
        return ["127.0.0.1"]

    async with open_sender("tests", Connection(resolver=resolver)) as sender:
        with pytest.raises(SendError, match=r"^the name a\.test was not resolved within 0\.2 s$|in time"):
            await sender.send("POST", "http://a.test/", {}, b"", 0.2)
    answer.set()
