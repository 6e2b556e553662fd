from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from router.errors import MessageError
from router.events import EventError
from router.events.received import Received
from router.samples import Sample, load
from router.sources.alibaba import AlibabaSource
from tests.sources.support import error_text, events, post, refusal, sample, sent

SOURCE = AlibabaSource()
SAMPLES = load("alibaba")
SPEC_NAMES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
VERDICTS = {
    "imm-Task-ImageModeration.json": {"verdict": "pass"},
    "imm-Task-VideoModeration.json": {"verdict": "pass"},
    "derived/imm-Task-ImageModeration-block.json": {"verdict": "block"},
    "derived/imm-Task-VideoModeration-block.json": {"verdict": "block"},
    "derived/imm-Task-VideoModeration-failed.json": {"verdict": "review", "verdictreason": "failed"},
}
NEEDED = {"id": "1", "source": "acs.imm", "type": "imm:Task:X", "specversion": "1.0"}


def text(**members: Any) -> bytes:
    return json.dumps(NEEDED | members).encode()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_field_of_every_sample_arrives(sample: Sample) -> None:
    document = json.loads(sample.body)
    received = SOURCE.read(sent(sample))
    (reading,) = received.readings
    event = reading.event
    payload = document.pop("data")
    assert event.value() == payload
    verdict = VERDICTS.get(sample.name, {})
    assert event.attributes() == {"specversion": "1.0"} | document | verdict
    extensions = {name: value for name, value in document.items() if name.startswith("aliyun")}
    assert event.extensions == extensions | verdict
    assert set(document) - set(extensions) <= set(SPEC_NAMES)
    # Nothing was lost, so the event alone is kept; its payload's bytes are the sender's.
    assert received.original is None
    assert event.data is not None
    assert sample.body.rstrip().removesuffix(b"}").rstrip().endswith(event.data)
    assert reading.notes == (() if "specversion" in document else ("specversion-defaulted",))


def test_a_publish_time_that_is_no_time_is_left_alone() -> None:
    (event,) = events(SOURCE, sent(sample("alibaba", "imm-Task-VideoModeration.json")))
    assert event.extensions["aliyunpublishtime"] == "2020-11-19T21:04:42.179PRC"
    assert event.time == "2020-11-19T21:04:41+08:00"


def test_the_three_modes_are_told_apart_by_what_is_there() -> None:
    body = text(data={"a": 1})
    (structured,) = events(SOURCE, post(body, headers={"content-type": "text/plain"}))
    assert events(SOURCE, post(b" [" + body + b", " + body + b"]")) == [structured, structured]
    headers = {
        "ce-id": "1",
        "ce-source": "acs.imm",
        "ce-type": "imm:Task:X",
        "content-type": "application/json",
    }
    received = SOURCE.read(post(b'{"a": 1}', headers=headers))
    (reading,) = received.readings
    assert reading.notes == ("specversion-defaulted",)
    assert (reading.event.data, reading.event.type) == (structured.data, structured.type)


def test_an_event_format_in_content_type_counts_for_more_than_headers() -> None:
    headers = {"ce-id": "other", "content-type": "application/cloudevents+json"}
    (event,) = events(SOURCE, post(text(data=1), headers=headers))
    assert (event.id, event.data) == ("1", b"1")


def test_the_sdks_base64_is_decoded() -> None:
    encoded = base64.b64encode(b'{"Suggestion": "block"}').decode()
    body = text(datacontenttype="application/json; charset=utf-8", data_base64=encoded)
    (event,) = events(SOURCE, post(body))
    assert event.value() == {"Suggestion": "block"}


def test_without_an_id_the_content_is_the_id() -> None:
    body = text(id=None, data={"a": 1})
    received = SOURCE.read(post(body))
    (reading,) = received.readings
    assert reading.event.id == hashlib.sha256(body).hexdigest()
    assert reading.notes == ("id-from-content",)
    assert received.original is None
    (again,) = events(SOURCE, post(body))
    assert again == reading.event


BINARY = {"ce-source": "acs.imm", "ce-type": "imm:Task:X", "content-type": "application/json"}


def test_in_binary_mode_the_content_is_attributes_and_payload() -> None:
    def id_of(headers: dict[str, str], body: bytes = b"{}") -> str:
        (reading,) = SOURCE.read(post(body, headers=headers)).readings
        assert reading.notes == ("specversion-defaulted", "id-from-content")
        return reading.event.id

    variants = [
        BINARY | {"ce-type": "imm:Task:Y"},
        BINARY | {"ce-source": "acs.oss"},
        BINARY | {"ce-subject": "s"},
        BINARY | {"ce-time": "2020-11-19T21:04:41+08:00"},
        BINARY | {"ce-aliyunregionid": "cn-hangzhou"},
        BINARY | {"content-type": "text/plain"},
        {name: value for name, value in BINARY.items() if name != "content-type"},
    ]
    found = {id_of(BINARY), id_of(BINARY, b"[]"), *map(id_of, variants)}
    assert len(found) == len(variants) + 2
    # A retry has the same, however its other headers come and in whichever order.
    again = dict(reversed(BINARY.items())) | {"user-agent": "other", "x-eventbridge-signature-timestamp": "2"}
    assert id_of(again) == id_of(BINARY)
    assert id_of(BINARY | {"ce-type": "imm:Task:Y"}) == id_of(variants[0])


def test_attributes_and_payload_cannot_be_taken_for_one_another() -> None:
    one, two = (
        events(SOURCE, post(body, headers=BINARY | {"content-type": "text/plain", "ce-x": value}))[0].id
        for value, body in (("a", b"')]\0b"), ("a')]\0", b"b"))
    )
    assert one != two


def test_in_a_batch_each_event_has_its_own_id() -> None:
    one, two = text(id=None, data=1), text(id=None, data=2)
    first, second = events(SOURCE, post(b"[" + one + b"," + two + b"]"))
    assert (first.id, second.id) == (hashlib.sha256(one).hexdigest(), hashlib.sha256(two).hexdigest())


@pytest.mark.parametrize(
    ("time", "normalised"),
    [
        ("2020-08-17T16:04:46.149Asia/Shanghai", "2020-08-17T16:04:46.149+08:00"),
        ("2020-08-17T16:04:46.149PRC", "2020-08-17T16:04:46.149+08:00"),
        ("2020-08-17 16:04:46+0800", "2020-08-17T16:04:46+08:00"),
    ],
)
def test_a_time_that_can_be_known_is_normalised_and_the_bytes_are_kept(time: str, normalised: str) -> None:
    body = text(time=time)
    received = SOURCE.read(post(body, headers={"content-type": "application/json"}))
    (reading,) = received.readings
    assert reading.event.time == normalised
    assert reading.notes == ("time-normalised",)
    assert received.original is not None
    assert (received.original.body, received.original.content_type) == (body, "application/json")


@pytest.mark.parametrize(
    "time", ["2020-08-17T16:04:46Nowhere/City", "2020-08-17T16:04:46", "yesterday", "", 1, []]
)
def test_a_time_that_cannot_be_known_is_dropped(time: object) -> None:
    received = SOURCE.read(post(text(time=time)))
    (reading,) = received.readings
    assert reading.event.time is None
    assert reading.notes == ("time-dropped",)
    assert received.original is not None


def test_illegal_extensions_are_dropped_and_the_bytes_are_kept() -> None:
    body = text(resource=["a"], subjuect={}, rate=1.5, big=2**40, Upper="x", ok="y", subject="")
    received = SOURCE.read(post(body))
    (reading,) = received.readings
    assert reading.event.extensions == {"ok": "y"}
    assert reading.event.subject is None
    assert reading.notes == (
        "resource-dropped",
        "subjuect-dropped",
        "rate-dropped",
        "big-dropped",
        "attribute-dropped",
        "subject-dropped",
    )
    assert received.original is not None
    assert received.original.body == body


@pytest.mark.parametrize("name", ["source", "type"])
def test_without_source_or_type_there_is_no_event(name: str) -> None:
    message = f"{name}: is missing; a CloudEvent needs specversion, id, source and type"
    assert refusal(SOURCE, post(text(**{name: None}))) == message
    assert refusal(SOURCE, post(text(**{name: ""}))) == f"{name}: '' where a non-empty string should stand"
    assert (
        refusal(SOURCE, post(b"[" + text() + b"," + text(**{name: None}) + b"]")) == f"events[1]: {message}"
    )


def test_another_version_is_no_leniency() -> None:
    assert refusal(SOURCE, post(text(specversion="0"))) == "specversion: '0', but this router speaks \"1.0\""


def test_a_trailing_comma_is_refused_here() -> None:
    body = text()[:-1] + b",}"
    message = f'line 1, column {len(body) - 1}: a comma before "}}", where JSON allows none'
    assert refusal(SOURCE, post(body)) == message


@pytest.mark.parametrize("body", [b"", b"plain prose", b"1", b"[1]", b"<xml/>"])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError):
        SOURCE.read(post(body))


def test_answers() -> None:
    assert SOURCE.accepted(Received(())).status == 200
    refused = SOURCE.refused(EventError("why"))
    assert (refused.status, error_text(refused)) == (400, "why")
    overloaded = SOURCE.overloaded(30)
    assert (overloaded.status, overloaded.headers["retry-after"]) == (503, "30")
