"""The client for plain HTTP, and answers that are hostile or broken, on real sockets."""

from __future__ import annotations

import asyncio
import socket

import anyio
import anyio.to_thread
import pytest

from router.targets.network.connection import Connection
from router.targets.sender import READ_BYTES, Reply
from router.targets.sender.plain import PlainSender
from tests.targets.sender.peer import NO, OK, SENT, Talk, fails, polite, send, talking

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "headers", "line"),
    [
        ("http://u%40x:p%3A@127.0.0.1:{}/", {}, b"Authorization: Basic dUB4OnA6"),
        ("http://u@127.0.0.1:{}/", {"authorization": "Bearer x"}, b"Authorization: Bearer x"),
        ("http://[::ffff:127.0.0.1]:{}/?q#top", {}, b"Host: [::ffff:7f00:1]:{}"),
        ("http://0x7f.1:{}/ü?ü", {}, b"POST /%C3%BC?%C3%BC HTTP/1.1"),
    ],
)
async def test_what_stands_in_the_url(url: str, headers: dict[str, str], line: bytes) -> None:
    async def listening(talk: Talk) -> None:
        heads.append(await talk.reader.readuntil(b"\r\n\r\n"))
        await talk.say(OK)

    heads: list[bytes] = []
    async with talking(listening) as (sender, peer):
        assert await sender.send("POST", url.format(peer.port), headers, b"", 10.0) == SENT
    assert line.replace(b"{}", b"%d" % peer.port) in heads[0].split(b"\r\n")
    assert heads[0].count(b"Authorization") <= 1


async def test_an_answer_in_pieces_of_a_byte() -> None:
    async def dripping(talk: Talk) -> None:
        while True:
            await talk.hear()
            await talk.say(*[NO[at : at + 1] for at in range(len(NO))])

    async with talking(dripping) as (sender, peer):
        for _ in range(2):
            assert await send(sender, peer) == Reply(503, {"content-length": "2", "retry-after": "7"}, b"no")
    assert peer.connections == 1


@pytest.mark.parametrize("more", [NO, NO * 3, b"H", b"x", b"\x00" * 100_000])
async def test_what_stands_behind_an_answer_is_never_the_next_one(more: bytes) -> None:
    async def chatty(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK + more)
        await talk.gone()

    async with talking(chatty) as (sender, peer):
        for _ in range(2):
            assert await send(sender, peer) == SENT
        await peer.until(gone=2)
    assert peer.connections == 2


@pytest.mark.parametrize("more", [NO, b"H", b"\r\n"])
async def test_nor_is_what_comes_when_nobody_asked(more: bytes) -> None:
    async def chatty(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        if talk.number == 1:
            await told.wait()
            await talk.say(more)
        await talk.gone()

    told = anyio.Event()
    async with talking(chatty) as (sender, peer):
        assert await send(sender, peer) == SENT
        told.set()
        await peer.until(gone=1)
        assert await send(sender, peer) == SENT
    assert [number for number, _ in peer.requests] == [1, 2]


async def test_nor_is_what_came_before_the_next_was_asked_and_is_not_read_yet() -> None:
    """An answer is there, and more bytes behind it, by the time that its connection is used again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        sender = PlainSender("tests", Connection())
        first = asyncio.create_task(sender.send("POST", url, {}, b"x", 10.0))
        peer, _ = await anyio.to_thread.run_sync(server.accept)
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as servers do
            await anyio.to_thread.run_sync(peer.recv, 4096)
            peer.sendall(OK)
            assert await first == SENT
            told: list[object] = []
            answered = anyio.Event()

            def answer(reply: object) -> None:
                peer.sendall(NO)
                told.extend([reply, sender.begin("POST", url, {}, b"y", 10.0, told.append)])
                answered.set()

            assert sender.begin("POST", url, {}, b"x", 10.0, answer)
            await anyio.to_thread.run_sync(peer.recv, 4096)
            peer.sendall(OK)
            await answered.wait()
            assert told == [SENT, False]
        await sender.close()


async def test_the_same_bytes_mean_what_the_method_makes_of_them() -> None:
    """An answer that came before is not read again; but not every method asks for its headers."""
    async with talking(polite) as (sender, peer):
        for _ in range(3):
            assert await send(sender, peer) == SENT
            asked = await send(sender, peer, method="OPTIONS")
            assert asked == Reply(200, {"content-length": "2"}, b"ok")
        assert peer.connections == 1


async def test_nor_do_they_mean_it_in_the_midst_of_another_answer() -> None:
    async def quoting(talk: Talk) -> None:
        await talk.hear()
        await talk.say(OK)
        await talk.hear()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(OK)
        await talk.say(head, b"", b"", b"", b"", OK)  # the loop turns between them: two packets
        await talk.gone()

    async with talking(quoting) as (sender, peer):
        assert await send(sender, peer) == SENT
        assert await send(sender, peer) == Reply(200, {}, OK)
        assert peer.connections == 1


async def test_who_speaks_first_does_not_speak_http() -> None:
    async def greeting(talk: Talk) -> None:
        await talk.say(b"220 mail.test ESMTP\r\n")
        await talk.gone()

    async with talking(greeting) as (sender, peer):
        assert (await fails(sender, peer)).startswith("127.0.0.1:PORT broke HTTP: ")
        await peer.until(gone=1)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"", "connection closed by 127.0.0.1:PORT before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "connection closed by 127.0.0.1:PORT before it answered"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "connection closed by 127.0.0.1:PORT before it answered"),
        (OK[:-1], b"o"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
    ],
)
async def test_where_the_peer_ends_it(said: bytes, outcome: str | bytes) -> None:
    async def ending(talk: Talk) -> None:
        await talk.hear()
        await talk.say(said)
        talk.writer.write_eof()  # what was sent still arrives
        await talk.gone()

    async with talking(ending) as (sender, peer):
        if isinstance(outcome, str):
            assert await fails(sender, peer) == outcome
        else:
            assert await send(sender, peer) == Reply(200, {}, outcome)
        await peer.until(gone=1)


@pytest.mark.parametrize(
    ("endless", "outcome"),
    [
        (b"X: y\r\n", "127.0.0.1:PORT broke HTTP: message head is too large"),
        (b"x", "127.0.0.1:PORT broke HTTP: message head is too large"),
        (b"\r\n" + b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + b"HTTP/1.1 100 Continue\r\n", None),
    ],
)
async def test_a_head_without_end(endless: bytes, outcome: str | None) -> None:
    async def endlessly(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 100 Continue\r\n" if outcome is None else b"HTTP/1.1 200 OK\r\nA: ")
        while True:
            await talk.say(endless * 1000)

    async with talking(endlessly) as (sender, peer):
        assert await fails(sender, peer) == (
            outcome or "127.0.0.1:PORT broke HTTP: message head is too large"
        )
        await peer.until(gone=1)


@pytest.mark.parametrize(
    ("head", "endless", "body"),
    [
        (b"Content-Length: 999999999\r\n\r\n", b"z", b"z" * READ_BYTES),
        (b"\r\n", b"z", b"z" * READ_BYTES),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n", b"z" * READ_BYTES),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2;", b"x=y;", b"ok"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"X: y\r\n", b"ok"),
    ],
    ids=["length", "no length", "chunks", "extensions", "trailers"],
)
async def test_a_body_without_end_costs_the_peer_its_connection(
    head: bytes, endless: bytes, body: bytes
) -> None:
    async def endlessly(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n" + head)
        while True:
            await talk.say(endless * 1000)

    async with talking(endlessly) as (sender, peer):
        assert await send(sender, peer) == Reply(200, {}, body)
        await peer.until(gone=1)
