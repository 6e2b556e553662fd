"""What the page on targets says of kinds of one's own is what the example does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "plugin_example"

_, _, SECTION = (
    (ROOT / "targets" / "README.md").read_text(encoding="utf-8").partition("\n## Kinds of your own\n")
)
FENCES = re.findall(r"^```(toml|python)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(FENCES)))
def test_every_example_stands_in_the_example(number: int) -> None:
    language, text = FENCES[number]
    suffix = {"toml": "*.toml", "python": "*.py"}[language]
    files = [file.read_text(encoding="utf-8") for file in EXAMPLE.rglob(suffix)]
    assert any(text in file for file in files)


def test_there_are_examples_of_both() -> None:
    assert {language for language, _ in FENCES} == {"toml", "python"}


def test_every_name_of_the_router_in_it_exists() -> None:
    for name in re.findall(r"`(router(?:\.\w+)+)`", SECTION):
        module, _, attribute = name.rpartition(".")
        assert hasattr(__import__(module, fromlist=[attribute]), attribute), name
