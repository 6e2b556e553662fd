"""The rules of CloudEvents 1.0.2 that are done wrong most often, each by its section.

HTTP is the HTTP protocol binding, WEBHOOK are the HTTP 1.1 Web Hooks, JSON is the JSON event format, SPEC the
core specification. What is no rule of theirs, and what this router makes of it, stands in `test_http` and
`test_json_format`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError
from router.events.http import decode_request, encode_batch, encode_binary, encode_structured
from tests.events.strategies import characters, names, values

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
NEEDED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
BINARY = {f"ce-{name}": value for name, value in NEEDED.items()}


def structured(text: str = "", /, **members: Any) -> Event:
    """The event of a JSON object; `text` is members as they are written."""
    body = json.dumps(NEEDED | members)[:-1] + (f", {text}" if text else "") + "}"
    (event,) = decode_request(STRUCTURED, body.encode())
    return event


def header(value: str) -> Any:
    """What a header's value means."""
    (event,) = decode_request({**BINARY, "ce-ext": value}, b"")
    return event.extensions["ext"]


def refused(headers: dict[str, str], body: bytes) -> int:
    with pytest.raises(EventError) as caught:
        decode_request(headers, body)
    return caught.value.status


# HTTP 3: which mode.


@pytest.mark.parametrize(
    ("content_type", "ids"),
    [
        ("application/cloudevents+json", ["body"]),
        ("APPLICATION/CloudEvents+JSON; charset=UTF-8", ["body"]),
        ("application/json", ["head"]),
        ("text/plain", ["head"]),
        ("application/vnd.cloudevents+json", ["head"]),
        ("x-application/cloudevents+json", ["head"]),
    ],
)
def test_http_3_the_content_type_tells_structured_from_binary(content_type: str, ids: list[str]) -> None:
    body = json.dumps(NEEDED | {"id": "body"}).encode()
    events = decode_request({**BINARY, "ce-id": "head", "content-type": content_type}, body)
    assert [event.id for event in events] == ids


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents-batch+json",
        "Application/CloudEvents-Batch+JSON",
        " application/cloudevents-batch+json ;x=y",
    ],
)
def test_http_3_a_batch_is_told_before_the_structured_mode_whose_prefix_it_has(content_type: str) -> None:
    body = json.dumps([NEEDED, NEEDED | {"id": "2"}]).encode()
    assert [event.id for event in decode_request({"content-type": content_type}, body)] == ["1", "2"]
    assert refused({"content-type": content_type}, json.dumps(NEEDED).encode()) == 400
    assert refused(STRUCTURED, body) == 400


@pytest.mark.parametrize("name", ["avro", "xml", "protobuf", "cbor", "json5", "x"])
@pytest.mark.parametrize("prefix", ["application/cloudevents", "application/cloudevents-batch"])
def test_http_3_an_unknown_event_format_is_refused_with_415_also_beside_headers(
    prefix: str, name: str
) -> None:
    assert refused({**BINARY, "content-type": f"{prefix}+{name}"}, b"{}") == 415


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("text/plain", 415), ("application/xml", 415), ("image/png", 415), ("application/json", 400), ("", 400)],
)
def test_webhook_2_2_a_format_that_is_not_understood_is_415(content_type: str, status: int) -> None:
    assert refused({"content-type": content_type}, b"<event/>") == status


# HTTP 3.1: binary mode.


def test_http_3_1_1_content_type_is_datacontenttype_and_nothing_else_is() -> None:
    (event,) = decode_request({**BINARY, "content-type": "image/png"}, b"\x89PNG")
    assert event.datacontenttype == "image/png"
    headers, body = encode_binary(event)
    assert headers == {**BINARY, "content-type": "image/png"}
    assert body == b"\x89PNG"
    assert refused({**BINARY, "ce-datacontenttype": "image/png"}, b"") == 400


def test_http_3_1_3_extensions_have_the_prefix_too_and_without_it_they_are_none() -> None:
    (event,) = decode_request({**BINARY, "ce-traceparent": "00-1-2-00", "traceparent": "x"}, b"")
    assert event.extensions == {"traceparent": "00-1-2-00"}
    assert encode_binary(event)[0]["ce-traceparent"] == "00-1-2-00"


def test_http_3_1_3_2_the_example_of_the_specification() -> None:
    value = "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert header(value) == "Euro € 😀"
    event = Event(id="1", source="/s", type="t", extensions={"ext": "Euro € 😀"})
    assert encode_binary(event)[0]["ce-ext"] == value


@given(st.text(characters, max_size=30))
def test_http_3_1_3_2_what_must_be_encoded_is_and_nothing_else(text: str) -> None:
    event = Event(id="1", source="/s", type="t", extensions={"ext": text})
    expected = "".join(
        character
        if "\x21" <= character <= "\x7e" and character not in '"%'
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
    assert encode_binary(event)[0]["ce-ext"] == expected
    assert header(expected) == text


@given(st.text(characters, max_size=20))
def test_http_3_1_3_2_needless_percent_encoding_is_accepted_in_either_case(text: str) -> None:
    encoded = "".join(f"%{byte:02x}" for byte in text.encode())
    assert header(encoded) == header(encoded.upper()) == text


@pytest.mark.parametrize(("value", "text"), [("%2541", "%41"), ("%252541", "%2541"), ("%25%32%35", "%25")])
def test_http_3_1_3_2_percent_encoding_is_decoded_exactly_once(value: str, text: str) -> None:
    assert header(value) == text


@pytest.mark.parametrize(
    "value",
    [
        "%C0%A0",  # the specification's: an overlong space
        "%E0%80%AF",
        "%ED%A0%80",  # half of a surrogate pair
        "%ED%A0%BD%ED%B8%80",  # both halves, each encoded on its own
        "%E2%82",
        "%E2%82x",
        "%82",
        "%F4%90%80%80",  # beyond U+10FFFF
        "%FE",
    ],
)
def test_http_3_1_3_2_what_is_no_utf_8_is_refused(value: str) -> None:
    assert refused({**BINARY, "ce-ext": value}, b"") == 400


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"a b"', "a b"),
        (r'"say \"hi\" \\ \x"', r'say "hi" \ x'),
        ('"%41\\%42"', "AB"),  # unquoted first, then decoded
        ('"%22%5C"', '"\\'),
        ('%22a\\"b%22', '"a\\"b"'),  # quoted is what begins with a quote as it was sent
        ('""', ""),
    ],
)
def test_http_3_1_3_2_a_quoted_string_is_unquoted_before_it_is_decoded(value: str, text: str) -> None:
    assert header(value) == text


def test_http_3_1_3_2_a_surrogate_pair_is_one_character() -> None:
    event = structured(r'"ext": "\ud83d\ude00", "data": "\ud83d\ude00"')
    assert event.extensions == {"ext": "😀"}
    assert event.value() == "😀"
    assert encode_binary(event)[0]["ce-ext"] == "%F0%9F%98%80"


# HTTP 3.3: batches.


def test_http_3_3_2_a_batch_may_be_empty() -> None:
    assert decode_request(BATCH, b"[]") == ()
    assert encode_batch([]) == (BATCH, b"[]")


def test_http_3_3_2_events_of_a_batch_differ_in_everything_but_their_version() -> None:
    batch = (
        Event(id="1", source="/a", type="t", datacontenttype="text/plain", data="é".encode()),
        Event(id="2", source="/b", type="u", datacontenttype="image/png", data=b"\x89"),
        Event(id="3", source="/c", type="v", extensions={"n": -7, "b": False, "s": ""}, data=b'{"n":1.50}'),
    )
    assert decode_request(*encode_batch(batch)) == batch
    assert refused(BATCH, json.dumps([NEEDED, NEEDED | {"specversion": "0.3"}]).encode()) == 400


@pytest.mark.parametrize("element", ['"not an object"', "null", "[]", "1", "{}"])
def test_json_4_1_one_element_that_is_no_event_refuses_the_batch(element: str) -> None:
    assert refused(BATCH, f"[{json.dumps(NEEDED)}, {element}]".encode()) == 400


# JSON 2: attributes.


@pytest.mark.parametrize("name", ["subject", "time", "datacontenttype", "dataschema", "ext"])
def test_json_2_2_null_is_as_good_as_absent(name: str) -> None:
    unset: dict[str, Any] = {name: None}
    assert structured(**unset) == structured()


@pytest.mark.parametrize("name", NEEDED)
def test_json_2_2_null_is_absent_where_that_is_not_allowed(name: str) -> None:
    assert refused(STRUCTURED, json.dumps(NEEDED | {name: None}).encode()) == 400


ALL_TYPES: dict[str, Any] = {
    "extbool": True,
    "extint": -2147483648,
    "exttext": "a € 😀 %41",
    "extbinary": "/+8=",
    "exturi": "https://cloudevents.io/a?b=c#d",
    "exturiref": "//authority/path",
    "exttime": "2023-03-31T15:12:00.120Z",
}


def test_json_2_2_extensions_of_every_type_of_the_specification() -> None:
    event = structured(**ALL_TYPES)
    assert event.extensions == ALL_TYPES
    assert decode_request(*encode_structured(event)) == (event,)


def test_spec_types_binary_mode_has_each_as_its_canonical_text_and_so_have_rules() -> None:
    event = structured(**ALL_TYPES)
    (back,) = decode_request(*encode_binary(event))
    texts = {**ALL_TYPES, "extbool": "true", "extint": "-2147483648"}
    assert back.extensions == texts
    assert back.view() == event.view() == NEEDED | texts


@pytest.mark.parametrize("value", ["1.5", "1.0", "1e1", "2147483648", "-2147483649", "{}", "[]", "[1]"])
def test_json_2_2_other_json_values_are_no_attributes(value: str) -> None:
    assert refused(STRUCTURED, (json.dumps(NEEDED)[:-1] + f', "ext": {value}}}').encode()) == 400


@pytest.mark.parametrize("name", ["MyExtension", "my.extension", "my-extension", "my_extension", "é", "data"])
def test_spec_naming_in_every_mode(name: str) -> None:
    if name != "data":  # which in JSON is the payload
        assert refused(STRUCTURED, json.dumps(NEEDED | {name: "bad"}).encode()) == 400
    if name != "MyExtension":  # header names have no case
        assert refused({**BINARY, f"ce-{name}": "bad"}, b"") == 400


@pytest.mark.parametrize("text", ["a\tb", "\x7f", "\x9f", "\ufdd0", "\uffff", "\U0001ffff"])
def test_spec_types_a_string_holds_no_control_character_and_no_noncharacter(text: str) -> None:
    assert refused(STRUCTURED, json.dumps(NEEDED | {"ext": text}).encode()) == 400
    encoded = "".join(f"%{byte:02X}" for byte in text.encode())
    assert refused({**BINARY, "ce-ext": encoded}, b"") == 400


@pytest.mark.parametrize("escape", [r"\uDEAD", r"\ud83d", r"\ude00\ud83d", r"\ud83dx"])
def test_spec_types_an_unpaired_surrogate_is_refused(escape: str) -> None:
    assert refused(STRUCTURED, (json.dumps(NEEDED)[:-1] + f', "ext": "{escape}"}}').encode()) == 400


def test_json_invalid_utf_8_is_refused_wherever_it_stands() -> None:
    whole = json.dumps(NEEDED | {"ext": "@", "data": {"a": "#"}}).encode()
    for mark in (b"@", b"#"):
        for wrong in (b"\xff", b"\xc0\xa0", b"\xed\xa0\x80", b"\xe2\x82"):
            assert refused(STRUCTURED, whole.replace(mark, wrong)) == 400
            assert refused(BATCH, b"[" + whole.replace(mark, wrong) + b"]") == 400
    assert refused({**BINARY, "content-type": "application/json"}, b'"\xff"') == 400


# JSON 3.1: data.


def test_json_3_1_1_data_base64_holds_bytes_and_datacontenttype_is_theirs() -> None:
    event = structured(datacontenttype="application/vnd.apache.thrift.binary", data_base64="gAEAAf8=")
    assert event.data == b"\x80\x01\x00\x01\xff"
    headers, body = encode_binary(event)
    assert (headers["content-type"], body) == ("application/vnd.apache.thrift.binary", event.data)
    assert json.loads(encode_structured(event)[1])["data_base64"] == "gAEAAf8="


def test_json_3_1_1_data_and_data_base64_exclude_each_other() -> None:
    assert refused(STRUCTURED, json.dumps(NEEDED | {"data": "x", "data_base64": "eA=="}).encode()) == 400


def test_json_3_1_1_a_null_payload_is_not_an_absent_one() -> None:
    null, absent = structured('"data": null'), structured()
    assert (null.data, absent.data) == (b"null", None)
    assert json.loads(encode_structured(null)[1])["data"] is None
    assert "data" not in json.loads(encode_structured(absent)[1])


@pytest.mark.parametrize("content_type", [None, "application/json", "text/json; charset=utf-8", "a/b+JSON"])
def test_json_3_1_2_a_string_under_a_json_content_type_is_not_read_again(content_type: str | None) -> None:
    event = structured(datacontenttype=content_type, data='{"a": 1}')
    assert event.value() == '{"a": 1}'
    assert event.data == rb'"{\"a\": 1}"'


def test_json_3_1_2_data_base64_that_holds_json_is_that_json_to_rules() -> None:
    encoded = base64.b64encode(b'{"a": 1}').decode()
    assert structured(datacontenttype="application/json", data_base64=encoded).value() == {"a": 1}


# JSON 3.2: the examples of the specification, as it re-encodes them in binary mode.

_COMMON = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "source": "/mycontext",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
}


@pytest.mark.parametrize(
    ("members", "content_type", "payload"),
    [
        (
            {"datacontenttype": "application/vnd.apache.thrift.binary", "data_base64": "AP8="},
            "application/vnd.apache.thrift.binary",
            b"\x00\xff",
        ),
        (
            {"unsetextension": None, "datacontenttype": "application/xml", "data": '<much wow="xml"/>'},
            "application/xml",
            b'<much wow="xml"/>',
        ),
        (
            {"subject": None, "datacontenttype": "application/json", "data": {"appinfoB": 123}},
            "application/json",
            b'{"appinfoB": 123}',
        ),
        ({"subject": None, "data": "I'm just a string"}, "application/json", b'"I\'m just a string"'),
    ],
    ids=["binary", "text", "json", "string"],
)
def test_json_3_2_examples(members: dict[str, Any], content_type: str, payload: bytes) -> None:
    document = {**_COMMON, "id": "A234-1234-1234", **members}
    (event,) = decode_request(STRUCTURED, json.dumps(document).encode())
    expected = {f"ce-{name}": str(value) for name, value in _COMMON.items()} | {
        "ce-id": "A234-1234-1234",
        "content-type": content_type,
    }
    assert encode_binary(event) == (expected, payload)


# All modes say the same.


@given(st.dictionaries(names, values, max_size=4), st.binary(max_size=30))
def test_an_event_that_goes_from_mode_to_mode_stays_what_it_is(
    extensions: dict[str, str | int | bool], data: bytes
) -> None:
    event = Event(
        id="1", source="/s", type="t", datacontenttype="x/y", extensions=extensions, data=data or None
    )
    (one,) = decode_request(*encode_binary(event))
    (two,) = decode_request(*encode_structured(one))
    (three,) = decode_request(*encode_batch([two]))
    assert one == two == three
    assert three.view() == event.view()
    assert msgspec.structs.replace(three, extensions=extensions) == event


# A sender whose version is filled in (`mend`).


def test_mend_is_asked_once_for_each_event_in_every_mode() -> None:
    asked: list[object] = []

    def mend(attributes: dict[str, Any]) -> None:
        asked.append(attributes.get("id"))
        attributes["specversion"] = "1.0"

    lacking = {name: value for name, value in NEEDED.items() if name != "specversion"}
    bare = {name: value for name, value in BINARY.items() if name != "ce-specversion"}
    batch = json.dumps([lacking, lacking | {"id": "2"}]).encode()
    assert decode_request(STRUCTURED, json.dumps(lacking).encode(), mend=mend)[0].specversion == "1.0"
    assert decode_request(bare, b"", mend=mend)[0].specversion == "1.0"
    assert len(decode_request(BATCH, batch, mend=mend)) == 2
    assert decode_request({}, b"{}", "type=t&source=s&id=plain", mend=mend)[0].id == "plain"
    assert asked == ["1", "1", "1", "2", "plain"]
