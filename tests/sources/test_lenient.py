from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events.context import complaint, is_date_time
from router.sources import lenient
from router.sources.lenient import date_time, mend
from tests.events.strategies import times


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("2022-08-09 14:54:17+0800", "2022-08-09T14:54:17+08:00"),
        ("2023-11-25T08:47:40+0800", "2023-11-25T08:47:40+08:00"),
        ("2023-11-25T08:47:40 +08:00", "2023-11-25T08:47:40+08:00"),
        ("2020-11-19T21:04:42.179PRC", "2020-11-19T21:04:42.179+08:00"),
        ("2020-08-17T16:04:46.149Asia/Shanghai", "2020-08-17T16:04:46.149+08:00"),
        ("2020-07-01T12:00:00Asia/Singapore", "2020-07-01T12:00:00+08:00"),
        ("1992-01-01T00:00:00PRC", "1992-01-01T00:00:00+08:00"),
        ("2020-07-01T12:00:00GMT", "2020-07-01T12:00:00+00:00"),
        ("2020-01-01 12:00:00z", "2020-01-01T12:00:00Z"),
    ],
)
def test_times_that_are_nearly_right_are_put_right(text: str, fixed: str) -> None:
    assert date_time(text) == fixed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "now",
        "2022-08-09",
        "2022-08-09T14:54:17",
        "2022-08-09 14:54+0800",
        "2022-13-09T14:54:17+0800",
        "2022-02-30T14:54:17PRC",
        "2022-08-09T25:54:17PRC",
        "2022-08-09T14:54:17+2500",
        "2022-08-09T14:54:17Atlantis",
        "2022-08-09T14:54:17America",
        "2022-08-09T14:54:17../../../../etc/passwd",
        "2022-08-09T14:54:17etc/../passwd",
        "1900-01-01T00:00:00PRC",
        "1991-07-01T00:00:00Asia/Shanghai",
        "2020-07-01T12:00:00Europe/Berlin",
        "1615430559146",
    ],
)
def test_what_cannot_be_known_is_not_guessed(text: str) -> None:
    assert date_time(text) is None


@given(times)
def test_what_is_right_keeps_its_meaning(text: str) -> None:
    assert date_time(text) in (None, text.upper())


@given(st.text(max_size=40))
def test_the_result_is_a_time(text: str) -> None:
    fixed = date_time(text)
    assert fixed is None or is_date_time(fixed)


@given(
    st.dictionaries(
        st.sampled_from(["subject", "time", "ext", "datacontenttype", "dataschema"]) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.lists(st.none()),
    )
)
def test_what_is_mended_has_nothing_to_complain_of(attributes: dict[str, Any]) -> None:
    before = dict(attributes)
    notes = list(mend(attributes))
    must = ("specversion", "id", "source", "type")
    for name, value in attributes.items():
        assert name in must or value is None or complaint(name, value) is None
    changed = [name for name in before if name not in attributes or attributes[name] != before[name]]
    assert len(notes) == len(changed)
    assert all(note.endswith(("-dropped", "-normalised")) and note.isascii() for note in notes)


@pytest.mark.parametrize("zone", sorted(lenient._ZONES))  # noqa: SLF001 (what is shown is that the table is true)
@given(moment=st.datetimes(min_value=datetime(1992, 1, 1), max_value=datetime(2035, 1, 1)))  # noqa: DTZ001 (local)
def test_the_zones_are_what_the_zone_database_says(zone: str, moment: datetime) -> None:
    local = moment.replace(microsecond=0).isoformat()
    database = ZoneInfo("Asia/Shanghai" if zone == "PRC" else zone)  # Debian packs its old names apart
    assert date_time(local + zone) == moment.replace(microsecond=0, tzinfo=database).isoformat()


def test_a_name_too_long_for_a_note_is_not_in_it() -> None:
    attributes: dict[str, Any] = {"a" * 100: [], "a" * 101: []}
    assert list(mend(attributes)) == ["a" * 100 + "-dropped", "attribute-dropped"]
    assert attributes == {}


def test_what_an_event_cannot_do_without_is_left_to_be_refused() -> None:
    attributes = {"id": "", "source": 1, "type": [], "specversion": "0"}
    assert list(mend(attributes)) == []
    assert attributes == {"id": "", "source": 1, "type": [], "specversion": "0"}
