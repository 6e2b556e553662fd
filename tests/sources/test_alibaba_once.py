"""A long payload is read once by the sources of Alibaba's, whatever becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode

from router.errors import MessageError
from router.events import Event, json_text
from router.main import SOURCES
from router.sources.alibaba_event import judged
from router.sources.base import Request
from router.sources.verdict import imm
from tests.sources.weighed import ADDRESSES

OBJECTS = b"[%b{}]" % (b"{}," * 299_990)

_EVENT = b'{"specversion":"1.0","id":"1","source":"acs.imm","type":"imm:Task:ImageModeration","data":{%b}}'


def least(work: Callable[[], object]) -> float:
    """The seconds of processor time of the quickest of some tries: other processes are about."""
    found = []
    for _ in range(7):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("alibaba", b'{"a":%b}' % OBJECTS),
        ("alibaba", _EVENT % (b'"a":%b' % OBJECTS)),
        ("openapi", OBJECTS),
    ],
    ids=["no event", "a moderation", "too many entries"],
)
def test_a_body_of_empty_objects_costs_little_more_than_to_read_it(kind: str, body: bytes) -> None:
    source = SOURCES[kind]()
    path, query, headers = ADDRESSES[kind][0]
    request = Request("POST", path, query, headers, body, 0.0)

    def handled() -> None:
        try:
            source.read(request)
        except MessageError as error:
            source.refused(error)

    assert least(handled) < 1.8 * least(lambda: json_text.read(body))  # a second reading would make it 2.4


WORDS = ["Status", "State", "Success", "Code", "ErrorCode", "FailReason", "Suggestion", "Labels"]
VALUES: st.SearchStrategy[object] = st.sampled_from(
    ["Success", "Failed", "pass", "block", "200", "", None, True, False, 200, 0, [], {}]
)


@given(st.dictionaries(st.sampled_from(WORDS), VALUES) | st.lists(VALUES, max_size=1) | VALUES)
def test_a_verdict_is_that_of_the_whole_payload(payload: object) -> None:
    type_ = "imm:Task:ImageModeration"
    event = Event(id="1", source="s", type=type_, datacontenttype="application/json", data=encode(payload))
    assert judged(event, ()).event.extensions == imm(type_, payload)
