from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.store.layout import VERSION, find, make_folder
from router.store.sqlite import SqliteStore
from tests.store.support import EPOCH, FakeClock, claim, drain, keys, record

BIRTH = int(EPOCH * 1000) * 1000


def test_a_new_store_is_made_and_found_again(tmp_path: Path) -> None:
    make_folder(tmp_path / "events")
    made = find(tmp_path, BIRTH)
    assert made.events == tmp_path / "events" / f"{BIRTH}.sqlite"
    assert find(tmp_path, BIRTH + 1) == made


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    make_folder(tmp_path / "events")
    files = find(tmp_path, BIRTH)
    with closing(sqlite3.connect(files.deliveries)) as connection:
        connection.execute("INSERT INTO configurations VALUES ('v', 'text')")
        connection.commit()
        made = [files.events, files.deliveries, tmp_path / "deliveries.sqlite-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@pytest.mark.parametrize("name", ["events", "deliveries"])
def test_a_store_of_another_layout_is_refused(name: str, tmp_path: Path) -> None:
    make_folder(tmp_path / "events")
    files = find(tmp_path, BIRTH)
    path = getattr(files, name)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ConfigurationError, match=r"was made by another version of this router \(layout 3\)"):
        find(tmp_path, BIRTH)


def test_several_segments_are_refused_rather_than_read_in_part(tmp_path: Path) -> None:
    make_folder(tmp_path / "events")
    find(tmp_path, BIRTH)
    (tmp_path / "events" / "5.sqlite").touch()
    with pytest.raises(
        ConfigurationError, match=r"holds several databases \(1700000000000000.sqlite, 5.sqlite\)"
    ):
        find(tmp_path, BIRTH)


@pytest.mark.anyio
async def test_memory_is_bounded_by_bytes_too_and_nothing_is_lost_by_it(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.store.claims.BYTES_IN_MEMORY", 1_000)
    monkeypatch.setattr("router.store.claims.CHUNK_BYTES", 500)
    store = SqliteStore(tmp_path, clock)
    large = [record("a", data=b'"%0300d"' % number) for number in range(40)]
    sequences = await store.append(large)
    assert len(await claim(store, "a")) == 4  # as many as memory was given; the rest stands on disk
    assert keys(await drain(store, "a")) == [(sequence, "") for sequence in sequences[4:]]
    await store.close()
