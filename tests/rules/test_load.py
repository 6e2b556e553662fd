"""Versions, their texts, and what a stored version still knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.config.files import read_document, read_files
from router.config.problems import ConfigurationProblems
from router.config.report import Report
from router.errors import ConfigurationError
from router.events import Event
from router.rules.load import load, transforms_of, version_of
from router.store.base import Route
from router.targets.registry import installed_kinds
from tests.rules.conftest import TARGETS, Deploy

RULES = """
rules:
  - name: a
    description: what it is for
    match: {type: "x*", data: {score: {numeric: [">", 0.5]}}}
    targets:
      - one
      - target: two
        transform: {json: {n: 0.10000000000000000001, t: "{{ type }}"}}
  - name: b
    match: {type: y}
    targets: [{target: two, transform: {text: "{{ id }}"}}]
"""


def test_what_is_loaded_knows_what_was_written(deploy: Deploy) -> None:
    deployment = deploy(RULES)
    rule = deployment.rules[0]
    assert (rule.name, rule.description, rule.backstop, rule.place.line) == ("a", "what it is for", False, 4)
    assert [way.target for way in rule.routes] == ["one", "two"]
    assert list(deployment.targets) == ["one", "two", "three"]


def test_the_version_is_the_hash_of_the_text(deploy: Deploy) -> None:
    deployment = deploy(RULES)
    assert deployment.version == version_of(deployment.text)
    assert len(deployment.version) == 16
    assert json.loads(deployment.text)["rules"][0]["name"] == "a"


def test_versions_and_variants_stay_the_same_from_release_to_release(deploy: Deploy) -> None:
    """What is stored names them: whoever changes how they are made leaves old deliveries without bodies."""
    deployment = deploy(
        "rules: [{name: a, match: {type: x}, targets: [{target: one, transform: {text: b}}]}]"
    )
    assert deployment.text == (
        '{"rules":[{"name":"a","match":{"type":"x"},"targets":[{"target":"one","transform":{"text":"b"}}]}],'
        '"targets":{"one":{"log":{}},"two":{"log":{}},"three":{"log":{}}}}'
    )
    assert deployment.version == "b7797d203a7df7a8"
    assert deployment.rules[0].routes[0].variant == "7b8de1c2be81"


def test_the_version_ignores_how_it_is_written_and_where(deploy: Deploy) -> None:
    assert deploy(RULES).version == deploy("# a remark\n" + RULES.replace("[one,", "[ one ,")).version


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("type: y", "type: z"),
        ("name: b", "name: c"),
        ("[{target: two, transform", "[one, {target: two, transform"),
    ],
)
def test_the_version_changes_with_the_content(deploy: Deploy, before: str, after: str) -> None:
    assert deploy(RULES).version != deploy(RULES.replace(before, after)).version


def test_the_version_changes_with_the_targets(deploy: Deploy) -> None:
    assert (
        deploy(RULES).version
        != deploy(RULES, TARGETS.replace("one: {log: {}}", "one: {log: {level: debug}}")).version
    )


def test_the_environment_is_neither_in_the_version_nor_in_its_text(deploy: Deploy) -> None:
    targets = 'targets: {one: {http: {url: "${URL}"}}, two: {log: {}}}\n'
    here, there = (
        deploy(RULES, targets, {"URL": f"http://127.0.0.1/{name}"}) for name in ("hunter1", "hunter2")
    )
    assert here.version == there.version
    assert "hunter" not in here.text
    assert here.targets != there.targets


def test_rules_know_no_environment(deploy: Deploy) -> None:
    deployment = deploy("rules: [{name: a, match: {type: '${HOME}'}, targets: [one]}]", environ={"HOME": "x"})
    assert deployment.route(Event(id="1", source="s", type="${HOME}"))
    assert not deployment.route(Event(id="1", source="s", type="x"))


def test_a_stored_version_still_makes_its_bodies(deploy: Deploy) -> None:
    deployment = deploy(RULES)
    transforms = transforms_of(deployment.text)
    sent = Event(id="7", source="s", type="xy", data=b'{"score": 1}')
    assert set(transforms) == {
        way.variant for rule in deployment.rules for way in rule.routes if way.transform is not None
    }
    variant = deployment.route(sent)[1].variant
    assert transforms[variant].render(sent).content == b'{"n":0.10000000000000000001,"t":"xy"}'


def test_bodies_have_their_keys_in_the_order_in_which_they_are_written(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - name: a
    match: {type: x}
    targets: [{target: one, transform: {json: {title: "{{ type }}", body: {z: 1, a: 2}, at: 3}}}]
""")
    sent = Event(id="7", source="s", type="x")
    (stored,) = transforms_of(deployment.text).values()
    assert stored.render(sent).content == b'{"title":"x","body":{"z":1,"a":2},"at":3}'
    assert deployment.rules[0].routes[0].transform is not None
    assert deployment.rules[0].routes[0].transform.render(sent) == stored.render(sent)


def test_a_template_that_names_its_rule_makes_a_body_for_each(deploy: Deploy) -> None:
    way = "{target: one, transform: {input_transformer: {input_template: <aws.events.rule-name>}}}"
    rules = "".join(f"  - {{name: {name}, match: {{type: x}}, targets: [{way}]}}\n" for name in ("a", "b"))
    deployment = deploy(f"rules:\n{rules}")
    event = Event(id="1", source="s", type="x")
    transforms = transforms_of(deployment.text)
    routes = deployment.route(event)
    made = {route.rules: transforms[route.variant].render(event).content for route in routes}
    assert made == {("a",): b'"a"', ("b",): b'"b"'}


def test_a_version_without_transforms_has_none(deploy: Deploy) -> None:
    assert transforms_of(deploy("rules: [{name: a, match: {type: x}, targets: [one]}]").text) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": 5}', '{"rules": [5]}', '{"rules": [{}]}'])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="no configuration version"):
        transforms_of(text)


def test_a_transform_of_a_later_day_is_refused() -> None:
    text = '{"rules": [{"targets": [{"target": "a", "transform": {"xslt": "x"}}]}]}'
    with pytest.raises(ConfigurationError, match="there is no transform 'xslt'"):
        transforms_of(text)


def test_numbers_and_booleans_of_attributes_in_tests_are_texts(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - name: a
    match: {specversion: "1.0", subject: "5", flag: true}
    targets: [one]
    tests: [{event: {specversion: 1.0, subject: 5, flag: true}, expect: match}]
""")
    assert deployment.route(deployment.rules[0].tests[0].event)


def test_without_an_environment_rules_can_be_asked_and_no_target_is_there() -> None:
    report = Report()
    document = read_document(b"""
rules: [{name: a, match: {type: x}, targets: [one]}]
targets: {one: {http: {url: "${URL}", headers: {a: "${A}", b: "${"}}, concurrency: "${N}"}}
""", "x.yml", report)  # fmt: skip
    assert document is not None
    deployment = load([document], installed_kinds(), None, report)
    assert deployment is not None
    assert (report.problems, deployment.targets) == ((), {})
    assert deployment.route(Event(id="1", source="s", type="x")) == (Route("one", "", ("a",)),)


RULE_FOR_CONSOLE = "rules: [{name: a, match: {type: x}, targets: [console]}]"


@pytest.mark.parametrize(
    "targets",
    [
        "targets: {console: {log: {}}",
        "targets: [console]",
        "targets: !all {console: {log: {}}}",
        "targets: {<<: {console: {log: {}}}}",
        "target: {console: {log: {}}}",
        "[console]",
        "{{ x }}: 1",
        "targets: {other: {log: {}}}\ntargets: {console: {log: {}}}",
    ],
)
def test_what_stands_where_nothing_can_be_read_is_not_called_unknown(tmp_path: Path, targets: str) -> None:
    (tmp_path / "rules.yml").write_text(RULE_FOR_CONSOLE)
    (tmp_path / "targets.yml").write_text(targets)
    report = Report()
    documents = read_files([tmp_path / "rules.yml", tmp_path / "targets.yml"], report)
    assert load(documents, installed_kinds(), {}, report) is None
    assert {Path(problem.file).name for problem in report.problems} == {"targets.yml"}


def test_a_file_that_is_not_there_may_have_the_targets(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULE_FOR_CONSOLE)
    report = Report()
    documents = read_files([tmp_path / "rules.yml", tmp_path / "gone.yml"], report)
    assert load(documents, installed_kinds(), {}, report) is None
    assert [problem.message for problem in report.problems] == ["no such file or folder"]


def test_with_errors_there_is_no_deployment(deploy: Deploy) -> None:
    with pytest.raises(ConfigurationProblems) as broken:
        deploy(RULES.replace("[one", "[on").replace("type: y", "Type: y"))
    assert [problem.code for problem in broken.value.problems] == ["pattern"]
