from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError
from router.events.context import build, complaint, is_date_time
from router.events.model import SHOWN
from tests.events.strategies import names, texts, values

NEEDED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def refusal(**attributes: Any) -> str:
    with pytest.raises(EventError) as caught:
        build(NEEDED | attributes, None)
    return caught.value.message


def test_the_four_that_every_event_needs_make_an_event() -> None:
    assert build(NEEDED, b"1") == Event(id="1", source="/s", type="t", data=b"1")


@pytest.mark.parametrize("name", NEEDED)
def test_each_of_the_four_is_missed(name: str) -> None:
    message = f"{name}: is missing; a CloudEvent needs specversion, id, source and type"
    assert refusal(**{name: None}) == message
    with pytest.raises(EventError, match=f"^{name}: is missing"):
        build({other: value for other, value in NEEDED.items() if other != name}, None)


@pytest.mark.parametrize("name", [*NEEDED, "subject", "time", "datacontenttype", "dataschema"])
def test_an_attribute_of_the_specification_is_a_string_that_is_not_empty(name: str) -> None:
    assert refusal(**{name: ""}) == f"{name}: '' where a non-empty string should stand"
    assert refusal(**{name: 7}) == f"{name}: 7 where a non-empty string should stand"
    assert refusal(**{name: True}) == f"{name}: True where a non-empty string should stand"
    assert refusal(**{name: {"a": 1}}) == f"{name}: an object where a non-empty string should stand"


@pytest.mark.parametrize("version", ["1", "1.0.2", "0.3", "2.0", "1.0 "])
def test_other_versions_are_refused(version: str) -> None:
    assert refusal(specversion=version) == f'specversion: {version!r}, but this router speaks "1.0"'


def test_null_counts_as_absent() -> None:
    assert build(NEEDED | {"subject": None, "myext": None}, None) == build(NEEDED, None)


@pytest.mark.parametrize("value", ["", "x", True, False, 0, 2**31 - 1, -(2**31)])
def test_extensions_are_strings_booleans_and_small_integers(value: str | int) -> None:
    assert build(NEEDED | {"ext1": value}, None).extensions == {"ext1": value}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2**31, "ext: 2147483648 does not fit into 32 bits; send it as a string"),
        (-(2**31) - 1, "ext: -2147483649 does not fit into 32 bits; send it as a string"),
        (1.5, "ext: 1.5 where a string, a 32-bit integer or a boolean should stand"),
        (1.0, "ext: 1.0 where a string, a 32-bit integer or a boolean should stand"),
        ({}, "ext: an object where a string, a 32-bit integer or a boolean should stand"),
        (["a"], "ext: an array where a string, a 32-bit integer or a boolean should stand"),
        ("a\nb", "ext: holds U+000A, which no attribute may contain"),
        ("\ud800", "ext: holds U+D800, which no attribute may contain"),
        ("\ufffe", "ext: holds U+FFFE, which no attribute may contain"),
        ("\U0010ffff", "ext: holds U+10FFFF, which no attribute may contain"),
        ("\x85", "ext: holds U+0085, which no attribute may contain"),
    ],
)
def test_other_extension_values_are_refused_by_name(value: object, message: str) -> None:
    assert refusal(ext=value) == message


@pytest.mark.parametrize("text", ["a b", "é", "锄禾", "\U0001f600", "\u00a0", "\u2028", "\U000e0001"])
def test_any_other_character_is_legal(text: str) -> None:
    assert build(NEEDED | {"subject": text, "ext": text}, None).subject == text


@pytest.mark.parametrize(
    "name", ["Ext", "my-ext", "my_ext", "é", "", "data", "data_base64", "a b", "ext\n", "\u0661"]
)
def test_illegal_names_are_refused(name: str) -> None:
    message = f"{name!a} can name no attribute: only lower-case letters and digits can, and not `data`"
    assert refusal(**{name: "x"}) == message


def test_a_wrong_value_is_repeated_only_in_part() -> None:
    assert (
        refusal(time="x" * 1000)
        == f"time: '{'x' * 99}…, which is no RFC 3339 time, such as 2026-01-31T08:30:00Z"
    )
    assert refusal(time="x" * 98).startswith(f"time: '{'x' * 98}', which")


@pytest.mark.parametrize("value", ["\n", [], {}, 2**4000, 1.5])
@pytest.mark.parametrize("name", ["a" * 900_000, "A" * 900_000, "\n" * 900_000, "\U0010ffff" * 90_000])
def test_a_name_is_repeated_only_in_part(name: str, value: object) -> None:
    message = refusal(**{name: value})
    assert len(message) < 3 * SHOWN
    assert message.isprintable()


@pytest.mark.parametrize(
    "time",
    [
        "2020-11-19T21:04:41+08:00",
        "2020-11-19t21:04:41z",
        "2020-11-19T21:04:41.123456789012Z",
        "2020-11-19T21:04:41-00:00",
        "2016-12-31T23:59:60Z",
        "2024-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999-23:59",
    ],
)
def test_rfc_3339_times_are_kept_as_they_are_written(time: str) -> None:
    assert is_date_time(time)
    assert build(NEEDED | {"time": time}, None).time == time


@pytest.mark.parametrize(
    "time",
    [
        "2020-11-19",
        "2020-11-19T21:04:41",
        "2020-11-19 21:04:41Z",
        "2020-11-19T21:04Z",
        "2020-11-19T21:04:41+0800",
        "2020-11-19T21:04:41+08",
        "2020-11-19T21:04:41+24:00",
        "2020-11-19T21:04:41.Z",
        "2020-11-19T21:04:41,5Z",
        "2020-11-19T24:00:00Z",
        "2020-11-19T21:60:00Z",
        "2020-11-19T21:04:61Z",
        "2020-13-01T00:00:00Z",
        "2020-00-01T00:00:00Z",
        "2020-04-31T00:00:00Z",
        "2020-01-00T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "20-11-19T21:04:41Z",
        "2020-W47-4T21:04:41Z",
        "2020-11-19T21:04:42.179PRC",
        "1605819881000",
        "\u0662020-11-19T21:04:41Z",
        " 2020-11-19T21:04:41Z",
        "2020-11-19T21:04:41Z\n",
    ],
)
def test_other_times_are_refused(time: str) -> None:
    assert not is_date_time(time)
    assert refusal(time=time) == f"time: {time!a}, which is no RFC 3339 time, such as 2026-01-31T08:30:00Z"


@pytest.mark.parametrize(
    "declared", ["json", "application/", "/json", "a b/c", "text/plain\r\nx: y", "text/plainé"]
)
def test_a_content_type_has_the_form_of_one(declared: str) -> None:
    message = f"datacontenttype: {declared!a}, which is no media type, such as application/json"
    assert refusal(datacontenttype=declared) == message


@given(st.dictionaries(names, values), texts)
def test_legal_attributes_are_taken_as_they_are(
    extensions: dict[str, str | int | bool], subject: str
) -> None:
    event = build(NEEDED | {"subject": subject} | extensions, None)
    assert event.extensions == extensions
    assert list(event.extensions) == list(extensions)
    assert [type(value) for value in event.extensions.values()] == [
        type(value) for value in extensions.values()
    ]


@given(
    st.text(max_size=8), st.none() | st.text(max_size=8) | st.floats() | st.integers() | st.lists(st.none())
)
def test_what_has_a_complaint_makes_no_event_and_what_has_none_does(name: str, value: object) -> None:
    attributes = NEEDED | {name: value}
    if value is None or complaint(name, value) is None:
        if name not in NEEDED:
            assert build(attributes, None).id == "1"
    else:
        with pytest.raises(EventError):
            build(attributes, None)
