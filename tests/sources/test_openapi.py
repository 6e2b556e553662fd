"""PutEvents: what the SDKs send, entry by entry, and what they read back. `tests/clients` has them live."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import Event, EventError
from router.signatures.base import Reason, SignatureError
from router.sources.base import Answer, Request
from router.sources.openapi import MAX_BATCH, MAX_ENTRIES, MAX_ENTRY, OpenApiSettings, OpenApiSource
from router.sources.openapi_replay import MOST, NONCE, Nonces
from tests.signatures.test_acs import BODY_V3, SIGNED_AT, V1, V3
from tests.sources.support import post, refusal

SOURCE = OpenApiSource(request_id=lambda: "A-B")
STRICT = OpenApiSource(OpenApiSettings(kind="openapi", strict=True))
NEEDED = {"id": "1", "source": "acs.imm", "type": "imm:Task:X", "specversion": "1.0"}
ENTRY = {"Id": "1", "Source": "acs.imm", "Type": "imm:Task:X"}


def older(*events: Any) -> Request:
    body = json.dumps(events).encode()
    return post(body, "/openapi/putEvents", headers={"content-type": "application/cloudevents-batch+json"})


def newer(*entries: Any, **fields: str) -> Request:
    form = urlencode({"EventBusName": "default", "EventList": json.dumps(entries), **fields}).encode()
    return post(form, "/", headers={"x-acs-action": "PutEvents"})


def events(request: Request, source: OpenApiSource = SOURCE) -> list[Event]:
    return [reading.event for reading in source.read(request).readings]


def answered(answer: Answer) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def test_the_older_sdks_batch_is_taken() -> None:
    encoded = base64.b64encode(b'{"Suggestion":"block"}').decode()
    request = older(
        {**NEEDED, "data_base64": encoded, "datacontenttype": "application/json; charset=utf-8"},
        {**NEEDED, "id": "2", "data": {"a": 1}, "aliyuneventbusname": "default"},
    )
    first, second = events(request)
    assert first.value() == {"Suggestion": "block"}
    assert (second.value(), second.extensions) == ({"a": 1}, {"aliyuneventbusname": "default"})
    received = SOURCE.read(request)
    assert received.original is None
    assert answered(SOURCE.accepted(received)) == {
        "RequestId": "A-B",
        "FailedEntryCount": 0,
        "EntryList": [{"EventId": "1", "TraceId": "AB00"}, {"EventId": "2", "TraceId": "AB01"}],
    }


def test_the_newer_sdks_form_is_taken() -> None:
    whole = {
        **ENTRY,
        "SpecVersion": "1.0",
        "Subject": "s p&",
        "Time": "2020-08-24T13:54:05.965Asia/Shanghai",
        "DataContentType": "application/json",
        "DataSchema": "https://example.com/schema",
        "Data": {"n": 1.5},
    }
    request = newer(whole, {**ENTRY, "Id": "2"})
    received = SOURCE.read(request)
    first, second = (reading.event for reading in received.readings)
    assert first.attributes() == {
        "specversion": "1.0",
        "id": "1",
        "source": "acs.imm",
        "type": "imm:Task:X",
        "subject": "s p&",
        "time": "2020-08-24T13:54:05.965+08:00",
        "datacontenttype": "application/json",
        "dataschema": "https://example.com/schema",
        "aliyuneventbusname": "default",
    }
    assert first.data == b'{"n": 1.5}'
    assert second.data is None
    assert received.readings[0].notes == ("time-normalised",)
    assert received.readings[1].notes == ("specversion-defaulted",)
    assert received.original is not None
    assert answered(SOURCE.accepted(received)) == {
        "Code": "200",
        "Message": "Success",
        "RequestId": "A-B",
        "Success": True,
        "Data": {
            "FailedEntryCount": 0,
            "EntryList": [{"EventId": "1", "TraceId": "AB00"}, {"EventId": "2", "TraceId": "AB01"}],
        },
    }


def test_data_of_the_newer_sdk() -> None:
    values = [event.value() for event in events(newer({**ENTRY, "Data": "text"}, {**ENTRY, "Data": None}))]
    assert values == ["text", None]
    (event,) = events(newer({**ENTRY, "Data": "a b", "DataContentType": "text/plain"}))
    assert event.data == b"a b"


def test_each_entry_is_judged_by_itself() -> None:
    received = SOURCE.read(older(NEEDED, {**NEEDED, "type": ""}, 1, {**NEEDED, "id": "4"}))
    assert [reading.event.id for reading in received.readings] == ["1", "4"]
    told = answered(SOURCE.accepted(received))
    assert told["FailedEntryCount"] == 2
    assert [entry.get("EventId") for entry in told["EntryList"]] == ["1", None, None, "4"]
    wrong = told["EntryList"][1]
    assert wrong["ErrorCode"] == "InvalidArgument"
    assert wrong["ErrorMessage"] == "type: '' where a non-empty string should stand"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**ENTRY, "Type": None}, "type: is missing"),
        ({**ENTRY, "Types": "x"}, "'Types': PutEvents knows no such member of an event"),
        ({**ENTRY, "Data": 1, "DataContentType": "text/plain"}, "Data: must be a string"),
        (1, "an event is an object with Id, Source and Type"),
    ],
)
def test_an_entry_of_the_newer_sdk_is_refused_in_words(entry: Any, message: str) -> None:
    received = SOURCE.read(newer(entry))
    assert received.readings == ()
    told = answered(SOURCE.accepted(received))["Data"]
    assert told["FailedEntryCount"] == 1
    assert told["EntryList"][0]["ErrorMessage"].startswith(message)


def test_strict_refuses_what_lenient_fills_in() -> None:
    for request in (newer(ENTRY), older({**NEEDED, "specversion": None}), older({**NEEDED, "time": "soon"})):
        assert len(SOURCE.read(request).readings) == 1
        assert STRICT.read(request).readings == ()


def test_verdicts_are_the_routers_own() -> None:
    moderation = {"type": "imm:Task:ImageModeration", "verdict": "pass"}
    (event,) = events(older({**NEEDED, **moderation, "data": {"Suggestion": "block"}}))
    assert event.extensions == {"verdict": "block"}
    (event,) = events(newer({**ENTRY, "Type": "imm:Task:ImageModeration", "Data": {"Status": "Failed"}}))
    assert event.extensions["verdictreason"] == "failed"


def test_the_limits_of_putevents() -> None:
    assert len(events(older(*[NEEDED] * MAX_ENTRIES))) == MAX_ENTRIES
    for request in (older(*[NEEDED] * (MAX_ENTRIES + 1)), newer(*[ENTRY] * (MAX_ENTRIES + 1))):
        assert refusal(SOURCE, request) == "17 events in one request; PutEvents takes at most 16"
    room = MAX_ENTRY - len(json.dumps({**NEEDED, "data": ""}))
    fits, large = ({**NEEDED, "data": "a" * size} for size in (room, room + 1))
    received = SOURCE.read(older(fits, large))
    assert len(received.readings) == 1
    (_, (_, wrong)) = received.reply.entries
    assert wrong == f"an event of {MAX_ENTRY + 1} bytes; at most {MAX_ENTRY} are taken"
    assert len(events(older(*[fits] * 4))) == MAX_BATCH // MAX_ENTRY
    assert "in one request; PutEvents takes at most 1048576" in refusal(SOURCE, older(*[fits] * 4, NEEDED))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (post(b"{}", "/openapi/putEvents"), "a batch of CloudEvents in JSON is an array"),
        (newer(EventList="{}"), "EventList: a batch of CloudEvents in JSON is an array"),
        (newer(EventList="[1,]"), 'EventList: line 1, column 3: a comma before "]", where JSON allows none'),
        (
            newer(EventList="[" * 5000 + "]" * 5000),
            "EventList: line 1, column 257: nested more than 256 deep",
        ),
        (post(b"EventBusName=a", headers={"x-acs-action": "PutEvents"}), "EventList: is missing"),
        (post(b"EventList=%ff", headers={"x-acs-action": "PutEvents"}), "the body is no form"),
        (post("ä=1".encode(), headers={"x-acs-action": "PutEvents"}), "the body is no form"),
        (post(b"a=1&" * 101, headers={"x-acs-action": "PutEvents"}), "the body is no form"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused(request_: Request, message: str) -> None:
    assert refusal(SOURCE, request_).startswith(message)


def test_other_actions_are_unknown() -> None:
    with pytest.raises(MessageError) as caught:
        SOURCE.read(post(b"", headers={"x-acs-action": "ListEventBuses"}))
    answer = SOURCE.refused(caught.value)
    assert (answer.status, answered(answer)["Code"]) == (404, "InvalidAction.NotFound")


def test_refusals_are_read_by_both_sdks() -> None:
    answer = SOURCE.refused(EventError("why"))
    assert answer.status == 400
    told = answered(answer)
    assert (told["code"], told["message"], told["requestId"]) == ("InvalidArgument", "why", "A-B")
    assert (told["Code"], told["Message"], told["RequestId"]) == ("InvalidArgument", "why", "A-B")


@pytest.mark.parametrize("reason", Reason)
def test_every_refused_signature_has_a_code(reason: Reason) -> None:
    answer = SOURCE.refused(SignatureError(reason, "why", 403))
    assert answer.status == 403
    assert answered(answer)["Code"] in (
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "IncompleteSignature",
        "InvalidTimeStamp.Expired",
    )


def test_throttling_as_eventbridge_does_it() -> None:
    answer = SOURCE.overloaded(5)
    assert (answer.status, answered(answer)["code"]) == (429, "TooManyRequests")
    assert (answer.headers["retry-after"], answer.headers["x-acs-retry-after"]) == ("5", "5000")


KEYED = OpenApiSettings.model_validate({"kind": "openapi", "keys": [{"id": "AK", "secret": "SK"}]})


def test_signatures_are_asked_for_where_there_are_keys() -> None:
    assert not SOURCE.verifies
    SOURCE.admit(newer(ENTRY))
    source = OpenApiSource(KEYED)
    assert source.verifies
    source.admit(Request("POST", "/", "", V3, BODY_V3, SIGNED_AT))
    with pytest.raises(SignatureError) as caught:
        source.admit(newer(ENTRY))
    assert caught.value.reason is Reason.MISSING


def test_a_proxy_may_change_the_host_that_is_signed() -> None:
    behind = Request("POST", "/", "", V3 | {"host": "10.0.0.1"}, BODY_V3, SIGNED_AT)
    with pytest.raises(SignatureError):
        OpenApiSource(KEYED).admit(behind)
    public = {"public_url": f"http://{V3['host']}/"}
    OpenApiSource(KEYED.model_copy(update=public)).admit(behind)


def test_a_signature_without_the_body_counts_for_one_body() -> None:
    source = OpenApiSource(KEYED)

    def request(body: bytes, headers: dict[str, str] = V1) -> Request:
        return Request("POST", "/openapi/putEvents", "", headers, body, SIGNED_AT)

    source.admit(request(b"[]"))
    source.admit(request(b"[]"))
    with pytest.raises(SignatureError) as caught:
        source.admit(request(b"[{}]"))
    assert caught.value.reason is Reason.ALTERED


def test_a_nonce_is_needed_where_nothing_covers_the_body() -> None:
    with pytest.raises(SignatureError) as caught:
        Nonces().check({}, b"", 0.0)
    assert caught.value.reason is Reason.UNFIT


def test_nonces_are_forgotten_in_time_and_by_number() -> None:
    nonces = Nonces()
    nonces.check({NONCE: "first"}, b"1", 0.0)
    nonces.check({NONCE: "other"}, b"1", 1800.0)
    with pytest.raises(SignatureError):
        nonces.check({NONCE: "first"}, b"2", 1800.0)
    nonces.check({NONCE: "first"}, b"2", 1800.1)
    for index in range(MOST):
        nonces.check({NONCE: str(index)}, b"1", 1801.0)
    nonces.check({NONCE: "first"}, b"3", 1801.0)
    assert len(nonces._seen) == MOST  # noqa: SLF001 (that it is bounded is the point)


@given(
    st.binary(max_size=60)
    | st.text(max_size=40).map(lambda text: urlencode({"EventList": text}).encode())
    | st.recursive(
        st.none() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["Id", "Source", "Type", "Data", "Time", "id", "source", "type", "data"]),
                inner,
            )
        ),
        max_leaves=8,
    ).map(lambda value: urlencode({"EventList": json.dumps([value])}).encode()),
    st.booleans(),
)
def test_whatever_is_sent_is_answered(body: bytes, of_newer: bool) -> None:
    request = post(body, headers={"x-acs-action": "PutEvents"} if of_newer else {})
    try:
        received = SOURCE.read(request)
    except MessageError as error:
        answer = SOURCE.refused(error)
    else:
        answer = SOURCE.accepted(received)
        for reading in received.readings:
            reading.event.view()
    assert answered(answer)["RequestId"] == "A-B"
