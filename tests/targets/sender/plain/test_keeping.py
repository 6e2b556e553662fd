"""The client for plain HTTP: which connections are kept, and when one is replaced."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import anyio
import anyio.to_thread
import pytest

from router.targets.network.connection import Connection
from router.targets.network.pins import LASTS
from router.targets.network.vetting import Policy
from router.targets.sender import Reply, SendError, links
from router.targets.sender.plain import PlainSender
from tests.targets.sender.peer import OK, SENT, Talk, fails, polite, send, talking

pytestmark = pytest.mark.anyio


async def test_one_connection_after_the_other_carries_them_all() -> None:
    async with talking(polite) as (sender, peer):
        for number in range(5):
            assert await send(sender, peer, b"%d" % number) == SENT
    assert peer.requests == [(1, b"%d" % number) for number in range(5)]


async def test_a_name_that_is_asked_for_again_costs_no_connection() -> None:
    now = 0.0
    async with talking(polite) as (_, peer):
        connection = Connection(resolver=lambda _host, _port: ["127.0.0.1"])
        sender = PlainSender("tests", connection, steady=lambda: now)
        for _ in range(3):
            assert await sender.send("POST", f"http://a.test:{peer.port}/", {}, b"", 10.0) == SENT
            now += 2 * LASTS
        await sender.close()
    assert peer.connections == 1


async def test_an_address_that_is_the_names_no_longer_keeps_no_connection() -> None:
    async def held(talk: Talk) -> None:
        await talk.hear()
        if talk.number == 1:
            await told.wait()
        await talk.say(OK)
        await talk.gone()

    now, told, found = 0.0, anyio.Event(), ["127.0.0.1"]
    async with talking(held) as (_, peer):
        connection = Connection(Policy(loopback=True), resolver=lambda _host, _port: list(found))
        sender = PlainSender("tests", connection, steady=lambda: now)
        url = f"http://a.test:{peer.port}/"
        under_way = asyncio.create_task(sender.send("POST", url, {}, b"slow", 10.0))
        await peer.until(requests=1)
        assert await sender.send("POST", url, {}, b"", 10.0) == SENT
        now, found = 2 * LASTS, ["10.0.0.5"]
        with pytest.raises(SendError, match="private"):
            await sender.send("POST", url, {}, b"", 10.0)
        await peer.until(gone=1)
        told.set()
        assert await under_way == SENT
        await peer.until(gone=2)
        await sender.close()
    assert [number for number, _ in peer.requests] == [1, 2]


async def test_a_connection_that_comes_about_when_its_address_is_out_of_use_is_not_kept() -> None:
    async with talking(polite) as (_, peer):
        all_links = links.Links(every_header=False)
        pool = links.Pool(all_links, ip_address("127.0.0.1"))
        connecting = asyncio.create_task(pool.connect(peer.port))
        await asyncio.sleep(0)
        pool.retire()
        link = await connecting
        done: asyncio.Future[Reply | links.Lost] = asyncio.get_running_loop().create_future()
        link.begin("GET", b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", link.began + 10, done.set_result)
        assert await done == SENT
        assert pool.idle() is None
        await all_links.close()


async def test_a_kept_connection_that_ends_as_it_is_used_is_replaced_once() -> None:
    async def hasty(talk: Talk) -> None:
        if talk.number == 1:
            await talk.hear()
            await talk.say(OK)
        await talk.hear()
        if talk.number == 2:
            await talk.say(OK)
            await talk.gone()

    async with talking(hasty) as (sender, peer):
        assert await send(sender, peer, b"first") == SENT
        assert await send(sender, peer, b"second") == SENT
        assert peer.requests == [(1, b"first"), (1, b"second"), (2, b"second")]


async def test_and_never_twice() -> None:
    async def leaving(talk: Talk) -> None:
        await talk.hear()
        if talk.number == 1:
            await talk.say(OK)
            await talk.hear()

    async with talking(leaving) as (sender, peer):
        await send(sender, peer)
        assert await fails(sender, peer) == "connection closed by 127.0.0.1:PORT before it answered"
        assert [number for number, _ in peer.requests] == [1, 1, 2]
        assert await fails(sender, peer) == "connection closed by 127.0.0.1:PORT before it answered"
        assert [number for number, _ in peer.requests] == [1, 1, 2, 3]  # a new one is not tried again


async def test_nor_after_a_byte_of_the_answer() -> None:
    async def breaking(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        await talk.hear()
        await talk.say(b"H")

    async with talking(breaking) as (sender, peer):
        await send(sender, peer)
        assert await fails(sender, peer) == "connection closed by 127.0.0.1:PORT before it answered"
    assert [number for number, _ in peer.requests] == [1, 1]


async def test_nor_when_the_peer_had_the_time_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dying(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        await talk.hear()

    monkeypatch.setattr(links, "STALE_SECONDS", 0.0)
    async with talking(dying) as (sender, peer):
        await send(sender, peer)
        assert await fails(sender, peer) == "connection closed by 127.0.0.1:PORT before it answered"
    assert [number for number, _ in peer.requests] == [1, 1]


async def test_nor_when_the_time_is_over() -> None:
    async def silent(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        await talk.hear()
        await talk.gone()

    async with talking(silent) as (sender, peer):
        await send(sender, peer)
        assert await fails(sender, peer, 0.2) == "no answer from 127.0.0.1:PORT within 0.2 s"
        await peer.until(gone=1)
    assert [number for number, _ in peer.requests] == [1, 1]


async def test_what_is_not_used_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(links, "_IDLE_TICK", 0.1)
    async with talking(polite) as (sender, peer):
        await send(sender, peer)
        await peer.until(gone=1)
        await send(sender, peer)
    assert peer.connections == 2


async def test_no_more_connections_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    async def together(talk: Talk) -> None:
        await talk.hear()
        await peer.until(requests=5)
        await talk.say(OK)
        await polite(talk)

    monkeypatch.setattr(links, "IDLE_LINKS", 2)
    async with talking(together) as (sender, peer):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(send, sender, peer)
        await peer.until(gone=3)
        assert await send(sender, peer) == SENT
        assert (peer.gone, peer.connections) == (3, 5)
