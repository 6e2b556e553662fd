from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError, TooMuchError
from router.events.json_format import decode, decode_batch, encode, encode_batch, split_batch
from router.testing.strategies import json_texts
from tests.events.strategies import events

NEEDED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def text(**members: Any) -> bytes:
    return json.dumps(NEEDED | members).encode()


def with_data(data: bytes, **members: Any) -> bytes:
    return text(**members)[:-1] + b', "data": ' + data + b"}"


def refusal(body: bytes) -> str:
    with pytest.raises(EventError) as caught:
        decode(body)
    assert caught.value.status == 400
    return caught.value.message


@given(events)
def test_an_event_comes_back_as_it_went_out(event: Event) -> None:
    assert decode(encode(event)) == event


@given(st.lists(events, max_size=4))
def test_a_batch_comes_back_as_it_went_out(batch: list[Event]) -> None:
    assert decode_batch(encode_batch(batch)) == tuple(batch)
    assert tuple(decode(one) for one in split_batch(encode_batch(batch))) == tuple(batch)


@given(json_texts)
def test_the_payload_keeps_every_byte_its_sender_wrote(payload: bytes) -> None:
    event = decode(with_data(payload))
    assert event.data == payload
    assert encode(event).endswith(b'"data":' + payload + b"}")
    assert event.value() == json.loads(payload)


@given(events)
def test_what_goes_out_is_json_that_others_read(event: Event) -> None:
    members = json.loads(encode(event))
    assert members["specversion"] == "1.0"
    assert not ("data" in members and "data_base64" in members)
    assert {name: members[name] for name in event.extensions} == event.extensions
    if event.data is not None and "data_base64" in members:
        assert base64.b64decode(members["data_base64"]) == event.data


def test_the_payload_outlives_the_body_it_came_in() -> None:
    body = bytearray(with_data(b'{"a": 1.50}'))
    event = decode(bytes(body))
    body[:] = b"x" * len(body)
    assert event.data == b'{"a": 1.50}'


def test_every_attribute_is_read() -> None:
    body = text(
        subject="sub",
        time="2020-11-19T21:04:41+08:00",
        datacontenttype="application/json",
        dataschema="https://example.com/s",
        aliyunregionid="cn-hangzhou",
        number=7,
        flag=True,
        data={"a": [1, 2]},
    )
    assert decode(body) == Event(
        id="1",
        source="/s",
        type="t",
        subject="sub",
        time="2020-11-19T21:04:41+08:00",
        datacontenttype="application/json",
        dataschema="https://example.com/s",
        extensions={"aliyunregionid": "cn-hangzhou", "number": 7, "flag": True},
        data=b'{"a": [1, 2]}',
    )


def test_keys_written_twice_stay_in_the_payload_and_count_once_in_the_envelope() -> None:
    event = decode(b'{"id":"no","data":0,' + with_data(b'{"a":1,"a":2}')[1:])
    assert event.id == "1"
    assert event.data == b'{"a":1,"a":2}'


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null"])
def test_an_event_is_an_object(body: bytes) -> None:
    assert refusal(body) == "a CloudEvent in JSON is an object with specversion, id, source and type"


def test_broken_json_is_placed() -> None:
    assert refusal(b'{\n  "id": "1",\n}') == 'line 2, column 12: a comma before "}", where JSON allows none'
    assert refusal(with_data(b'{"n": 1e999}')) == "line 1, column 78: a number too large to be read"
    assert refusal(with_data(b"[" * 300 + b"]" * 300)) == "line 1, column 327: nested more than 256 deep"


def test_an_illegal_attribute_is_named() -> None:
    assert refusal(text(rate=1.5)) == "rate: 1.5 where a string, a 32-bit integer or a boolean should stand"
    assert (
        refusal(text(big=3_000_000_000)) == "big: 3000000000 does not fit into 32 bits; send it as a string"
    )


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "TEXT/JSON", "application/vnd.x+json; v=1"]
)
def test_under_a_json_content_type_a_string_is_a_json_string(content_type: str | None) -> None:
    event = decode(with_data(b'"{\\"a\\": 1}"', datacontenttype=content_type))
    assert event.data == b'"{\\"a\\": 1}"'
    assert event.value() == '{"a": 1}'


def test_under_any_other_content_type_a_string_is_the_text() -> None:
    event = decode(with_data('"<a>é</a>\\n"'.encode(), datacontenttype="application/xml"))
    assert event.data == "<a>é</a>\n".encode()
    assert event.value() == "<a>é</a>\n"


@pytest.mark.parametrize("data", [b"1", b"{}", b"[]", b"true"])
def test_under_any_other_content_type_nothing_but_a_string_will_do(data: bytes) -> None:
    message = "data: must be a string, because datacontenttype is text/plain"
    assert refusal(with_data(data, datacontenttype="text/plain")) == message


def test_null_is_a_payload_only_where_json_is() -> None:
    assert decode(with_data(b"null")).data == b"null"
    assert decode(with_data(b"null", datacontenttype="text/plain")).data is None
    assert decode(text()).data is None


def test_base64_holds_any_payload() -> None:
    assert decode(text(data_base64="/+8=", datacontenttype="image/png")).data == b"\xff\xef"
    assert decode(text(data_base64="", datacontenttype="image/png")).data == b""
    assert decode(text(data_base64=None, datacontenttype="image/png")).data is None


def test_base64_holds_json_as_alibabas_sdk_sends_it() -> None:
    encoded = base64.b64encode(b'{"Suggestion": "block"}').decode()
    event = decode(text(data_base64=encoded, datacontenttype="application/json; charset=utf-8"))
    assert event.data == b'{"Suggestion": "block"}'
    assert event.value() == {"Suggestion": "block"}


def test_base64_without_content_type_is_json_or_else_octets() -> None:
    json_event = decode(text(data_base64=base64.b64encode(b"[1]").decode()))
    assert (json_event.datacontenttype, json_event.data) == (None, b"[1]")
    octets = decode(text(data_base64=base64.b64encode(b"\xff").decode()))
    assert (octets.datacontenttype, octets.data) == ("application/octet-stream", b"\xff")


@pytest.mark.parametrize("encoded", ["/-8=", "/_8=", "abc", "ab c=", "====", "YQ==\n", "é", 1, ["YQ=="]])
def test_base64_is_strict(encoded: object) -> None:
    message = "data_base64: is no base64 (RFC 4648, section 4: A-Z a-z 0-9 + / and padding)"
    assert refusal(text(data_base64=encoded)) == message


def test_base64_that_should_be_json_and_is_not() -> None:
    encoded = base64.b64encode(b"[1,]").decode()
    message = (
        "data_base64: what it holds should be JSON; "
        'line 1, column 3: a comma before "]", where JSON allows none'
    )
    assert refusal(text(data_base64=encoded, datacontenttype="application/json")) == message


@pytest.mark.parametrize("data", [b"1", b"null", b"{}"])
def test_data_and_data_base64_exclude_each_other(data: bytes) -> None:
    assert refusal(with_data(data, data_base64="YQ==")) == "data and data_base64: an event has one of them"


def test_a_sender_may_be_forgiven() -> None:
    def mend(attributes: dict[str, Any]) -> None:
        attributes.setdefault("specversion", "1.0")
        del attributes["resource"]

    body = b'{"id":"1","source":"/s","type":"t","resource":["a"],"data":{"x":1}}'
    assert decode(body, mend) == Event(id="1", source="/s", type="t", data=b'{"x":1}')
    assert refusal(body) == "resource: an array where a string, a 32-bit integer or a boolean should stand"


def test_a_content_type_is_repeated_only_in_part() -> None:
    message = refusal(with_data(b"1", datacontenttype="text/" + "x" * 900_000))
    assert message == f"data: must be a string, because datacontenttype is text/{'x' * 95}…"
    message = refusal(with_data(b"1", datacontenttype="text/a\nb"))
    assert message == "data: must be a string, because datacontenttype is text/a\\nb"


@pytest.mark.parametrize("read", [decode_batch, split_batch])
def test_a_batch_may_be_bounded(read: Any) -> None:
    batch = b"[" + b",".join([text()] * 3) + b"]"
    assert len(read(batch)) == len(read(batch, 3)) == 3
    with pytest.raises(TooMuchError, match=r"^3 events in one request; at most 2 are taken at once"):
        read(batch, 2)


def test_a_batch_is_counted_before_its_events_are_read() -> None:
    with pytest.raises(TooMuchError):
        decode_batch(b"[1, 2, 3]", 2)


def test_an_empty_batch_is_legal() -> None:
    assert decode_batch(b" [ ] ") == ()
    assert encode_batch(()) == b"[]"


def test_a_batch_is_an_array_and_names_the_event_that_is_wrong() -> None:
    with pytest.raises(EventError, match=r"^a batch of CloudEvents in JSON is an array$"):
        decode_batch(text())
    with pytest.raises(EventError, match=r"^events\[1\]: time: '-', which is no RFC 3339 time"):
        decode_batch(b"[" + text() + b"," + text(time="-") + b"]")
    with pytest.raises(EventError, match=r"^line 2, column 1: ',' where a value should stand$"):
        decode_batch(b"[" + text() + b",\n,]")
