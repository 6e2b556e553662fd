"""Events and JSON texts as senders might write them: odd, but legal."""

from __future__ import annotations

from hypothesis import strategies as st

from router.events import Event
from router.events.model import SPEC_ATTRIBUTES
from router.testing.strategies import json_texts

_NONCHARACTERS = [chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)]
_NONCHARACTERS += [chr(code) for code in range(0xFDD0, 0xFDF0)]

characters = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=_NONCHARACTERS)
texts = st.text(characters, min_size=1, max_size=20)

names = st.from_regex(r"[a-z0-9]{1,24}", fullmatch=True).filter(
    lambda name: name not in {*SPEC_ATTRIBUTES, "data"}
)
values = st.text(characters, max_size=20) | st.booleans() | st.integers(-(2**31), 2**31 - 1)

times = st.sampled_from(
    [
        "2020-11-19T21:04:41+08:00",
        "1985-04-12T23:20:50.52Z",
        "1990-12-31T23:59:60Z",
        "2024-02-29t00:00:00.000000000001z",
        "0001-01-01T00:00:00-23:59",
    ]
)


def _events(
    data: st.SearchStrategy[bytes | None], content_types: list[str | None]
) -> st.SearchStrategy[Event]:
    return st.builds(
        Event,
        id=texts,
        source=texts,
        type=texts,
        subject=st.none() | texts,
        time=st.none() | times,
        datacontenttype=st.sampled_from(content_types),
        dataschema=st.none() | texts,
        extensions=st.dictionaries(names, values, max_size=4),
        data=data,
    )


json_events = _events(
    json_texts, [None, "application/json", "Text/JSON; charset=utf-8", "application/vnd.x+json"]
)
text_events = _events(st.text(max_size=20).map(str.encode), ["text/plain", "application/xml"])
binary_events = _events(st.binary(max_size=20), ["application/octet-stream", "image/png"])
empty_events = _events(st.none(), [None, "application/json", "text/plain"])

events = st.one_of(json_events, text_events, binary_events, empty_events)
