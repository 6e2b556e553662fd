"""YAML as people mean it, and where everything in it stands."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config import yaml as ours
from router.config.syntax import explain
from router.config.yaml import DEPTH, REPEATED_NODES, Mark, read


def value(text: str) -> Any:
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    return document.value


def complaints(text: str | bytes) -> list[str]:
    content = text.encode() if isinstance(text, str) else text
    return [str(problem) for problem in read(content, "x.yml")[1]]


@pytest.mark.parametrize(
    "text",
    [
        "no", "yes", "on", "off", "y", "n", "True", "NULL", "Null", "~", "012", "0o17", "0x1F", "0b1",
        "1_000",
        "1:30", "2024-01-01", "2001-12-14t21:59:43.10-05:00", ".5", "5.", "+1", ".inf", "-.INF", ".nan", "1e",
        "=", "imm:Task:*", "12e03x", "٣",
    ],
)  # fmt: skip
def test_what_is_not_json_stays_the_text_that_was_written(text: str) -> None:
    assert value(f"key: {text}") == {"key": text}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("false", False), ("null", None), ("", None), ("0", 0), ("-0", 0), ("300", 300),
        ("-7", -7), ("3e2", 300.0), ("0.5", 0.5), ("1E-2", 0.01),
        ("12345678901234567890123", 12345678901234567890123),
        ("0.1234567890123456789", Decimal("0.1234567890123456789")), ("1e400", Decimal("1e400")),
        ('"true"', "true"), ("'12'", "12"), ('"\\u0000"', "\0"),
    ],
)  # fmt: skip
def test_json_scalars_are_what_they_are(text: str, expected: Any) -> None:
    found = value(f"key: {text}")["key"]
    assert (found, type(found)) == (expected, type(expected))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc:-#*&!{}[] ", max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_every_json_text_is_yaml_with_the_same_meaning(wanted: Any) -> None:
    assert value(written(wanted)) == wanted


@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), json_values, min_size=1))
def test_marks_point_at_keys_and_values(wanted: dict[str, Any]) -> None:
    text = "\n".join(f"{key}:   {written(held)}" for key, held in wanted.items())
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    lines = text.split("\n")
    for key, held in wanted.items():
        mark = document.keys[(key,)]
        assert lines[mark.line - 1][mark.column - 1 :].startswith(f"{key}:")
        mark = document.values[(key,)]
        assert lines[mark.line - 1][mark.column - 1 :] == written(held)


def written(held: Any) -> str:
    return json.dumps(held, ensure_ascii=False)


NESTED = """\
rules:
- name: 'a'
  match: {type: imm:*, data: {"x": [1, deep]}}
  where: "a\\"b"
  text: |
    two
    lines
  folded: >
    one
    line
  single: 'a''b''c'
  coded: "\\u00e4\\x41b"
"""


def test_a_place_is_the_nearest_that_is_written() -> None:
    document, _ = read(NESTED.encode(), "x.yml")
    match = ("rules", 0, "match")
    assert document.place((*match, "data", "x", 1))[:2] == (3, 40)
    assert document.place((*match, "data", "x"), key=True)[:2] == (3, 31)
    assert document.place((*match, "data", "x", 1, "gone"))[:2] == (3, 40)
    assert document.place(("rules", 0, "gone"), key=True)[:2] == (2, 3)
    assert document.place(("gone",)) == Mark(1, 1)
    assert document.at((*match, "data", "x", 1)) == "deep"


@pytest.mark.parametrize(
    ("path", "offset", "place"),
    [
        (("rules", 0, "match", "type"), 3, (3, 20)),  # plain: straight on
        (("rules", 0, "name"), 0, (2, 10)),  # behind its quote
        (("rules", 0, "where"), 1, (4, 12)),  # an escape is one character
        (("rules", 0, "where"), 2, (4, 14)),
        (("rules", 0, "single"), 3, (11, 16)),
        (("rules", 0, "coded"), 2, (12, 21)),
        (("rules", 0, "text"), 0, (6, 5)),  # a block: below, behind its indentation
        (("rules", 0, "text"), 5, (7, 6)),
        (("rules", 0, "folded"), 5, (8, 11)),  # lines that do not stand as they read
    ],
)
def test_an_offset_is_found_in_texts_that_stand_as_they_read(
    path: tuple[str | int, ...], offset: int, place: tuple[int, int]
) -> None:
    document, _ = read(NESTED.encode(), "x.yml")
    assert document.place(path, offset=offset)[:2] == place


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3", "x.yml:3:1: error: the key 'a' is written twice; the first one is in line 1"),
        ("1: x", 'x.yml:1:1: error: a key is a text, and 1 is none; write "1"'),
        ("true: x", 'x.yml:1:1: error: a key is a text, and true is none; write "true"'),
        ("? \n: x", 'x.yml:1:2: error: a key is a text, and nothing is none; write ""'),
        ("a: {{ data.x }}", ("x.yml:1:5: error: a key is a text; "
         "put a text that begins with {{, { or [ in quotes")),
        (
            "b: &b {x: 1}\na:\n  <<: *b",
            ("x.yml:3:3: error: merge keys (<<) are not read here; "
            "repeat a whole value by an alias, or write the keys out"),
        ),
        ("a: !env X", "x.yml:1:4: error: tags such as '!env' mean nothing here; put the text in quotes"),
        ("a: !!int 3", "x.yml:1:4: error: tags such as '!!int' mean nothing here; put the text in quotes"),
        ("a: !!set {x}", "x.yml:1:4: error: tags such as '!!set' mean nothing here; leave it out"),
        ("a: 1\n---\nb: 2", ("x.yml:2:1: error: a file holds one document, and here begins another; "
         "remove the line ---, or make two files of it")),
        ("a:\n\tb: 1", "x.yml:2:1: error: a tab cannot stand here; indent with spaces"),
        ("a: *foo", ("x.yml:1:4: error: in YAML, '*' at the beginning of a value means an alias, and this "
         "one is not defined; put a text that begins with * in quotes")),
        ("a: b: c", ("x.yml:1:5: error: a second ':' in one value; "
         "put a text that holds ': ' in quotes, or check the indentation")),
        ("a: [1, 2", "x.yml:1:4: error: this list is not closed; a ',' or a ']' is missing"),
        ("a: {b: 1", "x.yml:1:4: error: this mapping is not closed; a ',' or a '}' is missing"),
        ("a: {\n", "x.yml:1:4: error: this mapping is not closed; a ',' or a '}' is missing"),
        ("a: {b: [\n", "x.yml:1:8: error: this list is not closed; a ',' or a ']' is missing"),
        (
            "a:\n  b: {c: [{d: 1}]\n  e: 1\nf: 2\n",
            ("x.yml:2:6: error: this mapping is not closed: line 3 is no part of it; "
             "a ',' or a '}' is missing"),
        ),
        (
            "a: [1, 2\nb: 3\n",
            "x.yml:1:4: error: this list is not closed: line 2 is no part of it; a ',' or a ']' is missing",
        ),
        ("a: {b: 1 c: 2}\n", "x.yml:1:11: error: this mapping is not closed; a ',' or a '}' is missing"),
        ("a: [1, , 2]\n", "x.yml:1:8: error: a value is missing here; write it, or remove the ',' before it"),
        ("x: 1\na: 'b", "x.yml:2:4: error: a quote is not closed; close it with the quote it began with"),
        ('a: "\\d"', ("x.yml:1:5: error: in double quotes, a backslash begins an escape, and this one "
         "means nothing; use single quotes, or write the backslash twice")),
        ("a: @x", "x.yml:1:4: error: a value cannot begin with '@'; put the text in quotes"),
        ("a: &a [*a]", ("x.yml:1:4: error: an alias cannot stand inside the value it repeats; "
         "write the value out")),
        (f"a: {'9' * 5000}", "x.yml:1:4: error: this number is too large; put it in quotes if it is a text"),
        ("a: 1e99999999999999999999",
         "x.yml:1:4: error: this number is too large; put it in quotes if it is a text"),
        ("a: \0", ('x.yml:1:4: error: the character U+0000 cannot stand in YAML; '
         'in double quotes, write it as an escape: "\\u0000"')),
        (b"a: 1\nb: \xff", "x.yml:2:4: error: this is not UTF-8; save the file as UTF-8"),
        ("é: x".encode("utf-16"), "x.yml:1:1: error: this is not UTF-8; save the file as UTF-8"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_where(text: str | bytes, complaint: str) -> None:
    assert complaints(text) == [complaint]


def test_everything_wrong_with_a_file_is_told_at_once() -> None:
    assert len(complaints("a: !x 1\n2: 3\na: 4\nb:\n  <<: c")) == 4


def test_a_shared_block_is_fine() -> None:
    assert value("a: &x {k: [1]}\nb: *x\nc: [*x, *x]") == {
        "a": {"k": [1]},
        "b": {"k": [1]},
        "c": [{"k": [1]}, {"k": [1]}],
    }


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (complaint,) = complaints("\n".join(lines))
    assert f"aliases repeat more than {REPEATED_NODES:,} values" in complaint


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_depth_is_bounded(opening: str) -> None:
    closing = {"[": "]", "{a: ": "}"}[opening]
    assert complaints(opening * (DEPTH - 1) + "x" + closing * (DEPTH - 1)) == []
    for depth in (DEPTH + 1, 300_000):
        (complaint,) = complaints(opening * depth)
        assert f"nested deeper than {DEPTH} levels" in complaint


def test_a_byte_order_mark_moves_no_column() -> None:
    document, _ = read(b"\xef\xbb\xbfa: 1", "x.yml")
    assert (document.value, document.keys[("a",)][:2]) == ({"a": 1}, (1, 1))


def test_columns_count_characters_not_bytes() -> None:
    document, _ = read("{é: 1, 锄禾: 2}".encode(), "x.yml")
    assert document.keys[("锄禾",)][:2] == (1, 8)


def test_an_error_without_a_place_is_told_at_the_top() -> None:
    assert explain(yaml.YAMLError("it is odd"), "") == ((1, 1), "this is not YAML: it is odd", "")


def test_an_empty_file_has_no_value() -> None:
    for text in ("", "# nothing\n", "---\n"):
        assert value(text) is None


FAULTS = [
    "a:\n\tb: 1",
    "a: *foo",
    "a: b: c",
    "a: [1, 2",
    "a: {b, c",
    "a: @x",
    "a: &a [*a]",
    "a: 'x",
    "a: 1\n---\nb: 2",
]


def test_pure_python_yaml_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with_libyaml = read(NESTED.encode(), "x.yml"), [complaints(fault) for fault in FAULTS]
    monkeypatch.setattr(ours, "_Loader", ours.loader_on(yaml.SafeLoader))
    without = read(NESTED.encode(), "x.yml"), [complaints(fault) for fault in FAULTS]
    assert without[0] == with_libyaml[0]
    for here, there in zip(without[1], with_libyaml[1], strict=True):
        assert here[0].split(": error: ")[1] == there[0].split(": error: ")[1]
