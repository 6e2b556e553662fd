"""Laws of reading YAML: what a writer wrote is what we read, where we say it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from router.config.problems import Path
from router.config.yaml import read

NUMBER = re.compile(r"-?\d+[eE]")  # a number in JSON and a text in YAML 1.1, which PyYAML writes

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]), max_size=12).filter(
    lambda text: not NUMBER.match(text)
)
tricky = st.sampled_from(
    ["no", "on", "~", "012", "1_000", "0x1F", "1:30", "2024-01-01", "true", "null", "", "<<"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
    | tricky
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | tricky, inner, max_size=3),
    max_leaves=10,
)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    if isinstance(value, dict):
        for key, held in value.items():
            yield from walk(held, (*path, key))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from walk(held, (*path, index))


@given(documents, st.sampled_from([None, False, True]), st.sampled_from([None, "'", '"']))
def test_what_another_writer_wrote_is_what_we_read(value: Any, flow: bool | None, style: str | None) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, default_style=None, allow_unicode=True, width=40)
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    assert document.value == value
    quoted = yaml.safe_dump(str(value), default_style=style, allow_unicode=True)
    assert read(quoted.encode(), "x.yml")[0].value == str(value)


@given(documents)
def test_everything_has_a_place_and_what_stands_there_is_it(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    lines = text.split("\n")
    document, problems = read(text.encode(), "x.yml")
    assert problems == []
    for path, held in walk(value):
        mark = document.values[path]
        first_line = json.dumps(held, ensure_ascii=False, indent=2).split("\n")[0]
        assert lines[mark.line - 1][mark.column - 1 :].startswith(first_line)
        if path and isinstance(path[-1], str):
            key = document.keys[path]
            assert lines[key.line - 1][key.column - 1 :].startswith(json.dumps(path[-1], ensure_ascii=False))


@given(words.filter(lambda text: json.dumps(text, ensure_ascii=False) == f'"{text}"'), st.data())
def test_an_offset_leads_to_its_character(text: str, data: st.DataObject) -> None:
    written = f'key:   "{text}"'
    document, _ = read(written.encode(), "x.yml")
    for offset in range(len(text)):
        mark = document.place(("key",), offset=offset)
        assert (mark.line, written[mark.column - 1]) == (1, text[offset])


@given(st.text(max_size=60))
def test_no_text_crashes_the_reader(text: str) -> None:
    document, problems = read(text.encode(errors="surrogatepass"), "x.yml")
    assert problems or document.value is None or document.values
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1
        assert problem.message


@given(st.binary(max_size=40))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    read(content, "x.yml")
