"""Moderation by Tencent: both its forms, its verdicts, and what the console sends to see who answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError
from router.samples import Sample, load
from router.sources.tencent import TencentSettings, TencentSource
from tests.sources.support import events, post, sent

SOURCE = TencentSource()


def dump(document: Any) -> bytes:
    return json.dumps(document).encode()


REVIEWS = [sample for sample in load("tencent") if "/review-" in sample.name]


DETAIL: dict[str, Any] = {
    "EventName": "ReviewImage",
    "JobsDetail": {
        "JobId": "si1",
        "State": "Success",
        "Label": "Porn",
        "Result": 1,
        "Score": 99,
        "ForbidState": 0,
        "BucketId": "b-1",
        "Region": "ap-chongqing",
        "Object": "a.jpg",
        "CreationTime": "2023-11-25T08:47:39+0800",
        "PornInfo": {"HitFlag": 1, "Score": 99, "Label": "Porn"},
    },
}


SIMPLE = {
    "code": 0,
    "message": "success",
    "data": {
        "event": "ReviewImage",
        "result": 0,
        "forbidden_status": 0,
        "trace_id": "tr1",
        "url": "https://b-1.cos.ap-chongqing.myqcloud.com/test.jpg",
        "porn_info": {"hit_flag": 0, "label": "", "score": 9},
        "cos_headers": {},
    },
}


def test_detailed_moderation() -> None:
    (event,) = events(SOURCE, post(dump(DETAIL), headers={"x-ci-content-version": "Detail"}))
    job = DETAIL["JobsDetail"]
    canonical = json.dumps(job, sort_keys=True, separators=(",", ":")).encode()
    assert event.data == canonical
    assert event.attributes() == {
        "specversion": "1.0",
        "id": f"si1:Success:{hashlib.sha256(canonical).hexdigest()[:16]}",
        "source": "//b-1.ci.ap-chongqing.myqcloud.com",
        "type": "com.tencentcloud.ci.ReviewImage",
        "subject": "a.jpg",
        "time": "2023-11-25T08:47:39+08:00",
        "datacontenttype": "application/json",
        "cistate": "Success",
        "ciformat": "json",
        "cicontentversion": "Detail",
        "verdict": "block",
    }


def test_a_live_stream_that_is_moderated_again_is_another_event() -> None:
    again = DETAIL | {"JobsDetail": DETAIL["JobsDetail"] | {"Score": 98}}
    first, retry, second = (events(SOURCE, post(dump(body)))[0].id for body in (DETAIL, DETAIL, again))
    assert first == retry != second


def test_simple_moderation() -> None:
    (event,) = events(SOURCE, post(dump(SIMPLE), headers={"x-ci-content-version": "Simple"}))
    assert event.type == "com.tencentcloud.ci.ReviewImage"
    assert event.source == "//b-1.cos.ap-chongqing.myqcloud.com"
    assert event.subject == "https://b-1.cos.ap-chongqing.myqcloud.com/test.jpg"
    assert event.id.startswith("tr1:")
    assert event.extensions == {"ciformat": "json", "cicontentversion": "Simple", "verdict": "pass"}
    assert event.value() == {
        "code": 0,
        "message": "success",
        "event": "ReviewImage",
        "result": 0,
        "forbidden_status": 0,
        "trace_id": "tr1",
        "url": "https://b-1.cos.ap-chongqing.myqcloud.com/test.jpg",
        "porn_info": {"hit_flag": 0, "score": 9},
    }
    audio = SIMPLE | {"data": {"result": 2, "trace_id": "tr2"}}
    (reading,) = SOURCE.read(post(dump(audio))).readings
    assert (reading.event.type, reading.event.source) == ("com.tencentcloud.ci.Review", "//ci.myqcloud.com")
    assert reading.event.extensions["verdict"] == "review"
    assert reading.notes == ("event-defaulted",)


@pytest.mark.parametrize("document", REVIEWS, ids=lambda document: document.name)
def test_moderation_carries_its_verdict(document: Sample) -> None:
    (reading,) = SOURCE.read(sent(document)).readings
    word = document.name.removesuffix(".json").rpartition("-")[2]
    expected = {"verdict": word} if word != "failed" else {"verdict": "review", "verdictreason": "failed"}
    carried = {name: value for name, value in reading.event.extensions.items() if name.startswith("verdict")}
    assert (carried, reading.notes) == (expected, ())
    assert reading.event.type in ("com.tencentcloud.ci.ReviewImage", "com.tencentcloud.ci.ReviewDocument")


@pytest.mark.parametrize("name", ["ReviewImage", "ReviewVideo", "ReviewAudio", "ReviewText"])
@pytest.mark.parametrize(("result", "word"), [(0, "pass"), (1, "block"), (2, "review")])
def test_every_kind_of_moderation_in_both_forms(name: str, result: int, word: str) -> None:
    detailed = {"EventName": name, "JobsDetail": {"JobId": "j", "State": "Success", "Result": result}}
    simple = {"code": 0, "message": "success", "data": {"event": name, "trace_id": "j", "result": result}}
    for body in (detailed, simple):
        (event,) = events(SOURCE, post(dump(body)))
        assert event.type == f"com.tencentcloud.ci.{name}"
        assert event.extensions["verdict"] == word


@pytest.mark.parametrize("name", ["ReviewDocument", "ReviewHtml"])
def test_documents_and_web_pages_suggest(name: str) -> None:
    job = {
        "JobId": "j",
        "State": "Success",
        "Suggestion": 1,
        "Url": "http://www.example.com/",
        "Label": "Ads",
    }
    (event,) = events(SOURCE, post(dump({"EventName": name, "JobsDetail": job})))
    assert (event.extensions["verdict"], event.subject) == ("block", "http://www.example.com/")


@pytest.mark.parametrize("form", ["xml", "json"])
@pytest.mark.parametrize(("state", "result"), [("Success", ""), ("Auditing", "0"), ("Submitted", "")])
def test_moderation_without_a_result_is_for_review_in_either_form(form: str, state: str, result: str) -> None:
    body = dump({"EventName": "ReviewText", "JobsDetail": {"State": state, "Result": result}})
    if form == "xml":
        job = f"<State>{state}</State><Result>{result}</Result>"
        body = (
            f"<Response><EventName>ReviewText</EventName><JobsDetail>{job}</JobsDetail></Response>".encode()
        )
    (event,) = events(SOURCE, post(body))
    carried = {name: value for name, value in event.extensions.items() if name.startswith("verdict")}
    assert carried == {"verdict": "review", "verdictreason": "missing"}
    assert (event.extensions["cistate"], event.extensions["ciformat"]) == (state, form)


def test_a_simple_result_of_another_name_is_moderation_too() -> None:
    body = {"code": 0, "data": {"event": "Novel", "trace_id": "t"}}
    (event,) = events(SOURCE, post(dump(body)))
    assert event.type == "com.tencentcloud.ci.Novel"
    assert (event.extensions["verdict"], event.extensions["verdictreason"]) == ("review", "missing")


PROBE: dict[str, Any] = {
    "code": 0,
    "message": "Test request when setting callback url",
    "data": {
        "forbidden_status": 0,
        "porn_info": {"hit_flag": 0, "label": "", "score": 9},
        "result": 0,
        "trace_id": "test_trace_id",
        "url": "test_image",
    },
}


"""What the console sends when a callback address is saved, as its guide prints it."""


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"message": "test request when setting callback URL."},
        {"message": "Test_request_when_setting_callback_url"},
        {"code": "0"},
        {"data": {"trace_id": "test_trace_id"}},
        {"data": PROBE["data"] | {"trace_id": "Test-Trace-Id"}},
        {"data": PROBE["data"] | {"event": "ReviewText", "url": "test_text", "cos_headers": {"a": "b"}}},
    ],
)
def test_the_consoles_test_is_answered_and_is_no_event(change: dict[str, Any]) -> None:
    for source in (SOURCE, TencentSource(TencentSettings(kind="tencent", strict=True))):
        received = source.read(post(dump(PROBE | change)))
        assert received.readings == ()
        assert source.accepted(received).status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"message": "success"},
        {"message": "Test request when setting callback url " * 3},
        {"message": ["Test request when setting callback url"]},
        {"code": -1},
        {"code": "failed"},
        {"data": PROBE["data"] | {"trace_id": "ixzt90jl2dfsc"}},
        {"data": PROBE["data"] | {"result": 1}},
        {"data": PROBE["data"] | {"result": 2}},
        {"data": PROBE["data"] | {"result": "0x1"}},
        {"data": PROBE["data"] | {"forbidden_status": 1}},
        {"data": PROBE["data"] | {"Result": 1}},
        {"data": PROBE["data"] | {"RESULT": 1}},
        {"data": PROBE["data"] | {"Suggestion": "block"}},
        {"data": PROBE["data"] | {"ForbidState": 2}},
        {"data": PROBE["data"] | {"State": "Failed"}},
        {"data": PROBE["data"] | {"porn_info": {"hit_flag": 1, "score": 99}}},
    ],
)
def test_a_verdict_is_never_taken_for_that_test(change: dict[str, Any]) -> None:
    (event,) = events(SOURCE, post(dump(PROBE | change)))
    assert event.extensions["verdict"] in ("pass", "review", "block")


@pytest.mark.parametrize(
    "body",
    [
        DETAIL | {"WorkflowExecution": {"RunId": "r", "State": "Success", "Result": 0}},
        DETAIL | SIMPLE,
        SIMPLE | {"WorkflowExecution": {"RunId": "r", "State": "Success", "Result": 0}},
        {"Response": SIMPLE} | DETAIL,
        {"Response": DETAIL} | SIMPLE,
    ],
)
def test_of_two_callbacks_in_one_none_is_dropped(body: dict[str, Any]) -> None:
    with pytest.raises(EventError, match="callback"):
        events(SOURCE, post(dump(body)))


_said = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["0", "1", " 0 ", "pass", "Success", "success ", "Failed", "Auditing", "-", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "Result"]), inner, max_size=2)
    ),
    max_leaves=3,
)


_jobs = st.dictionaries(
    st.sampled_from(["State", "Code", "code", "Result", "result", "Suggestion", "ForbidState", "JobId"]),
    _said,
)


@given(_jobs, st.booleans())
def test_nothing_passes_that_does_not_say_so(job: dict[str, Any], simple: bool) -> None:
    if simple:
        body = {"code": job.pop("code", 0), "data": {"trace_id": "t", **job}}
    else:
        body = {"EventName": "ReviewImage", "JobsDetail": {"DataId": "d", **job}}
    try:
        (event,) = events(SOURCE, post(dump(body)))
    except EventError:
        return
    assert event.extensions["verdict"] in ("pass", "review", "block")
    if event.extensions["verdict"] == "pass":
        told = event.value()
        assert str(told.get("State", "Success")).strip().lower() in ("success", "true")
        assert {told[field] for field in ("Result", "result", "Suggestion") if field in told} == {0}
        assert told.get("code", 0) == told.get("ForbidState", 0) == 0
