"""The specification's examples are true, and every operator has some."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from router.events import Event, EventError
from router.patterns import Pattern, PatternError, jsontext, match, parse, parse_rule, structure
from router.patterns.operators import EXCLUDING, OPERATORS, RULE_OPERATORS
from router.patterns.parse import LONGEST

PAGE = (Path(__file__).parents[2] / "router" / "patterns" / "README.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"```(json|yaml)\n(.*?)\n```\n```text\n(.*?)\n```", re.DOTALL)
LINE = re.compile(r"(match|no match|error) +(.+)")


class Example(NamedTuple):
    form: str
    pattern: str
    lines: list[str]

    def read(self) -> Pattern:
        return parse(self.pattern) if self.form == "json" else parse_rule(yaml.safe_load(self.pattern))

    def answer(self, event: str) -> str:
        pattern = self.read()
        try:
            if self.form == "json":
                return "match" if pattern.matches(event) else "no match"
            return "match" if pattern.matches_event(cloud_event(event)) else "no match"
        except EventError:
            return "error"


def cloud_event(text: str) -> Event:
    members = json.loads(text)
    payload = json.dumps(members["data"]).encode() if "data" in members else None
    if members.get("datacontenttype", "").startswith("text/"):
        payload = members["data"].encode()
    members.pop("data", None)
    known = {"id": "1", "source": "/test"}
    known |= {
        name: members.pop(name)
        for name in ("type", "source", "subject", "datacontenttype")
        if name in members
    }
    return Event(**known, data=payload, extensions=members)


EXAMPLES = [Example(form, pattern, lines.split("\n")) for form, pattern, lines in BLOCKS.findall(PAGE)]


def test_every_block_belongs_to_an_example() -> None:
    fences = PAGE.count("```")
    assert fences == 2 * (2 * len(EXAMPLES) + 1)  # and one block of Python
    assert len(EXAMPLES) > 50


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: " ".join(example.pattern.split()))
def test_example(example: Example) -> None:
    for line in example.lines:
        found = LINE.fullmatch(line)
        assert found, line
        expected, event = found.groups()
        if expected == "error" and not event.startswith(("{", "[")):
            with pytest.raises(PatternError) as refused:
                example.read()
            assert refused.value.reason == event
        else:
            assert (event, example.answer(event)) == (event, expected)


@pytest.mark.parametrize("operator", RULE_OPERATORS)
def test_every_operator_has_an_example_that_matches_one_that_does_not_and_a_section(operator: str) -> None:
    section = re.search(rf"### `{operator}`\n(.*?)(?=\n##|\n\*\*|\Z)", PAGE, re.DOTALL)
    assert section
    assert f'"{operator}"' in section[1] or f"{operator}:" in section[1]
    assert "\nmatch " in section[1]
    assert "\nno match " in section[1]


def operators_in(value: Any) -> Iterator[str]:
    """The operators of a pattern; what stands in one with its name, as in `prefix/equals-ignore-case`."""
    if isinstance(value, list):
        for one in value:
            yield from operators_in(one)
    elif isinstance(value, dict):
        for key, below in value.items():
            if key in (*RULE_OPERATORS, "$or"):
                yield key
                if isinstance(below, dict):
                    yield from (f"{key}/{name}" for name in operators_in(below))
            yield from operators_in(below)


COMBINED = [f"{affix}/equals-ignore-case" for affix in ("prefix", "suffix")] + [
    f"anything-but/{name}" for name in EXCLUDING
]


@pytest.mark.parametrize(
    ("form", "operator"),
    [(form, name) for form in ("json", "yaml") for name in (*OPERATORS, *COMBINED, "$or")]
    + [("yaml", "contains")],
)
def test_every_operator_is_shown_in_both_forms(form: str, operator: str) -> None:
    """With an event that matches and one that does not."""
    shown = [
        example.lines
        for example in EXAMPLES
        if example.form == form and operator in operators_in(yaml.safe_load(example.pattern))
    ]
    assert any(
        {"match", "no match"} <= {line[: line.index("{")].strip() for line in lines if "{" in line}
        for lines in shown
    )


def test_a_refusal_reads_as_the_page_says() -> None:
    pattern = '{"a": []}'
    with pytest.raises(PatternError) as refused:
        parse(pattern)
    reason, place = refused.value.message.split("\n ")
    page = " ".join(PAGE.split())
    assert f"`{reason}`, then `{place}`" in page


def test_the_limits_are_those_of_the_code() -> None:
    limits = re.search(r"## Limits\n(.*?)\n## ", PAGE, re.DOTALL)
    assert limits
    numbers = [int(cell.replace(",", "")) for cell in re.findall(r"\| ([\d,]+) \|", limits[1])]
    assert numbers == [
        LONGEST,
        structure.MOST_FIELDS,
        structure.MOST_BRANCHES,
        jsontext.DEEPEST,
        structure.MOST_GAPS,
        structure.MOST_GAPS_IN_FIELD,
        match.MOST_STEPS,
    ]
