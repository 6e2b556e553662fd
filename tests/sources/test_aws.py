"""The source `aws`: who is let in, which operations there are, and how each call is answered."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import TooMuchError
from router.events.fingerprint import fingerprint
from router.events.received import Received
from router.signatures.base import Key, Reason, SignatureError
from router.sources import aws, aws_calls
from router.sources.aws_protocol import AnotherProtocolError, AwsError
from router.sources.base import Request
from router.testing.strategies import json_texts
from tests.signatures.sigv4_signer import signed
from tests.sources.aws import ENTRY, EVENT, KEY, KEYS, NOW, call, put, said, source

INVOCATION = {
    "amz-sdk-invocation-id": "2b1c8b8e-0c8f-4b87-9e8c-1d7e5c6d1a10",
    "amz-sdk-request": "attempt=1; max=3",
}


def test_it_verifies_where_it_has_keys() -> None:
    assert not aws.AwsSource().verifies
    assert source(keys=KEYS).verifies
    source(keys=KEYS).admit(put(ENTRY))
    source(keys=[{"id": "AKIAOLD", "secret": "old"}, *KEYS]).admit(put(ENTRY))
    aws.AwsSource().admit(Request("POST", "/", "", {}, b"", NOW))  # open


def unsigned(request: Request) -> Request:
    headers = {name: value for name, value in request.headers.items() if name != "authorization"}
    return msgspec.structs.replace(request, headers=headers)


def unreadable(request: Request) -> Request:
    headers = {**request.headers, "authorization": "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE"}
    return msgspec.structs.replace(request, headers=headers)


REFUSALS: dict[str, tuple[Callable[[], Request], Reason, str]] = {
    "missing": (lambda: unsigned(put(ENTRY)), Reason.MISSING, "MissingAuthenticationTokenException"),
    "unreadable": (lambda: unreadable(put(ENTRY)), Reason.UNFIT, "IncompleteSignatureException"),
    "unknown": (
        lambda: put(ENTRY, key=Key("AKIAELSE", KEY.secret)),
        Reason.UNKNOWN_KEY,
        "UnrecognizedClientException",
    ),
    "wrong": (lambda: put(ENTRY, key=Key(KEY.id, "wrong")), Reason.WRONG, "InvalidSignatureException"),
    "late": (lambda: put(ENTRY, at=NOW - 301), Reason.EXPIRED, "InvalidSignatureException"),
    "early": (lambda: put(ENTRY, at=NOW + 301), Reason.EXPIRED, "InvalidSignatureException"),
    "body": (
        lambda: msgspec.structs.replace(put(ENTRY), body=put(ENTRY, ENTRY).body),
        Reason.WRONG,
        "InvalidSignatureException",
    ),
    "digest": (
        lambda: put(ENTRY, more={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        Reason.ALTERED,
        "InvalidSignatureException",
    ),
    "service": (lambda: put(ENTRY, scope="eu-central-1/sqs"), Reason.WRONG, "InvalidSignatureException"),
}


@pytest.mark.parametrize(("made", "reason", "code"), REFUSALS.values(), ids=list(REFUSALS))
def test_a_refused_signature_has_the_name_that_aws_gives_it(
    made: Callable[[], Request], reason: Reason, code: str
) -> None:
    guarded = source(keys=KEYS)
    with pytest.raises(SignatureError) as caught:
        guarded.admit(made())
    assert caught.value.reason is reason
    answer = guarded.refused(caught.value)
    assert answer.status == 400  # as AWS's JSON services answer; a 403 would do for SDKs, too
    content = said(answer)
    assert content == {"__type": code, "message": caught.value.message}
    assert KEY.secret not in content["message"]


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://events.example.com", "events.example.com", "/"),
        ("https://events.example.com:443/aws", "events.example.com", "/aws"),
        ("http://Events.example.com:8443/", "events.example.com:8443", "/"),
    ],
)
def test_behind_a_proxy_the_public_address_is_what_was_signed(url: str, host: str, path: str) -> None:
    """A proxy may change Host, and take a part of the path away."""
    headers = signed(KEY, b"{}", at=NOW, path=path, more={"host": host})
    request = Request("POST", "/", "", {**headers, "host": "127.0.0.1:8080"}, b"{}", NOW)
    source(keys=KEYS, public_url=url).admit(request)
    with pytest.raises(SignatureError):
        source(keys=KEYS).admit(request)


def test_put_events_answers_for_each_entry() -> None:
    received = source().read(put(ENTRY, {**ENTRY, "Source": ""}, {**ENTRY, "Detail": "[1]"}, ENTRY))
    answer = source().accepted(received)
    assert answer.status == 200
    ids = [reading.event.id for reading in received.readings]
    assert said(answer) == {
        "FailedEntryCount": 2,
        "Entries": [
            {"EventId": ids[0]},
            {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument.",
            },
            {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."},
            {"EventId": ids[1]},
        ],
    }
    assert all(uuid.UUID(id_).version == 5 for id_ in ids)


def test_entries_that_all_fail_are_a_success_of_the_call() -> None:
    """AWS's document says otherwise, AWS does not."""
    received = source().read(put({}, {"Source": "s"}))
    assert received.readings == ()
    assert said(source().accepted(received))["FailedEntryCount"] == 2


def test_the_tries_of_one_call_are_the_same_events() -> None:
    """boto3 signs each try anew, and sends the same invocation id with all of them."""
    first = put(ENTRY, ENTRY, more=INVOCATION)
    again = {**INVOCATION, "amz-sdk-request": "attempt=2; max=3"}
    second = put(ENTRY, ENTRY, more=again, at=NOW + 7, now=NOW + 7)
    assert first.headers["authorization"] != second.headers["authorization"]
    for kind in ("detail", "envelope"):
        here = source(keys=KEYS, data=kind)
        one, other = here.read(first), here.read(second)
        assert said(here.accepted(one)) == said(here.accepted(other))
        prints = [fingerprint(reading.event) for reading in (*one.readings, *other.readings)]
        assert prints[:2] == prints[2:]
        assert prints[0] != prints[1]  # equal entries of one call are two events


@pytest.mark.parametrize(
    "other",
    [
        put(ENTRY, more={"amz-sdk-invocation-id": "another"}),
        put({**ENTRY, "Detail": "{}"}, more=INVOCATION),
        put(ENTRY, key=Key("AKIAELSE", "x"), more=INVOCATION),
    ],
    ids=["invocation", "body", "key"],
)
def test_other_calls_are_other_events(other: Request) -> None:
    one = source().read(put(ENTRY, more=INVOCATION)).readings[0].event.id
    assert source().read(other).readings[0].event.id != one


def test_without_an_invocation_id_every_call_is_new() -> None:
    request = put(ENTRY)
    assert source().read(request).readings[0].event.id != source().read(request).readings[0].event.id


def ids(here: aws.AwsSource, *requests: Request) -> list[str]:
    return [here.read(request).readings[0].event.id for request in requests]


def named(request: Request, invocation: str, later: float) -> Request:
    """The same request, with the same signature, under another invocation id."""
    headers = {**request.headers, "amz-sdk-invocation-id": invocation}
    return msgspec.structs.replace(request, headers=headers, received=request.received + later)


def test_a_copy_of_a_signed_call_is_that_call_whatever_it_is_named() -> None:
    request = put(ENTRY, more=INVOCATION)
    copies = [named(request, f"copy-{number}", 5.1 + 80 * number) for number in range(4)]
    nameless = put(ENTRY)
    for copy in copies:
        source(keys=KEYS).admit(copy)  # the signature still counts
    assert len(set(ids(source(keys=KEYS), request, *copies))) == 1
    here = source(keys=KEYS)
    assert len(set(ids(here, nameless, msgspec.structs.replace(nameless, received=NOW + 9)))) == 1


def test_equal_calls_of_one_second_are_two() -> None:
    """They have the same signature: its time is in seconds."""
    first, second = (put(ENTRY, more={"amz-sdk-invocation-id": name}) for name in "ab")
    assert first.headers["authorization"] == second.headers["authorization"]
    assert len(set(ids(source(keys=KEYS), first, named(second, "b", 0.3)))) == 2


def test_a_bounded_number_of_signatures_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_calls, "MOST", 2)
    calls = [put({**ENTRY, "Detail": f'{{"a":{number}}}'}, more=INVOCATION) for number in range(3)]
    here = source(keys=KEYS)
    first, *_ = ids(here, *calls)
    assert ids(here, named(calls[0], "copy", 6)) != [first]  # forgotten
    assert ids(here, named(calls[2], "copy", 6)) == ids(source(keys=KEYS), calls[2])


def test_signatures_are_remembered_while_they_count() -> None:
    request = put(ENTRY, more=INVOCATION, at=NOW + 299)
    here = source(keys=KEYS)
    (first,) = ids(here, request)
    last = named(request, "copy", 599)
    here.admit(last)
    assert ids(here, last) == [first]


def test_when_calls_began_is_remembered_for_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "REMEMBERED", 2)
    here = source(data="envelope")

    def time(invocation: str, now: float) -> str:
        request = put(ENTRY, more={"amz-sdk-invocation-id": invocation}, now=now)
        data = here.read(request).readings[0].event.data
        assert data
        return str(json.loads(data)["time"])

    times = [time(invocation, NOW + number) for number, invocation in enumerate("aabbca")]
    assert [time[-3:-1] for time in times] == ["20", "20", "22", "22", "24", "25"]


def test_overload_is_throttling_and_says_that_nothing_was_stored() -> None:
    answer = source().overloaded(5)
    assert (answer.status, answer.headers["retry-after"]) == (400, "5")
    assert said(answer) == {
        "__type": "ThrottlingException",
        "message": "Rate exceeded: nothing was stored, try again in 5 s",
    }


def refused(request: Request) -> dict[str, str]:
    here = source()
    with pytest.raises(AwsError) as caught:
        here.read(request)
    answer = here.refused(caught.value)
    assert answer.status == 400
    content: dict[str, str] = said(answer)
    return content


def test_an_unknown_operation_is_refused_by_name() -> None:
    content = refused(call({}, "PutRule"))
    assert content == {
        "__type": "UnknownOperationException",
        "message": "X-Amz-Target AWSEvents.PutRule is not supported here; "
        "AWSEvents.PutEvents and AWSEvents.TestEventPattern are.",
    }
    content = refused(Request("POST", "/aws", "", {}, b"{}", NOW))
    assert content["message"].startswith("a call without X-Amz-Target is not supported here")
    content = refused(
        Request("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.PutItem" * 90}, b"{}", NOW)
    )
    assert len(content["message"]) < 250


@pytest.mark.parametrize("keys", [[], KEYS])
def test_eventbridge_v2_is_refused_in_its_own_protocol(keys: list[dict[str, str]]) -> None:
    here = source(keys=keys)
    headers = {"smithy-protocol": "rpc-v2-cbor", "content-type": "application/cbor"}
    request = Request("POST", "/service/AWSEventsV2/operation/PutEvents", "", headers, b"\xa0", NOW)
    here.admit(request)
    with pytest.raises(AnotherProtocolError) as caught:
        here.read(request)
    answer = here.refused(caught.value)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/cbor")
    assert answer.headers["smithy-protocol"] == "rpc-v2-cbor"
    message = caught.value.message.encode()
    assert answer.body == (
        b"\xa2\x78\x06__type\x78\x19UnknownOperationException\x78\x07message\x78%c%b"
        % (len(message), message)
    )
    assert b"/service/AWSEventsV2/operation/PutEvents is a call of EventBridge v2" in message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "line 1, column 1: the text ends where a value should stand"),
        (b'{"Entries": [}', "line 1, column 14: '}' where a value or ] should stand"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"Entries": [{"Source": 7}]}', "Expected `str | null`, got `int` - at `$.Entries[0].Source`"),
        (b'{"Entries": [{"Time": "now"}]}', "Expected `float | null`, got `str` - at `$.Entries[0].Time`"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_the_place(body: bytes, message: str) -> None:
    assert refused(call(body)) == {"__type": "SerializationException", "message": message}


class BrokenError(MessageError):
    """The router failed."""

    status = 500


class StrangerError(MessageError):
    """Another website."""

    status = 403


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MessageError("m"), 400, "ValidationException"),
        (TooMuchError("m"), 413, "RequestEntityTooLargeException"),
        (StrangerError("m"), 403, "AccessDeniedException"),
        (BrokenError("m"), 500, "InternalException"),
    ],
)
def test_what_the_web_refuses_has_a_name_that_sdks_know(error: MessageError, status: int, code: str) -> None:
    answer = source().refused(error)
    assert (answer.status, said(answer)) == (status, {"__type": code, "message": "m"})


def test_test_event_pattern_stores_nothing() -> None:
    asked = {"EventPattern": '{"source": ["order"]}', "Event": json.dumps(EVENT)}
    received = source().read(call(asked, "TestEventPattern"))
    assert received == Received((), reply={"Result": True})
    assert said(source().accepted(received)) == {"Result": True}


@pytest.mark.parametrize("operation", ["PutEvents", "TestEventPattern"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"x": %b' % (b"[" * 500_000),
        b'{"Entries": [{"Detail": "%b"}], "EventPattern": "{}", "Event": "%b"}' % ((b"[" * 490_000,) * 2),
        b'{"Entries": [%b]}' % b",".join([b"{}"] * 330_000),
        b'{"Entries": [%b], "Event": 1e%b}' % (b"[" * 1000, b"9" * 900_000),
        b'{"Event": "{}", "EventPattern": "{\\"a\\": %b"}' % (b"[" * 900_000),
    ],
    ids=["unknown member", "text", "entries", "number", "pattern"],
)
def test_a_megabyte_of_nonsense_costs_little(operation: str, body: bytes) -> None:
    request = call(body, operation)
    here = source()
    begin = time.process_time()
    try:
        received = here.read(request)
    except AwsError as error:
        answer = here.refused(error)
    else:
        assert received.readings == ()
        answer = here.accepted(received)
    assert time.process_time() - begin < 0.5
    assert len(answer.body) < 1000


members = st.sampled_from(["Entries", "EventPattern", "Event", "Source", "Detail", "Time"])


@given(
    operation=st.sampled_from(["PutEvents", "TestEventPattern"]),
    body=st.binary(max_size=60)
    | json_texts
    | st.dictionaries(members, json_texts.map(bytes.decode)).map(msgspec.json.encode),
)
def test_it_reads_or_refuses_whatever_is_sent(operation: str, body: bytes) -> None:
    here = source()
    try:
        answer = here.accepted(here.read(call(body, operation)))
    except AwsError as error:
        answer = here.refused(error)
    assert answer.status in (200, 400)
    said(answer)
