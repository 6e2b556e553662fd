from __future__ import annotations

import hashlib
import itertools
import json
import re
from typing import Any

import pytest

from router.events import EventError
from router.events.received import Received
from router.samples import load
from router.sources.baidu import BaiduSource
from tests.sources.support import error_text, events, post, refusal, sample, sent

SOURCE = BaiduSource()
CONTENT = {"domain": "bj.bcebos.com", "bucket": "bucket-test", "object": "images/test.jpg", "eTag": "977b"}


def push(*elements: Any) -> bytes:
    return json.dumps({"events": elements}).encode()


def element(**members: Any) -> dict[str, Any]:
    described = {
        "version": "1.0",
        "eventType": "PutObject",
        "eventTime": "2009-10-28T22:32:00Z",
        "content": CONTENT,
    }
    return described | members


def ids(*elements: Any) -> list[str]:
    return [event.id for event in events(SOURCE, post(push(*elements)))]


@pytest.mark.parametrize(
    ("name", "classify_id", "notes"),
    [("2018.json", "6353842115261500790", ("trailing-comma",)), ("2025.json", "6353842115261500000", ())],
)
def test_each_result_of_the_documents_becomes_an_event(
    name: str, classify_id: str, notes: tuple[str, ...]
) -> None:
    document = sample("baidu", name)
    (pushed,) = json.loads(re.sub(rb",(\s*})", rb"\1", document.body))["events"]
    received = SOURCE.read(sent(document))
    assert [reading.notes for reading in received.readings] == [notes, notes]
    by_kind = {reading.event.type.rpartition(".")[2]: reading.event for reading in received.readings}
    log_ids = {"ImageOcr": "153673668620866", "ImageClassify": classify_id}
    assert set(by_kind) == set(log_ids)
    for kind, event in by_kind.items():
        result = kind[0].lower() + kind[1:]
        other = ({"imageOcr", "imageClassify"} - {result}).pop()
        assert event.attributes() == {
            "specversion": "1.0",
            "id": event.id,
            "source": "//bj.bcebos.com/bucket-test",
            "type": f"com.baidubce.bos.{kind}",
            "subject": "images/test.jpg",
            "time": "2009-10-28T22:32:00Z",
            "datacontenttype": "application/json",
            "bceeventtype": "PutObject",
            "bceetag": "977b9623a15e520c663ac5ff6647e881",
            "bcelogid": log_ids[kind],
        }
        assert event.value() == {member: value for member, value in pushed.items() if member != other}
    assert received.original is not None
    assert received.original.body == document.body
    assert received.original.content_type == document.content_type


def test_numbers_are_spelled_as_the_sender_spelled_them() -> None:
    body = (
        b'{"events":[{"content":' + json.dumps(CONTENT).encode() + b","
        b'"imageClassify":{"log_id":6353842115261500790,"result":[{"score":0.566877},{"score":1.50},{"n":1E2}]}}]}'
    )
    (event,) = events(SOURCE, post(body))
    assert event.data is not None
    for spelled in (b'"log_id":6353842115261500790', b'"score":0.566877', b'"score":1.50', b'"n":1E2'):
        assert spelled in event.data
    assert event.extensions["bcelogid"] == "6353842115261500790"


@pytest.mark.parametrize("document", load("baidu"), ids=lambda document: document.name)
def test_a_retry_has_the_same_ids_whatever_its_white_space(document: Any) -> None:
    first = [event.id for event in events(SOURCE, sent(document))]
    assert [event.id for event in events(SOURCE, sent(document))] == first
    respaced = json.dumps(json.loads(re.sub(rb",(\s*})", rb"\1", document.body)), indent=3).encode()
    assert [event.id for event in events(SOURCE, post(respaced))] == first
    assert len(set(first)) == len(first) == 2


def test_distinct_results_have_distinct_ids() -> None:
    ocr = {"log_id": 1, "result": "x"}
    variants = [
        element(imageOcr=ocr),
        element(imageClassify=ocr),
        element(imageOcr=ocr | {"log_id": 2}),
        element(imageOcr=ocr, eventTime="2009-10-28T22:32:01Z"),
        element(imageOcr=ocr, eventType="CopyObject"),
        *(element(imageOcr=ocr, content=CONTENT | {name: "other"}) for name in CONTENT),
        element(imageOcr={"result": "x"}),
        element(imageOcr={"result": "y"}),
    ]
    assert len(set(ids(*variants))) == len(variants)
    assert ids(*variants) == [id_ for variant in variants for id_ in ids(variant)]


def test_an_id_is_the_hash_that_the_mapping_names() -> None:
    place = '"bj.bcebos.com","bucket-test","images/test.jpg","977b"'
    identity = f'[{place},"PutObject","2009-10-28T22:32:00Z","imageOcr","1"]'
    assert ids(element(imageOcr={"log_id": 1})) == [hashlib.sha256(identity.encode()).hexdigest()]


def test_a_later_kind_of_result_needs_no_change_here() -> None:
    (event,) = events(SOURCE, post(push(element(videoOcr={"log_id": "a1"}, imageOcr=None))))
    assert event.type == "com.baidubce.bos.VideoOcr"
    assert event.extensions["bcelogid"] == "a1"


def test_what_an_event_can_do_without_may_be_absent_or_wrong() -> None:
    bare = {
        "content": {name: CONTENT[name] for name in ("domain", "bucket", "object")},
        "imageOcr": {"result": 1},
    }
    (event,) = events(SOURCE, post(push(bare)))
    assert event.extensions == {}
    assert event.time is None
    received = SOURCE.read(post(push(element(imageOcr={"log_id": 1}, eventTime="28 Oct 2009"))))
    (reading,) = received.readings
    assert (reading.event.time, reading.notes) == (None, ("time-dropped",))
    named = element(imageOcr={"log_id": 1}, content=CONTENT | {"object": "a\u0085b"})
    (reading,) = SOURCE.read(post(push(named))).readings
    assert (reading.event.subject, reading.notes) == (None, ("subject-dropped",))


def test_several_elements_keep_their_order() -> None:
    body = push(
        element(imageOcr={"log_id": 1}, imageClassify={"log_id": 2}),
        element(imageClassify={"log_id": 3}),
    )
    assert [event.extensions["bcelogid"] for event in events(SOURCE, post(body))] == ["1", "2", "3"]


def test_a_push_without_events_is_empty() -> None:
    assert SOURCE.read(post(push())).readings == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "line 1, column 1: the text ends where a value should stand"),
        (b"[]", "events: a push holds a list of that name"),
        (b"{}", "events: a push holds a list of that name"),
        (b'{"events": {}}', "events: a push holds a list of that name"),
        (b'{"events": [1]}', "events: each of them is an object"),
        (push(element()), "events[0]: holds no result, such as imageOcr or imageClassify"),
        (push(element(imageOcr="x")), "events[0]: holds no result, such as imageOcr or imageClassify"),
        (
            push({"imageOcr": {}}),
            "events[0].content: is missing; it names the object that the result is about",
        ),
        (
            push(element(imageOcr={}), element(imageOcr={}, content=CONTENT | {"bucket": ""})),
            "events[1].content.bucket: a non-empty string should stand there",
        ),
        (
            push(element(imageOcr={}, content=CONTENT | {"object": 5})),
            "events[0].content.object: a non-empty string should stand there",
        ),
    ],
)
def test_what_is_no_push_is_refused_whole(body: bytes, message: str) -> None:
    assert refusal(SOURCE, post(body)) == message


def test_what_is_no_json_even_so_is_placed_in_the_original_text() -> None:
    body = sample("baidu", "2018.json").body
    broken = body.replace(b'"words": "MAKE"', b'"words": MAKE')
    assert refusal(SOURCE, post(broken)) == "line 20, column 42: 'MAKE' where a value should stand"
    doubled = body.replace(b'ff6647e881",', b'ff6647e881",,')
    assert refusal(SOURCE, post(doubled)) == (
        "line 11, column 60: ',' where a key in double quotes should stand"
    )


def test_success_is_exactly_200_with_an_empty_object_and_a_request_id() -> None:
    numbers = itertools.count(1)
    source = BaiduSource(request_id=lambda: f"request-{next(numbers)}")
    answer = source.accepted(Received(()))
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers == {"content-type": "application/json", "x-bce-request-id": "request-1"}
    refused = source.refused(EventError("why"))
    assert (refused.status, error_text(refused), refused.headers["x-bce-request-id"]) == (
        400,
        "why",
        "request-2",
    )
    overloaded = source.overloaded(9)
    assert (overloaded.status, overloaded.headers["retry-after"]) == (429, "9")
    assert overloaded.headers["x-bce-request-id"] == "request-3"


def test_a_request_id_is_a_new_uuid_each_time() -> None:
    first, second = (SOURCE.accepted(Received(())).headers["x-bce-request-id"] for _ in range(2))
    assert first != second
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)


def test_it_listens_where_both_documents_say() -> None:
    assert SOURCE.paths == ("/baidu", "/v1/{bucket}/?result", "/v1/{bucket}?result", "/?result")
