"""The client for plain HTTP: requests that are cancelled, and its own end."""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread
import pytest

from router.targets.network.connection import Connection
from router.targets.sender import SendError, links
from router.targets.sender.plain import PlainSender
from tests.targets.sender.peer import NO, OK, SENT, Talk, fails, polite, send, talking

pytestmark = pytest.mark.anyio


async def test_a_cancelled_request_takes_its_connection_with_it() -> None:
    async def late(talk: Talk) -> None:
        await talk.hear()
        if talk.number > 1:
            await talk.say(NO)
        await talk.gone()

    async with talking(late) as (sender, peer):
        async with anyio.create_task_group() as group:
            group.start_soon(send, sender, peer, b"first")
            await peer.until(requests=1)
            group.cancel_scope.cancel()
        await peer.until(gone=1)
        assert (await send(sender, peer, b"second")).status == 503
    assert peer.requests == [(1, b"first"), (2, b"second")]


async def test_requests_that_are_cancelled_at_any_moment_leave_nothing_behind() -> None:
    async with talking(polite) as (sender, peer):
        for attempt in range(300):
            with anyio.move_on_after(attempt % 30 / 10_000):
                await send(sender, peer)
        assert await send(sender, peer) == SENT
        with anyio.fail_after(5):
            await sender.close()  # which waits for all there are


async def test_an_answer_that_comes_as_its_request_is_cancelled_leaves_the_connection_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Noted(links.Link):
        def __init__(self, pool: links.Pool) -> None:
            super().__init__(pool)
            made.append(self)

    async def slow(talk: Talk) -> None:
        await talk.hear()
        await polite(talk)

    made: list[links.Link] = []
    monkeypatch.setattr(links, "Link", Noted)
    async with talking(slow) as (sender, peer):
        first = asyncio.create_task(send(sender, peer, b"first"))
        await peer.until(requests=1)
        second = asyncio.create_task(send(sender, peer, b"second"))
        first.cancel()
        made[0].data_received(OK)  # in the same turn of the loop; the second goes before the first wakes up
        with anyio.fail_after(5):
            assert await second == SENT
        assert first.cancelled()
    assert peer.requests == [(1, b"first"), (1, b"second")]


async def test_closing_tells_whoever_waits_and_everybody_after() -> None:
    async def silent(talk: Talk) -> None:
        await talk.hear()
        await talk.gone()

    failed: list[str] = []
    async with talking(silent) as (sender, peer):

        async def one() -> None:
            failed.append(await fails(sender, peer))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(one)
            await peer.until(requests=3)
            await sender.close()
        await one()
        await sender.close()
        await peer.until(gone=3)
    assert failed == ["no answer from 127.0.0.1:PORT: the router has closed its connections"] * 4


async def test_after_the_close_nobody_connects(unused_port: int) -> None:
    sender = PlainSender("tests", Connection())
    await sender.close()
    with pytest.raises(SendError, match="the router has closed its connections"):
        await sender.send("POST", f"http://127.0.0.1:{unused_port}/", {}, b"", 10.0)


async def test_who_waits_no_longer_for_the_close_leaves_it_to_others() -> None:
    async with talking(polite) as (sender, peer):
        await send(sender, peer)
        first, second = (asyncio.create_task(sender.close()) for _ in range(2))
        await asyncio.sleep(0)
        assert not first.done()
        first.cancel()
        await second
        await sender.close()
    assert first.cancelled()
