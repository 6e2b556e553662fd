"""One message, one line, and no token of it changed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.events.json_format import decode
from router.targets.base import Body, Message
from router.targets.lines import line_of, one_line, rfc3339

NOW = 1_800_000_000.25

SPACE = st.text(" \t\r\n", max_size=4)
SCALAR = st.one_of(
    st.text(max_size=6).map(json.dumps),
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["0", "-0.0", "1.0", "1E+2", "123456789012345678901234567890", "true", "false", "null"]),
    st.sampled_from([r'"\n\r\t \/"', r'"\u000a"', r'"\\"', r'"\""', '"a  b"', '""']),
)


@st.composite
def spaced(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """The same JSON text twice: with white space wherever it may stand, and with none."""
    kind = draw(st.integers(0, 2)) if depth else 0
    if kind == 0:
        token = draw(SCALAR)
        loose, tight = token, token
    else:
        items = [draw(spaced(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
        if kind == 2:
            keys = [draw(st.text(max_size=3).map(json.dumps)) for _ in items]
            items = [
                (f"{key}{draw(SPACE)}:{value}", f"{key}:{value2}")
                for key, (value, value2) in zip(keys, items, strict=True)
            ]
        first, last = "[]" if kind == 1 else "{}"
        loose = first + (",".join(item for item, _ in items) or draw(SPACE)) + last
        tight = first + ",".join(item for _, item in items) + last
    return draw(SPACE) + loose + draw(SPACE), tight


def without_space(text: bytes) -> bytes:
    """The tokens of a JSON text, found by walking it character by character."""
    found, quoted, escaped = bytearray(), False, False
    for byte in text:
        if quoted or byte not in b" \t\r\n":
            found.append(byte)
        if quoted and byte == ord('"') and not escaped:
            quoted = False
        elif not quoted and byte == ord('"'):
            quoted = True
        escaped = quoted and byte == ord("\\") and not escaped
    return bytes(found)


@given(spaced())
def test_a_text_becomes_one_line_of_the_same_tokens(texts: tuple[str, str]) -> None:
    loose, tight = (text.encode() for text in texts)
    line = one_line(loose)
    assert not set(line) & set(b"\r\n")
    assert without_space(line) == without_space(loose) == tight


@given(spaced())
def test_a_line_stays_as_it_is(texts: tuple[str, str]) -> None:
    line = one_line(texts[0].encode())
    assert one_line(line) == line
    assert one_line(texts[1].encode()) == texts[1].encode()


def test_indentation_goes_and_other_blanks_stay() -> None:
    assert one_line(b'{\r\n    "a":  "b \\n c",\n\t"d": [ ]\n}\n') == b'{"a":  "b \\n c","d": [ ]}'


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000Z"),
        (NOW, "2027-01-15T08:00:00.250000Z"),
        (951_782_400.0, "2000-02-29T00:00:00.000000Z"),
    ],
)
def test_moments(seconds: float, text: str) -> None:
    assert rfc3339(seconds) == text


def message(event: Event, body: Body | None = None) -> Message:
    return Message("12-audit", 12, event, body, ("everything", "second"), 3)


EVENT = Event(id="é", source="/s", type="t", data=b'{\n  "big": 12345678901234567890,\n  "one": 1.0\n}')


def test_a_line_holds_the_event_as_it_is() -> None:
    assert line_of(message(EVENT), NOW).decode() == (
        '{"sequence":12,"id":"12-audit","time":"2027-01-15T08:00:00.250000Z","rules":["everything","second"],'
        '"event":{"specversion":"1.0","id":"é","source":"/s","type":"t",'
        '"data":{"big": 12345678901234567890,"one": 1.0}}}\n'
    )


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (Body(b'{\n "a": 1.0}', "application/json"), b'{"a": 1.0}'),
        (Body(b"[1]", "application/vnd.x+json; charset=utf-8"), b"[1]"),
        (Body(b"null", "application/json"), b"null"),
        (Body("zwei\nZeilen: ü".encode(), "text/plain"), '"zwei\\nZeilen: ü"'.encode()),
        (Body(b'{"a":1}', "text/plain"), b'"{\\"a\\":1}"'),
        (Body(b"", "text/plain"), b'""'),
        (Body(b"\xff\x00", "application/octet-stream"), b'"/wA="'),
        (Body(b'{"torn', "application/json"), b'"{\\"torn"'),
        (Body(b"", "application/json"), b'""'),
    ],
)
def test_a_transformed_body_stands_in_the_events_place(body: Body, value: bytes) -> None:
    line = line_of(message(EVENT, body), NOW)
    assert line == (
        b'{"sequence":12,"id":"12-audit","time":"2027-01-15T08:00:00.250000Z",'
        b'"rules":["everything","second"],"body":' + value + b"}\n"
    )


@given(
    event=st.builds(
        Event,
        id=st.text(min_size=1, max_size=5),
        source=st.text(min_size=1, max_size=5),
        type=st.text(min_size=1, max_size=5),
        subject=st.none() | st.text(min_size=1, max_size=5),
        datacontenttype=st.sampled_from(["text/plain", "application/octet-stream"]),
        data=st.none() | st.binary(max_size=20),
    ),
    now=st.floats(0, 4e9),
)
def test_any_event_is_one_line_that_can_be_read(event: Event, now: float) -> None:
    line = line_of(message(event), now)
    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    record: dict[str, Any] = msgspec.json.decode(line)
    assert (record["sequence"], record["id"]) == (12, "12-audit")
    assert record["event"]["id"] == event.id


@given(spaced())
def test_any_json_payload_comes_back_token_by_token(texts: tuple[str, str]) -> None:
    payload = texts[0].encode()
    line = line_of(message(Event(id="1", source="/s", type="t", data=payload)), NOW)
    assert line.count(b"\n") == 1
    record = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    written = decode(bytes(record["event"])).data
    assert written is not None
    assert without_space(written) == without_space(payload)
