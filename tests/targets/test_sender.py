"""What any `Sender` must do, on a real receiver: what goes out, and what comes back."""

from __future__ import annotations

import pytest

import router.targets.sender
from router.targets.network.connection import Connection
from router.targets.sender import READ_BYTES, Reply
from router.targets.sender.plain import PlainSender
from tests.receiver import Answer, Receiver
from tests.targets.senders import AGENT, HANGING_BODY, OpenSender, post, send_one

pytestmark = pytest.mark.anyio


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
