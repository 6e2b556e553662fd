"""The repository's own rules and targets, and the pages beside them, are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from router.audit import keys as keys_of_audit
from router.cli.schema import schema_of
from router.config.files import read_files
from router.config.report import Report
from router.events import Event
from router.main import SOURCES
from router.patterns.operators import RULE_OPERATORS
from router.rules.load import load
from router.rules.model import Deployment
from router.rules.spec import RuleSpec, RuleTestSpec
from router.rules.testing import run_tests
from router.settings import Listen, ServerSettings, read_settings
from router.sources import verdict
from router.targets.registry import installed_kinds
from router.targets.spec import Handling, Retry
from router.transforms import KINDS
from tests.certificates import Authority

ROOT = Path(__file__).parents[2]
BUILT_IN = ("http", "file", "log")


def deployed(*paths: Path) -> Deployment:
    report = Report()
    deployment = load(read_files(paths, report), installed_kinds(), {}, report)
    # An example of rules does not use all the shipped targets.
    found = [problem for problem in report.problems if problem.code != "unused-target"]
    assert [str(problem) for problem in found] == []
    assert deployment is not None
    return deployment


@pytest.fixture(scope="module")
def shipped() -> Deployment:
    return deployed(ROOT)


def fences(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def targets(deployment: Deployment, event_type: str, data: str = "{}") -> set[str]:
    payload = json.loads(data)
    judged = verdict.imm(event_type, payload) or verdict.tencent(event_type, payload)
    event = Event(id="1", source="s", type=event_type, extensions={**judged}, data=data.encode())
    return {route.target for route in deployment.route(event)}


def test_every_rule_has_tests_of_both_kinds_and_they_pass(shipped: Deployment) -> None:
    assert [
        (result.rule.name, result.test.name, result.why) for result in run_tests(shipped) if result.why
    ] == []
    for rule in shipped.rules:
        assert {test.expect for test in rule.tests} == {"match", "no-match"}, rule.name
        assert rule.description


def test_every_target_is_used(shipped: Deployment) -> None:
    assert {way.target for rule in shipped.rules for way in rule.routes} == set(shipped.targets)


@pytest.mark.parametrize(
    "event_type", ["imm:Task:SyncTask", "com.baidubce.bos.ImageOcr", "x", "com.example.order"]
)
def test_everything_is_on_record(shipped: Deployment, event_type: str) -> None:
    assert "audit" in targets(shipped, event_type)


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("imm:Task:VideoModeration", '{"Suggestion": "block"}', {"trust-and-safety", "audit"}),
        ("imm:Task:VideoModeration", '{"Suggestion": "pass"}', {"audit"}),
        ("imm:Task:ImageModeration", '{"Suggestion": "block", "Status": "Failed"}',
         {"failed-tasks", "audit"}),
        ("imm:FileMeta:Index", '{"Success": false}', {"failed-tasks", "audit"}),
        ("com.tencentcloud.ci.TaskFinish.ImageOCR", '{"State": "Success"}', {"recognised", "audit"}),
        ("com.tencentcloud.ci.TaskFinish.ImageOCR", '{"State": "Failed"}', {"failed-tasks", "audit"}),
        ("com.tencentcloud.ci.ReviewImage", '{"Result": 1}', {"trust-and-safety", "audit"}),
        ("com.baidubce.bos.ImageClassify", "{}", {"recognised", "audit"}),
        ("com.example.order", "{}", {"audit", "console"}),
    ],
)  # fmt: skip
def test_what_goes_where(shipped: Deployment, event_type: str, data: str, expected: set[str]) -> None:
    assert targets(shipped, event_type, data) == expected


def test_without_an_environment_nothing_leaves_this_machine(shipped: Deployment) -> None:
    for spec in shipped.targets.values():
        url = getattr(spec.settings, "url", None)
        assert url is None or url.host == "127.0.0.1"


@pytest.mark.parametrize("number", range(len(fences("rules/README.md"))))
def test_every_example_of_the_page_on_rules_works(number: int, tmp_path: Path) -> None:
    file = tmp_path / "rules" / "example.yml"
    file.parent.mkdir()
    file.write_text(fences("rules/README.md")[number], encoding="utf-8")
    deployment = deployed(tmp_path, *sorted((ROOT / "targets").glob("*.yml")))
    assert [result.why for result in run_tests(deployment) if not result.passed] == []


@pytest.mark.parametrize("number", range(len(fences("targets/README.md"))))
def test_every_example_of_the_page_on_targets_works(number: int, tmp_path: Path) -> None:
    authority = Authority()
    authority.issue("router").write(tmp_path, "client")
    (tmp_path / "ca.pem").write_text(authority.pem)
    file = tmp_path / "targets.yml"
    file.write_text(fences("targets/README.md")[number], encoding="utf-8")
    keys_of_audit.make(tmp_path / "audit.key")
    report = Report()
    documents = read_files([file], report)
    read_settings(documents, SOURCES, {}, report)
    assert load(documents, installed_kinds(), {}, report) is not None
    assert [problem.code for problem in report.problems] == ["no-rules"]


@pytest.mark.parametrize("number", range(len(fences("README.md"))))
def test_every_example_of_the_first_page_works(number: int, tmp_path: Path) -> None:
    file = tmp_path / "example.yml"
    file.write_text(fences("README.md")[number], encoding="utf-8")
    deployment = deployed(file)
    assert [result.why for result in run_tests(deployment) if not result.passed] == []


def keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


@pytest.mark.parametrize(
    "key", sorted({*keys(RuleSpec), *keys(RuleTestSpec), *KINDS, *RULE_OPERATORS, "$or"})
)
def test_the_page_on_rules_explains_every_key_and_operator(key: str) -> None:
    assert f"| `{key}` |" in (ROOT / "rules/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("operator", [*RULE_OPERATORS, "$or"])
def test_the_page_on_rules_shows_every_operator_at_work(operator: str) -> None:
    assert any(f"{operator}:" in fence for fence in fences("rules/README.md"))


def test_the_page_on_targets_explains_every_kind_and_key() -> None:
    page = (ROOT / "targets/README.md").read_text(encoding="utf-8")
    registry = installed_kinds()
    for kind in BUILT_IN:
        _, _, section = page.partition(f"\n## `{kind}`\n")
        section, _, _ = section.partition("\n## ")
        assert all(f"| `{key}` |" in section for key in keys(registry.kind(kind).settings)), kind
    wanted = [*(f"retry.{key}" for key in keys(Retry)), *(key for key in keys(Handling) if key != "retry")]
    assert all(f"| `{key}` |" in page for key in wanted)


def test_the_page_explains_every_setting() -> None:
    page = (ROOT / "targets/README.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## `router.yml`")
    section, _, _ = section.partition("\n## ")
    settings = [key for key in keys(ServerSettings) if key != "listen"]
    assert all(f"| `{key}` |" in section for key in [*settings, *(f"listen.{key}" for key in keys(Listen))])


def test_the_schema_describes_every_key_of_the_router() -> None:
    schema = schema_of(installed_kinds())
    for name in ("Retry", "HttpSettings", "FileSettings", "LogSettings", "RuleSpec"):
        assert schema["$defs"][name]["description"]
