"""Why a pattern does or does not match."""

from __future__ import annotations

import json
from typing import Any

import pytest

from router.events import Event
from router.patterns import EventError, Verdict, explain, parse, parse_rule
from router.patterns.nodes import Place


def only_failing(pattern: dict[str, Any], event: dict[str, Any]) -> Verdict:
    (verdict,) = explain(parse(pattern), event).failing
    return verdict


def test_every_leaf_has_a_verdict() -> None:
    explanation = explain(
        parse('{"source": ["a", {"prefix": "b"}],\n "detail": {"n": [{"numeric": [">", 1e0]}]}}'),
        '{"source": "bx", "detail": {"n": [0.50, "2"]}}',
    )
    assert explanation.matched is False
    assert explanation.verdicts == (
        Verdict(
            path="detail.n",
            condition='[{"numeric": [">", 1e0]}]',
            place=Place(("detail", "n"), 2, 18),
            found=("0.50", '"2"'),
            matched=False,
            near='"2" is a string in the event, a number in the pattern',
        ),
        Verdict(
            path="source",
            condition='["a", {"prefix": "b"}]',
            place=Place(("source",), 1, 12),
            found=('"bx"',),
            matched=True,
        ),
    )
    assert explanation.failing == explanation.verdicts[:1]


def test_a_match_has_no_failing_leaf() -> None:
    explanation = explain(parse({"a": [1, 2]}), {"a": 2})
    assert explanation.matched
    assert explanation.failing == ()


@pytest.mark.parametrize(
    ("conditions", "value", "near"),
    [
        (["block"], "Block", '"Block" differs only in case'),
        ([{"prefix": "acs:"}], "ACS:oss", '"ACS:oss" differs only in case'),
        ([{"suffix": ".png"}], "a.PNG", '"a.PNG" differs only in case'),
        ([{"wildcard": "*.p*g"}], "a.PNG", '"a.PNG" differs only in case'),
        (["x", "block"], "block ", '"block " differs only in the white space around it'),
        ([7], "7", '"7" is a string in the event, a number in the pattern'),
        (["7"], 7, "7 is a number in the event, a string in the pattern"),
        ([True], "true", '"true" is a string in the event, a boolean in the pattern'),
        (["true"], True, "true is a boolean in the event, a string in the pattern"),
        ([None], "null", '"null" is a string in the event, null in the pattern'),
        ([{"numeric": ["<", 9]}], "8", '"8" is a string in the event, a number in the pattern'),
        ([{"numeric": ["<", 9]}], 9, None),
        (
            [{"numeric": ["<", 9]}],
            10**30 + 1,
            f"{10**30 + 1} cannot be compared: a double does not hold it exactly",
        ),
        ([{"cidr": "10.0.0.0/8"}], "host", '"host" is not an IP address'),
        ([{"cidr": "10.0.0.0/8"}], "11.0.0.1", None),
        ([{"anything-but": ["a", "b"]}], "b", '"b" is excluded'),
        ([{"exists": False}], None, "it is there: null"),
        (["block"], "pass", None),
        (["block"], ["pass", "BLOCK"], '"BLOCK" differs only in case'),
        (["block"], [], "a is there, but empty"),
        (["block"], {"b": 1, "c": 2}, "a is an object, with b, c; conditions look at single values"),
        ([{"exists": True}], {"b": 1}, "a is an object, with b; conditions look at single values"),
    ],
    ids=json.dumps,
)
def test_what_was_there_instead(conditions: list[Any], value: Any, near: str | None) -> None:
    verdict = only_failing({"a": conditions}, {"a": value})
    assert (verdict.path, verdict.near) == ("a", near)


@pytest.mark.parametrize(
    ("event", "near"),
    [
        (
            {"data": {"suggestion": "block"}},
            "there is no Suggestion in data, but suggestion: names differ in case",
        ),
        ({"data": {"Sugestion": "block"}}, "there is no Suggestion in data, but Sugestion"),
        ({"data": {"x": 1}}, "there is no Suggestion in data, only x"),
        ({"data": dict.fromkeys("abcdefgh", 1)}, "there is no Suggestion in data, only a, b, c, d, e, …"),
        ({"data": "block"}, 'there is no Suggestion: data is not an object but "block"'),
        ({"data": {}}, "there is no Suggestion in data"),
        ({"Data": {"Suggestion": "block"}}, "there is no data, but Data: names differ in case"),
        ({}, "there is no data"),
    ],
    ids=json.dumps,
)
def test_a_field_that_is_not_there(event: dict[str, Any], near: str) -> None:
    verdict = only_failing({"data": {"Suggestion": ["block"]}}, event)
    assert (verdict.found, verdict.near) == ((), near)


def test_fields_that_match_alone_but_not_in_one_element() -> None:
    event = {"x": 1, "L": [{"id": "a", "rate": 0}, {"id": "b", "rate": 1}]}
    pattern = parse({"x": [1], "L": {"id": ["a"], "rate": [1], "zone": [{"exists": False}]}})
    explanation = explain(pattern, event)
    assert [verdict.path for verdict in explanation.failing] == ["L.rate"]
    assert explanation.failing[0].near == "matches alone, but not in the same array element as L.id"
    assert explanation.failing[0].found == ("0", "1")


def test_alternatives() -> None:
    pattern = parse({"s": ["x"], "$or": [{"a": [1]}, {"b": [1], "c": [1]}]})
    explanation = explain(pattern, {"s": "x", "b": 1, "c": 2})
    assert [[verdict.path for verdict in branch] for branch in explanation.branches] == [
        ["a", "s"],
        ["b", "c", "s"],
    ]
    assert [verdict.path for verdict in explanation.verdicts] == ["a", "s", "b", "c"]
    assert len(explanation.failing) == 1
    assert explain(pattern, {"s": "x", "a": 1}).failing == ()


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"b": "x"}, "b"),  # what is there before what is not
        ({"a": "x", "c": "y"}, "c"),  # what nearly matches before what is only there
        ({"a": "Y", "c": "x"}, "a"),
        ({"k": 1, "d": 0}, "d"),  # an alternative of which something holds before one of which nothing does
        ({"k": 1, "a": "Y"}, "d"),
        ({"k": 2, "d": 0, "b": "x"}, "b"),  # and one leaf before two
        ({}, "a"),
    ],
    ids=json.dumps,
)
def test_of_alternatives_the_nearest_is_told(event: dict[str, Any], path: str) -> None:
    pattern = parse({"$or": [{"a": ["y"]}, {"b": ["y"]}, {"c": ["Y"]}, {"d": [1], "k": [1]}]})
    assert [verdict.path for verdict in explain(pattern, event).failing] == [path]


def test_a_cloud_event_and_a_rule() -> None:
    rule = parse_rule({"type": "imm:Task:*", "data": {"Suggestion": ["block", "review"]}})
    event = Event(id="1", source="s", type="imm:Task:Image", data=b'{"Suggestion": "pass"}')
    explanation = explain(rule, event)
    assert str(explanation) == (
        'NO  data.Suggestion: ["block", "review"]; found "pass"\n'
        'yes type: "imm:Task:*"; found "imm:Task:Image"'
    )
    assert explanation.failing[0].place.path == ("data", "Suggestion")


def test_a_person_can_read_it() -> None:
    explanation = explain(parse({"$or": [{"a": [1]}, {"b": ["x"]}]}), {"b": "X"})
    assert str(explanation) == (
        "NO  a: [1]; not in the event (there is no a, only b)\n"
        "or\n"
        'NO  b: ["x"]; found "X" ("X" differs only in case)'
    )


def test_what_is_no_event() -> None:
    with pytest.raises(EventError):
        explain(parse({"a": [1]}), "[]")


def sample(**changes: Any) -> Event:
    """A moderated video, with some of its leaves changed."""
    leaves = {"type": "imm:Task:Video", "source": "acs.imm", "Suggestion": "block", "rate": 0.9, "label": "a"}
    leaves |= changes
    data = {
        "Suggestion": leaves["Suggestion"],
        "Frames": {"BlockFrames": [{"rate": leaves["rate"], "label": leaves["label"]}]},
    }
    payload = json.dumps(data).encode()
    return Event(id="1", source=str(leaves["source"]), type=str(leaves["type"]), data=payload)


RULE = parse_rule(
    {
        "type": "imm:Task:*",
        "source": {"prefix": "acs."},
        "data": {
            "Suggestion": ["block", "review"],
            "Frames": {"BlockFrames": {"rate": {"numeric": [">", 0.5]}, "label": {"anything-but": "z"}}},
        },
    }
)


@pytest.mark.parametrize(
    ("leaf", "value", "path"),
    [
        ("type", "imm:FileMeta:Index", "type"),
        ("source", "oss", "source"),
        ("Suggestion", "pass", "data.Suggestion"),
        ("Suggestion", {"pass": True}, "data.Suggestion"),
        ("rate", 0.1, "data.Frames.BlockFrames.rate"),
        ("rate", [], "data.Frames.BlockFrames.rate"),
        ("label", "z", "data.Frames.BlockFrames.label"),
    ],
)
def test_the_one_leaf_that_was_changed_is_named(leaf: str, value: Any, path: str) -> None:
    assert explain(RULE, sample()).matched
    failing = [verdict for verdict in explain(RULE, sample(**{leaf: value})).verdicts if not verdict.matched]
    assert [verdict.path for verdict in failing] == [path]
