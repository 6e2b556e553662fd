"""The page on rules shows bodies that the rules beside them make."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config.expressions import compile_expression
from router.config.functions import OWN
from tests.rules.conftest import Deploy

PAGE = (Path(__file__).parents[2] / "rules/README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^```yaml\n((?:(?!```).)*?)^```\n\n```(?:text|xml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
CALLS = re.findall(r"^\| `[a-z_]+\(.*?\| `([^`]+\))` → `([^`]+)` \|$", PAGE, re.MULTILINE)
VIEW = {"time": "2026-11-22T12:30:00Z", "data": {"name": "Ada", "tags": ["a", "b"]}}


@pytest.mark.parametrize(("rules", "bodies"), EXAMPLES)
def test_the_bodies_beside_an_example_are_what_it_makes(rules: str, bodies: str, deploy: Deploy) -> None:
    (rule,) = deploy(rules, "targets: {console: {log: {}}}\n").rules
    event = rule.tests[0].event
    made = [way.transform.render(event).content.decode() for way in rule.routes if way.transform]
    assert made == bodies.splitlines()


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize(("call", "result"), CALLS)
def test_the_results_beside_calls_are_what_they_give(call: str, result: str) -> None:
    assert compile_expression(call).search(VIEW) == result


@pytest.mark.parametrize("function", sorted(OWN))
def test_every_function_of_our_own_is_on_the_page(function: str) -> None:
    assert f"`{function}(" in PAGE
