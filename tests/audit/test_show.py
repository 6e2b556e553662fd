"""Finding lines by time, type and subject."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from router.audit.records import ORIGIN
from router.audit.show import Query, find
from router.events import Event
from router.targets.base import Body, Message
from router.targets.lines import chained, line_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def message(number: int, event_type: str, subject: str | None, body: Body | None = None) -> Message:
    event = Event(id=str(number), source="/s", type=event_type, subject=subject)
    return Message(f"{number}-a", number, event, body, ("r",), 1)


def line(number: int, event_type: str, subject: str | None, minutes: int) -> bytes:
    return line_of(message(number, event_type, subject), (NOON + timedelta(minutes=minutes)).timestamp())


LINES = [
    line(1, "order.made", "o/1", 0),
    line(2, "order.paid", "o/2", 1),
    line(3, "user.made", None, 2),
    line_of(message(4, "x", None, Body(b"text", "text/plain")), (NOON + timedelta(minutes=3)).timestamp()),
    b"no line\n",
    b'{"time":"2026-11-22"}\n',
]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (Query(), ["1", "2", "3", ""]),
        (Query(type="order.*"), ["1", "2"]),
        (Query(type="order.made"), ["1"]),
        (Query(subject="o/?"), ["1", "2"]),
        (Query(type="*.made", subject="o/*"), ["1"]),
        (Query(since=NOON + timedelta(minutes=1)), ["2", "3", ""]),
        (Query(until=NOON + timedelta(minutes=1)), ["1"]),
        (Query(since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=2)), ["2"]),
    ],
)
def test_what_fits(query: Query, ids: list[str]) -> None:
    assert [entry.event.id for entry, _ in find(LINES, query)] == ids


def test_a_record_of_a_chain_tells_its_number() -> None:
    text, _, _ = chained([message(7, "t", "s")], NOON.timestamp(), 41, ORIGIN)
    ((entry, found),) = find([text], Query())
    assert (entry.n, entry.id, entry.time, found) == (42, "7-a", NOON, text)
