"""The log of refusals: it says what happens, and no stranger can fill a disk with it."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router.telemetry.quota import LINES, MINUTE
from router.web.refusals import LONGEST, Refusals, shortened
from tests.support import HandClock
from tests.web.running import Running, binary, head

pytestmark = pytest.mark.anyio


@given(st.text(max_size=3 * LONGEST))
def test_what_is_cut_off_leaves_a_mark(text: str) -> None:
    short = shortened(text)
    assert len(short) <= LONGEST
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


async def test_the_count_is_told_with_the_first_line_after_the_minute() -> None:
    clock = HandClock()
    refusals = Refusals(clock)
    with capture_logs() as lines:
        for _ in range(LINES + 7):
            refusals.refused("no", 400, "events", client="c")
        clock.advance(MINUTE)
        refusals.refused("no", 404)
    assert lines[0] == {
        "event": "request.refused",
        "log_level": "warning",
        "error": "no",
        "status": 400,
        "source": "events",
        "client": "c",
    }
    left_out, last = lines[LINES:]
    assert (left_out["event"], left_out["source"], left_out["status"]) == (
        "request.refusals_left_out",
        "events",
        400,
    )
    assert left_out["count"] == 7
    assert last["status"] == 404
    assert "source" not in last


async def test_one_reason_does_not_hide_another_and_the_end_hides_nothing() -> None:
    refusals = Refusals(HandClock())
    with capture_logs() as lines:
        for _ in range(LINES + 3):
            refusals.refused("no signature", 403, "events", "missing")
        refusals.refused("another token", 403, "events", "wrong")
        refusals.close()
        refusals.close()
    assert [line["reason"] for line in lines] == ["missing"] * LINES + ["wrong", "missing"]
    assert (lines[-1]["event"], lines[-1]["count"]) == ("request.refusals_left_out", 3)


async def test_the_count_is_told_though_nobody_comes_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.web.refusals.MINUTE", 0.05)
    monkeypatch.setattr("router.telemetry.quota.MINUTE", 0.05)
    told = asyncio.Event()

    class Clock(HandClock):
        def now(self) -> float:
            return asyncio.get_running_loop().time()

    def tell(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if line["event"] == "request.refusals_left_out":
            told.set()
        return line

    with capture_logs(processors=[tell]) as lines:
        refusals = Refusals(Clock())
        for _ in range(LINES + 2):
            refusals.refused("no", 400, "events")
        async with asyncio.timeout(10):
            await told.wait()
    assert [line["count"] for line in lines[LINES:]] == [2]


async def test_what_strangers_write_is_cut() -> None:
    with capture_logs() as lines:
        Refusals(HandClock()).refused("e" * 10_000, 400, "events", path="/" * 10_000, bytes=10_000)
    (line,) = lines
    assert (len(line["error"]), len(line["path"]), line["bytes"]) == (LONGEST, LONGEST, 10_000)


@pytest.mark.parametrize(
    "request_",
    [
        head(target="/" + "x" * 5_000),
        binary(b"1", {"ce-time": "y" * 5_000, "content-type": "z" * 5_000}),
        b"rubbish\r\n\r\n",
    ],
    ids=["nowhere", "unreadable", "rubbish"],
)
def test_a_flood_of_refused_requests_leaves_a_short_log(running: Running, request_: bytes) -> None:
    with capture_logs() as lines:
        for _ in range(LINES * 2):
            assert running.ask(request_).status in {400, 404, 415}
    assert [line["event"] for line in lines] == ["request.refused"] * LINES
    assert max(len(str(line)) for line in lines) < 3 * LONGEST
