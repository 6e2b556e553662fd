"""No event finds a way to an address that is not the public internet's. The sockets are watched."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path

import anyio
import pytest

from router.events import Event
from router.targets.base import Cause, Message, RetryLater, Surroundings
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from router.targets.network.connection import Connection
from router.targets.network.pins import LASTS
from router.targets.network.resolving import Resolver, system
from router.targets.network.vetting import Policy
from router.targets.sender import SendError
from tests.receiver import Answer, Receiver
from tests.targets.network.spellings import ELSEWHERE, LOOPBACK, THIS_MACHINE, UNSPECIFIED
from tests.targets.senders import OpenSender, SenderKind

pytestmark = pytest.mark.anyio

STRICT = Policy()
OWN = Policy(loopback=True)
REACHING = [spelling for spelling, _ in THIS_MACHINE]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Every address of this machine, of both families; nobody need be accepted to be seen."""
    with closing(socket.socket(socket.AF_INET6)) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen()
        listening.setblocking(False)
        yield listening


async def refused(
    open_sender: OpenSender, url: str, policy: Policy = STRICT, resolver: Resolver = system
) -> SendError:
    async with open_sender("tests", Connection(policy, resolver=resolver)) as sender:
        with pytest.raises(SendError) as caught:
            await sender.send("POST", url, {}, b"x", 10.0)
    return caught.value


@pytest.mark.parametrize(("host", "rule"), THIS_MACHINE + ELSEWHERE)
async def test_no_spelling_gets_through(
    open_sender: OpenSender, listener: socket.socket, host: str, rule: str
) -> None:
    error = await refused(open_sender, f"http://{host}:{listener.getsockname()[1]}/")
    assert rule in error.message
    assert error.message.endswith(("to `allow`, if it is meant", "on loopback only)"))
    assert error.cause is Cause.MISDIRECTED
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("host", REACHING)
async def test_these_spellings_would_have_come_here(
    open_sender: OpenSender, listener: socket.socket, host: str
) -> None:
    """Otherwise the listener above would prove nothing."""
    allowing = Policy((ip_network("0.0.0.0/0"), ip_network("::/0")))
    async with open_sender("tests", Connection(allowing)) as sender:
        with pytest.raises(SendError, match="no answer"):
            await sender.send("POST", f"http://{host}:{listener.getsockname()[1]}/", {}, b"x", 0.2)
    listener.accept()[0].close()


CHILD = """
import os, sys, anyio
from router.targets.network.connection import Connection
from router.targets.network.vetting import ANYWHERE, Policy
from router.targets.sender import SendError, open_sender
from tests.targets.network.spellings import ELSEWHERE, THIS_MACHINE

async def main(policy, hosts):
    connection = Connection(policy, resolver=lambda host, port: ["127.0.0.1"])
    for host in hosts:
        async with open_sender("tests", connection) as sender:
            try:
                await sender.send("POST", f"http://{host}:1/", {}, b"x", 0.2)
            except SendError as error:
                print(error.cause.name)

if sys.argv[1] == "all":
    anyio.run(main, Policy(), [host for host, _ in THIS_MACHINE + ELSEWHERE])
else:
    anyio.run(main, ANYWHERE, ["127.0.0.2"])
sys.stdout.flush()
os._exit(0)  # strace slows the end down so much that threads of the client's own meet no interpreter any more
"""


@pytest.mark.skipif(
    shutil.which("strace") is None and os.environ.get("CI") != "true", reason="strace is not installed"
)
def test_the_system_is_not_even_asked_to_connect(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o", str(trace)]

    def connects(which: str) -> tuple[list[str], list[str]]:
        done = subprocess.run(
            [*strace, sys.executable, "-c", CHILD, which],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        return done.stdout.split(), re.findall(r"(?:connect|sendto|sendmsg)\(.*AF_INET.*", trace.read_text())

    causes, seen = connects("all")
    assert (set(causes), len(causes)) == ({"MISDIRECTED"}, len(THIS_MACHINE + ELSEWHERE))
    assert seen == []
    _, seen = connects("one")
    assert any("127.0.0.2" in one for one in seen)  # the trace sees the client's threads


def test_these_are_at_least_forty() -> None:
    assert len({host for host, _ in THIS_MACHINE + ELSEWHERE}) >= 40
    assert {LOOPBACK, UNSPECIFIED} <= {rule for _, rule in THIS_MACHINE}


@pytest.mark.parametrize(
    ("addresses", "rule"),
    [
        (["10.0.0.5"], "the name intern.test leads to 10.0.0.5, which is private (RFC 1918)"),
        (["8.8.8.8", "10.0.0.5"], "private"),
        (["::ffff:169.254.169.254"], "metadata"),
        (["fe80::1%lo"], "link-local"),
        (["127.0.0.1"], "loopback"),
    ],
)
async def test_a_name_is_as_bad_as_its_worst_address(
    open_sender: OpenSender, addresses: list[str], rule: str
) -> None:
    error = await refused(open_sender, "http://intern.test/", resolver=lambda _host, _port: addresses)
    assert rule in error.message


async def test_on_loopback_this_machine_is_allowed_and_nothing_else(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    async with open_sender("tests", Connection(OWN)) as sender:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost"):
            assert (await sender.send("POST", f"http://{host}:{receiver.port}/", {}, b"", 10.0)).status == 200
    for host in ("10.0.0.5", "169.254.169.254", "[::127.0.0.1]", "0.0.0.0", "[64:ff9b::7f00:1]"):
        assert (await refused(open_sender, f"http://{host}/", OWN)).cause is Cause.MISDIRECTED


async def test_what_is_allowed_is_connected_to(open_sender: OpenSender, receiver: Receiver) -> None:
    allowing = Policy((ip_network("127.0.0.1/32"),))
    async with open_sender("tests", Connection(allowing)) as sender:
        assert (await sender.send("POST", receiver.url, {}, b"", 10.0)).status == 200
        with pytest.raises(SendError, match=re.escape("127.0.0.2 is loopback")):
            await sender.send("POST", "http://127.0.0.2/", {}, b"", 10.0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "[::1]", "2130706433"])
async def test_no_redirect_is_followed(
    open_sender: OpenSender, receiver: Receiver, listener: socket.socket, status: int, host: str
) -> None:
    location = f"http://{host}:{listener.getsockname()[1]}/"
    receiver.script(Answer(status=status, headers={"Location": location}))
    async with open_sender("tests", Connection(OWN)) as sender:
        assert (await sender.send("POST", receiver.url, {}, b"", 10.0)).status == status
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_target_that_may_not_go_there_is_left_alone_until_somebody_mends_it(
    listener: socket.socket, tmp_path: Path
) -> None:
    settings = HttpSettings.model_validate({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/"})
    event = Event(id="1", source="s", type="t")
    message = Message(id="1-a", sequence=1, event=event, body=None, rules=(), attempt=1)
    async with HttpKind().open(settings, Surroundings("a", tmp_path, loopback=False)) as target:
        (outcome,) = await target.deliver([message])
    assert isinstance(outcome, RetryLater)
    assert outcome.cause is Cause.MISDIRECTED
    assert outcome.reason.startswith(
        "127.0.0.1 is loopback (RFC 1122, RFC 4291), and never connected to: add "
    )
    with pytest.raises(BlockingIOError):
        listener.accept()


class Rebinding:
    """Tells one address first, and others from then on."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return [self.addresses[min(self.asked, len(self.addresses)) - 1]]


@pytest.mark.parametrize("host", ["rebind.test", "rebind.test.", "REBIND.test", "reb\u0131nd.test"])
async def test_what_was_resolved_is_what_is_connected_to(
    open_sender: OpenSender, receiver: Receiver, host: str
) -> None:
    resolver = Rebinding("127.0.0.1", "169.254.169.254")
    async with open_sender("tests", Connection(OWN, resolver=resolver)) as sender:
        for _ in range(3):
            receiver.script(Answer(then="close"))  # each time a new connection
            assert (await sender.send("POST", f"http://{host}:{receiver.port}/", {}, b"", 10.0)).status == 200
    assert (receiver.connections, resolver.asked) == (3, 1)


async def test_a_name_that_is_asked_for_again_is_vetted_again(
    open_sender: OpenSender, receiver: Receiver
) -> None:
    resolver = Rebinding("127.0.0.1", "169.254.169.254")
    async with open_sender("tests", Connection(OWN, resolver=resolver)) as sender:
        url = f"http://rebind.test:{receiver.port}/"
        receiver.script(Answer(then="close"))  # else its connection may be used again when it breaks
        await sender.send("POST", url, {}, b"", 10.0)
        receiver.stop()
        with pytest.raises(SendError, match="connection refused"):
            await sender.send("POST", url, {}, b"", 10.0)
        receiver.start()
        with pytest.raises(SendError, match=r"leads to 169\.254\.169\.254, which is the metadata address"):
            await sender.send("POST", url, {}, b"", 10.0)
    assert len(receiver.requests) == 1


async def test_an_address_that_moves_takes_nothing_with_it_that_is_under_way(
    sender_kind: SenderKind, receiver: Receiver
) -> None:
    """After a minute the name leads to another address; what was sent to the old one is answered by it."""
    now = 0.0
    resolver = Rebinding("127.0.0.1", "::ffff:127.0.0.1", "10.0.0.5")
    sender = sender_kind("tests", Connection(OWN, resolver=resolver), steady=lambda: now)
    gate = receiver.gate()
    receiver.script(Answer(gate=gate, body=b"old"))
    replies = []

    async def send() -> None:
        replies.append(await sender.send("POST", f"http://rebind.test:{receiver.port}/", {}, b"", 10.0))

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await receiver.arrived(1)
        now = LASTS
        await send()
        gate.open()
    assert [reply.body for reply in replies] == [b"", b"old"]
    assert [request.connection for request in receiver.requests] == [1, 2]
    await anyio.to_thread.run_sync(receiver.wait_for_gone, 1)  # nobody keeps the old connection
    now = 2 * LASTS
    with pytest.raises(SendError, match=r"leads to 10\.0\.0\.5, which is private"):
        await send()
    await sender.close()
