"""What is right is checked in short ways. They lead where the long way leads: to an event or a refusal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.compiled import is_compiled
from router.events import Event, EventError, TooMuchError, json_text
from router.events.context import complaint
from router.events.json_format import decode, decode_batch, encode
from router.events.json_text import MAX_DEPTH
from router.events.model import SPEC_ATTRIBUTES, cut, is_json_media_type
from router.testing.strategies import json_texts, spaces
from tests.events.strategies import events, times

Outcome = tuple[str, Any]
NEEDED = b'"specversion":"1.0","id":"1","source":"/s","type":"t"'


def outcome(read: Callable[[bytes], Any], body: bytes) -> Outcome:
    try:
        return "read", read(body)
    except EventError as error:
        return type(error).__name__, error.message


def the_long_way(body: bytes) -> Event:
    """Everything is read, every attribute is asked about, and what nobody complains of is taken."""
    document = json_text.read(body)
    if type(document) is not dict:
        raise EventError("a CloudEvent in JSON is an object with specversion, id, source and type")
    attributes = {name: value for name, value in document.items() if name != "data" and value is not None}
    declared = attributes.get("datacontenttype")
    data = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get("data")
    payload = None if data is None else bytes(data)
    if payload is not None and type(declared) is str and not is_json_media_type(declared):
        value = document["data"]
        if value is not None and type(value) is not str:
            raise EventError(f"data: must be a string, because datacontenttype is {cut(declared)}")
        payload = None if value is None else value.encode()
    for name, value in attributes.items():
        if wrong := complaint(name, value):
            raise EventError(wrong)
    for name in ("specversion", "id", "source", "type"):
        if name not in attributes:
            raise EventError(f"{name}: is missing; a CloudEvent needs specversion, id, source and type")
    known = {name: attributes.pop(name) for name in SPEC_ATTRIBUTES if name in attributes}
    return Event(**known, extensions=attributes, data=payload)


def batch_the_long_way(body: bytes) -> tuple[Event, ...]:
    batch = json_text.read(body)
    if type(batch) is not list:
        raise EventError("a batch of CloudEvents in JSON is an array")
    found = []
    for index, text in enumerate(elements(body)):
        try:
            found.append(the_long_way(text))
        except EventError as error:
            raise EventError(f"events[{index}]: {error.message}") from None
    return tuple(found)


def elements(body: bytes) -> list[bytes]:
    """The elements of an array, as they are written."""
    decoder = json.JSONDecoder()
    text = body.decode()
    at = text.index("[") + 1
    found = []
    while (at := len(text) - len(text[at:].lstrip(" \t\r\n,"))) < len(text) and text[at] != "]":
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end
    return found


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


oddities = st.sampled_from(
    [
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'{"\xc0\x80":1}',
        rb'"\ud800"',
        rb'"\udc00\ud800"',
        rb'{"\ud800":1}',
        rb'"\ud83d\ude00"',
        rb'"\x"',
        rb'"\u12"',
        b'"a\nb"',
        b'"a\x00b"',
        b'"\x7f"',
        rb'"\u007f"',
        rb'"\u00e9"',
        '"\ufffe"'.encode(),
        '"\x85"'.encode(),
        '"锄禾"'.encode(),
        b"1e999",
        b"-1E+400",
        b"1e-999",
        b"0e99999999",
        b"9" * 309 + b".0",
        b"9" * 400,
        b"9" * 4300,
        b"9" * 4301,
        b"1.7976931348623157e308",
        b"1.7976931348623159e308",
        b"01",
        b"1.",
        b"NaN",
        b"[1,]",
        b"",
        nested(MAX_DEPTH - 2),
        nested(MAX_DEPTH - 1),
        nested(MAX_DEPTH),
        nested(5_000),
        b'"' + b"[" * MAX_DEPTH + b'"',
        b"[" + b"[]," * MAX_DEPTH + b"0]",
    ]
)
"""Values of which some are no JSON, some are more than this router reads, and some only look like it."""

_texts = st.sampled_from(
    ["1.0", "", "x", "a b", "application/json", "Text/JSON", "text/plain", "YQ==", "x\ty"]
)
_values = st.one_of(
    json_texts, oddities, (_texts | times | st.text(max_size=3)).map(json.dumps).map(str.encode)
)
_names = st.sampled_from(
    [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "data",
        "data",
        "traceparent",
        "Bad-Name",
        "d\\u0061ta",
        'x\\"data',
    ]
)
_members = st.tuples(spaces, _names.map(lambda name: f'"{name}":'), spaces).map("".join).map(str.encode)
_odd = st.tuples(_members, _values).map(b"".join)
_usual = st.one_of(
    json_texts.map(lambda data: b'"data":' + data),
    oddities.map(lambda data: b'"data" : ' + data),
    times.map(lambda time: f'"time":"{time}"'.encode()),
    st.sampled_from([b'"subject":"s"', b'"datacontenttype":"text/json"', b'"ext":7', b'"trace":"x y"']),
)
_more = st.lists(_usual, max_size=4) | st.lists(_usual | _odd, max_size=4)

envelopes = st.one_of(
    events.map(encode).filter(lambda text: b'"data_base64"' not in text),
    _more.map(lambda more: b"{" + b",".join([NEEDED, *more]) + b"}"),
    _more.map(lambda more: b"{" + b",".join([*more, NEEDED]) + b"} "),
    json_texts,
    oddities,
)


@st.composite
def damaged(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    text = draw(texts)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.binary(max_size=2) | oddities) + text[at + draw(st.integers(0, 2)) :]


batches = st.tuples(st.lists(envelopes, max_size=3), spaces).map(
    lambda drawn: b"[" + (b"," + drawn[1].encode()).join(drawn[0]) + b"]"
)


@given(envelopes | damaged(envelopes))
@example(b"{" + NEEDED + b',"data":1e999}')
@example(b"{" + NEEDED + b',"data":"\xff"}')
@example(b"{" + NEEDED + b',"data":' + nested(MAX_DEPTH - 1) + b"}")
@example(b"{" + NEEDED + b',"data":' + nested(MAX_DEPTH) + b"}")
@example(b"{" + NEEDED + b',"data":"a","data":1e999,"data":{"n":1}}')
@example(b"{" + NEEDED + b',"data":1e999,"data":{}}')
@example(b"{" + NEEDED + b',"data":7,"data":{}}')
@example(b"{" + NEEDED + b',"data":{},"data":7}')
@example(b"{" + NEEDED + b',"data":1e999,"data":1}')
@example(b"{" + NEEDED + b',"d\\u0061ta":[1e999],"data":[]}')
@example(b"{" + NEEDED + b',"d\\u0061ta":7,"x\\"data":[]}')
@example(b'{"x\\"data":{}}')
@example(b"{" + NEEDED + b',"data" : {"data":{}}}')
@example(b"{" + NEEDED + b',"data":[1],"subject":"s","x":[1]}')
@example(b"{" + NEEDED + b',"subject":"data","data": {"data":{}}\n}')
@example(b"{" + NEEDED + b',"subject":"\xff","data":{}}')
@example(b"{" + NEEDED + b',"ext":"\\ud800","data":{}}')
@example(b"{" + NEEDED + b',"ext":' + nested(5_000) + b',"data":{}}')
@example(b"{" + NEEDED + b',"ext":"e","datacontenttype":"text/plain","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\xe3\x80\x80","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\x7f","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\x1f","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\\n","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\\u007f","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\\u00e9","data":{}}')
@example(b"{" + NEEDED + b',"subject":"\xc2\x85","data":{}}')
@example(b"{" + NEEDED + b',"dataschema":"a b~!","data":{"a":"\x7f\\n"}}')
@example(b"{" + NEEDED + b',"data":{}}}')
@example(b"{" + NEEDED + b',"data":\xc2\xa0{}}')
@example(b"{" + NEEDED + b',"data":\x0b{}}')
@example(b"{" + NEEDED + b',"data":null}')
@example(b"{" + NEEDED + b',"data":null,"datacontenttype":"text/plain"}')
@example(b'{"id":1,' + NEEDED + b"}")
@example(b"{" + NEEDED + b',"id":null}')
@example(b"{" + NEEDED + b',"specversion":"1.1"}')
@example(b"{" + NEEDED + b',"datacontenttype":"text/json;\t"}')
def test_an_event_is_the_same_whichever_way_it_is_read(body: bytes) -> None:
    found = outcome(decode, body)
    assert found == outcome(the_long_way, body)
    if isinstance(found[1], Event):
        assert list(found[1].extensions) == list(the_long_way(body).extensions)


@given(batches | damaged(batches))
@example(b"[{" + NEEDED + b',"data":' + nested(MAX_DEPTH - 2) + b"}]")
@example(b"[{" + NEEDED + b',"data":' + nested(MAX_DEPTH - 1) + b"}]")
@example(b"[{" + NEEDED + b',"time":"-"},{' + NEEDED + b',"data":1e999}]')
@example(b"[{" + NEEDED + b',"x":1},{' + NEEDED + b"},1]")
@example(b"[{" + NEEDED + b',"data":1e999,"data":1}]')
@example(b"[{" + NEEDED + b',"data":[],"data":[]},{' + NEEDED + b',"data":[1e999],"data":[]}]')
def test_a_batch_is_the_same_whichever_way_it_is_read(body: bytes) -> None:
    assert outcome(decode_batch, body) == outcome(batch_the_long_way, body)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_where_it_is_compiled_no_payload_is_decoded(separators: tuple[str, str]) -> None:
    member = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": [1, {"data": 2}]}}
    called = set()
    sys.setprofile(lambda frame, *_: called.add(frame.f_code.co_name))
    try:
        decode(json.dumps(member, separators=separators).encode())
        decode_batch(json.dumps([member, member], separators=separators).encode())
    finally:
        sys.setprofile(None)
    assert {"decode", "decode_batch"} <= called
    assert ("glance" not in called) is is_compiled()


@pytest.mark.parametrize("faulty", [b"1e999", b'"\xff"', b"[1,]"])
def test_a_fault_of_the_text_is_told_before_those_of_its_events(faulty: bytes) -> None:
    body = b'[{"id":"1"},\n{' + NEEDED + b',"data":' + faulty + b"}]"
    assert outcome(decode_batch, body)[1].startswith("line 2, column 6")


def test_a_batch_of_too_many_is_not_read_at_all() -> None:
    with pytest.raises(TooMuchError):
        decode_batch(b"[{},1e999,{}]", 2)
