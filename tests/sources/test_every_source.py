"""What sources have in common beyond their contract (`tests/conformance/test_sources.py`): words, numbers."""

from __future__ import annotations

import time

import pytest

from router.errors import MessageError
from router.events import TooMuchError
from router.events.received import Received
from router.sources.alibaba import AlibabaSource
from router.sources.baidu import BaiduSource
from router.sources.base import MAX_EVENTS, Request, Source
from router.sources.cloudevents import CloudEventsSource
from router.sources.tencent import TencentSource
from tests.sources.support import error_text, post

SOURCES: tuple[Source, ...] = (CloudEventsSource(), AlibabaSource(), BaiduSource(), TencentSource())

sources = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)

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
def test_who_sends_too_much_at_once_is_told_how_much_is_taken(source: Source) -> None:
    with pytest.raises(TooMuchError) as caught:
        source.read(bulk(source, MAX_EVENTS + 1))
    answer = source.refused(caught.value)
    assert answer.status == 413
    assert (
        error_text(answer)
        == f"{MAX_EVENTS + 1} events in one request; at most {MAX_EVENTS} are taken at once, so send fewer"
    )


@sources
@pytest.mark.parametrize("one", [b"{}", b"1", b'{"a":"b"}'], ids=["empty", "number", "short"])
def test_a_megabyte_of_what_are_no_events_costs_little(source: Source, one: bytes) -> None:
    request = bulk(source, 1_000_000 // (len(one) + 1), one)
    begin = time.process_time()
    with pytest.raises(MessageError):
        source.read(request)
    assert time.process_time() - begin < 1


@sources
def test_success_and_overload_are_words_that_its_sender_knows(source: Source) -> None:
    assert source.accepted(Received(())).status in (200, 202)
    assert source.overloaded(5).status in (429, 503)
