"""The client for plain HTTP, and peers that take their time over an answer, or over reading."""

from __future__ import annotations

import asyncio
import time

import anyio
import anyio.to_thread
import pytest

from router.targets.sender import SendError
from tests.targets.sender.peer import OK, SENT, Talk, fails, send, talking

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("said", "outcome"), [(b"HTTP/1.1 200 OK\r\nX: ", None), (OK[:-2], 200)])
async def test_who_drips_gets_no_more_time(said: bytes, outcome: int | None) -> None:
    async def dripping(talk: Talk) -> None:
        await talk.hear()
        await talk.say(said.replace(b"Length: 2", b"Length: 20000"))
        while True:
            await talk.say(b"x")
            await asyncio.sleep(0.01)

    async with talking(dripping) as (sender, peer):
        began = time.monotonic()
        if outcome is None:
            assert await fails(sender, peer, 0.3) == "no answer from 127.0.0.1:PORT within 0.3 s"
        else:
            assert (await send(sender, peer, seconds=0.3)).status == outcome
        assert 0.25 < time.monotonic() - began < 3
        await peer.until(gone=1)


async def test_nor_does_who_does_not_read() -> None:
    async def deaf(talk: Talk) -> None:
        await over.wait()

    over = anyio.Event()
    async with talking(deaf) as (sender, peer):
        began = time.monotonic()
        with pytest.raises(SendError, match=r"^no answer from 127\.0\.0\.1:\d+ within 0\.3 s$"):
            await send(sender, peer, b"x" * 50_000_000, 0.3)
        assert 0.25 < time.monotonic() - began < 3
        over.set()


async def test_an_answer_before_the_request_is_out_ends_the_connection() -> None:
    async def early(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        await talk.say(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        await over.wait()

    over = anyio.Event()
    async with talking(early) as (sender, peer):
        for _ in range(2):
            assert (await send(sender, peer, b"x" * 50_000_000)).status == 413
        over.set()
    assert peer.connections == 2


async def test_who_says_yes_before_the_request_is_out_still_gets_all_of_it() -> None:
    async def hasty(talk: Talk) -> None:
        head = await talk.reader.readuntil(b"\r\n\r\n")
        await talk.say(OK)
        length = int(head.split(b"Content-Length: ")[1])
        await peer.note(request=(talk.number, await talk.reader.readexactly(length)))
        await talk.gone()

    body = b"x" * 20_000_000
    async with talking(hasty) as (sender, peer):
        for number in (1, 2):
            assert await send(sender, peer, body) == SENT
            await peer.until(requests=number, gone=number)
    assert peer.requests == [(1, body), (2, body)]


@pytest.mark.parametrize("then", ["deaf", "gone"])
async def test_nor_does_it_undo_that_yes_if_it_never_gets_out(then: str) -> None:
    async def hasty(talk: Talk) -> None:
        await talk.reader.readuntil(b"\r\n\r\n")
        await talk.say(OK)
        if then == "deaf":
            await over.wait()

    over = anyio.Event()
    async with talking(hasty) as (sender, peer):
        assert await send(sender, peer, b"x" * 50_000_000, 0.5) == SENT
        over.set()
