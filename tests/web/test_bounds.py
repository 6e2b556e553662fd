"""What no sender can do to a running router: make it hold more, or wait longer, than it is ready to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from router.store.base import Record
from router.store.memory import MemoryStore
from router.web.body import Budget
from router.web.limits import HEAD, Limits
from tests.support import HandClock
from tests.web.running import BINARY, Running, Wire, binary, head

HASTY = Limits(seconds=0.2)
"""A server that waits as long as a test can."""


class GatedStore(MemoryStore):
    """A store whose disk does nothing before a test opens the gate.

    Attributes:
        entered: set once somebody waits.
        gate: opens it.
    """

    def __init__(self) -> None:
        super().__init__(HandClock())
        self.entered = threading.Event()
        self.gate = threading.Event()

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        """See `Store.append`."""
        self.entered.set()
        await anyio.to_thread.run_sync(self.gate.wait)
        return await super().append(records)


@contextmanager
def under_way(store: GatedStore, running: Running, data: bytes) -> Iterator[Wire]:
    """A request that waits for the disk; it is answered after this."""
    with running.connect() as wire:
        wire.send(binary(data))
        assert store.entered.wait(10)
        yield wire
        store.gate.set()
        assert wire.reply().status == 202


def refused(running: Running, *packets: bytes) -> tuple[int, str]:
    """The refusal of a request, after which the connection is closed."""
    with running.connect() as wire:
        wire.send(*packets)
        reply = wire.reply()
        assert reply.headers["connection"] == "close"
        assert wire.is_over()
        return reply.status, reply.error


TOO_LARGE = (431, f"the request line and the header fields are larger than {HEAD} bytes")


@pytest.mark.parametrize("size", [1, 1_000, 60_000])
def test_a_head_that_grows_and_grows_is_refused(running: Running, size: int) -> None:
    field = b"x-%d: " % size + b"x" * size + b"\r\n"
    packets = [field] * min(200, 2 * HEAD // size)
    expected = (431, "the request has more than 256 header fields") if size == 1 else TOO_LARGE
    if size == 1:
        packets *= 2
    assert refused(running, b"POST /events HTTP/1.1\r\n", *packets) == expected


def test_a_single_field_and_a_target_may_not_be_endless_either(running: Running) -> None:
    piece = b"x" * 10_000
    assert refused(running, b"POST /events HTTP/1.1\r\nname: ", *[piece] * 20) == TOO_LARGE
    assert refused(running, b"POST /events?", *[piece] * 20) == TOO_LARGE
    assert refused(running, *[b"\r\n" * 5_000] * 20) == TOO_LARGE


@pytest.mark.parametrize("packets", [1, 2])
def test_a_head_is_measured_when_it_is_whole_too(running: Running, packets: int) -> None:
    request = binary(headers={"name": "x" * HEAD})
    size = -(-len(request) // packets)
    pieces = [request[at : at + size] for at in range(0, len(request), size)]
    assert refused(running, *pieces) == TOO_LARGE
    assert running.ask(binary(headers={"name": "x" * (HEAD - 1_000)})).status == 202
    assert len(running.stored()) == 1


def test_a_head_may_have_256_fields(running: Running) -> None:
    for more, status in ((250 - 6, 202), (257 - 6, 431)):
        assert running.ask(binary(headers={f"x-{number}": "1" for number in range(more)})).status == status


def test_large_packets_of_small_requests_are_no_large_heads(running: Running) -> None:
    request = binary(b"x" * 20_000)
    with running.connect() as wire:
        wire.send(request * 10 + request[:100])
        assert [wire.reply().status for _ in range(10)] == [202] * 10
        wire.send(request[100:])
        assert wire.reply().status == 202
    assert len(running.stored()) == 11


@pytest.mark.parametrize(
    "waste", [b"1;" + b"x" * 9_998, b"0\r\nname: " + b"x" * 9_992, b"0\r\n" + b"a:b\r\n" * 400]
)
def test_nor_may_what_brings_no_body_go_on_and_on_within_one(running: Running, waste: bytes) -> None:
    more = b"a:b\r\n" * 2_000 if waste.endswith(b"\n") else b"x" * 10_000
    request = head(headers=BINARY | {"transfer-encoding": "chunked"})
    assert refused(running, request, b"1\r\nx\r\n", waste, *[more] * 20)[0] == 431
    running.stop()
    assert running.stored() == []


@pytest.mark.parametrize(
    "begun",
    [
        b"POST",
        b"POST /events HTTP/1.1\r\nHost: loc",
        binary(b"12")[:-1],
        head(headers=BINARY | {"transfer-encoding": "chunked"}) + b"5\r\n12",
        binary(b"12", {"connection": "upgrade", "upgrade": "h2c"})[:-1],
    ],
    ids=["line", "head", "body", "chunk", "upgrade"],
)
def test_a_request_that_does_not_come_in_time_is_refused(
    tmp_path: Path, begun: bytes, *, direct: bool
) -> None:
    with Running(tmp_path, direct=direct, limits=HASTY) as running:
        status, error = refused(running, begun)
        assert (status, error) == (
            408,
            "the rest of the request did not come in time; nothing of it was stored",
        )
        running.stop()
        assert running.stored() == []


def test_drops_now_and_then_do_not_make_it_wait_longer(tmp_path: Path) -> None:
    with Running(tmp_path, limits=HASTY) as running, running.connect() as wire:
        wire.send(binary(b"12")[:20])
        dropping = threading.Event()

        def drop() -> None:
            for byte in binary(b"x" * 1_000)[20:]:
                if dropping.wait(0.02):
                    return
                wire.send(bytes([byte]))

        thread = threading.Thread(target=drop)
        thread.start()
        assert wire.reply().status == 408
        dropping.set()
        thread.join()


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(tmp_path: Path) -> None:
    with Running(tmp_path, limits=HASTY) as running, capture_logs() as lines:
        for sent in (b"", b"\r\n"):
            with running.connect() as wire:
                wire.send(sent)
                assert wire.is_over()
    assert lines == []


def test_and_so_is_one_whose_request_was_refused_before_it_was_whole(tmp_path: Path, *, direct: bool) -> None:
    with Running(tmp_path, direct=direct, limits=HASTY, body=100) as running:
        for rest in (b"x" * 200, b"x" * 100):
            with running.connect() as wire:
                wire.send(head(headers=BINARY | {"content-length": "200"}))
                assert wire.reply().status == 413
                wire.send(rest)
                assert wire.is_over()


def test_the_rest_of_what_was_refused_is_read_and_the_next_request_answered(
    tmp_path: Path, *, direct: bool
) -> None:
    with Running(tmp_path, direct=direct, body=100) as running, running.connect() as wire:
        wire.send(head(headers=BINARY | {"content-length": "200"}))
        assert wire.reply().status == 413
        wire.send(b"x" * 200 + binary(b"1"))
        assert wire.reply().status == 202
        assert running.data() == [b"1"]


def test_a_slow_disk_is_not_the_senders_fault(tmp_path: Path, *, direct: bool) -> None:
    store = GatedStore()
    limits = Limits(seconds=0.05)
    with Running(tmp_path, direct=direct, store=store, limits=limits) as running, running.connect() as wire:
        wire.send(binary(b"1") + binary(b"22")[:-1])
        assert store.entered.wait(10)
        with running.connect() as other:
            assert other.is_over()  # so much time has passed
        wire.send(b"2")
        store.gate.set()
        assert [wire.reply().status for _ in range(2)] == [202, 202]
        assert running.data() == [b"1", b"22"]


def test_more_connections_than_are_served_are_told_so_and_closed(tmp_path: Path) -> None:
    with Running(tmp_path, limits=Limits(connections=2)) as running:
        with running.connect() as first, running.connect() as second:
            for wire in (first, second):
                wire.send(binary())
                assert wire.reply().status == 202
            with running.connect() as third:
                reply = third.reply()
                assert (reply.status, reply.headers["retry-after"]) == (503, "5")
                assert reply.error == "2 connections are open, which is all that are served; try again later"
                third.send(binary(b"x" * 1_000))
                assert third.is_over()
            second.send(binary())
            assert second.reply().status == 202
        tries = (running.ask(binary()).status for _ in range(10_000))
        assert next(status for status in tries if status != 503) == 202


def test_a_crowd_that_does_not_leave_is_not_answered_for_ever(tmp_path: Path) -> None:
    with Running(tmp_path, limits=Limits(connections=1)) as running, running.connect() as served:
        served.send(binary())
        assert served.reply().status == 202
        with running.connect() as answered:
            assert answered.reply().status == 503
            with running.connect() as cut, pytest.raises((AssertionError, ConnectionResetError)):
                cut.reply()
        served.send(binary())
        assert served.reply().status == 202


@pytest.mark.parametrize(
    ("path", "status"), [("/events", 429), ("/alibaba", 503), ("/baidu", 429), ("/tencent", 503)]
)
def test_bodies_beyond_the_budget_are_overload_in_every_dialect(
    tmp_path: Path, path: str, status: int, *, direct: bool
) -> None:
    store = GatedStore()
    request = head(target=path, headers={"content-length": "500"})
    with (
        Running(tmp_path, direct=direct, store=store, budget=Budget(1_000)) as running,
        running.connect() as wire,
    ):
        with under_way(store, running, b"x" * 501):
            wire.send(request + b"x" * 500)
            reply = wire.reply()
            assert reply.status == status
            assert reply.headers["retry-after"] == "5"
            assert ("x-bce-request-id" in reply.headers) == (path == "/baidu")
        wire.send(binary(b"x" * 1_000))  # what was held is free again
        assert wire.reply().status == 202
        assert [len(data) for data in running.data()] == [501, 1_000]


def test_a_body_that_needs_the_whole_budget_and_more_is_taken_while_it_is_alone(
    tmp_path: Path, *, direct: bool
) -> None:
    with Running(tmp_path, direct=direct, budget=Budget(1_000)) as running:
        whole = binary(b"x" * 5_000)
        assert running.ask(whole[:1_000], whole[1_000:3_000], whole[3_000:]).status == 202
        assert len(running.stored()) == 1


def test_bodies_that_are_cut_off_are_held_no_longer(tmp_path: Path) -> None:
    with Running(tmp_path, budget=Budget(1_000)) as running:
        for _ in range(20):
            with running.connect() as wire:
                wire.send(binary(b"x" * 600, {"expect": "100-continue"})[:-1])
                assert wire.reply().status == 100
        tries = (running.ask(binary(b"y" * 1_000)).status for _ in range(10_000))
        assert next(status for status in tries if status != 429) == 202
        assert len(running.stored()) == 1


def test_half_a_request_does_not_hold_up_the_end_and_leaves_nothing(running: Running) -> None:
    with running.connect() as body, running.connect() as line, running.connect() as idle:
        body.send(binary(b"12", {"expect": "100-continue"})[:-1])
        assert body.reply().status == 100
        line.send(head()[:10])
        idle.send(binary(b"1"))
        assert idle.reply().status == 202
        with capture_logs() as lines:
            running.stop()
        assert body.reply().status == 408
        assert all(wire.is_over() for wire in (body, line, idle))
    assert [entry["event"] for entry in lines] == ["request.refused"]
    assert running.data() == [b"1"]


def test_the_rest_of_a_request_may_come_while_the_server_stops(running: Running) -> None:
    with running.connect() as wire:
        request = binary(b"12", {"expect": "100-continue"})
        wire.send(request[:-1])
        assert wire.reply().status == 100
        running.server.should_exit = True
        wire.send(request[-1:])
        assert wire.reply().status == 202
        assert wire.is_over()
    assert running.data() == [b"12"]
