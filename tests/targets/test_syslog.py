"""Lines to a syslog daemon: real sockets, and what comes out of them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.events import Event
from router.targets.base import Body, Delivered, Message, Outcome, Rejected, RetryLater, Surroundings
from router.targets.log import LogKind, LogSettings
from router.targets.syslog import host_and_port

LOCAL = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d router\[(\d+)\]: (.*)", re.DOTALL)
"""RFC 3164, section 4.1, as syslog(3) writes it: without a host."""

REMOTE = re.compile(
    r"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) router (\d+) - - (.*)", re.DOTALL
)
"""RFC 5424, section 6, without a message id and structured data."""


def message(event_type: str = "imm:Task", *rules: str) -> Message:
    return Message("12-console", 12, Event(id="7", source="/s", type=event_type), None, rules or ("a",), 1)


def settings(address: str, **more: Any) -> LogSettings:
    told = {"address": address} | more.pop("syslog", {})
    return LogSettings.model_validate({"to": "syslog", "syslog": told, **more})


async def deliver(chosen: LogSettings, *messages: Message) -> list[Outcome]:
    async with LogKind().open(chosen, Surroundings("console", Path("data"), loopback=True)) as target:
        return list(await target.deliver(messages))


def bound(family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind(address)
    made.settimeout(10)
    return made


@pytest.fixture
def local(tmp_path: Path) -> Iterator[socket.socket]:
    """A daemon's socket, at a path."""
    with bound(socket.AF_UNIX, str(tmp_path / "log")) as receiver:
        yield receiver


@pytest.fixture
def remote() -> Iterator[socket.socket]:
    """A daemon's port."""
    with bound(socket.AF_INET, ("127.0.0.1", 0)) as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("logs.example.com:514", ("logs.example.com", 514)),
        ("127.0.0.1:514", ("127.0.0.1", 514)),
        ("[::1]:514", ("::1", 514)),
        ("/dev/log", None),
        ("/a:5", None),
        ("host", None),
        ("host:0", None),
        ("host:65536", None),
        ("host:٣", None),
        (":514", None),
        ("::1:514", None),
    ],
)
def test_addresses(address: str, parts: tuple[str, int] | None) -> None:
    assert host_and_port(address) == parts


@pytest.mark.anyio
async def test_a_local_daemon_gets_what_syslog_3_writes(local: socket.socket) -> None:
    chosen = settings(local.getsockname(), level="warning", syslog={"facility": "local3"})
    assert await deliver(chosen, message()) == [Delivered()]
    found = LOCAL.fullmatch(local.recv(65536).decode())
    assert found is not None
    priority, process, line = found.groups()
    assert (int(priority), int(process)) == (19 * 8 + 4, os.getpid())
    assert msgspec.json.decode(line)["delivery"] == "12-console"


@pytest.mark.anyio
async def test_a_daemon_elsewhere_gets_rfc_5424(remote: socket.socket) -> None:
    host, port = remote.getsockname()
    chosen = settings(f"{host}:{port}", levels={"bad": "error"}, format="console")
    assert await deliver(chosen, message(), message("t", "a", "bad")) == [Delivered()] * 2
    first, second = (REMOTE.fullmatch(remote.recv(65536).decode()) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first[1], second[1]) == (str(8 + 6), str(8 + 3))
    assert first[3] == socket.gethostname()
    assert "event.routed" in first[5]
    assert not first[5].startswith("{")
    assert "\x1b" not in first[5]


@pytest.mark.anyio
@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_stranger_cannot_make_a_second_line(local: socket.socket, form: str) -> None:
    forged = "\n<0>Jan  1 00:00:00 kernel: forged\r\x00\x1b[2J\u2028"
    assert await deliver(settings(local.getsockname(), format=form), message(forged)) == [Delivered()]
    text = local.recv(65536).decode()
    assert len(text.splitlines()) == 1
    assert text.isprintable()


@pytest.mark.anyio
async def test_as_long_as_nobody_listens_deliveries_wait(tmp_path: Path) -> None:
    path = tmp_path / "log"
    surroundings = Surroundings("console", Path("data"), loopback=True)
    async with LogKind().open(settings(str(path)), surroundings) as target:
        gone, also = await target.deliver([message(), message()])
        assert (
            gone
            == also
            == RetryLater(f"syslog at {path} cannot be written to: [Errno 2] No such file or directory")
        )
        with bound(socket.AF_UNIX, str(path)) as first:
            assert await target.deliver([message()]) == [Delivered()]
            assert first.recv(65536)
        path.unlink()
        (refused,) = await target.deliver([message()])
        assert isinstance(refused, RetryLater)
        with bound(socket.AF_UNIX, str(path)) as second:  # a daemon that was started again
            assert await target.deliver([message()]) == [Delivered()]
            assert second.recv(65536)


@pytest.mark.anyio
async def test_a_line_that_no_datagram_holds_is_nobodys_to_try_again(remote: socket.socket) -> None:
    host, port = remote.getsockname()
    many = Message("1-c", 1, message().event, Body(b"x", "text/plain"), ("r" * 60,) * 2_000, 1)
    long, short = await deliver(settings(f"{host}:{port}"), many, message())
    assert isinstance(long, Rejected)
    assert long.reason.endswith("Message too long; choose fewer fields")
    assert short == Delivered()
