"""Somebody has removed all that was accepted: it is told, and no sequence comes again."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from router.store.layout import Segments
from router.store.loss import VANISHED, losses, note_vanished
from router.store.missing import Gap, Undelivered
from tests.store.support import (
    EPOCH,
    Open,
    claim,
    crashed,
    dead_letters,
    delivered,
    drain,
    record,
    retrying,
    segments_of,
    sequences_of,
)

pytestmark = pytest.mark.anyio


async def test_it_is_told_and_the_store_goes_on(opened: Open, folder: Path) -> None:
    store = opened(folder)
    sequences = await store.append([record("a", "b")] * 5)
    first, *others = await claim(store, "a", 5)
    await store.settle([retrying(first, EPOCH), *map(delivered, others)])
    await store.close()
    for path in segments_of(folder):
        path.unlink()
    with capture_logs() as lines:
        store = opened(folder)
    assert [(line["event"], line["log_level"], line["until"]) for line in lines] == [
        ("segment.missing", "error", sequences[-1])
    ]
    [(_, loss)] = losses(folder)
    assert (loss.when, loss.database) == (EPOCH, VANISHED)
    assert Gap(1, sequences[-1], None) in loss.missing.gaps
    assert loss.missing.waiting == (sequences[0],)
    assert loss.missing.undelivered == (
        Undelivered("a", 1, 0, unsure=False),
        Undelivered("b", 0, 1, unsure=True),
    )
    [new] = await store.append([record("a")])
    assert new > sequences[-1]
    assert [delivery.sequence for delivery in await drain(store, "a")] == [new]
    await store.due(EPOCH)
    await drain(store, "a")
    assert [letter.delivery.sequence for letter in await dead_letters(store)] == [sequences[0]]
    await store.close()
    with capture_logs() as lines:
        store = opened(folder)
    assert lines == []
    assert (await sequences_of(store))[0] == new


@pytest.mark.parametrize("events", [0, 3])
async def test_a_store_that_is_whole_says_nothing(opened: Open, folder: Path, events: int) -> None:
    store = opened(folder)
    await store.append([record("a")] * events)
    await store.settle([delivered(delivery) for delivery in await drain(store, "a")])
    left = crashed(folder)
    await store.close()
    with capture_logs() as lines:
        for one in (folder, left):
            await opened(one).close()
            await opened(one).close()
    assert [line["event"] for line in lines if line["event"] != "segment.cut"] == []
    assert losses(folder) == losses(left) == []


async def test_what_cannot_be_written_down_is_said(opened: Open, folder: Path) -> None:
    store = opened(folder)
    await store.append([record("a")])
    await store.close()
    (folder / "events" / f"{VANISHED}.lost-{EPOCH:.0f}").mkdir()  # where it would be written
    for path in segments_of(folder):
        path.unlink()
    with capture_logs() as lines:
        store = opened(folder)
    assert [line["event"] for line in lines] == ["segment.missing"]
    assert await store.append([record("a")])


async def test_a_start_that_fails_again_and_again_writes_it_down_once(opened: Open, folder: Path) -> None:
    store = opened(folder)
    await store.append([record("a")])
    await store.close()
    for path in segments_of(folder):
        path.unlink()
    marks, now = {"": 5, "a": 7}, int(EPOCH)
    with capture_logs() as lines:
        for second in range(3):
            note_vanished(Segments(folder / "events"), marks, now + second)
        note_vanished(Segments(folder / "events"), {"": 8}, now + 3)
    assert [line["until"] for line in lines] == [7, 7, 7, 8]
    assert [loss.when for _, loss in losses(folder)] == [now, now + 3]
