"""The page on sources is true: every kind, path and key stands in it, and its examples load."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.config.report import Report
from router.config.yaml import read
from router.main import SOURCES
from router.rules.load import load
from router.settings import read_settings
from router.targets.registry import installed_kinds
from tests.signatures.certificates import certificate, private_key

PAGE = (Path(__file__).parents[2] / "router/sources/README.md").read_text(encoding="utf-8")
COMMON = {"kind", "path", "public_url", "strict", "token", "tokens", "keys"}


def section(kind: str) -> str:
    _, _, found = PAGE.partition(f"\n## `{kind}`")
    found, _, _ = found.partition("\n## ")
    return found


@pytest.mark.parametrize("kind", SOURCES)
def test_it_says_where_each_kind_listens(kind: str) -> None:
    paths = ", ".join(f"`{path}`" for path in SOURCES[kind]().paths)
    assert f"| `{kind}` | {paths} |" in PAGE


@pytest.mark.parametrize("kind", SOURCES)
def test_it_explains_every_key_of_each_kind(kind: str) -> None:
    for name, field in SOURCES[kind].shape.model_fields.items():
        key = field.alias or name
        page = PAGE if key in COMMON else section(kind)
        assert re.search(rf"^\| (?:`\w+`, )*`{key}`[ ,]", page, re.MULTILINE), key


def fences() -> Iterator[str]:
    for indent, text in re.findall(r"^( *)```yaml\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL):
        yield textwrap.dedent(indent + text)


CONFIGURATION = re.compile(r"^(sources|rules|targets):", re.MULTILINE)
REST = "rules: [{name: any, match: {type: x}, targets: [console, shop]}]"
TARGETS = "targets: {console: {log: {}}, shop: {log: {}}}"


@pytest.mark.parametrize("text", [text for text in fences() if CONFIGURATION.search(text)])
def test_its_examples_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_bytes(certificate(private_key()))
    report = Report()
    rest = [part for part in (REST, TARGETS) if f"{part.partition(':')[0]}:\n" not in text]
    documents = []
    for name, part in (("example.yml", text), *((f"{number}.yml", part) for number, part in enumerate(rest))):
        document, problems = read(part.encode(), str(tmp_path / name))
        assert problems == []
        documents.append(document)
    environ = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", text), "made-up")
    read_settings(documents, SOURCES, environ, report)
    load(documents, installed_kinds(), environ, report)
    assert list(map(str, report.errors)) == []


def test_every_example_is_tried() -> None:
    assert len(list(fences())) >= len(SOURCES)
