from __future__ import annotations

import json
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError, TooMuchError, canonical
from router.events.http import (
    UnsupportedMediaType,
    decode_request,
    encode_batch,
    encode_binary,
    encode_structured,
)
from tests.events.strategies import events

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
ONE = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'
EVENT = Event(id="1", source="/s", type="t")


def refusal(headers: dict[str, str], body: bytes = b"", query: str = "") -> EventError:
    with pytest.raises(EventError) as caught:
        decode_request(headers, body, query)
    return caught.value


def attribute(value: str) -> str | None:
    (event,) = decode_request({**BINARY, "ce-subject": value}, b"")
    return event.subject


# Round trips.


@given(events)
def test_structured_mode_returns_the_event(event: Event) -> None:
    headers, body = encode_structured(event)
    assert headers == {"content-type": STRUCTURED}
    assert decode_request(headers, body) == (event,)


@given(st.lists(events, max_size=3))
def test_batch_mode_returns_the_events(batch: list[Event]) -> None:
    headers, body = encode_batch(batch)
    assert headers == {"content-type": BATCH}
    assert decode_request(headers, body) == tuple(batch)


@given(events)
def test_binary_mode_returns_the_event_with_its_attributes_as_text(event: Event) -> None:
    headers, body = encode_binary(event)
    (back,) = decode_request(headers, body)
    expected = msgspec.structs.replace(
        event,
        extensions={name: canonical(value) for name, value in event.extensions.items()},
        # Headers cannot tell an empty payload from none, and JSON is named.
        data=event.data or None,
        datacontenttype=event.datacontenttype or ("application/json" if event.data else None),
    )
    assert back == expected
    assert body == (event.data or b"")


@given(events)
def test_headers_are_visible_ascii(event: Event) -> None:
    headers, _ = encode_binary(event)
    for name, value in headers.items():
        assert name == "content-type" or all("\x21" <= character <= "\x7e" for character in value)
        assert '"' not in value


# Which mode.


@pytest.mark.parametrize(
    "content_type", [STRUCTURED, "Application/CloudEvents+JSON; charset=UTF-8", f" {STRUCTURED} "]
)
def test_structured_is_told_by_content_type(content_type: str) -> None:
    assert decode_request({"content-type": content_type}, ONE) == (EVENT,)


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "UTF-8",
        '"utf-8"',
        "'utf-8'",
        "utf8",
        "UTF8",
        "utf_8",
        "u8",
        "us-ascii",
        "US-ASCII",
        '"ascii"',
        "ANSI_X3.4-1968",
    ],
)
@pytest.mark.parametrize("separator", [";charset=", "; Charset = ", "; v=1;  charset="])
def test_every_spelling_of_utf_8_and_of_its_part_us_ascii_is_read(separator: str, charset: str) -> None:
    assert decode_request({"content-type": STRUCTURED + separator + charset}, ONE) == (EVENT,)
    assert decode_request({"content-type": BATCH + separator + charset}, b"[]") == ()


@pytest.mark.parametrize("content_type", [BATCH, 'APPLICATION/CLOUDEVENTS-BATCH+JSON;charset="utf-8"'])
def test_batch_is_asked_for_before_structured(content_type: str) -> None:
    assert decode_request({"content-type": content_type}, b"[" + ONE + b"," + ONE + b"]") == (EVENT, EVENT)


def test_an_event_format_counts_for_more_than_headers() -> None:
    headers = {**BINARY, "ce-id": "other", "content-type": STRUCTURED}
    assert decode_request(headers, ONE) == (EVENT,)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/cloudevents+xml", f"send {STRUCTURED}, no other event format is read"),
        ("application/cloudevents", f"send {STRUCTURED}, no other event format is read"),
        ("application/cloudevents+avro; v=1", f"send {STRUCTURED}, no other event format is read"),
        ("application/cloudevents-batch+xml", f"send {BATCH}, no other event format is read"),
    ],
)
def test_unknown_formats_are_unsupported(content_type: str, message: str) -> None:
    error = refusal({"content-type": content_type}, ONE)
    assert isinstance(error, UnsupportedMediaType)
    assert error.status == 415
    assert error.message == f"Content-Type {content_type.partition(';')[0]}: {message}"


@pytest.mark.parametrize(
    "charset", ["utf-16", "latin-1", "utf-7", "utf-8-sig", "gbk", "8", "''", "../utf-8", "é", "utf-8x"]
)
def test_other_charsets_are_unsupported(charset: str) -> None:
    assert refusal({"content-type": f"{STRUCTURED}; charset={charset}"}, ONE).status == 415


def test_a_charset_is_named_in_the_refusal() -> None:
    error = refusal({"content-type": f"{STRUCTURED}; charset=utf-16"}, ONE.decode().encode("utf-16"))
    assert error.status == 415
    assert error.message == f"Content-Type {STRUCTURED}; charset=utf-16: JSON is UTF-8, send it as that"


def test_one_wrong_event_refuses_the_batch() -> None:
    error = refusal({"content-type": BATCH}, b"[" + ONE + b',{"id":"2"}]')
    assert (error.status, error.message.partition(";")[0]) == (400, "events[1]: specversion: is missing")


def test_a_batch_is_held_to_the_number_of_events_that_is_asked_for() -> None:
    body = b"[" + ONE + b"," + ONE + b"]"
    assert decode_request({"content-type": BATCH}, body, most=2) == (EVENT, EVENT)
    with pytest.raises(TooMuchError) as caught:
        decode_request({"content-type": BATCH}, body, most=1)
    assert caught.value.status == 413
    assert caught.value.message == "2 events in one request; at most 1 are taken at once, so send fewer"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"content-type": f"application/cloudevents+{'x' * 9000}"}, ""),
        ({"content-type": f"{STRUCTURED}; charset={'x' * 9000}"}, ""),
        ({"content-type": "text/" + "x" * 9000}, "type=t&source=s"),
        ({**BINARY, "ce-" + "x" * 9000: "%ff"}, ""),
        ({**BINARY, "ce-" + "x" * 9000: "%0A"}, ""),
        ({**BINARY, "ce-" + "X-" * 9000: "x"}, ""),
        ({**BINARY, "ce-time": "x" * 9000}, ""),
        ({}, f"type=t&source=s&time={'x' * 9000}"),
    ],
)
def test_a_refusal_is_short_however_long_the_headers_are(headers: dict[str, str], query: str) -> None:
    error = refusal(headers, b"{}", query)
    assert "xxxxx" in error.message or "X-X-X" in error.message
    assert len(error.message) < 300


# Binary mode, decoding.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("a%2525b", "a%25b"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ('"quoted"', "quoted"),
        ('"a \\"b\\" \\\\"', 'a "b" \\'),
        ('"%22"', '"'),
        ("%22%22", '""'),
        ('"open', '"open'),
        ("  around\t", "around"),
        ("+", "+"),
        ("\u00e2\u0082\u00ac", "€"),
        ("€", "€"),
    ],
)
def test_header_values_are_unquoted_and_decoded_once(value: str, text: str) -> None:
    assert attribute(value) == text


@pytest.mark.parametrize("value", ["%FF", "%C3", "%ED%A0%80", "\u00ff"])
def test_what_is_not_utf_8_is_refused(value: str) -> None:
    error = refusal({**BINARY, "ce-subject": value})
    advice = "what is not ASCII goes there as the percent-encoded bytes of its UTF-8"
    assert (error.status, error.message) == (400, f"ce-subject: is not UTF-8; {advice}")


def test_a_control_character_cannot_hide_in_an_escape() -> None:
    message = "subject: holds U+000A, which no attribute may contain"
    assert refusal({**BINARY, "ce-subject": "a%0Ab"}).message == message


def test_the_content_type_is_the_payloads() -> None:
    headers = {**BINARY, "content-type": "text/plain; charset=utf-8", "ce-myext": "5", "x-other": "no"}
    (event,) = decode_request(headers, b"\xc3\xa9")
    assert event.datacontenttype == "text/plain; charset=utf-8"
    assert event.extensions == {"myext": "5"}
    assert (event.data, event.value()) == (b"\xc3\xa9", "é")


def test_the_content_type_has_no_header_of_its_own() -> None:
    error = refusal({**BINARY, "ce-datacontenttype": "text/plain"})
    assert error.message == "ce-datacontenttype: the payload's type belongs in Content-Type"


@pytest.mark.parametrize("name", ["ce-data", "ce-my-ext", "ce-my_ext", "ce-"])
def test_names_are_held_to_the_specification(name: str) -> None:
    message = f"{name[3:]!r} can name no attribute: only lower-case letters and digits can, and not `data`"
    assert refusal({**BINARY, name: "x"}).message == message


def test_json_must_be_json() -> None:
    error = refusal({**BINARY, "content-type": "application/json"}, b'{"a": 1,\n}')
    assert error.message == 'line 1, column 8: a comma before "}", where JSON allows none'


def test_white_space_around_a_payload_is_kept_in_binary_mode() -> None:
    (event,) = decode_request({**BINARY, "content-type": "application/json"}, b' {"a": 1}\n')
    assert encode_binary(event)[1] == b' {"a": 1}\n'
    assert event.value() == {"a": 1}
    (back,) = decode_request(*encode_structured(event))
    assert back.data == b'{"a": 1}'


def test_no_body_is_no_payload() -> None:
    (event,) = decode_request({**BINARY, "content-type": "application/json"}, b"")
    assert event.data is None


def test_a_body_without_content_type_is_json_or_else_octets() -> None:
    (event,) = decode_request(BINARY, b'{"a": 1}')
    assert (event.datacontenttype, event.data) == (None, b'{"a": 1}')
    (event,) = decode_request(BINARY, b"\xff")
    assert (event.datacontenttype, event.data) == ("application/octet-stream", b"\xff")


def test_a_missing_attribute_is_named() -> None:
    headers = {name: value for name, value in BINARY.items() if name != "ce-type"}
    assert refusal(headers).message == "type: is missing; a CloudEvent needs specversion, id, source and type"


# Binary mode, encoding.


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a b", "a%20b"),
        ('"', "%22"),
        ("%", "%25"),
        ("Euro €", "Euro%20%E2%82%AC"),
        ("😀", "%F0%9F%98%80"),
        ("!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    ],
)
def test_only_what_must_be_is_encoded(text: str, value: str) -> None:
    headers, _ = encode_binary(msgspec.structs.replace(EVENT, subject=text))
    assert headers["ce-subject"] == value
    assert attribute(value) == text


def test_extensions_have_the_prefix_and_their_canonical_text() -> None:
    headers, body = encode_binary(
        Event(id="1", source="/s", type="t", extensions={"flag": True, "number": -7}, data=b'{"a":1}')
    )
    assert headers == {**BINARY, "ce-flag": "true", "ce-number": "-7", "content-type": "application/json"}
    assert body == b'{"a":1}'


# Plain JSON.


def test_plain_json_takes_its_attributes_from_the_query() -> None:
    query = "type=order.paid&source=%2Fshop%2F1&id=7&subject=a+b&time=2026-01-31T08:30:00Z&access_token=x"
    assert decode_request({"content-type": "application/json"}, b'{"a": 1}', query) == (
        Event(
            id="7",
            source="/shop/1",
            type="order.paid",
            subject="a b",
            time="2026-01-31T08:30:00Z",
            datacontenttype="application/json",
            data=b'{"a": 1}',
        ),
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, "application/json"),
        ("application/x-www-form-urlencoded", "application/json"),
        ("application/vnd.x+json; v=1", "application/vnd.x+json; v=1"),
    ],
)
def test_plain_json_may_come_as_curl_sends_it(sent: str | None, kept: str) -> None:
    headers = {} if sent is None else {"content-type": sent}
    (event,) = decode_request(headers, b"[1]", "type=t&source=s")
    assert (event.datacontenttype, event.data) == (kept, b"[1]")


def plain_id(body: bytes = b'{"a":1}', **query: str) -> str:
    given_query = {"type": "t", "source": "s", **query}
    text = "&".join(f"{name}={quote(value)}" for name, value in given_query.items())
    (event,) = decode_request({}, body, text)
    return event.id


def test_a_retry_of_plain_json_has_the_same_id_and_anything_else_another() -> None:
    assert plain_id() == plain_id()
    assert len(plain_id()) == 64
    others = {
        plain_id(),
        plain_id(b'{"a":2}'),
        plain_id(type="u"),
        plain_id(source="t"),
        plain_id(type="s", source="t"),
        plain_id(subject="x"),
        plain_id(time="2026-01-31T08:30:00Z"),
    }
    assert len(others) == 7
    assert plain_id(id="mine") == "mine"


def test_plain_text_is_no_plain_json() -> None:
    error = refusal({"content-type": "text/plain"}, b"hello", "type=t&source=s")
    message = "Content-Type text/plain: with ?type= and ?source= the body is JSON"
    assert (error.status, error.message) == (415, message)


def test_plain_json_must_be_json_and_must_be_there() -> None:
    assert refusal({}, b"{", "type=t&source=s").message.startswith("line 1, column 2: the text ends")
    assert refusal({}, b"", "type=t&source=s").message.startswith("line 1, column 1: the text ends")


@pytest.mark.parametrize("query", ["", "type=t", "source=s", "typ=t&source=s"])
def test_what_is_no_event_at_all_is_told_how_to_be_one(query: str) -> None:
    message = (
        "no CloudEvent: neither Content-Type application/cloudevents+json, nor ce- headers, "
        "nor plain JSON with ?type=…&source=…"
    )
    assert refusal({"content-type": "application/json"}, b"{}", query).message == message
    assert refusal({}, b"\xff", query).message == message


def test_a_structured_event_under_the_wrong_content_type_is_recognised() -> None:
    message = f"this looks like a structured CloudEvent: send it with Content-Type {STRUCTURED}"
    assert refusal({"content-type": "application/json"}, ONE).message == message


@pytest.mark.parametrize(
    "query", ["type=t&source=", "type=&source=s", "type=%ff&source=s", "type=t&source=s&time=now"]
)
def test_attributes_in_the_query_are_held_to_the_same_rules(query: str) -> None:
    assert refusal({}, b"{}", query).status == 400


@given(
    st.dictionaries(st.sampled_from([*BINARY, "content-type", "ce-time", "ce-x"]), st.text(max_size=20)),
    st.binary(max_size=20) | st.just(ONE) | st.just(b"[" + ONE + b"]"),
    st.text(max_size=20),
)
def test_any_request_is_read_or_refused(headers: dict[str, str], body: bytes, query: str) -> None:
    try:
        found = decode_request(headers, body, query)
    except EventError as error:
        assert error.status in (400, 415)  # noqa: PT017 (either is right; what counts is that nothing else is raised)
    else:
        for event in found:
            json.loads(encode_structured(event)[1])
