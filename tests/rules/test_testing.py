"""The rules' own tests: what fails, and why."""

from __future__ import annotations

import pytest

from router.events import EventError
from router.rules.testing import event_of, run_tests
from tests.rules.conftest import Deploy

RULE = """
rules:
  - name: a
    match:
      type: imm:Task:*
      data: {Suggestion: block, Frames: {rate: {numeric: [">", 0.8]}, label: porn}}
    where: length(data.URI) > `3`
    targets: [one]
    tests: [{event: EVENT, expect: EXPECT}]
  - name: last
    backstop: true
    targets: [one]
    tests:
      - {event: {type: imm:Task:X, data: BLOCK}, expect: no-match}
      - {event: {type: other}, expect: match}
"""

BLOCK = "{Suggestion: block, URI: oss://, Frames: [{rate: 0.9, label: porn}]}"


def why(deploy: Deploy, event: str, expect: str = "match") -> str | None:
    written = RULE.replace("EVENT", event).replace("EXPECT", expect).replace("BLOCK", BLOCK)
    first, *others = run_tests(deploy(written))
    assert all(result.passed for result in others)
    assert first.rule.name == "a"
    assert first.test.place.line == 10
    return first.why


def test_passing(deploy: Deploy) -> None:
    assert why(deploy, "{type: imm:Task:X, data: BLOCK}") is None
    assert why(deploy, "{type: imm:Binding:Task, data: BLOCK}", "no-match") is None


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("{type: imm:Binding:Task, data: BLOCK}", 'type does not meet "imm:Task:*"'),
        ("{type: imm:Task:X, data: {Suggestion: pass}}", 'data.Suggestion does not meet "block"'),
        (
            "{type: imm:Task:X, data: {Suggestion: pass, Frames: {label: porn}}}",
            "data.Frames.rate does not meet",
        ),
        (
            "{type: imm:Task:X, data: {Suggestion: block, URI: o, Frames: {rate: 1, label: porn}}}",
            "where gives false",
        ),
        ("{type: imm:Task:X, data: {Suggestion: block, Frames: {rate: 1, label: porn}}}", "length(data.URI)"),
        (
            "{type: imm:Task:X, data: {Suggestion: block, Frames: [{rate: 0.9}, {label: porn}]}}",
            "not in the same array element",
        ),
    ],
)
def test_a_missing_match_is_explained(deploy: Deploy, event: str, expected: str) -> None:
    said = why(deploy, event)
    assert said is not None
    assert said.startswith("expected match, but ")
    assert expected in said


def test_a_match_too_many(deploy: Deploy) -> None:
    assert (
        why(deploy, "{type: imm:Task:X, data: BLOCK}", "no-match")
        == "expected no-match, but the rule matches"
    )


def test_a_backstop_that_is_never_asked_is_found(deploy: Deploy) -> None:
    (result,) = run_tests(
        deploy("""
rules:
  - {name: everything, match: {type: "*"}, targets: [one]}
  - {name: last, backstop: true, targets: [two], tests: [{event: {type: x}, expect: match}]}
""")
    )
    assert result.why == "expected match, but the backstop is not asked: 'everything' matches already"


BODIES = """
rules:
  - name: a
    match: {type: x}
    targets:
      - one
      - {target: two, transform: {text: "{{ length(data.URI) }}"}}
      - {target: three, transform: {json: {n: "{{ sum(data.numbers) }}", m: "{{ data.gone }}"}}}
    tests: [{event: EVENT, expect: EXPECT}]
"""


def bodies(deploy: Deploy, event: str, expect: str = "match") -> str | None:
    (result,) = run_tests(deploy(BODIES.replace("EVENT", event).replace("EXPECT", expect)))
    return result.why


def test_bodies_are_made_of_events_that_match(deploy: Deploy) -> None:
    assert bodies(deploy, "{type: x, data: {URI: a, numbers: [1]}}") is None
    assert bodies(deploy, "{type: y}", "no-match") is None


def test_every_body_that_cannot_be_made_is_told(deploy: Deploy) -> None:
    said = bodies(deploy, "{type: x, data: {URI: a}}")
    assert said is not None
    assert said.startswith("the rule matches, but the body for 'three' cannot be made: the expression 'sum(")
    said = bodies(deploy, "{type: x}")
    assert said is not None
    assert "the body for 'two' cannot be made: the expression 'length(data.URI)' failed" in said
    assert " and the body for 'three' cannot be made: " in said


def test_an_event_may_leave_out_what_does_not_matter() -> None:
    event = event_of({"data": {"a": [1, 2.5, None]}, "subject": "x", "myextension": 7})
    assert (event.id, event.source, event.type, event.subject) == ("test", "test", "test", "x")
    assert event.extensions == {"myextension": 7}
    assert event.value() == {"a": [1, 2.5, None]}


def test_an_event_may_have_any_payload() -> None:
    assert event_of({}).data is None
    assert event_of({"datacontenttype": "text/plain", "data": "hi"}).value() == "hi"
    assert event_of({"data_base64": "aGk=", "datacontenttype": "text/plain"}).value() == "hi"


@pytest.mark.parametrize(
    "written", [{"time": "yesterday"}, {"Type": "x"}, {"id": ""}, {"priority": 1.5}, {"a": [1]}]
)
def test_what_is_no_event_is_refused(written: dict[str, object]) -> None:
    with pytest.raises(EventError):
        event_of(written)
