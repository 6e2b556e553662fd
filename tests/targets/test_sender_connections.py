"""What any `Sender` must do with its connections, and where one of them fails, on a real receiver."""

from __future__ import annotations

import gc
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

import router.targets.sender
from router.targets.sender import SendError
from tests.receiver import DROP, RESET, Answer, Receiver
from tests.targets.senders import AGENT, HANGING_BODY, OpenSender, post, send_one

pytestmark = pytest.mark.anyio


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return sum(1 for _ in Path("/dev/fd").iterdir())


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
