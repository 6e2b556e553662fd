from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from router import samples
from router.emulators.jobs import told
from router.emulators.jobs.submission import Format, Submission
from router.emulators.jobs.told import Job, Outcome
from router.sources import xml
from router.sources.base import Request
from router.sources.tencent import TencentSource

NOW = 1_700_873_259.0
"""2023-11-25T08:47:39+0800, the documents' time."""

OPERATION = {"JobLevel": "1", "ImageOCR": {"Type": "a&b<c"}, "UserData": "mine"}


def job(
    form: Format = "XML", outcome: Outcome = Outcome.SUCCESS, operation: dict[str, Any] = OPERATION
) -> Job:
    submission = Submission("pic/ocr1.png", operation, None, form)
    return Job("j1", "test-1234567890", "ap-chongqing", submission, NOW, outcome)


def sample(form: str) -> bytes:
    return next(sample.body for sample in samples.load("tencent") if sample.name == f"ocr.{form}")


def test_the_answer_to_a_submission_is_the_documents() -> None:
    name, answer = xml.read(told.submitted(job()))
    assert name == "Response"
    assert answer["JobsDetail"] == {
        "Code": "Success",
        "CreationTime": "2023-11-25T08:47:39+0800",
        "EndTime": "-",
        "Input": {"BucketId": "test-1234567890", "Object": "pic/ocr1.png", "Region": "ap-chongqing"},
        "JobId": "j1",
        "Message": "",
        "Operation": OPERATION,
        "QueueId": "pcaffdc4229a543b296b10b22586a1e57",
        "StartTime": "-",
        "State": "Submitted",
        "Tag": "ImageOCR",
    }


def test_a_callback_has_the_shape_of_the_sample_in_either_format() -> None:
    operation = {
        "JobLevel": "0",
        "TemplateId": "t1a545cd125ea04ec7a3cd455065d601cc",
        "TemplateName": "ImageOCR-34",
    }
    document = ET.fromstring(sample("xml"))
    _, body = told.callback(job("XML", operation=operation), NOW + 1)
    made = ET.fromstring(body)
    for tree in (document, made):
        for node in tree.iter():
            if node.tag in {"JobId", "StartTime"}:  # the emulator starts at once
                node.text = ""
            node.tail, node.text = "", (node.text or "").strip()
    assert ET.tostring(made) == ET.tostring(document)

    kind, body = told.callback(job("JSON", operation=operation), NOW + 1)
    assert kind == "application/json"
    expected = json.loads(sample("json"))
    expected["Response"]["JobsDetail"][0] |= {"JobId": "j1", "StartTime": "2023-11-25T08:47:39+0800"}
    assert json.loads(body) == expected


@pytest.mark.parametrize("outcome", Outcome)
def test_both_formats_are_one_event_for_the_router(outcome: Outcome) -> None:
    found = []
    for form in ("XML", "JSON"):
        kind, body = told.callback(job(form, outcome), NOW + 1)
        request = Request("POST", "/tencent", "", {"content-type": kind}, body, NOW)
        (reading,) = TencentSource().read(request).readings
        assert reading.notes == ()
        assert reading.event.id == f"j1:{outcome}"
        assert json.loads(reading.event.data or b"")["Operation"]["UserData"] == "mine"
        found.append(json.loads(reading.event.data or b""))
    assert found[0] == found[1]
    assert ("Detection" in found[0]["Operation"]) == (outcome is Outcome.SUCCESS)
    assert (found[0]["Code"] == "Success") == (outcome is not Outcome.FAILED)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("pic/failed.png", Outcome.FAILED),
        ("FAILED/1.png", Outcome.FAILED),
        ("pic/a-cancel-1.png", Outcome.CANCEL),
        ("pic/unfailed.png", Outcome.CANCEL),
        ("cancelled.png", Outcome.CANCEL),
        ("pic_success_1.png", Outcome.SUCCESS),
        ("", Outcome.CANCEL),
    ],
)
def test_how_a_job_ends(name: str, outcome: Outcome) -> None:
    assert told.outcome_of(name, Outcome.CANCEL) is outcome


def test_a_word_within_a_word_is_none() -> None:
    assert told.outcome_of("cancelled.png", Outcome.SUCCESS) is Outcome.SUCCESS


def test_an_error_is_cos_own_xml() -> None:
    name, error = xml.read(told.error("InvalidArgument", "a < b", "/jobs", "r1"))
    assert name == "Error"
    assert error == {
        "Code": "InvalidArgument",
        "Message": "a < b",
        "Resource": "/jobs",
        "RequestId": "r1",
        "TraceId": "",
    }
