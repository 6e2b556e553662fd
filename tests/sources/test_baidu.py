from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError, TooMuchError
from router.events.received import Received
from router.samples import load
from router.sources.baidu import BaiduSettings, BaiduSource
from router.sources.baidu_push import MAX_COPIED, MAX_KINDS
from router.sources.base import MAX_EVENTS, Request
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
    assert len(set(first)) == len(first) == (1 if document.derived else 2)


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
    (event,) = events(SOURCE, post(push(element(videoOcr={"log_id": "a1"}))))
    assert event.type == "com.baidubce.bos.VideoOcr"
    assert event.extensions["bcelogid"] == "a1"


@pytest.mark.parametrize("value", [["MAKE"], [], "no text found", "", 7, 1.5, False, None])
def test_a_result_that_is_no_object_is_an_event_all_the_same(value: object) -> None:
    for pushed, kinds in (
        (element(imageOcr=value), ["ImageOcr"]),
        (element(imageClassify={"log_id": 2}, imageOcr=value), ["ImageClassify", "ImageOcr"]),
    ):
        readings = SOURCE.read(post(push(pushed))).readings
        assert [reading.event.type for reading in readings] == [f"com.baidubce.bos.{kind}" for kind in kinds]
        odd = readings[-1]
        assert odd.notes == ("result-not-an-object",)
        assert odd.event.value() == element(imageOcr=value)
        assert "bcelogid" not in odd.event.extensions
        assert all(reading.notes == () for reading in readings[:-1])


def test_results_that_are_no_objects_are_told_apart_by_what_they_are() -> None:
    values: list[Any] = [[], "", 0, False, None, {}, "a", ["a"]]
    assert len(set(ids(*(element(imageOcr=value) for value in values)))) == len(values)
    noted = post(b'{"events":[{"content":%b,"imageOcr":"x",}]}' % json.dumps(CONTENT).encode())
    (reading,) = SOURCE.read(noted).readings
    assert reading.notes == ("trailing-comma", "result-not-an-object")


def test_an_events_data_is_the_element_with_only_its_result() -> None:
    pushed = element(imageOcr={"log_id": 1}, audit=[1], imageClassify={"log_id": 2})
    described = {name: value for name, value in pushed.items() if name in element()}
    assert [event.value() for event in events(SOURCE, post(push(pushed)))] == [
        described | {kind: pushed[kind]} for kind in ("imageOcr", "audit", "imageClassify")
    ]


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


@pytest.mark.parametrize("first", ["5", "[1]", "[{}]", "{}", '[{"imageOcr": {}}]', "null"])
def test_of_events_written_twice_the_last_count(first: str) -> None:
    body = push(element(imageOcr={"log_id": 1}))
    twice = b'{"events": ' + first.encode() + b"," + body[1:]
    assert events(SOURCE, post(twice)) == events(SOURCE, post(body))
    inside = body.replace(b'"imageOcr":', b'"imageOcr": 5, "imageOcr":')
    assert events(SOURCE, post(inside)) == events(SOURCE, post(body))


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
        (
            push(element(imageOcr={}), element(eventFrom="Client")),
            "events[1]: holds no result, such as imageOcr or imageClassify",
        ),
        (
            push({"imageOcr": {}}),
            "events[0].content: is missing; it names the object that this is about",
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


def kinds(count: int) -> dict[str, Any]:
    return {f"kind{index}": {"log_id": index} for index in range(count)}


def test_the_results_of_one_element_are_bounded() -> None:
    assert len(events(SOURCE, post(push(element(**kinds(MAX_KINDS)))))) == MAX_KINDS
    too_many = post(push(element(imageOcr={}), element(**kinds(MAX_KINDS + 1))))
    with pytest.raises(TooMuchError) as caught:
        SOURCE.read(too_many)
    assert caught.value.message == "events[1]: holds 33 results; at most 32 are taken of one element"
    assert SOURCE.refused(caught.value).status == 413


def test_the_results_of_all_elements_together_are_bounded() -> None:
    full, rest = divmod(MAX_EVENTS, MAX_KINDS)
    elements = [element(**kinds(MAX_KINDS))] * full + [element(**kinds(rest))]
    assert len(events(SOURCE, post(push(*elements)))) == MAX_EVENTS
    message = f"{MAX_EVENTS + 1} events in one request; at most {MAX_EVENTS} are taken at once, so send fewer"
    assert refusal(SOURCE, post(push(*elements, element(imageOcr={})))) == message


def payload(request: Request) -> int:
    return sum(len(event.data or b"") for event in events(SOURCE, request))


@pytest.mark.parametrize("member", ["version", "content"])
def test_a_description_is_not_copied_without_bound(member: str) -> None:
    long = "x" * 900_000
    described: dict[str, Any] = (
        {"version": long} if member == "version" else {"content": CONTENT | {"y": long}}
    )
    most = MAX_COPIED // 900_000 + 1
    taken = post(push(element(**described, **kinds(most))))
    assert payload(taken) < len(taken.body) + MAX_COPIED
    tracemalloc.start()
    try:
        message = refusal(SOURCE, post(push(element(**described, **kinds(most + 1)))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert re.fullmatch(
        rf"the results of this push would carry \d{{8}} bytes of the same descriptions; "
        rf"at most {MAX_COPIED} are copied, so send fewer results at once",
        message,
    )
    assert peak < MAX_COPIED, "it was refused only after it had been built"


def test_many_small_descriptions_add_up() -> None:
    elements = [element(**kinds(20), version="x" * 20_000)] * 50
    assert "descriptions" in refusal(SOURCE, post(push(*elements)))
    assert len(events(SOURCE, post(push(*elements[:40])))) == 800


def test_a_long_result_alone_is_no_copy() -> None:
    long = {"words": "x" * (MAX_COPIED + 1)}
    assert len(events(SOURCE, post(push(element(imageOcr=long))))) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 3000)).map(
            lambda drawn: element(**kinds(drawn[0]), version="x" * drawn[1])
        ),
        max_size=5,
    )
)
def test_what_is_made_of_a_push_has_a_bound(elements: list[dict[str, Any]]) -> None:
    request = post(push(*elements))
    counts = [len(element) - 4 for element in elements]
    try:
        found = events(SOURCE, request)
    except EventError:
        assert 0 in counts or max(counts) > MAX_KINDS
        return
    assert len(found) == sum(counts) <= MAX_EVENTS
    assert sum(len(event.data or b"") for event in found) <= len(request.body) + MAX_COPIED


@pytest.mark.parametrize("count", [4_000, 90_000])
def test_many_results_take_no_time(count: int) -> None:
    request = post(push(element(**kinds(count))))
    begin = time.process_time()
    assert f"holds {count} results" in refusal(SOURCE, request)
    assert time.process_time() - begin < 1


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


def test_it_listens_where_the_documents_say() -> None:
    assert SOURCE.paths == (
        "/baidu",
        "/v1/{bucket}/?result",
        "/v1/{bucket}?result",
        "/?result",
        "/v1/{bucket}/?event",
        "/v1/{bucket}?event",
        "/?event",
    )


def test_a_strict_source_refuses_what_is_forgiven_elsewhere() -> None:
    strict = BaiduSource(BaiduSettings(kind="baidu", strict=True))
    assert len(events(strict, sent(sample("baidu", "2025.json")))) == 2
    assert refusal(strict, sent(sample("baidu", "2018.json"))) == (
        "not as Baidu's documents have it, and this source is strict: trailing-comma"
    )
