from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli.times import exactly, local, time_of

NOW = datetime(2026, 11, 22, 6, 30, 15, 123456, UTC)


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("3d", timedelta(days=3)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta()),
        ("500ms", timedelta(milliseconds=500)),
    ],
)
def test_so_long_ago(text: str, ago: timedelta) -> None:
    assert time_of(text, NOW) == NOW - ago


@pytest.mark.parametrize("text", ["99999999d", "999999999999999d"])
def test_longer_ago_than_there_are_times_is_the_beginning(text: str) -> None:
    assert time_of(text, NOW) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T07:30:15.123456+01:00",
        "2026-11-22 07:30:15.123456+01:00",
        "2026-11-22T06:30:15.123456Z",
        "2026-11-22t06:30:15.123456z",
    ],
)
def test_rfc_3339(text: str) -> None:
    assert time_of(text, NOW) == NOW


@pytest.mark.usefixtures("shanghai")
def test_times_are_shown_in_the_local_zone_with_their_offset() -> None:
    assert local(NOW) == "2026-11-22 14:30:15+08:00"
    assert exactly(NOW) == "2026-11-22T14:30:15.123456+08:00"


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_is_shown_can_be_typed(when: datetime) -> None:
    assert time_of(exactly(when), NOW) == when
    assert time_of(local(when), NOW) == when.replace(microsecond=0)


@pytest.mark.usefixtures("shanghai")
def test_a_time_without_an_offset_is_told_which_one_is_meant() -> None:
    with pytest.raises(ValueError, match=r"has no offset from UTC: write 2026-11-22T06:30:15\+08:00"):
        time_of("2026-11-22T06:30:15", NOW)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "15", "15 m", "-15m", "2026-11-22", "2026-13-01T00:00:00Z", "m"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time: write 2026-11-22T.*, or 15m, 2h, 3d for so long ago"):
        time_of(text, NOW)


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"]
)
def test_times_that_no_event_can_have_come_in(text: str) -> None:
    with pytest.raises(ValueError, match="is no time that an event could have come in"):
        time_of(text, NOW)
