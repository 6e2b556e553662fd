"""What every store keeps, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import msgspec
import pytest

from router.events.received import Original
from router.store.base import Route, Store, Stored, delivery_of
from tests.store.support import FakeClock, drain, record, sequences_of

pytestmark = pytest.mark.anyio

Make = Callable[[FakeClock], Store]


class TestAppending:
    async def test_records_stand_in_the_order_they_were_given(self, store: Store) -> None:
        records = [record("a", name=str(number)) for number in range(5)]
        sequences = await store.append(records)
        found = [stored async for stored in store.scan()]
        assert found == [Stored(at, kept) for at, kept in zip(sequences, records, strict=True)]

    async def test_sequences_grow_by_one_within_a_request(self, store: Store) -> None:
        first, *rest = await store.append([record("a")] * 4)
        assert rest == [first + 1, first + 2, first + 3]

    async def test_sequences_grow_over_requests(self, store: Store) -> None:
        earlier = await store.append([record("a"), record("a")])
        later = await store.append([record("a")])
        assert max(earlier) < min(later)

    async def test_nothing_appended_is_nothing_stored(self, store: Store) -> None:
        assert list(await store.append([])) == []
        assert await sequences_of(store) == []

    async def test_an_event_without_routes_is_kept_and_goes_nowhere(self, store: Store) -> None:
        [sequence] = await store.append([record()])
        assert await sequences_of(store) == [sequence]
        assert await store.tally() == {}

    async def test_a_new_store_begins_at_its_births_milliseconds_times_a_thousand(self, make: Make) -> None:
        [first] = await make(FakeClock(1_700_000_000.123)).append([record("a")])
        assert first == 1_700_000_000_123_000

    async def test_sequences_are_unique_over_the_lives_of_stores(self, make: Make) -> None:
        clock = FakeClock()
        earlier = await make(clock).append([record("a")] * 900)
        clock.advance(0.001)
        later = await make(clock).append([record("a")])
        assert max(earlier) < min(later)

    async def test_many_append_at_once_and_each_gets_sequences_of_its_own(self, store: Store) -> None:
        given: dict[str, int] = {}

        async def append(name: str) -> None:
            sequences = await store.append([record("a", name=f"{name}.{part}") for part in range(3)])
            given.update({f"{name}.{part}": at for part, at in enumerate(sequences)})

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(append, str(number))
        kept = {stored.record.event.id: stored.sequence async for stored in store.scan()}
        assert kept == given
        assert len(kept) == 300

    async def test_a_cancelled_append_is_kept_whole_or_not_at_all(self, store: Store) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await store.append([record("a", name=str(number)) for number in range(10)])
        await store.append([record("b", name="after")])
        names = [stored.record.event.id async for stored in store.scan()]
        assert names in (["after"], [*map(str, range(10)), "after"])
        assert len(await drain(store, "a")) == len(names) - 1

    async def test_a_big_batch(self, store: Store) -> None:
        sequences = await store.append([record("a", "b", name=str(number)) for number in range(5_000)])
        assert await sequences_of(store) == list(sequences)
        for target in ("a", "b"):
            assert [delivery.sequence for delivery in await drain(store, target)] == list(sequences)


class TestScanning:
    async def test_both_ends_are_included(self, store: Store) -> None:
        first, *_, last = sequences = await store.append([record("a")] * 6)
        assert [stored.sequence async for stored in store.scan(first + 1, last - 1)] == list(sequences[1:-1])
        assert [stored.sequence async for stored in store.scan(last, last)] == [last]

    async def test_an_open_end_means_all(self, store: Store) -> None:
        first, *rest = await store.append([record("a")] * 3)
        assert [stored.sequence async for stored in store.scan(first + 1)] == rest
        assert [stored.sequence async for stored in store.scan(last=first)] == [first]

    async def test_a_range_without_records_is_empty(self, store: Store) -> None:
        assert [stored async for stored in store.scan()] == []
        [only] = await store.append([record("a")])
        assert [stored async for stored in store.scan(only + 1)] == []
        assert [stored async for stored in store.scan(last=only - 1)] == []
        assert [stored async for stored in store.scan(only, only - 1)] == []

    async def test_what_is_appended_meanwhile_does_not_disturb_it(self, store: Store) -> None:
        sequences = await store.append([record("a")] * 1_200)
        found: list[int] = []
        async for stored in store.scan(last=sequences[-1]):
            if len(found) % 400 == 0:
                await store.append([record("a")])
            found.append(stored.sequence)
        assert found == list(sequences)

    async def test_notes_and_the_senders_request_come_back(self, store: Store) -> None:
        original = Original(b"<xml>\x00\xff</xml>", "application/xml")
        shared = [
            msgspec.structs.replace(record("a", name=name), original=original, notes=("trailing-comma",))
            for name in "xyz"
        ]
        records = [*shared, record("a"), msgspec.structs.replace(record(name="bare"), original=Original(b""))]
        await store.append(records)
        assert [stored.record async for stored in store.scan()] == records

    async def test_an_event_comes_back_byte_for_byte(self, store: Store) -> None:
        kept = msgspec.structs.replace(
            record("a", data=b'{"n": 1.000, "\\u00e9": "\xc3\xa9"}'),
            routes=(Route("a", "f00", ("one", "two")),),
        )
        event = msgspec.structs.replace(
            kept.event,
            subject="s",
            time="2024-01-01T00:00:00.123456789Z",
            datacontenttype="application/json",
            dataschema="https://example.com/schema",
            extensions={"flag": True, "count": -(2**31), "text": "τ"},
        )
        full = msgspec.structs.replace(kept, event=event)
        none = msgspec.structs.replace(kept, event=msgspec.structs.replace(event, data=None))
        sequences = await store.append([full, none])
        found = [stored.record async for stored in store.scan()]
        assert found == [full, none]
        assert await drain(store, "a") == [
            delivery_of(at, entry.routes[0], entry) for at, entry in zip(sequences, [full, none], strict=True)
        ]


class TestConfigurations:
    async def test_a_version_is_remembered(self, store: Store) -> None:
        await store.remember("v1", "rules:\n  - name: τ\n")
        await store.remember("v2", "")
        assert await store.recall("v1") == "rules:\n  - name: τ\n"
        assert await store.recall("v2") == ""

    async def test_an_unknown_version_is_none(self, store: Store) -> None:
        assert await store.recall("v1") is None

    async def test_to_remember_twice_is_to_remember(self, store: Store) -> None:
        await store.remember("v1", "text")
        await store.remember("v1", "text")
        assert await store.recall("v1") == "text"


async def test_to_probe_stores_nothing(store: Store) -> None:
    await store.probe()
    assert await sequences_of(store) == []
    [sequence] = await store.append([record("a")])
    await store.probe()
    assert await sequences_of(store) == [sequence]
    assert len(await drain(store, "a")) == 1


async def test_to_close_twice_is_to_close(store: Store) -> None:
    await store.append([record("a")])
    await store.close()
    await store.close()
