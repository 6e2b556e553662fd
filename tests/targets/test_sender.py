"""What any `Sender` must do, on a real receiver: both clients run these tests."""

from __future__ import annotations

import gc
import re
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import anyio
import pytest

import router.targets.sender
from router.targets.network.connection import Connection
from router.targets.sender import READ_BYTES, Reply, Sender, SendError
from router.targets.sender.plain import PlainSender
from tests.receiver import DROP, RESET, Answer, Receiver
from tests.targets.senders import OpenSender

pytestmark = pytest.mark.anyio

AGENT = "rule-router/test"
HANGING_BODY = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")


async def post(sender: Sender, url: str, body: bytes = b"hello", seconds: float = 10.0) -> Reply:
    return await sender.send("POST", url, {"content-type": "text/plain"}, body, seconds)


async def send_one(
    open_sender: OpenSender, receiver: Receiver, *answers: Answer, seconds: float = 10.0
) -> Reply:
    receiver.script(*answers)
    async with open_sender(AGENT) as sender:
        return await post(sender, receiver.url, seconds=seconds)


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of loopback that refuses connections: bound, so that nobody else gets it, and not listening."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def test_the_request_is_what_was_asked_for_and_nothing_more(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    async with open_sender(AGENT) as sender:
        headers = {"content-type": "a/b", "x-one": "1", "X-Two": "2; three"}
        await sender.send("PUT", f"{receiver.url}/a%20b/?c=%C3%BC&d", headers, b"\x00\xff\r\n", 10.0)
    (request,) = receiver.requests
    assert (request.method, request.target, request.body) == ("PUT", "/a%20b/?c=%C3%BC&d", b"\x00\xff\r\n")
    assert request.headers == {
        "content-type": "a/b",
        "x-one": "1",
        "x-two": "2; three",
        "content-length": "4",
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": AGENT,
        "accept": "*/*",
    }


async def test_a_callers_user_agent_goes_before_the_senders(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    async with open_sender(AGENT) as sender:
        await sender.send("POST", receiver.url, {"User-Agent": "mine"}, b"", 10.0)
    (request,) = receiver.requests
    agents = [value for name, value in request.fields if name.lower() == b"user-agent"]
    assert agents == [b"mine"]


async def test_an_empty_body_has_a_length(open_sender: OpenSender, receiver: Receiver) -> None:
    async with open_sender(AGENT) as sender:
        await post(sender, receiver.url, b"")
    assert receiver.requests[0].headers["content-length"] == "0"


async def test_header_values_beyond_ascii_are_sent_as_utf_8(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    async with open_sender(AGENT) as sender:
        await sender.send("POST", receiver.url, {"x-name": "bücher 🎬"}, b"", 10.0)
    assert (b"X-Name", "bücher 🎬".encode()) in receiver.requests[0].fields


@pytest.mark.parametrize(
    "headers",
    [
        {"x-a": "b\r\nx-injected: 1"},
        {"x-a": "b\n"},
        {"x-a": "b\r"},
        {"x-a": "b\x00"},
        {"x-a\r\nx-injected": "1"},
        {"x a": "1"},
        {"": "1"},
    ],
)
async def test_a_header_that_would_break_the_request_is_not_sent(
    open_sender: OpenSender, receiver: Receiver, headers: dict[str, str]
) -> None:
    async with open_sender(AGENT) as sender:
        with pytest.raises(ValueError, match=r"(?i)header"):
            await sender.send("POST", receiver.url, headers, b"", 10.0)
    assert receiver.connections == 0


async def test_a_url_that_is_none_is_not_sent(open_sender: OpenSender) -> None:
    async with open_sender(AGENT) as sender:
        with pytest.raises(ValueError, match=r"."):
            await post(sender, "http://a b/")


async def test_status_headers_and_body_of_the_answer(open_sender: OpenSender, receiver: Receiver) -> None:
    answer = Answer(status=503, headers={"Retry-After": "7", "X-Ascii": "a b"}, body=b"sorry \xff")
    reply = await send_one(open_sender, receiver, answer)
    assert (reply.status, reply.body) == (503, b"sorry \xff")
    assert reply.headers.items() >= {"retry-after": "7", "x-ascii": "a b"}.items()


async def test_an_answers_header_that_is_no_ascii_does_not_hide_the_others(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    raw = b"HTTP/1.1 503 No\r\nX-Odd: \xfc\xff\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    reply = await send_one(open_sender, receiver, Answer(raw=raw))
    assert reply.headers == {"retry-after": "7", "content-length": "0"}


async def test_of_a_field_that_is_there_twice_the_first_counts(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    fields = b"Retry-After: 7\r\nRetry-After: 9\r\nX-A: 1\r\nX-A: \xff\r\nX-B: \xff\r\nX-B: 1\r\n"
    raw = b"HTTP/1.1 503 No\r\n" + fields + b"Content-Length: 0\r\n\r\n"
    reply = await send_one(open_sender, receiver, Answer(raw=raw))
    assert reply.headers == {"retry-after": "7", "x-a": "1", "content-length": "0"}


@pytest.mark.parametrize("status", [200, 204, 299, 304, 400, 404, 500, 599, 999])
async def test_every_status_is_an_answer(open_sender: OpenSender, receiver: Receiver, status: int) -> None:
    assert (await send_one(open_sender, receiver, Answer(status=status))).status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(
    open_sender: OpenSender, receiver: Receiver, status: int
) -> None:
    reply = await send_one(
        open_sender, receiver, Answer(status=status, headers={"Location": f"{receiver.url}/elsewhere"})
    )
    assert (reply.status, reply.headers["location"]) == (status, f"{receiver.url}/elsewhere")
    assert [request.target for request in receiver.requests] == ["/"]


async def test_cookies_are_not_kept(open_sender: OpenSender, receiver: Receiver) -> None:
    receiver.script(Answer(headers={"Set-Cookie": "a=b"}))
    async with open_sender(AGENT) as sender:
        await post(sender, receiver.url)
        await post(sender, receiver.url)
    assert "cookie" not in receiver.requests[1].headers


async def test_an_answers_content_coding_is_left_alone(open_sender: OpenSender, receiver: Receiver) -> None:
    reply = await send_one(
        open_sender, receiver, Answer(headers={"Content-Encoding": "gzip"}, body=b"not gzip")
    )
    assert reply.body == b"not gzip"
    assert "accept-encoding" not in receiver.requests[0].headers


async def test_proxies_of_the_environment_are_ignored(
    open_sender: OpenSender, receiver: Receiver, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await send_one(open_sender, receiver)).status == 200


@pytest.mark.parametrize("framing", ["Content-Length: 100000000\r\n", "Transfer-Encoding: chunked\r\n", ""])
async def test_a_long_answer_is_cut(open_sender: OpenSender, receiver: Receiver, framing: str) -> None:
    body = b"z" * 1_000_000
    if "chunked" in framing:
        body = b"f4240\r\n" + body
    raw = f"HTTP/1.1 200 OK\r\n{framing}\r\n".encode() + body
    reply = await send_one(open_sender, receiver, Answer(raw=raw))
    assert reply == Reply(200, reply.headers, b"z" * READ_BYTES)


async def test_an_answer_as_long_as_allowed_leaves_the_connection_usable(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    receiver.decide = lambda _: Answer(body=b"z" * READ_BYTES)
    async with open_sender(AGENT) as sender:
        for _ in range(3):
            assert len((await post(sender, receiver.url)).body) == READ_BYTES
    assert len(receiver.requests) == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ],
)
async def test_a_body_that_breaks_off_does_not_undo_the_status(
    open_sender: OpenSender, receiver: Receiver, raw: bytes
) -> None:
    reply = await send_one(open_sender, receiver, Answer(raw=raw, then="close"))
    assert (reply.status, reply.body) == (200, b"abc")


async def test_a_body_that_never_ends_does_not_undo_the_status(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    reply = await send_one(open_sender, receiver, HANGING_BODY, seconds=0.3)
    assert (reply.status, reply.body) == (200, b"abc")


async def test_informational_answers_are_passed_over(open_sender: OpenSender, receiver: Receiver) -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    assert (await send_one(open_sender, receiver, Answer(raw=raw))).status == 201


async def test_connections_are_kept(open_sender: OpenSender, receiver: Receiver) -> None:
    async with open_sender(AGENT) as sender:
        for _ in range(20):
            await post(sender, receiver.url)
    assert [request.connection for request in receiver.requests] == [1] * 20


async def test_a_connection_that_the_peer_closed_is_replaced(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    receiver.script(Answer(then="close"))
    async with open_sender(AGENT) as sender:
        await post(sender, receiver.url)
        await anyio.to_thread.run_sync(receiver.wait_for_gone, 1)
        await post(sender, receiver.url)
    assert [request.connection for request in receiver.requests] == [1, 2]


async def test_closing_the_sender_closes_its_connections(open_sender: OpenSender, receiver: Receiver) -> None:
    await send_one(open_sender, receiver)
    await anyio.to_thread.run_sync(receiver.wait_for_gone, 1)


async def test_sixty_four_at_once(open_sender: OpenSender, receiver: Receiver) -> None:
    gate = receiver.gate()
    receiver.decide = lambda request: Answer(gate=gate, body=request.body)
    replies: dict[int, bytes] = {}

    async def one(number: int) -> None:
        replies[number] = (await post(sender, receiver.url, b"%d" % number)).body

    async with open_sender(AGENT) as sender, anyio.create_task_group() as tasks:
        for number in range(64):
            tasks.start_soon(one, number)
        await receiver.arrived(64)
        gate.open()
    assert replies == {number: b"%d" % number for number in range(64)}
    assert receiver.connections == 64


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (DROP, "connection closed by 127.0.0.1:PORT before it answered"),
        (RESET, "connection reset by 127.0.0.1:PORT before it answered"),
        (
            Answer(raw=b"SSH-2.0-OpenSSH\r\n", then="close"),
            "127.0.0.1:PORT broke HTTP: invalid HTTP version parsed",
        ),
        (
            Answer(raw=b"HTTP/1.1 99 No\r\n\r\n", then="close"),
            "127.0.0.1:PORT broke HTTP: invalid HTTP status-code parsed",
        ),
        (Answer(headers={"X": "y" * 900_000}), "127.0.0.1:PORT broke HTTP: message head is too large"),
    ],
    ids=["drop", "reset", "not HTTP", "no status", "endless head"],
)
async def test_what_is_no_answer(
    open_sender: OpenSender, receiver: Receiver, answer: Answer, reason: str
) -> None:
    with pytest.raises(SendError) as caught:
        await send_one(open_sender, receiver, answer)
    assert caught.value.message == reason.replace("PORT", str(receiver.port))


async def test_no_answer_in_time(open_sender: OpenSender, receiver: Receiver) -> None:
    began = time.monotonic()
    with pytest.raises(SendError) as caught:
        await send_one(open_sender, receiver, Answer(gate=receiver.gate()), seconds=0.25)
    assert caught.value.message == f"no answer from 127.0.0.1:{receiver.port} within 0.25 s"
    assert 0.2 < time.monotonic() - began < 5


async def test_nobody_listens(open_sender: OpenSender, free_port: int) -> None:
    async with open_sender(AGENT) as sender:
        with pytest.raises(SendError) as caught:
            await post(sender, f"http://127.0.0.1:{free_port}/secret?token=1")
        assert caught.value.message == f"connection refused by 127.0.0.1:{free_port}"
        with pytest.raises(SendError, match=re.escape("connection refused by [::1]:1")):
            await post(sender, "http://[::1]:1/")


async def test_a_name_that_does_not_exist(open_sender: OpenSender) -> None:
    async with open_sender(AGENT) as sender:
        with pytest.raises(SendError, match=r"^the name nosuch\.invalid cannot be resolved: "):
            await post(sender, "http://nosuch.invalid/hook")


async def test_https_to_a_server_without_tls(receiver: Receiver) -> None:
    async with router.targets.sender.open_sender(AGENT) as sender:
        with pytest.raises(SendError) as caught:
            await post(sender, receiver.url.replace("http://", "https://"))
    peer = f"127.0.0.1:{receiver.port}"
    assert caught.value.message == f"{peer} does not speak TLS: is it http:// instead of https://?"


async def test_the_client_for_http_never_sends_https_in_the_clear(receiver: Receiver) -> None:
    sender = PlainSender(AGENT, Connection())
    for scheme in ("https", "HTTPS", "ht\ntps", " https"):
        with pytest.raises(ValueError, match="in the clear"):
            await post(sender, receiver.url.replace("http", scheme))
    assert receiver.connections == 0
    await sender.close()


@pytest.mark.parametrize("scheme", ["http", "HTTP", " http", "ht\ntp"])
async def test_every_spelling_of_http_is_sent(receiver: Receiver, scheme: str) -> None:
    async with router.targets.sender.open_sender(AGENT) as sender:
        assert (await post(sender, receiver.url.replace("http", scheme))).status == 200


async def test_an_error_leaves_the_sender_usable(open_sender: OpenSender, receiver: Receiver) -> None:
    receiver.script(DROP, RESET, Answer(raw=b"?", then="close"))
    async with open_sender(AGENT) as sender:
        for _ in range(3):
            with pytest.raises(SendError):
                await post(sender, receiver.url)
        assert (await post(sender, receiver.url)).status == 200


@pytest.mark.parametrize("when", ["before the answer", "in the answer's body"])
async def test_a_cancelled_request_leaves_the_sender_usable(
    open_sender: OpenSender, receiver: Receiver, when: str
) -> None:
    receiver.script(Answer(gate=receiver.gate()) if when == "before the answer" else HANGING_BODY)
    async with open_sender(AGENT) as sender:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post, sender, receiver.url)
            await receiver.arrived(1)
            tasks.cancel_scope.cancel()
        assert tasks.cancel_scope.cancelled_caught
        assert (await post(sender, receiver.url)).status == 200


async def test_a_cancelled_request_is_no_time_out_of_its_own(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    """The scope that was cancelled gets its own cancellation back: an outer one goes on."""
    receiver.script(Answer(gate=receiver.gate()))
    went_on = False
    async with open_sender(AGENT) as sender:
        with anyio.CancelScope() as outer:
            with anyio.move_on_after(0.05) as inner:
                await post(sender, receiver.url)
            went_on = True
    assert (inner.cancelled_caught, outer.cancelled_caught, went_on) == (True, False, True)


async def test_many_cancelled_requests_leave_the_sender_usable(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    gate = receiver.gate()
    receiver.script(*[Answer(gate=gate)] * 32)
    async with open_sender(AGENT) as sender:
        async with anyio.create_task_group() as tasks:
            for _ in range(32):
                tasks.start_soon(post, sender, receiver.url)
            await receiver.arrived(32)
            tasks.cancel_scope.cancel()
        gate.open()
        for _ in range(5):
            assert (await post(sender, receiver.url)).status == 200


async def test_senders_come_and_go_without_leaving_descriptors(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    await send_one(open_sender, receiver)
    gc.collect()
    before = descriptors()
    async with AsyncExitStack() as stack:
        for _ in range(10):
            await post(await stack.enter_async_context(open_sender(AGENT)), receiver.url)
    await anyio.to_thread.run_sync(receiver.wait_for_gone, 11)
    gc.collect()
    after = descriptors()
    assert after <= before + 2
