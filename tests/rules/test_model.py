"""Where events go."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.files import read_files
from router.config.report import Report
from router.events import Event
from router.rules.load import load
from router.rules.model import Deployment, routes_of
from router.store.base import Route
from router.targets.registry import installed_kinds
from tests.rules.conftest import TARGETS, Deploy


def event(type: str = "t", data: Any = None, **attributes: Any) -> Event:  # noqa: A002 -- its name in CloudEvents
    payload = None if data is None else json.dumps(data).encode()
    return Event(id="1", source="s", type=type, data=payload, **attributes)


def names(deployment: Deployment, sent: Event) -> list[str]:
    return [rule.name for rule in deployment.matching(sent)]


def loaded(text: str) -> Deployment:
    """A deployment where a fixture cannot be: made for each example."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "d.yml"
        file.write_text(text)
        report = Report()
        deployment = load(read_files([file], report), installed_kinds(), {}, report)
    assert deployment is not None
    return deployment


def test_every_matching_rule_sends_in_the_order_of_the_configuration(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - {name: c, match: {type: x}, targets: [two, one]}
  - {name: a, match: {type: [x, y]}, targets: [three]}
  - {name: b, match: {type: z}, targets: [one]}
""")
    assert deployment.route(event("x")) == (
        Route("two", "", ("c",)),
        Route("one", "", ("c",)),
        Route("three", "", ("a",)),
    )
    assert deployment.route(event("y")) == (Route("three", "", ("a",)),)
    assert deployment.route(event("w")) == ()


def test_the_same_body_to_the_same_target_is_one_route_that_names_both(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - name: a
    match: {type: x}
    targets: [one, {target: two, transform: {json: {k: 1, l: 2}}}]
  - name: b
    match: {type: x}
    targets: [{target: two, transform: {json: {l: 2, k: 1}}}, {target: two, transform: {text: other}}, one]
""")
    one, same, other = deployment.route(event("x"))
    assert (one, same.rules, other.rules) == (Route("one", "", ("a", "b")), ("a", "b"), ("b",))
    assert same.variant != other.variant
    assert {len(same.variant), len(other.variant)} == {12}


def test_one_rule_that_says_a_target_twice_is_named_once(deploy: Deploy) -> None:
    deployment = deploy("rules: [{name: a, match: {type: x}, targets: [one, {target: one}]}]")
    assert deployment.route(event("x")) == (Route("one", "", ("a",)),)


def test_backstops_get_only_what_no_other_rule_matched(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - {name: all, backstop: true, targets: [one]}
  - {name: x, match: {type: x}, targets: [two]}
  - {name: some, backstop: true, match: {type: "z*"}, targets: [two]}
""")
    assert names(deployment, event("x")) == ["x"]
    assert names(deployment, event("y")) == ["all"]
    assert names(deployment, event("zz")) == ["all", "some"]


def test_globs_and_exact_values(deploy: Deploy) -> None:
    deployment = deploy(
        "rules: [{name: a, match: {type: imm:Task:*, data: {Suggestion: block}}, targets: [one]}]"
    )
    assert names(deployment, event("imm:Task:VideoModeration", {"Suggestion": "block"})) == ["a"]
    assert names(deployment, event("imm:Task:VideoModeration", {"Suggestion": "pass"})) == []
    assert names(deployment, event("imm:Binding:Task", {"Suggestion": "block"})) == []


def test_text_that_other_yaml_takes_for_booleans_and_numbers_matches_as_text(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - {name: norway, match: {data: {country: no}}, targets: [one]}
  - {name: octal, match: {data: {code: 012}}, targets: [one]}
  - {name: day, match: {data: {day: 2024-01-01}}, targets: [one]}
  - {name: "true", match: {data: {is: true}}, targets: [one]}
""")
    assert names(deployment, event(data={"country": "no"})) == ["norway"]
    assert names(deployment, event(data={"country": False})) == []
    assert names(deployment, event(data={"code": "012"})) == ["octal"]
    assert names(deployment, event(data={"day": "2024-01-01"})) == ["day"]
    assert names(deployment, event(data={"is": True})) == ["true"]


WHERE = """
rules:
  - name: a
    match: {type: x}
    where: length(data.frames) > `1`
    targets: [one]
"""


def test_where_is_asked_after_match(deploy: Deploy) -> None:
    deployment = deploy(WHERE)
    assert names(deployment, event("x", {"frames": [1, 2]})) == ["a"]
    assert names(deployment, event("x", {"frames": [1]})) == []


def test_where_that_fails_is_a_no_match_and_is_told(deploy: Deploy) -> None:
    told: list[tuple[str, str]] = []
    deployment = deploy(WHERE)
    assert deployment.route(event("x", {"frames": 5}), lambda *said: told.append(said)) == ()
    assert deployment.route(event("y", {"frames": 5}), lambda *said: told.append(said)) == ()
    assert [rule for rule, _ in told] == ["a"]
    assert "'length(data.frames) > `1`'" in told[0][1]


@pytest.mark.parametrize("payload", [b'{"frames": "\\ud800"}', b"[" * 3000 + b"]" * 3000, b"not json"])
def test_no_payload_crashes_a_rule(deploy: Deploy, payload: bytes) -> None:
    told: list[str] = []
    deployment = deploy(WHERE + "  - {name: b, match: {data: {deep: 1}}, targets: [one]}\n")
    sent = Event(id="1", source="s", type="x", data=payload)
    assert deployment.route(sent, lambda rule, _: told.append(rule)) == ()
    assert "a" in told


REMEMBERING = """
rules:
  - {name: x, match: {data: {x: 1}}, targets: [one]}
  - {name: asked, match: {data: {y: 1}}, where: "data.really", targets: [two]}
  - {name: last, backstop: true, match: {data: {z: 1}}, targets: [one]}
  - {name: last-asked, backstop: true, match: {data: {w: 1}}, where: "data.really", targets: [three]}
  - {name: rest, backstop: true, targets: [three]}
"""

_payloads = st.dictionaries(st.sampled_from("xyzw"), st.integers(1, 2)).flatmap(
    lambda asked: st.booleans().map(lambda really: {**asked, "really": really})
)


@given(st.lists(_payloads, max_size=12))
def test_where_an_event_goes_depends_on_no_earlier_event(payloads: list[dict[str, object]]) -> None:
    deployment = loaded(TARGETS + REMEMBERING)
    for payload in payloads:
        sent = event(data=payload)
        assert deployment.route(sent) == routes_of(deployment.matching(sent)) == expected(payload)


def expected(payload: dict[str, object]) -> tuple[Route, ...]:
    """By the letter of `REMEMBERING`."""
    ways = {"x": "one"} if payload.get("x") == 1 else {}
    if payload.get("y") == 1 and payload["really"]:
        ways["asked"] = "two"
    if not ways:
        ways = {"last": "one"} if payload.get("z") == 1 else {}
        if payload.get("w") == 1 and payload["really"]:
            ways["last-asked"] = "three"
        ways["rest"] = "three"
    targets = dict.fromkeys(ways.values())
    return tuple(
        Route(target, "", tuple(name for name, to in ways.items() if to == target)) for target in targets
    )


def test_more_choices_of_rules_than_are_remembered_go_where_they_should(deploy: Deploy) -> None:
    rules = "".join(
        f"  - {{name: r{n}, match: {{data: {{k{n}: 1}}}}, targets: [{target}]}}\n"
        for n, target in enumerate(["one", "two", "three"] * 6)
    )
    deployment = deploy("rules:\n" + rules)
    for choice in [*range(1_100), 2**18 - 1, 5]:
        sent = event(data={f"k{n}": 1 for n in range(18) if choice >> n & 1})
        assert deployment.route(sent) == routes_of(deployment.matching(sent))
        assert {rule for route in deployment.route(sent) for rule in route.rules} == {
            f"r{n}" for n in range(18) if choice >> n & 1
        }


def test_attributes_match_and_show_as_text(deploy: Deploy) -> None:
    deployment = deploy("""
rules:
  - {name: number, match: {priority: 5}, targets: [one]}
  - {name: text, match: {priority: "5"}, targets: [one]}
  - {name: where, match: {type: t}, where: "priority == '5'", targets: [one]}
""")
    for value in (5, "5"):
        assert names(deployment, event(extensions={"priority": value})) == ["number", "text", "where"]


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.booleans(), st.sampled_from(["one", "two"])), max_size=6)
)
def test_routes_are_what_the_rules_say(rules: list[tuple[str, bool, str]]) -> None:
    written = {
        "targets": {"one": {"log": {}}, "two": {"log": {}}},
        "rules": [
            {"name": f"r{n}", "match": {"type": kind}, "backstop": backstop, "targets": [target]}
            for n, (kind, backstop, target) in enumerate(rules)
        ],
    }
    deployment = loaded(json.dumps(written))
    for kind in "xyz":
        asked = [
            (f"r{n}", target) for n, (of, backstop, target) in enumerate(rules) if of == kind and not backstop
        ]
        asked = asked or [
            (f"r{n}", target) for n, (of, last, target) in enumerate(rules) if of == kind and last
        ]
        expected = {target: tuple(name for name, to in asked if to == target) for _, target in asked}
        assert {route.target: route.rules for route in deployment.route(event(kind))} == expected
