"""Bodies: built as values, then written out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import MessageError
from router.events import Event
from router.transforms import (
    JSON_TYPE,
    KINDS,
    TEXT_TYPE,
    Rendered,
    TransformError,
    TransformSyntaxError,
    canonical_json,
    compile_transform,
    faults,
    pieces,
    variant_of,
)

DATA = b"""{"URI": "oss://b/a.mp4", "Frames": {"Total": 3, "Block":
 [{"rate": 0.9, "label": "po\\"rn"}, {"label": "ads"}]},
 "none": null, "yes": true, "big": 12345678901234567890123, "exact": 0.1234567890123456789,
 "exp": 1e3, "huge": 1e400,
 "uni": "\\u9504\\u79be"}"""

EVENT = Event(id="1", source="s", type="t", subject="a b", extensions={"number": 7, "flag": True}, data=DATA)


def body(written: dict[str, Any], event: Event = EVENT) -> bytes:
    return compile_transform(written).render(event).content


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"select": "data.Frames.Block[].label"}, b'["po\\"rn","ads"]'),
        ({"select": "data.gone"}, b"null"),
        ({"select": "type"}, b'"t"'),
        ({"select": "{t: type, n: number, f: flag}"}, b'{"t":"t","n":"7","f":"true"}'),
        ({"json": {"a": "{{ data.Frames.Total }}", "b": "{{data.Frames.Block[].label}}"}},
         b'{"a":3,"b":["po\\"rn","ads"]}'),
        ({"json": ["{{ data.yes }}", "{{ data.none }}", "{{ data.gone }}", 1.5, None, "plain"]},
         b'[true,null,null,1.5,null,"plain"]'),
        ({"json": {"t": "{{ type }}/{{ data.Frames.Total }}{{ data.gone }}!"}}, b'{"t":"t/3!"}'),
        ({"json": {"t": " {{ data.Frames.Total }}"}}, b'{"t":" 3"}'),
        ({"json": "{{ data.Frames.Block[0] }}"}, b'{"rate":0.9,"label":"po\\"rn"}'),
        ({"json": {"z": 1, "a": 2}}, b'{"z":1,"a":2}'),
        ({"json": {"t": "is {{ data.Frames.Block[0].label }}"}}, b'{"t":"is po\\"rn"}'),
        ({"json": {"t": "{{ {a: {b: type}} }}"}}, b'{"t":{"a":{"b":"t"}}}'),
        ({"json": {"t": "{{{a: type}}}"}}, b'{"t":{"a":"t"}}'),
        ({"text": "{{ data.URI }} of {{ subject }}"}, b"oss://b/a.mp4 of a b"),
        ({"text": "[{{ data.none }}{{ data.gone }}] {{ data.yes }} {{ data.Frames.Block }}"},
         b'[] true [{"rate":0.9,"label":"po\\"rn"},{"label":"ads"}]'),
        ({"text": "{{ '{{' }} }} { {{ '}}' }}"}, b"{{ }} { }}"),
        ({"text": "{{ data.uni }}"}, "锄禾".encode()),
        ({"text": ""}, b""),
        ({"constant": 'as "it" is {{ type }}'}, b'as "it" is {{ type }}'),
        ({"constant": {"a": [1, "{{ type }}", None]}}, b'{"a":[1,"{{ type }}",null]}'),
        ({"constant": None}, b"null"),
    ],
)  # fmt: skip
def test_bodies(written: dict[str, Any], expected: bytes) -> None:
    assert body(written) == expected


@pytest.mark.parametrize(
    ("written", "content_type"),
    [
        ({"select": "type"}, JSON_TYPE),
        ({"json": "x"}, JSON_TYPE),
        ({"text": "x"}, TEXT_TYPE),
        ({"constant": "x"}, TEXT_TYPE),
        ({"constant": ["x"]}, JSON_TYPE),
    ],
)
def test_content_types(written: dict[str, Any], content_type: str) -> None:
    assert compile_transform(written).render(EVENT).content_type == content_type


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("big", b"12345678901234567890123"),
        ("exact", b"0.1234567890123456789"),
        ("huge", b"1e400"),
        ("exp", b"1000.0"),
    ],
)
def test_numbers_keep_their_digits(path: str, expected: bytes) -> None:
    assert body({"select": f"data.{path}"}) == expected
    assert body({"json": {"n": f"{{{{ data.{path} }}}}"}}) == b'{"n":' + expected + b"}"
    assert body({"text": f"{{{{ data.{path} }}}}"}) == expected


def test_exact_numbers_are_numbers_to_functions_and_comparisons() -> None:
    assert body({"select": "data.exact < `0.2` && type(data.exact)"}) == b'"number"'
    assert body({"select": "ceil(data.exact)"}) == b"1"


def test_decimals_of_the_yaml_keep_their_digits() -> None:
    assert body({"constant": {"n": Decimal("0.10000000000000000001")}}) == b'{"n":0.10000000000000000001}'


scalars = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
documents = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(documents)
def test_what_is_selected_whole_comes_out_the_same(value: Any) -> None:
    data = msgspec.json.Encoder(decimal_format="number").encode(value)
    event = Event(id="1", source="s", type="t", data=data)

    def exact(text: bytes) -> Any:
        return json.loads(text, parse_float=Decimal)

    for written in ({"select": "data"}, {"json": "{{ data }}"}):
        assert exact(body(written, event)) == exact(data)
    assert exact(body({"json": ["{{ data }}", {"x": "{{ data }}"}]}, event)) == [
        exact(data),
        {"x": exact(data)},
    ]


@given(texts, texts)
def test_no_text_breaks_a_structure(before: str, inside: str) -> None:
    event = Event(id="1", source="s", type="t", data=json.dumps(inside).encode())
    before = before.replace("{", "(")
    assert json.loads(body({"json": {"k": before + "{{ data }}"}}, event)) == {"k": before + inside}
    assert body({"text": before + "{{ data }}"}, event) == (before + inside).encode()


def test_data_that_is_no_json_is_text() -> None:
    event = Event(id="1", source="s", type="t", datacontenttype="text/plain", data=b'say "hi"')
    assert body({"json": {"t": "{{ data }}"}}, event) == b'{"t":"say \\"hi\\""}'


def test_an_event_without_data() -> None:
    assert body({"json": {"t": "{{ data }}", "type": "{{ type }}"}}, Event(id="1", source="s", type="t")) == (
        b'{"t":null,"type":"t"}'
    )


@pytest.mark.parametrize(
    ("written", "data", "said"),
    [
        ({"text": "{{ length(data.gone) }}"}, DATA, "'length(data.gone)'"),
        ({"select": "sum(data.URI)"}, DATA, "'sum(data.URI)'"),
        ({"json": {"a": ["{{ abs(type) }}"]}}, DATA, "'abs(type)'"),
        ({"select": "&type"}, DATA, "_Expression is not JSON"),
        ({"select": "data"}, b'"\\ud800"', "the body cannot be made"),
        ({"select": "data"}, b"[" * 5000 + b"]" * 5000, "the body cannot be made"),
    ],
)
def test_failing_is_the_events_fault_and_names_the_expression(
    written: dict[str, Any], data: bytes, said: str
) -> None:
    with pytest.raises(TransformError) as failed:
        body(written, Event(id="1", source="s", type="t", data=data))
    assert said in failed.value.message
    assert isinstance(failed.value, MessageError)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ({}, [((), None, f"a transform is exactly one of {', '.join(KINDS)}; found none")]),
        ({"jsno": 1}, [(("jsno",), None, "there is no transform 'jsno'")]),
        ({"text": "a", "xml": {"a": 1}},
         [((), None, f"a transform is exactly one of {', '.join(KINDS)}; found text and xml")]),
        ({"select": ["a"]}, [(("select",), None, "select wants a text")]),
        ({"text": {"a": 1}}, [(("text",), None, "text wants a text")]),
        ({"select": "a b"}, [(("select",), 2, "'b' cannot stand here")]),
        ({"text": "ab {{ type"}, [(("text",), 3, "'{{' is not closed")]),
        ({"text": "{{ type }} {{ typ e }}"}, [(("text",), 18, "'e' cannot stand here")]),
        ({"text": "{{}}"}, [(("text",), 2, "an expression is missing")]),
        ({"text": "{{ a( }} and {{ b }}"}, [(("text",), 5, "the expression ends too early")]),
        ({"json": {"a": ["{{", {"b": "{{ lenght(x) }}"}], "{{ k }}": 1}}, [
            (("json", "a", 0), 0, "'{{' is not closed"),
            (("json", "a", 1, "b"), 3, "there is no function lenght()"),
            (("json", "{{ k }}"), None, "a key cannot be filled: '{{ k }}'"),
        ]),
        ({"constant": "{{"}, []),
    ],
)  # fmt: skip
def test_faults_are_all_found(written: dict[str, Any], found: list[tuple[Any, int | None, str]]) -> None:
    assert [(fault.path, fault.offset, fault.message) for fault in faults(written)] == found


def test_a_broken_transform_does_not_compile() -> None:
    with pytest.raises(TransformSyntaxError):
        compile_transform({"text": "{{"})


@given(st.text("{}' a.`|", max_size=20))
def test_any_template_is_read_or_refused(text: str) -> None:
    if any(True for _ in faults({"text": text})):
        return
    assert "{{" in text or body({"text": text}) == text.encode()


def test_the_variant_is_the_fingerprint_of_what_was_written() -> None:
    one = {"json": {"a": 1, "b": Decimal("0.10000000000000000001")}}
    other = {"json": {"b": Decimal("0.10000000000000000001"), "a": 1}}
    assert variant_of(one) == variant_of(other) == compile_transform(one).variant
    assert len(variant_of(one)) == 12
    assert int(variant_of(one), 16) >= 0
    assert variant_of({"text": "a"}) != variant_of({"constant": "a"})
    assert canonical_json(other) == b'{"json":{"a":1,"b":0.10000000000000000001}}'


def test_what_is_rendered_is_a_value() -> None:
    assert compile_transform({"text": "x"}).render(EVENT) == Rendered(b"x", "text/plain; charset=utf-8")


def test_the_pieces_of_a_transform_have_their_places() -> None:
    written = {"json": {"a": ["x {{  type }}{{ id }}", 5], "b": "y"}}
    found = [(piece.path, piece.offset, piece.part) for piece in pieces(written)]
    assert [(path, offset, getattr(part, "text", part)) for path, offset, part in found] == [
        (("json", "a", 0), 0, "x "),
        (("json", "a", 0), 6, "type"),
        (("json", "a", 0), 16, "id"),
        (("json", "b"), 0, "y"),
    ]
    (whole,) = pieces({"select": "data.x"})
    assert (whole.path, whole.offset, getattr(whole.part, "text", None)) == (("select",), 0, "data.x")
    assert list(pieces({"constant": "{{ type }}"})) == []


@pytest.mark.parametrize(
    "written",
    [
        {"text": "{{ data.text }}" * 60},
        {"json": ["{{ data.text }}"] * 60},
        {"select": "[data, data, data, data] | [@, @, @, @] | [@, @, @, @]"},
        {
            "input_transformer": {
                "input_paths_map": {"a": "$.detail.text"},
                "input_template": '"' + "<a> " * 60 + '"',
            }
        },
    ],
)
def test_a_body_that_is_far_longer_than_its_event_is_refused(written: dict[str, Any]) -> None:
    def of(length: int) -> Event:
        data = b'{"text": "' + b"a" * length + b'"}'
        return Event(id="1", source="/s", type="t", data=data, datacontenttype="application/json")

    transform = compile_transform(written)
    assert len(transform.render(of(150_000)).content) >= 9_000_000
    with pytest.raises(
        TransformError, match=r"the body would be 1\d{7} bytes long; at most 10000000 are made"
    ):
        transform.render(of(180_000))
    with pytest.raises(TransformError, match=r"at most 15000120 are made of this event"):
        transform.render(of(1_500_000))


def test_a_long_event_has_a_long_body() -> None:
    data = b'"' + b"a" * 12_000_000 + b'"'
    event = Event(id="1", source="/s", type="t", data=data, datacontenttype="application/json")
    assert compile_transform({"select": "data"}).render(event).content == data
