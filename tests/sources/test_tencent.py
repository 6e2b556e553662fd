from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import EventError
from router.events.received import Received
from router.samples import load
from router.signatures.base import Reason, SignatureError
from router.sources.base import MAX_EVENTS, Request
from router.sources.tencent import TencentSettings, TencentSource
from tests.sources.support import error_text, events, post, refusal, sample, sent

SOURCE = TencentSource()


NAMES = [sample.name.removesuffix(".xml") for sample in load("tencent") if sample.name.endswith(".xml")]


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
        ({"code": 0, "data": {"trace_id": "t", "result": 0}}, "event-defaulted"),
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
