"""Requests that are sent without anybody who waits: when they can be, and what their answers are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from router.targets.network.connection import Connection
from router.targets.network.pins import LASTS
from router.targets.sender import PromptSender, SendError, open_sender
from router.targets.sender.plain import PlainSender
from tests.receiver import DROP, Answer, Receiver

pytestmark = pytest.mark.anyio


class Kept:
    """What came of a request."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self._came = anyio.Event()

    def __call__(self, answer: Any) -> None:
        self.answers.append(answer)
        self._came.set()

    async def one(self) -> Any:
        with anyio.fail_after(10):
            await self._came.wait()
        (answer,) = self.answers
        return answer


class Steady:
    """The time, as a test sets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def plain(steady: Steady) -> AsyncIterator[PlainSender]:
    sender = PlainSender("tests", Connection(), steady=steady)
    try:
        yield sender
    finally:
        await sender.close()


def begin(sender: PromptSender, url: str, body: bytes = b"x", seconds: float = 10.0) -> Kept | None:
    kept = Kept()
    return kept if sender.begin("POST", url, {"x-a": "b"}, body, seconds, kept) else None


def begun(sender: PromptSender, url: str, seconds: float = 10.0) -> Kept:
    kept = begin(sender, url, seconds=seconds)
    assert kept is not None
    return kept


async def warm(sender: PromptSender, url: str) -> None:
    await sender.send("POST", url, {}, b"", 10.0)


async def test_what_is_begun_is_what_would_be_sent(receiver: Receiver) -> None:
    async with open_sender("tests") as sender:
        assert isinstance(sender, PromptSender)
        assert begin(sender, receiver.url) is None  # there is no connection yet
        await sender.send("POST", receiver.url, {"x-a": "b"}, b"x", 10.0)
        reply = sender.reply(await begun(sender, receiver.url).one(), receiver.url, 10.0)
        assert reply is not None
        assert (reply.status, reply.body) == (200, b"")
        assert begin(sender, receiver.url.replace("http:", "https:")) is None
    sent, again = receiver.requests
    assert (sent.method, sent.target, sent.fields, sent.body) == (
        again.method,
        again.target,
        again.fields,
        again.body,
    )
    assert receiver.connections == 1


async def test_a_connection_has_one_request_at_a_time(receiver: Receiver) -> None:
    async with plain(Steady()) as sender:
        await warm(sender, receiver.url)
        gate = receiver.gate()
        receiver.script(Answer(gate=gate))
        kept = begun(sender, receiver.url)
        assert begin(sender, receiver.url) is None
        gate.open()
        await kept.one()
        await begun(sender, receiver.url).one()
    assert receiver.connections == 1


async def test_who_must_be_looked_for_again_is_not_asked(receiver: Receiver) -> None:
    steady = Steady()
    url = receiver.url.replace("127.0.0.1", "localhost")
    async with plain(steady) as sender:
        await warm(sender, url)
        await begun(sender, url).one()
        steady.now = LASTS
        assert begin(sender, url) is None
        await warm(sender, url)
        await begun(sender, url).one()


async def test_what_cannot_be_said_costs_no_connection(receiver: Receiver) -> None:
    async with plain(Steady()) as sender:
        await warm(sender, receiver.url)
        with pytest.raises(ValueError, match="invalid header value"):
            sender.begin("POST", receiver.url, {"x-a": "b\nc"}, b"", 10.0, Kept())
        await begun(sender, receiver.url).one()
    assert receiver.connections == 1


async def test_no_answer(receiver: Receiver) -> None:
    broken, late = Answer(raw=b"SSH-2.0-\r\n"), Answer(raw=b"")
    half = Answer(raw=b"HTTP/1.1 2", then="close")
    reasons = []
    async with plain(Steady()) as sender:
        for answer in (broken, half, late):
            await warm(sender, receiver.url)
            receiver.script(answer)
            kept = begun(sender, receiver.url, 0.2)
            with pytest.raises(SendError) as caught:
                sender.reply(await kept.one(), receiver.url, 0.2)
            reasons.append(caught.value.message.replace(str(receiver.port), "PORT"))
    assert reasons == [
        "127.0.0.1:PORT broke HTTP: invalid HTTP version parsed",
        "connection closed by 127.0.0.1:PORT before it answered",
        "no answer from 127.0.0.1:PORT within 0.2 s",
    ]


async def test_a_peer_that_had_gone_before_is_to_be_asked_once_more(receiver: Receiver) -> None:
    async with plain(Steady()) as sender:
        await warm(sender, receiver.url)
        receiver.script(DROP)
        assert sender.reply(await begun(sender, receiver.url).one(), receiver.url, 10.0) is None


async def test_who_closes_the_sender_tells_so(receiver: Receiver) -> None:
    async with plain(Steady()) as sender:
        await warm(sender, receiver.url)
        receiver.script(Answer(raw=b""))
        kept = begun(sender, receiver.url)
    with pytest.raises(SendError, match="the router has closed its connections"):
        sender.reply(await kept.one(), receiver.url, 10.0)
    await asyncio.sleep(0)
    assert begin(sender, receiver.url) is None
