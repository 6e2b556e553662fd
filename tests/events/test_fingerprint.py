"""Which two events are one: two tries of a sender, and nothing else."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.events.fingerprint import content_of, fingerprint

ONE = Event(id="1", source="/a", type="t", datacontenttype="application/json", data=b'{"a": [1, 2.0]}')


def other(**changes: object) -> Event:
    return msgspec.structs.replace(ONE, **changes)


@pytest.mark.parametrize(
    "again",
    [
        other(),
        other(data=b'{"a":[1,2.0]}'),
        other(data=b'\n{ "a" :\t[ 1 , 2.0 ] }\r\n'),
        other(data=b'{"a":\t[1,2.0]}'),
        other(data=b'{"a":\n[1,2.0]}'),
        other(data=b'{"a":\r[1,2.0]}'),
        other(extensions={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}),
        other(time="2026-01-01T00:00:00Z"),
        other(subject="s"),
    ],
)
def test_a_second_try_is_known_again(again: Event) -> None:
    assert fingerprint(again) == fingerprint(ONE)
    assert content_of(again) == content_of(ONE)


@pytest.mark.parametrize(
    "another",
    [
        other(data=b'{"a": [1, 2]}'),
        other(data=b'{"a": [1, 2.0], "b": 0}'),
        other(data=None),
        other(data=b"null"),
        other(type="T"),
        other(datacontenttype=None),
        other(datacontenttype="text/plain"),
    ],
)
def test_other_content_is_another_event_with_the_same_name(another: Event) -> None:
    assert fingerprint(another)[:8] == fingerprint(ONE)[:8]
    assert fingerprint(another)[8:] != fingerprint(ONE)[8:]
    assert content_of(another) != content_of(ONE)


@pytest.mark.parametrize("another", [other(id="2"), other(source="/b"), other(id="a1", source="/")])
def test_another_name_is_another_event(another: Event) -> None:
    assert fingerprint(another)[:8] != fingerprint(ONE)[:8]
    assert fingerprint(another)[8:] != fingerprint(ONE)[8:]


def test_white_space_counts_where_it_is_content() -> None:
    text = other(datacontenttype="text/plain", data=b"a  b")
    assert fingerprint(text) != fingerprint(other(datacontenttype="text/plain", data=b"a b"))
    assert fingerprint(other(data=b'"a  b"')) != fingerprint(other(data=b'"a b"'))


def test_a_text_that_is_no_utf_8_has_a_fingerprint_too() -> None:
    lone = other(data=rb'{"a": "\ud800"}')
    assert fingerprint(lone) == fingerprint(lone)
    assert fingerprint(lone) != fingerprint(other(data=rb'{"a": "\ud801"}'))
    assert len(fingerprint(other(id="\ud800"))) == 16


def test_fingerprints_that_stand_in_stores_stay_what_they_are() -> None:
    assert fingerprint(ONE).hex() == "3fbcc95286bfd99f58619df92d33fe34"
    assert fingerprint(other(data=None, source="/é")).hex() == "d1b757768d3a0465dd7dc525787c3146"


TEXTS = st.text("ab1 ", max_size=3)
EVENTS = st.builds(
    Event,
    id=TEXTS,
    source=TEXTS,
    type=TEXTS,
    datacontenttype=st.sampled_from([None, "text/plain", "application/json"]),
    data=st.none() | st.integers(0, 20).map(lambda n: json.dumps(n).encode()),
)


@given(EVENTS, EVENTS)
def test_fingerprints_differ_where_content_differs(one: Event, two: Event) -> None:
    assert (fingerprint(one) == fingerprint(two)) == (content_of(one) == content_of(two))
    same_name = (one.source, one.id) == (two.source, two.id)
    assert (fingerprint(one)[:8] == fingerprint(two)[:8]) == same_name
