from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError
from router.events.received import Received
from router.samples import Sample, load
from router.signatures.base import Reason, SignatureError
from router.sources.base import MAX_EVENTS, Request
from router.sources.tencent import TencentSettings, TencentSource
from tests.sources.support import error_text, events, post, refusal, sample, sent

SOURCE = TencentSource()
NAMES = [sample.name.removesuffix(".xml") for sample in load("tencent") if sample.name.endswith(".xml")]
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
WORKFLOW = b"""<Response>
<EventName>WorkflowFinish</EventName>
<WorkflowExecution>
<RunId>i1</RunId><State>Success</State><BucketId>b-1</BucketId><Object>in/game.mp4</Object>
<CreateTime>2022-08-09 14:54:17+0800</CreateTime>
<CosHeaders><Key>Content-Type</Key><Value>video/mp4</Value></CosHeaders>
<Tasks><Type>Snapshot</Type><State>Success</State><JobId>j1</JobId></Tasks>
</WorkflowExecution>
</Response>"""


def dump(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("name", NAMES)
def test_xml_and_json_are_the_same_event_down_to_the_bytes_of_its_data(name: str) -> None:
    (from_xml,) = events(SOURCE, sent(sample("tencent", f"{name}.xml")))
    (from_json,) = events(SOURCE, sent(sample("tencent", f"{name}.json")))
    assert from_xml.data == from_json.data
    attributes = from_xml.attributes()
    assert attributes.pop("ciformat") == "xml"
    assert from_json.attributes() == attributes | {"ciformat": "json"}


@pytest.mark.parametrize("form", ["xml", "json"])
def test_every_node_of_the_documents_case_arrives_in_its_documented_form(form: str) -> None:
    document = sample("tencent", f"ocr.{form}")
    received = SOURCE.read(sent(document))
    (reading,) = received.readings
    assert reading.notes == ()
    assert reading.event.attributes() == {
        "specversion": "1.0",
        "id": "a3c193f288b2c11eeb60f39de2f86f409:Success",
        "source": "//test-1234567890.ci.ap-chongqing.myqcloud.com",
        "type": "com.tencentcloud.ci.TaskFinish.ImageOCR",
        "subject": "pic/ocr1.png",
        "time": "2023-11-25T08:47:40+08:00",
        "datacontenttype": "application/json",
        "citag": "ImageOCR",
        "cistate": "Success",
        "ciformat": form,
    }
    (job,) = json.loads(sample("tencent", "ocr.json").body)["Response"]["JobsDetail"]
    detection = job["Operation"]["Detection"]
    del detection["Language"]
    detection["PdfPageSize"] = 0
    job["Operation"]["JobLevel"] = "0"
    assert reading.event.value() == job
    assert received.original is not None
    assert (received.original.body, received.original.content_type) == (document.body, document.content_type)


def test_a_workflows_task_has_its_headers_and_its_workflow() -> None:
    (event,) = events(SOURCE, sent(sample("tencent", "derived/workflow.xml")))
    data = event.value()
    assert data["Input"]["CosHeaders"] == [{"Key": "x-cos-meta-department", "Value": "archive"}]
    assert data["Workflow"]["WorkflowName"] == "scan-inbox"
    assert set(data["Workflow"]) == {"RunId", "WorkflowId", "WorkflowName", "Name"}


def test_a_failed_task_says_so() -> None:
    (event,) = events(SOURCE, sent(sample("tencent", "derived/failed.xml")))
    assert event.extensions["cistate"] == "Failed"
    assert event.id.endswith(":Failed")
    assert event.value()["Message"] == "the picture cannot be decoded"


def test_jobs_may_be_an_array_an_object_or_repeated_elements() -> None:
    job = {"JobId": "j1", "State": "Success", "Input": {"BucketId": "b", "Region": "r", "Object": "o"}}
    other = job | {"JobId": "j2"}
    as_array = dump({"Response": {"EventName": "TaskFinish", "JobsDetail": [job, other]}})
    assert [event.id for event in events(SOURCE, post(as_array))] == ["j1:Success", "j2:Success"]
    as_object = dump({"Response": {"EventName": "TaskFinish", "JobsDetail": job}})
    (event,) = events(SOURCE, post(as_object))
    assert (event.id, event.type, event.value()) == ("j1:Success", "com.tencentcloud.ci.TaskFinish", job)
    assert events(SOURCE, post(dump({"EventName": "TaskFinish", "JobsDetail": [job]}))) == [event]
    repeated = b"".join(
        b"<JobsDetail><JobId>%b</JobId><State>Success</State></JobsDetail>" % name for name in (b"j1", b"j2")
    )
    xml = b"<Response><EventName>TaskFinish</EventName>" + repeated + b"</Response>"
    assert [event.id for event in events(SOURCE, post(xml))] == ["j1:Success", "j2:Success"]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_the_jobs_of_a_callback_are_bounded(form: str) -> None:
    def callback(count: int) -> Request:
        if form == "json":
            return post(dump({"EventName": "TaskFinish", "JobsDetail": [{"Tag": "a"}] * count}))
        return post(
            b"<R><EventName>TaskFinish</EventName>%b</R>" % (b"<JobsDetail><Tag>a</Tag></JobsDetail>" * count)
        )

    assert len(events(SOURCE, callback(MAX_EVENTS))) == MAX_EVENTS
    message = f"{MAX_EVENTS + 1} events in one request; at most {MAX_EVENTS} are taken at once, so send fewer"
    assert refusal(SOURCE, callback(MAX_EVENTS + 1)) == message


@pytest.mark.parametrize("name", ["T" * 101, "\U0010ffff" * 1000, "\n" * 900_000])
def test_what_every_job_has_a_copy_of_is_a_word(name: str) -> None:
    jobs = [{"JobId": str(index)} for index in range(3)]
    message = refusal(SOURCE, post(dump({"EventName": name + "x", "JobsDetail": jobs})))
    assert re.fullmatch(r"EventName: '.{99}… is longer than the 100 characters of any name", message)
    headers = {"x-ci-content-version": name}
    message = refusal(SOURCE, post(dump({"EventName": "T", "JobsDetail": jobs}), headers=headers))
    assert message.startswith("x-ci-content-version: '")
    assert len(events(SOURCE, post(dump({"EventName": "T" * 100, "JobsDetail": jobs})))) == 3


def test_a_workflow_is_one_event() -> None:
    (event,) = events(SOURCE, post(WORKFLOW))
    assert event.attributes() == {
        "specversion": "1.0",
        "id": "i1:Success",
        "source": "//b-1.ci.myqcloud.com",
        "type": "com.tencentcloud.ci.WorkflowFinish",
        "subject": "in/game.mp4",
        "time": "2022-08-09T14:54:17+08:00",
        "datacontenttype": "application/json",
        "cistate": "Success",
        "ciformat": "xml",
    }
    data = event.value()
    assert data["Tasks"] == [{"Type": "Snapshot", "State": "Success", "JobId": "j1"}]
    assert data["CosHeaders"] == [{"Key": "Content-Type", "Value": "video/mp4"}]
    unnamed = WORKFLOW.replace(b"<EventName>WorkflowFinish</EventName>", b"")
    assert events(SOURCE, post(unnamed)) == [event]


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


@pytest.mark.parametrize("url", ["http://[::1", "no url", "https://"])
def test_a_url_without_host_names_the_service(url: str) -> None:
    (event,) = events(SOURCE, post(dump({"code": 0, "data": {"trace_id": "t", "url": url}})))
    assert event.source == "//ci.myqcloud.com"
    assert event.subject == url


@pytest.mark.parametrize(
    ("times", "expected", "notes"),
    [
        ({"EndTime": "-", "CreationTime": "2023-11-25T08:47:39+0800"}, "2023-11-25T08:47:39+08:00", ()),
        ({"EndTime": "-", "CreationTime": "-"}, None, ()),
        ({}, None, ()),
        ({"EndTime": "soon"}, None, ("time-dropped",)),
    ],
)
def test_the_time_is_the_end_or_else_the_beginning(
    times: dict[str, str], expected: str | None, notes: tuple[str, ...]
) -> None:
    (reading,) = SOURCE.read(
        post(dump({"EventName": "TaskFinish", "JobsDetail": {"JobId": "j", **times}}))
    ).readings
    assert (reading.event.time, reading.notes) == (expected, notes)


def test_a_job_without_id_or_state_is_told_by_its_data() -> None:
    def id_of(job: dict[str, str]) -> str:
        return events(SOURCE, post(dump({"EventName": "TaskFinish", "JobsDetail": job})))[0].id

    assert id_of({"JobId": "j"}) == "j"
    assert id_of({"Tag": "a"}) == id_of({"Tag": "a"}) != id_of({"Tag": "b"})


def test_a_subject_that_no_event_may_carry_is_dropped() -> None:
    job = {"JobId": "j", "Input": {"Object": "a\u0085b"}}
    (reading,) = SOURCE.read(post(dump({"EventName": "TaskFinish", "JobsDetail": job}))).readings
    assert (reading.event.subject, reading.notes) == (None, ("subject-dropped",))
    assert reading.event.value() == job


def test_a_number_that_is_none_is_noted() -> None:
    body = sample("tencent", "ocr.xml").body.replace(b"<Confidence>98<", b"<Confidence>high<")
    (reading,) = SOURCE.read(post(body)).readings
    assert reading.notes == ("number-kept-as-text",)
    assert reading.event.value()["Operation"]["Detection"]["TextDetections"][0]["Confidence"] == "high"


def test_the_first_byte_decides() -> None:
    for document in load("tencent"):
        wrong = {"content-type": "text/html"}
        assert events(SOURCE, post(b"\n " + document.body, headers=wrong)) == events(SOURCE, sent(document))


NOTHING = (
    "no callback of Tencent CI: it has neither JobsDetail nor WorkflowExecution, nor code and data as "
    "moderation's simple form has"
)
UNTRACED = "data.trace_id: the simple form of moderation names what it is about, and this does not"
NAMELESS = "EventName and JobsDetail: a callback names its event and describes its jobs"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "neither XML nor a JSON object: a callback begins with < or {"),
        (b"[]", "neither XML nor a JSON object: a callback begins with < or {"),
        (b"JobId=1", "neither XML nor a JSON object: a callback begins with < or {"),
        (b"{}", NOTHING),
        (b'{"Response": []}', NOTHING),
        (b'{"Response": {"EventName": "TaskFinish", "JobsDetail": []}}', NOTHING),
        (b'{"data": {"trace_id": "t", "result": 0, "event": "ReviewImage"}}', NOTHING),
        (b'{"data": {"a": "b"}, "message": "success", "specversion": "1.0"}', NOTHING),
        (b'{"code": 0, "data": "pass"}', NOTHING),
        (b'{"code": 0, "data": {}}', NOTHING),
        (b'{"code": 0, "data": {"result": 0}}', UNTRACED),
        (b'{"code": 0, "data": {"trace_id": {"a": "b"}, "event": "ReviewImage"}}', UNTRACED),
        (b"<html>x</html>", NOTHING),
        (b"<Response/>", NOTHING),
        (b'{"JobsDetail": [{"JobId": "j"}]}', NAMELESS),
        (b'{"EventName": {"a": 1}, "JobsDetail": [{"JobId": "j"}]}', NAMELESS),
        (b'{"EventName": "TaskFinish", "JobsDetail": ["j"]}', NAMELESS),
        (b'{"EventName": "TaskFinish",}', 'line 1, column 27: a comma before "}", where JSON allows none'),
        (b'{"code":0,"data":' * 70 + b"1" + b"}" * 70, "nested more than 64 deep"),
        (
            b'{"code":0,"data":{"score":%b}}' % (b"1" * 40),
            "an integer of more than 128 bits, which no node holds",
        ),
        (b"<!DOCTYPE R><R/>", "XML with a document type (<!DOCTYPE R>), which is not read"),
    ],
)
def test_what_is_no_callback_is_refused(body: bytes, message: str) -> None:
    assert refusal(SOURCE, post(body)) == message


def test_answers() -> None:
    assert SOURCE.accepted(Received(())).status == 200
    refused = SOURCE.refused(EventError("why"))
    assert (refused.status, error_text(refused)) == (400, "why")
    overloaded = SOURCE.overloaded(30)
    assert (overloaded.status, overloaded.headers["retry-after"]) == (503, "30")


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
    ],
)
def test_a_verdict_is_never_taken_for_that_test(change: dict[str, Any]) -> None:
    (event,) = events(SOURCE, post(dump(PROBE | change)))
    assert event.extensions["verdict"] in ("pass", "review", "block")


TOKENS = TencentSource(
    TencentSettings.model_validate({"kind": "tencent", "token": "new one", "tokens": ["o+l%d"]})
)


@pytest.mark.parametrize(
    "query", ["token=new%20one", "token=o%2Bl%25d", "token=o+l%25d", "a=b&token=new%20one&c"]
)
def test_either_token_of_a_rotation_lets_in(query: str) -> None:
    TOKENS.admit(post(b"", query=query))
    assert (TOKENS.verifies, SOURCE.verifies) == (True, False)
    SOURCE.admit(post(b""))


@pytest.mark.parametrize(
    ("query", "reason", "status"),
    [
        ("", Reason.MISSING, 401),
        ("Token=new%20one", Reason.MISSING, 401),
        ("token", Reason.WRONG, 403),
        ("token=", Reason.WRONG, 403),
        ("token=new", Reason.WRONG, 403),
        ("token=new+one", Reason.WRONG, 403),
        ("token=new%20one2", Reason.WRONG, 403),
        ("token=%ff\xff", Reason.WRONG, 403),
        ("token=new%20one&token=new%20one", Reason.UNFIT, 401),
    ],
)
def test_nobody_else_gets_in(query: str, reason: Reason, status: int) -> None:
    with pytest.raises(SignatureError) as caught:
        TOKENS.admit(post(b"", query=query))
    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert "new" not in caught.value.message
    assert TOKENS.refused(caught.value).status == status


@given(st.text(st.characters(codec="latin-1"), max_size=30))
def test_no_text_gets_in_by_chance(query: str) -> None:
    with pytest.raises(SignatureError):
        TOKENS.admit(post(b"", query=query))


def test_a_token_does_not_show_itself() -> None:
    assert "o+l%d" not in repr(TOKENS)


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (PROBE | {"message": "success"}, "event-defaulted"),
        ({"EventName": "TaskFinish", "JobsDetail": {"JobId": "j", "EndTime": "soon"}}, "time-dropped"),
        ({"EventName": "ReviewText", "JobsDetail": {"JobId": "j", "Result": "high"}}, "number-kept-as-text"),
    ],
)
def test_a_strict_source_refuses_what_is_only_noted_elsewhere(body: dict[str, Any], note: str) -> None:
    (reading,) = SOURCE.read(post(dump(body))).readings
    assert reading.notes == (note,)
    strict = TencentSource(TencentSettings(kind="tencent", strict=True))
    assert refusal(strict, post(dump(body))) == f"{note}: this source is strict"


def test_a_strict_source_reads_every_sample() -> None:
    strict = TencentSource(TencentSettings(kind="tencent", strict=True))
    for document in load("tencent"):
        assert events(strict, sent(document)) == events(SOURCE, sent(document))


def test_a_time_that_has_not_come_is_no_data() -> None:
    job = {"JobId": "j", "State": "Submitted", "EndTime": "-", "StartTime": " - ", "UserData": "-"}
    (event,) = events(SOURCE, post(dump({"EventName": "TaskFinish", "JobsDetail": job})))
    assert event.value() == {"JobId": "j", "State": "Submitted", "UserData": "-"}


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
