"""PutEvents' entries: what each becomes, and what is wrong with one or with all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import json_format
from router.events.received import Reading
from router.patterns import parse_rule
from router.sources import aws_entries
from router.sources.aws_entries import LARGEST, uri_reference
from router.sources.aws_protocol import AwsError
from tests.sources.aws import ENTRY, call, put, said, source


def reading(entry: dict[str, Any], **settings: Any) -> Reading:
    (found,) = source(**settings).read(put(entry)).readings
    return found


def failed(entry: dict[str, Any], **settings: Any) -> tuple[str, str]:
    here = source(**settings)
    received = here.read(put(entry))
    assert received.readings == ()
    (result,) = said(here.accepted(received))["Entries"]
    return result["ErrorCode"], result["ErrorMessage"]


def test_an_entry_becomes_a_cloud_event() -> None:
    sent = {
        **ENTRY,
        "Time": 1767323045.678,
        "EventBusName": "arn:aws:events:eu-central-1:123456789012:event-bus/orders",
        "Resources": ["arn:aws:s3:::bucket/a", "ärn"],
        "TraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }
    found = reading(sent, account="123456789012")
    assert found.notes == ()
    assert found.event.data == b'{"total": 1.50}'  # the sender's bytes
    assert found.event.attributes() == {
        "specversion": "1.0",
        "id": found.event.id,
        "source": "com.example.orders",
        "type": "Order Placed",
        "subject": "arn:aws:s3:::bucket/a",
        "time": "2026-01-02T03:04:05.678Z",
        "datacontenttype": "application/json",
        "awsaccount": "123456789012",
        "awsregion": "eu-central-1",
        "awseventbus": "orders",
        "awsresources": '["arn:aws:s3:::bucket/a","\\u00e4rn"]',
        "awstraceheader": "Root=1-5759e988-bd862e3fe1be46a994272793",
    }
    assert json.loads(found.event.attributes()["awsresources"]) == sent["Resources"]


def test_what_an_entry_leaves_out_has_a_default() -> None:
    event = reading(ENTRY).event
    assert event.subject is None
    assert event.time == "2026-09-21T14:13:20Z"  # when it was received
    assert event.extensions == {
        "awsaccount": "000000000000",
        "awsregion": "eu-central-1",
        "awseventbus": "default",
    }
    assert reading(ENTRY, region="cn-north-1").event.extensions["awsregion"] == "cn-north-1"


def test_without_a_signature_the_region_is_a_guess() -> None:
    request = put(ENTRY)
    headers = {"x-amz-target": request.headers["x-amz-target"]}
    bare = type(request)("POST", "/", "", headers, request.body, request.received)
    (found,) = source().read(bare).readings
    assert found.event.extensions["awsregion"] == "us-east-1"


def test_data_may_be_the_whole_envelope() -> None:
    found = reading(
        {**ENTRY, "Time": 1767323045.678, "Resources": ["r"]}, data="envelope", account="123456789012"
    )
    assert found.event.data == (
        b'{"version":"0","id":"%b","detail-type":"Order Placed","source":"com.example.orders",'
        b'"account":"123456789012","time":"2026-01-02T03:04:05Z","region":"eu-central-1","resources":["r"],'
        b'"detail":{"total": 1.50}}' % found.event.id.encode()
    )
    rule = parse_rule(
        {"data": {"source": ["com.example.orders"], "detail": {"total": [{"numeric": ["=", 1.5]}]}}}
    )
    assert rule.matches_event(found.event)
    assert not rule.matches_event(reading(ENTRY).event)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (
            {"Source": None},
            "InvalidArgument",
            "Parameter Source is not valid. Reason: Source is a required argument.",
        ),
        (
            {"DetailType": ""},
            "InvalidArgument",
            "Parameter DetailType is not valid. Reason: DetailType is a required argument.",
        ),
        (
            {"Detail": ""},
            "InvalidArgument",
            "Parameter Detail is not valid. Reason: Detail is a required argument.",
        ),
        (
            {"Source": None, "DetailType": None, "Detail": None},
            "InvalidArgument",
            "Parameter Source is not valid. Reason: Source is a required argument.",
        ),
        (
            {"DetailType": "x" * 129},
            "InvalidArgument",
            "Parameter DetailType is not valid. Reason: DetailType must have at most 128 characters.",
        ),
        *[
            ({"Detail": detail}, "MalformedDetail", "Detail is malformed.")
            for detail in ('"text"', "[1]", "{", "null", "{'a': 1}", '{"a":' * 300 + "1" + "}" * 300)
        ],
        (
            {"Time": 1e30},
            "InvalidArgument",
            "Parameter Time is not valid. Reason: it is in no year from 1 to 9999.",
        ),
        (
            {"DetailType": "a\u0007"},
            "InvalidArgument",
            "Parameter DetailType is not valid. Reason: holds U+0007, which no attribute may contain.",
        ),
        (
            {"TraceHeader": "a\u0007"},
            "InvalidArgument",
            "Parameter TraceHeader is not valid. Reason: holds U+0007, which no attribute may contain.",
        ),
    ],
)
def test_an_entry_fails_alone(change: dict[str, Any], code: str, message: str) -> None:
    assert failed({**ENTRY, **change}) == (code, message)


def test_a_type_of_128_characters_and_any_time_of_a_year_will_do() -> None:
    assert reading({**ENTRY, "DetailType": "ä" * 128}).event.type == "ä" * 128
    for seconds, written in (
        (0, "1970-01-01T00:00:00Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (253402300799, "9999-12-31T23:59:59Z"),
    ):
        assert reading({**ENTRY, "Time": seconds}).event.time == written


def refused(request: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as caught:
        source().read(request)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"Entries": [ENTRY] * 11}, "Member must have length less than or equal to 10"),
        ({"Entries": []}, "Member must have length greater than or equal to 1"),
        ({}, "Member must not be null"),
    ],
)
def test_a_call_has_one_to_ten_entries(content: Any, rule: str) -> None:
    assert refused(call(content)) == (
        "ValidationException",
        f"1 validation error detected: Value at 'entries' failed to satisfy constraint: {rule}",
    )


def test_a_bus_is_named_as_buses_are() -> None:
    code, message = refused(put(ENTRY, {**ENTRY, "EventBusName": "no such bus"}))
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: Value at 'entries.2.member.eventBusName' failed")


def test_ten_entries_may_have_a_megabyte() -> None:
    """14 bytes for Time, and the UTF-8 of Source, DetailType, Detail and each of Resources."""
    entry = {"Source": "s", "DetailType": "ä", "Detail": "{}", "Resources": ["r", "rr"], "Time": 1}
    fixed = 14 + 1 + 2 + 2 + 1 + 2
    filled = {**entry, "Detail": "{%s}" % (" " * (LARGEST - 2 * fixed))}
    assert len(aws_entries.read(json.dumps({"Entries": [entry, filled]}).encode())) == 2
    filled["Source"] = "ss"
    assert refused(put(entry, filled)) == (
        "ValidationException",
        "Total size of the entries in the request is over the limit.",
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("com.example/orders~1", "com.example/orders~1"),
        ("aws.s3", "aws.s3"),
        ("my app", "my%20app"),
        ("订单", "%E8%AE%A2%E5%8D%95"),
        ("urn:x:y?a=b#c", "urn:x:y?a=b#c"),
        ("a#b#c", "a#b%23c"),
        ("100%", "100%25"),
        ("a%20b", "a%20b"),
        ("1:2/a:b", "1%3A2/a:b"),
        ('<a>"[b]|^`{}\\', "%3Ca%3E%22%5Bb%5D%7C%5E%60%7B%7D%5C"),
    ],
)
def test_a_source_is_written_as_a_uri_reference(text: str, written: str) -> None:
    assert uri_reference(text) == written
    found = reading({**ENTRY, "Source": text})
    assert found.event.source == written
    changed = text != written
    assert found.notes == (("source-encoded",) if changed else ())
    assert found.event.extensions.get("awssource") == (text if changed else None)
    if changed:
        code, message = failed({**ENTRY, "Source": text}, strict=True)
        assert code == "InvalidArgument"
        assert message.endswith("it is no URI-reference (RFC 3986), and this source is strict.")
    else:
        assert reading({**ENTRY, "Source": text}, strict=True).event.source == text


@given(st.text(min_size=1))
def test_writing_a_uri_reference_twice_changes_nothing(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    written = uri_reference(text)
    assert written.isascii()
    assert written.isprintable()
    assert " " not in written
    assert uri_reference(written) == written


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "Source": texts,
            "DetailType": texts,
            "Detail": st.just("{}") | texts,
            "EventBusName": st.just("b"),
            "Resources": st.lists(texts, max_size=3),
            "Time": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
            "TraceHeader": texts,
        },
    ),
    st.sampled_from(["detail", "envelope"]),
)
def test_every_entry_is_an_event_or_an_error(entry: dict[str, Any], data: str) -> None:
    here = source(data=data)
    received = here.read(put(entry, ENTRY))
    results = said(here.accepted(received))["Entries"]
    assert len(results) == 2
    assert ("EventId" in results[0]) == (len(received.readings) == 2)
    for found in received.readings:
        assert json_format.decode(json_format.encode(found.event)) == found.event
