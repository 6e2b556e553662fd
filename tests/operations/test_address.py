from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from router.operations.address import FILE, Address, forget, published, reachable, read
from router.targets import jail

ADDRESS = Address(url="http://127.0.0.1:8080", token="a-token", pid=os.getpid())


def test_it_is_there_as_long_as_the_router_is(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    with published(tmp_path, ADDRESS):
        assert read(tmp_path) == ADDRESS
    assert read(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with published(tmp_path, ADDRESS):
            assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_what_a_killed_router_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"url": "http://127.0.0.1:1", "token": "old", "pid": 1}))
    (tmp_path / f"{FILE}.new").write_text("half a fi")
    (tmp_path / f"{FILE}.new").chmod(0o644)
    with published(tmp_path, ADDRESS):
        assert read(tmp_path) == ADDRESS
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_what_a_killed_router_left_can_be_forgotten(tmp_path: Path) -> None:
    forget(tmp_path)
    (tmp_path / FILE).write_text("{}")
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_routers_is_left_alone(tmp_path: Path) -> None:
    other = Address(url="http://127.0.0.1:8081", token="another", pid=1)
    with published(tmp_path, ADDRESS):
        (tmp_path / FILE).unlink()
        entered = published(tmp_path, other)
        entered.__enter__()
    assert read(tmp_path) == other


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url": 1}', b"\xff"])
def test_what_cannot_be_read_is_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert read(tmp_path) is None


def test_a_disk_that_takes_nothing_does_not_keep_the_router_from_its_work(tmp_path: Path) -> None:
    with capture_logs() as logs, published(tmp_path / "missing", ADDRESS):
        pass
    assert [(line["event"], line["error"]) for line in logs] == [
        ("api.unpublished", "No such file or directory")
    ]
    assert "a-token" not in str(logs)


@pytest.mark.parametrize(
    ("listening", "connect"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://[::]:8080", "http://[::1]:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://192.0.2.1:8080", "http://192.0.2.1:8080"),
    ],
)
def test_where_it_listens_and_where_it_is_reached(listening: str, connect: str) -> None:
    assert reachable(listening) == connect


def test_no_target_writes_there() -> None:
    assert jail.is_taken(FILE)
    assert jail.is_taken(f"{FILE}.new")
    assert not jail.is_taken("my-api.json")
