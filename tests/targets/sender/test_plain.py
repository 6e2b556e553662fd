"""The client for plain HTTP and peers that are hostile, broken or gone, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import anyio
import anyio.to_thread
import pytest

from router.targets.network.connection import Connection
from router.targets.network.pins import LASTS
from router.targets.network.vetting import Policy
from router.targets.sender import READ_BYTES, Reply, SendError, links
from router.targets.sender.plain import PlainSender

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NO = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nno"
SENT = Reply(200, {}, b"ok")


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops."""
    backend: tuple[str, dict[str, bool]] = request.param
    return backend


class Peer:
    """Whoever is sent to.

    Attributes:
        requests: the connection (1 is the first) and the body of each, as they came.
        connections: how many came about.
        gone: how many of them the client has closed.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[int, bytes]] = []
        self.connections = 0
        self.gone = 0
        self._changed = anyio.Condition()

    async def note(self, *, gone: bool = False, request: tuple[int, bytes] | None = None) -> None:
        async with self._changed:
            self.gone += gone
            self.requests += [request] if request else []
            self._changed.notify_all()

    async def until(self, *, requests: int = 0, gone: int = 0) -> None:
        """Wait for so many."""
        with anyio.fail_after(10):
            async with self._changed:
                while len(self.requests) < requests or self.gone < gone:
                    await self._changed.wait()


class Talk:
    """One connection, as the peer sees it."""

    def __init__(
        self, peer: Peer, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer
        self._peer = peer

    async def hear(self) -> None:
        """The next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self._peer.note(request=(self.number, await self.reader.readexactly(length)))

    async def say(self, *packets: bytes) -> None:
        """Send these, one after the other."""
        for packet in packets:
            if self.writer.transport.is_closing():
                raise ConnectionResetError
            self.writer.write(packet)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the client has closed it."""
        while await self.reader.read(2**16):
            pass
        await self._peer.note(gone=True)


Manners = Callable[[Talk], Awaitable[None]]


@asynccontextmanager
async def talking(manners: Manners) -> AsyncIterator[tuple[PlainSender, Peer]]:
    """A peer with these manners, and a sender; a connection ends with the manners."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer.connections += 1
        try:
            await manners(Talk(peer, peer.connections, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            await peer.note(gone=True)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    sender = PlainSender("tests", Connection())
    try:
        yield sender, peer
    finally:
        with anyio.move_on_after(5):
            await sender.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def send(
    sender: PlainSender, peer: Peer, body: bytes = b"x", seconds: float = 10.0, method: str = "POST"
) -> Reply:
    return await sender.send(method, f"http://127.0.0.1:{peer.port}/", {}, body, seconds)


async def fails(sender: PlainSender, peer: Peer, seconds: float = 10.0) -> str:
    with pytest.raises(SendError) as caught:
        await send(sender, peer, seconds=seconds)
    return caught.value.message.replace(str(peer.port), "PORT")


async def polite(talk: Talk) -> None:
    while True:
        await talk.hear()
        await talk.say(OK)


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


async def test_who_speaks_first_does_not_speak_http() -> None:
    async def greeting(talk: Talk) -> None:
        await talk.say(b"220 mail.test ESMTP\r\n")
        await talk.gone()

    async with talking(greeting) as (sender, peer):
        assert (await fails(sender, peer)).startswith("127.0.0.1:PORT broke HTTP: ")
        await peer.until(gone=1)


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
