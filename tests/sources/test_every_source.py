"""What is true of every source, whatever a stranger sends."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import TooMuchError, json_format
from router.events.received import Received
from router.samples import CLOUDS, load
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import MAX_EVENTS, Request, Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.tencent import TencentSource
from tests.events.strategies import json_texts
from tests.sources.support import error_text, post

SOURCES: tuple[Source, ...] = (CloudEventsSource(), AlibabaSource(), BaiduSource(), TencentSource())
BODIES = [sample.body for cloud in CLOUDS for sample in load(cloud)]

sources = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)

WATCHED = Path(__file__).with_name("watched.py")

bodies = st.one_of(
    st.binary(max_size=80),
    json_texts,
    json_texts.map(lambda text: b'{"events": [%b]}' % text),
    st.tuples(json_texts, json_texts).map(lambda drawn: b'{"events": %b, "events": [%b]}' % drawn),
    json_texts.map(
        lambda text: (
            b'{"events": [{"content": {"domain": "d", "bucket": "b", "object": "o"}, "x": %b}]}' % text
        )
    ),
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
        said = error.message
    else:
        answer = source.accepted(received)
        said = ""
        check(received)
    assert answer.status in (200, 202, 400, 415)
    assert said.isprintable()
    assert len(said) < 400


def check(received: Received) -> None:
    """Whatever was made of a request is events that others can read, and payloads that can be looked into."""
    for reading in received.readings:
        event = reading.event
        back = json_format.decode(json_format.encode(event))
        # Binary mode's bodies may have white space around the value; inside a JSON text nobody can tell.
        data = event.data.strip(b" \t\r\n") if event.data and event.is_json else event.data
        assert back == msgspec.structs.replace(event, data=data)
        event.view()


ONE = b'{"specversion":"1.0","id":"1","source":"s","type":"t"}'
BATCH = {"content-type": "application/cloudevents-batch+json"}
IN_BULK: dict[str, tuple[bytes, bytes, bytes]] = {
    "cloudevents": (b"[", ONE, b"]"),
    "alibaba": (b"[", ONE, b"]"),
    "baidu": (b'{"events":[', b'{"content":{"domain":"d","bucket":"b","object":"o"},"imageOcr":{}}', b"]}"),
    "tencent": (b'{"EventName":"T","JobsDetail":[', b'{"JobId":"1"}', b"]}"),
}
"""How each sender puts many events into one request: what stands before, one, what stands behind."""


def bulk(source: Source, count: int, one: bytes | None = None) -> Request:
    before, usual, behind = IN_BULK[source.kind]
    return post(before + b",".join([one or usual] * count) + behind, headers=BATCH)


@sources
def test_the_events_of_one_request_are_bounded(source: Source) -> None:
    assert len(source.read(bulk(source, MAX_EVENTS)).readings) == MAX_EVENTS
    with pytest.raises(TooMuchError) as caught:
        source.read(bulk(source, MAX_EVENTS + 1))
    answer = source.refused(caught.value)
    assert answer.status == 413
    assert (
        error_text(answer)
        == f"{MAX_EVENTS + 1} events in one request; at most {MAX_EVENTS} are taken at once, so send fewer"
    )


@sources
@pytest.mark.parametrize("one", [None, b"{}", b"1", b'{"a":"b"}'], ids=["whole", "empty", "number", "short"])
def test_a_megabyte_of_events_costs_little(source: Source, one: bytes | None) -> None:
    request = bulk(source, 1_000_000 // (len(one or IN_BULK[source.kind][1]) + 1), one)
    begin = time.process_time()
    with pytest.raises(MessageError):
        source.read(request)
    assert time.process_time() - begin < 1


@sources
@pytest.mark.parametrize(
    "body",
    [
        b'{"specversion":"1.0","id":"1","source":"s","type":"t","%b":[]}' % (b"a" * 900_000),
        b'{"specversion":"1.0","id":"1","source":"s","type":"%b\\n"}' % (b"a" * 900_000),
        b'{"specversion":"%b","id":"1","source":"s","type":"t"}' % (b"1" * 900_000),
        b"a" * 900_000,
        b"{%b" % (b"a" * 900_000),
        b"<%b></b>" % (b"a" * 40_000),
    ],
    ids=["name", "type", "version", "word", "key", "tag"],
)
@pytest.mark.parametrize("content_type", ["application/cloudevents+json", "x" * 9000])
def test_a_refusal_is_short_whatever_was_sent(source: Source, body: bytes, content_type: str) -> None:
    try:
        source.read(post(body, headers={"content-type": content_type}))
    except MessageError as error:
        assert len(source.refused(error).body) < 400  # noqa: PT017 (Alibaba's may be read)
    else:
        assert source.kind == "alibaba"


def test_sources_do_no_io() -> None:
    found = subprocess.run([sys.executable, str(WATCHED)], capture_output=True, text=True, check=True)
    assert found.stdout == "True []\n"


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
