"""Whatever stands in a file, loading it ends in a deployment or in problems, never in a crash."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from router.cli.schema import schema_of
from router.config.files import read_document
from router.config.report import Report
from router.rules.load import load
from router.rules.testing import run_tests
from router.settings import read_settings
from router.sources.alibaba import AlibabaSource
from router.targets.registry import installed_kinds

SOUND: dict[str, Any] = {
    "rules": [
        {
            "name": "a",
            "match": {
                "type": ["imm:*", {"prefix": "x", "suffix": "y"}],
                "$or": [{"data": {"x": {"numeric": [">", 1]}}}, {"data": {"y": [{"anything-but": ["z"]}]}}],
            },
            "where": "length(data.x) > `1`",
            "targets": ["one", {"target": "two", "transform": {"json": {"t": "{{ type }}"}}}],
            "tests": [{"name": "n", "event": {"type": "imm:x", "data": {"x": 1}}, "expect": "match"}],
        },
        {
            "name": "b",
            "backstop": True,
            "targets": ["two", "three"],
            "tests": [{"event": {}, "expect": "no-match"}],
        },
    ],
    "targets": {
        "one": {"http": {"url": "http://127.0.0.1/", "headers": {"a": "${B:-c}"}}, "retry": {"for": "1h"}},
        "two": {"file": {"path": "a/{date}"}, "concurrency": 2},
        "three": {"log": {}},
    },
    "sources": {"imm": {"kind": "alibaba", "path": "/x"}},
    "settings": {"listen": {"port": 80}, "body": "1MB"},
}

VALIDATOR = Draft202012Validator(schema_of(installed_kinds()))

KEYS = ["name", "match", "data", "prefix", "$or", "", "http"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab${}*'`[.:", max_size=6) | st.sampled_from(["one", "a", "match", "1h", "{{ x", "*", "data"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every value in a document."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(spot for key, held in inner for spot in spots(held, (*path, key)))]


@settings(max_examples=300)
@given(st.sampled_from(spots(SOUND)[1:]), json_values)
def test_any_value_in_any_place(spot: tuple[Any, ...], value: Any) -> None:
    changed = copy.deepcopy(SOUND)
    here = changed
    for step in spot[:-1]:
        here = here[step]
    here[spot[-1]] = value
    text = json.dumps(changed, ensure_ascii=False, indent=1)
    report = Report()
    document = read_document(text.encode(), "x.yml", report)
    assert document is not None
    read_settings([document], {"alibaba": AlibabaSource}, {}, report)
    deployment = load([document], installed_kinds(), {}, report)
    assert (deployment is None) is bool(report.errors)
    lines = text.split("\n")
    assert all(problem.column <= len(lines[problem.line - 1]) + 1 for problem in report.problems)
    if deployment is not None:
        assert VALIDATOR.is_valid(changed), "what check takes, the schema takes"
        assert len(list(run_tests(deployment))) == sum(len(rule.tests) for rule in deployment.rules)


def test_the_sound_one_is_sound() -> None:
    report = Report()
    document = read_document(json.dumps(SOUND).encode(), "x.yml", report)
    assert document is not None
    assert load([document], installed_kinds(), {}, report) is not None
    assert report.problems == ()
