"""What comes in other shapes than a CloudEvent: IMM's own messages, SMQ's envelopes, transformed text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import Event, EventError, TooMuchError
from router.events.received import Received
from router.signatures import eventbridge
from router.sources.alibaba import AlibabaSettings, AlibabaSource
from router.sources.base import MAX_EVENTS, Request
from router.sources.lenient import epoch_time
from tests.sources.support import events, post, refusal

OPEN = AlibabaSource()
KNOWN = AlibabaSource(AlibabaSettings.model_validate({"kind": "alibaba", "token": "t"}))
STRICT = AlibabaSource(AlibabaSettings.model_validate({"kind": "alibaba", "token": "t", "strict": True}))

CONTENT = '{"ProjectName":"p","Suggestion":"block","Status":"Succeeded","n":1.50}'
DIRECT = {
    "id": "25E-1",
    "source": "acs.imm",
    "type": "imm:Task:ImageModeration",
    "subject": "acs:imm:cn-shanghai:1:project/p",
    "time": "1724133063161",
    "content": CONTENT,
}
DIRECT_TEXT = json.dumps(DIRECT)
CLOUD_EVENT = json.dumps(
    {"specversion": "1.0", "id": "1", "source": "acs.imm", "type": "imm:Task:X", "data": 1}
)
SMQ = {
    "content-type": "text/xml;charset=utf-8",
    "x-mns-version": "2015-06-06",
    "x-mns-message-id": "M-1",
    "x-mns-topic-name": "imm-topic",
}


def xml(message: str) -> bytes:
    escaped = message.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<Notification xmlns="http://mns.aliyuncs.com/doc/v1/">'
        "<TopicOwner>1</TopicOwner><TopicName>imm-topic</TopicName><SubscriptionName>s</SubscriptionName>"
        f"<MessageId>M-1</MessageId><Message>{escaped}</Message><PublishTime>1449556920975</PublishTime>"
        "</Notification>"
    ).encode()


def envelope(message: str) -> bytes:
    return json.dumps({"TopicName": "imm-topic", "MessageId": "M-1", "Message": message}).encode()


WRAPPINGS: dict[str, Callable[[str], bytes]] = {
    "XML": xml,
    "JSON": envelope,
    "SIMPLIFIED": lambda message: message.encode(),
    "base64": lambda message: base64.b64encode(message.encode()),
    "base64 in XML": lambda message: xml(base64.b64encode(message.encode()).decode()),
}
wrappings = pytest.mark.parametrize("wrapping", WRAPPINGS)


def one(source: AlibabaSource, request: Request) -> tuple[Event, tuple[str, ...], Received]:
    received = source.read(request)
    (reading,) = received.readings
    return reading.event, reading.notes, received


@pytest.mark.parametrize("source", [OPEN, STRICT], ids=["open", "strict"])
def test_imms_direct_message_is_an_event(source: AlibabaSource) -> None:
    event, notes, received = one(source, post(DIRECT_TEXT.encode()))
    assert event.attributes() == {
        "specversion": "1.0",
        "id": "25E-1",
        "source": "acs.imm",
        "type": "imm:Task:ImageModeration",
        "subject": "acs:imm:cn-shanghai:1:project/p",
        "time": "2024-08-20T05:51:03.161Z",
        "datacontenttype": "application/json",
        "verdict": "block",
    }
    assert event.data == CONTENT.encode()  # with its numbers as they were spelled
    assert notes == ("direct-message",)
    assert received.original is not None
    assert received.original.body == DIRECT_TEXT.encode()


def test_a_direct_message_may_lack_what_can_be_filled_in() -> None:
    body = json.dumps({**DIRECT, "id": None, "time": "soon", "content": "no JSON"}).encode()
    event, notes, _ = one(OPEN, post(body))
    assert (event.id, event.time) == (hashlib.sha256(body).hexdigest(), None)
    assert (event.datacontenttype, event.value()) == ("text/plain; charset=utf-8", "no JSON")
    assert event.extensions == {"verdict": "review", "verdictreason": "missing"}
    assert notes == ("direct-message", "id-from-content", "time-dropped")
    with pytest.raises(EventError):
        STRICT.read(post(body))


@pytest.mark.parametrize(
    "more", [{"specversion": "1.0"}, {"data": 1}, {"data_base64": "MQ=="}, {"content": {"a": 1}}]
)
def test_what_only_looks_like_one_is_a_cloudevent(more: dict[str, Any]) -> None:
    event, notes, _ = one(OPEN, post(json.dumps({**DIRECT, **more}).encode()))
    assert "direct-message" not in notes
    assert event.time is None  # "1724133063161" is no CloudEvent's time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1724133063161", "2024-08-20T05:51:03.161Z"),
        ("172413306316", "1975-06-19T12:35:06.316Z"),
        ("9999999999999", "2286-11-20T17:46:39.999Z"),
        ("1724133063", None),
        ("17241330631611", None),
        ("-172413306316", None),
        ("१७२४१३३०६३१६१", None),
        (1724133063161, None),
        (None, None),
    ],
)
def test_times_since_the_epoch(text: object, time: str | None) -> None:
    assert epoch_time(text) == time


@wrappings
@pytest.mark.parametrize("source", [OPEN, KNOWN, STRICT], ids=["open", "known", "strict"])
def test_every_wrapping_of_smq_holds_the_same(wrapping: str, source: AlibabaSource) -> None:
    direct, cloud_event = (
        one(source, post(WRAPPINGS[wrapping](text), headers=SMQ)) for text in (DIRECT_TEXT, CLOUD_EVENT)
    )
    assert direct[0] == one(OPEN, post(DIRECT_TEXT.encode()))[0]
    assert cloud_event[0] == one(OPEN, post(CLOUD_EVENT.encode()))[0]
    assert (cloud_event[2].original is None) == (wrapping == "SIMPLIFIED")
    assert source.accepted(direct[2]).status == 204


def test_a_batch_in_a_message_is_several_events() -> None:
    received = OPEN.read(post(xml(f"[{CLOUD_EVENT},{CLOUD_EVENT}]"), headers=SMQ))
    assert len(received.readings) == 2


def test_success_is_said_in_the_words_of_who_sent() -> None:
    push, message = post(CLOUD_EVENT.encode()), post(CLOUD_EVENT.encode(), headers=SMQ)
    assert (OPEN.accepted(OPEN.read(push)).status, OPEN.kept(push).status) == (200, 200)
    assert (OPEN.accepted(OPEN.read(message)).status, OPEN.kept(message).status) == (204, 204)


@wrappings
@pytest.mark.parametrize("text", ["Blocked: 中 <1 & more>", "[1, 2]", '{"uri": "oss://b/o"}'])
def test_a_message_that_is_no_event_is_kept_as_one(wrapping: str, text: str) -> None:
    event, notes, received = one(KNOWN, post(WRAPPINGS[wrapping](text), headers=SMQ))
    if wrapping.startswith("base64") and text.startswith("Blocked"):
        text = base64.b64encode(text.encode()).decode()  # only what holds JSON is taken apart
    assert (event.id, event.source, event.type) == ("M-1", "acs.mns", "com.aliyun.smq.message")
    assert (event.subject, event.data) == ("imm-topic", text.encode())
    assert event.is_json == text.startswith(("[", "{"))
    assert notes[-1] == "no-cloudevent"
    assert received.original is not None
    for source in (OPEN, STRICT):
        with pytest.raises(MessageError):
            source.read(post(WRAPPINGS[wrapping](text), headers=SMQ))


@pytest.mark.parametrize(
    ("body", "content_type", "value"),
    [
        ("已拦截".encode(), "text/plain; charset=utf-8", "已拦截"),
        (b'{"uri": "oss://b/o", "n": 1.50}', "application/json", {"uri": "oss://b/o", "n": 1.5}),
        (b"[1]", "application/json", [1]),
        (b"12", "text/plain; charset=utf-8", "12"),
        (b"{no json", "text/plain; charset=utf-8", "{no json"),
        (b"\xff\xfe", "application/octet-stream", "//4="),
    ],
)
def test_a_transformed_body_is_the_payload_of_an_event(body: bytes, content_type: str, value: Any) -> None:
    headers = {eventbridge.TIMESTAMP: "1790000000000"}
    event, notes, _ = one(KNOWN, post(body, headers=headers))
    assert (event.source, event.type) == ("acs.eventbridge", "com.aliyun.eventbridge.transformed")
    assert (event.datacontenttype, event.data, event.value()) == (content_type, body, value)
    assert (event.subject, event.time, notes) == (None, None, ("no-cloudevent",))
    # The same text in another push is another event.
    again = one(KNOWN, post(body, headers=headers))[0]
    later = one(KNOWN, post(body, headers={eventbridge.TIMESTAMP: "1790000000001"}))[0]
    assert again == event
    assert later.id != event.id
    for source in (OPEN, STRICT):
        with pytest.raises(MessageError):
            source.read(post(body, headers=headers))


@pytest.mark.parametrize(
    "body",
    [
        b'{"specversion": "1.0", "id": "1"}',
        b'{"source": "acs.imm", "type": ""}',
        b'[{"specversion": "1.0"}]',
        b'{"specversion": "1.0", "id": ',
        b"",
        b" \n",
    ],
)
def test_what_is_meant_as_an_event_and_is_none_is_refused_everywhere(body: bytes) -> None:
    for source in (OPEN, KNOWN, STRICT):
        with pytest.raises(EventError):
            source.read(post(body))


def test_too_much_stays_too_much() -> None:
    with pytest.raises(TooMuchError):
        KNOWN.read(post(b"[" + b",".join([b"1"] * (MAX_EVENTS + 1)) + b"]"))


def test_a_faulty_event_in_binary_mode_is_no_text() -> None:
    with pytest.raises(EventError):
        KNOWN.read(post(b"{", headers={"ce-type": "t", "ce-source": "s", "content-type": "application/json"}))


@pytest.mark.parametrize(
    "body", [xml("x").replace(b"Message>", b"Massage>"), xml("x")[:-3], b"<!DOCTYPE x><Notification/>"]
)
def test_a_broken_envelope_is_refused(body: bytes) -> None:
    assert refusal(OPEN, post(body, headers=SMQ))


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("specversion", "specversion: is missing"),
        ("id", "id: is missing"),
        ("time", "time: 'soon', which is no"),
    ],
)
def test_strict_refuses_what_lenient_fills_in(missing: str, message: str) -> None:
    document = {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "soon"}
    if missing != "time":
        del document["time"], document[missing]
    body = json.dumps(document).encode()
    assert len(events(KNOWN, post(body))) == 1
    assert refusal(STRICT, post(body)).startswith(message)


@pytest.mark.parametrize(
    ("type_", "data", "said", "verdict", "notes"),
    [
        (
            "imm:Task:ImageModeration",
            '{"Suggestion":"pass","Status":"success"}',
            {},
            {"verdict": "pass"},
            (),
        ),
        (
            "imm:Task:ImageModeration",
            '{"Suggestion":"pass","Status":"Failed"}',
            {"verdict": "pass"},
            {"verdict": "review", "verdictreason": "failed"},
            ("verdict-replaced",),
        ),
        (
            "imm:Task:ImageModeration",
            '"pass"',
            {"verdict": "pass", "verdictreason": "x"},
            {"verdict": "review", "verdictreason": "missing"},
            ("verdict-replaced",),
        ),
        (
            "imm:Task:ImageModeration",
            '{"Suggestion":"block"}',
            {"verdict": "block"},
            {"verdict": "block"},
            (),
        ),
        ("imm:Task:Other", "{}", {"verdict": "pass"}, {}, ("verdict-replaced",)),
        ("my:Moderation", "{}", {"verdict": "pass"}, {"verdict": "pass"}, ()),
    ],
)
def test_the_verdict_is_the_routers_own(
    type_: str, data: str, said: dict[str, str], verdict: dict[str, str], notes: tuple[str, ...]
) -> None:
    known = json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": type_, "other": "x", **said})
    event, found, received = one(OPEN, post(f'{known[:-1]},"data":{data}}}'.encode()))
    assert (event.extensions, found) == ({"other": "x", **verdict}, notes)
    assert (received.original is None) == (not notes)


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.sampled_from([xml(DIRECT_TEXT), envelope("x")]),
    st.dictionaries(st.sampled_from(list(SMQ)), st.text(max_size=20)),
)
def test_whatever_a_verified_sender_sends_is_events_or_refused(body: bytes, headers: dict[str, str]) -> None:
    for source in (KNOWN, STRICT):
        try:
            received = source.read(post(body, headers=headers))
        except MessageError:
            continue
        for reading in received.readings:
            reading.event.view()
