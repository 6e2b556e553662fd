"""What the middle says of itself while its store fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.cli.deployment import load
from router.events import Event
from router.events.received import Reading, Received
from router.service import COMPLAINING
from router.store.base import Record, StoreError
from router.store.memory import MemoryStore
from tests.support import HandClock, service_of

RULES = """
rules:
  - {name: all, match: {type: "*"}, targets: [log]}
targets:
  log: {log: {}}
"""

pytestmark = pytest.mark.anyio


class Refusing(MemoryStore):
    """Takes nothing while it is told not to."""

    full = True

    async def append(self, records: Sequence[Record]) -> Sequence[int]:
        if self.full:
            raise StoreError("the disk is full")
        return await super().append(records)


ONE = Received((Reading(Event(id="1", source="/tests", type="test.event")),))


async def test_it_complains_while_the_store_fails_and_lets_senders_try_again_after_a_while(
    tmp_path: Path,
) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    store = Refusing(clock)
    service = service_of(store, load([tmp_path]).deployment, clock)
    assert service.complaints() == []
    for _ in range(2):
        with pytest.raises(StoreError):
            await service.accept("events", ONE)
        assert service.complaints() == ["the store cannot be written: the disk is full"]
        clock.advance(COMPLAINING)
        assert service.complaints() == []  # nobody knows, and somebody has to try
    store.full = False
    await service.accept("events", ONE)
    assert service.complaints() == []


async def test_a_clock_that_is_set_back_does_not_make_it_complain_for_ever(tmp_path: Path) -> None:
    (tmp_path / "router.yml").write_text(RULES)
    clock = HandClock()
    service = service_of(Refusing(clock), load([tmp_path]).deployment, clock)
    with pytest.raises(StoreError):
        await service.accept("events", ONE)
    clock.advance(-3600.0)
    assert service.complaints() == []
