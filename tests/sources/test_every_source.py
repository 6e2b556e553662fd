"""What is true of every source, whatever a stranger sends."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import json_format
from router.events.received import Received
from router.samples import CLOUDS, load
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.tencent import TencentSource
from tests.events.strategies import json_texts
from tests.sources.support import post

SOURCES: tuple[Source, ...] = (CloudEventsSource(), AlibabaSource(), BaiduSource(), TencentSource())
BODIES = [sample.body for cloud in CLOUDS for sample in load(cloud)]

sources = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)

bodies = st.one_of(
    st.binary(max_size=80),
    json_texts,
    json_texts.map(lambda text: b'{"events": [%b]}' % text),
    json_texts.map(lambda text: b'{"EventName": "X", "JobsDetail": %b, "data": %b}' % (text, text)),
    json_texts.map(lambda text: b'{"source": "s", "type": "t", "x": %b, "data": %b}' % (text, text)),
    st.tuples(st.sampled_from(BODIES), st.integers(0, 3000), st.binary(max_size=3)).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
    ),
)
headers = st.dictionaries(
    st.sampled_from(
        ["content-type", "ce-id", "ce-source", "ce-type", "ce-time", "ce-x", "x-ci-content-version"]
    ),
    st.sampled_from(
        ["application/cloudevents+json", "application/cloudevents-batch+json", "application/json"]
    )
    | st.text(max_size=10),
    max_size=4,
)


@sources
@given(
    body=bodies,
    headers=headers,
    query=st.sampled_from(["", "result", "type=t&source=s", "type=%00&source=s"]),
)
def test_it_reads_events_or_raises_a_message_error(
    source: Source, body: bytes, headers: dict[str, str], query: str
) -> None:
    request = post(body, query=query, headers=headers)
    try:
        received = source.read(request)
    except MessageError as error:
        answer = source.refused(error)
    else:
        answer = source.accepted(received)
        check(received)
    assert answer.status in (200, 202, 400, 415)


def check(received: Received) -> None:
    """Whatever was made of a request is events that others can read, and payloads that can be looked into."""
    for reading in received.readings:
        event = reading.event
        back = json_format.decode(json_format.encode(event))
        # Binary mode's bodies may have white space around the value; inside a JSON text nobody can tell.
        data = event.data.strip(b" \t\r\n") if event.data and event.is_json else event.data
        assert back == msgspec.structs.replace(event, data=data)
        event.view()


@sources
def test_it_is_frozen(source: Source) -> None:
    assert dataclasses.is_dataclass(source)
    with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
        setattr(source, "kind", "other")  # noqa: B010 (type checkers know that it cannot be done)
    assert not hasattr(source, "__dict__")


@sources
def test_its_answers_differ_only_by_what_happened(source: Source) -> None:
    assert source.accepted(Received(())).status in (200, 202)
    assert source.overloaded(5).status in (429, 503)
    assert source.overloaded(5).headers["retry-after"] == "5"


def test_kinds_and_paths_are_their_own() -> None:
    kinds = [source.kind for source in SOURCES]
    paths = [path for source in SOURCES for path in source.paths]
    assert kinds == ["cloudevents", "alibaba", "baidu", "tencent"]
    assert len(set(paths)) == len(paths)
