from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest

from router.events import EventError
from router.events.received import Received
from router.samples import load
from router.sources.base import MAX_EVENTS, Request
from router.sources.tencent import TencentSource
from tests.sources.support import error_text, events, post, refusal, sample, sent

SOURCE = TencentSource()
NAMES = sorted({sample.name.rpartition(".")[0] for sample in load("tencent")})

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
    assert event.extensions == {"ciformat": "json", "cicontentversion": "Simple"}
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
    (event,) = events(SOURCE, post(dump(audio)))
    assert (event.type, event.source) == ("com.tencentcloud.ci.Review", "//ci.myqcloud.com")


@pytest.mark.parametrize("url", ["http://[::1", "no url", "https://"])
def test_a_url_without_host_names_the_service(url: str) -> None:
    (event,) = events(SOURCE, post(dump({"data": {"trace_id": "t", "url": url}})))
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


NOTHING = "no callback of Tencent CI: it has neither JobsDetail, WorkflowExecution nor data"
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
        (b"<html>x</html>", NOTHING),
        (b"<Response/>", NOTHING),
        (b'{"JobsDetail": [{"JobId": "j"}]}', NAMELESS),
        (b'{"EventName": {"a": 1}, "JobsDetail": [{"JobId": "j"}]}', NAMELESS),
        (b'{"EventName": "TaskFinish", "JobsDetail": ["j"]}', NAMELESS),
        (b'{"EventName": "TaskFinish",}', 'line 1, column 27: a comma before "}", where JSON allows none'),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested more than 64 deep"),
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
