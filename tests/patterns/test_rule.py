"""The YAML form: what it adds to the strict form, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event, EventError
from router.patterns import PatternError, parse_rule, problems_of_rule
from router.patterns.operators import RULE_OPERATORS


def refusals() -> Iterator[dict[str, Any]]:
    """What EventBridge refuses, as far as it can be written in YAML."""
    for line in (Path(__file__).parent / "refusals.jsonl").read_text(encoding="utf-8").splitlines():
        with suppress(ValueError):
            yield json.loads(json.loads(line)["pattern"], parse_float=Decimal)


def event(data: bytes | None = None, **attributes: Any) -> Event:
    return Event(
        **{"id": "1", "source": "acs.imm", "type": "imm:Task:VideoModeration", **attributes}, data=data
    )


BLOCKED = event(
    b'{"Suggestion": "block", "Rate": 0.90, "Frames": [{"label": "a"}, {"label": "b"}], "Note": null}'
)


def matches(pattern: dict[str, Any], subject: Event = BLOCKED) -> bool:
    return parse_rule(pattern).matches_event(subject)


@pytest.mark.parametrize(
    "pattern",
    [
        {"type": "imm:Task:VideoModeration"},
        {"type": ["other", "imm:Task:VideoModeration"]},
        {"data": {"Suggestion": "block"}},
        {"data": {"Suggestion": ["review", "block"]}},
        {"data.Suggestion": "block"},
        {"data": {"Suggestion": {"prefix": "bl"}}},
        {"data": {"Suggestion": [{"prefix": "bl", "suffix": "ck"}]}},
        {"data": {"Suggestion": {"contains": "loc", "anything-but": "review"}}},
        {"data": {"Rate": 0.9}},
        {"data": {"Rate": {"numeric": [">", 0.5, "<=", 1]}}},
        {"data": {"Rate": {"numeric": [">", Decimal("0.5")]}}},
        {"data": {"Frames": {"label": "b"}}},
        {"data": {"Note": None}},
        {"data": {"Missing": {"exists": False}}},
        {"subject": {"exists": False}},
        {"$or": [{"source": "nobody"}, {"data": {"Suggestion": "block"}}]},
        {"data": {"$or": [{"Suggestion": "pass"}, {"Rate": 0.9}]}},
    ],
)
def test_what_a_rule_can_say(pattern: dict[str, Any]) -> None:
    assert matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        {"type": "imm:Task"},
        {"data": {"Suggestion": "Block"}},
        {"data": {"Suggestion": {"prefix": "bl", "suffix": "ed"}}},
        {"data": {"Suggestion": {"contains": "Loc"}}},
        {"data": {"Rate": "0.90"}},
        {"data": {"exists": True}},
        {"suggestion": "block"},
        {"data": "block"},
    ],
)
def test_what_it_then_does_not_mean(pattern: dict[str, Any]) -> None:
    assert not matches(pattern)


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("imm:Task:*", "imm:Task:VideoModeration", True),
        ("imm:Task:*", "imm:Task:", True),
        ("imm:Task:*", "imm:Task", False),
        ("imm:*:Video*", "imm:Task:x:VideoModeration", True),
        ("*", "", True),
        ("a**b", "ab", True),
        ("a***b", "a-b", True),
        ("a*", "a*", True),
        (r"a\*", r"a\anything", True),
        (r"a\*", "a*", False),
        ("a*b*a", "aba", True),
        ("a*a", "a", False),
        ("*ab*ab", "abxab", True),
        ("*ab*ab", "ab", False),
    ],
)
@pytest.mark.parametrize("attribute", ["type", "source", "subject"])
def test_globs(attribute: str, glob: str, text: str, expected: bool) -> None:
    values: dict[str, Any] = {attribute: text}
    subject = event(None, **values)
    assert matches({attribute: glob}, subject) is expected
    assert matches({attribute: ["nothing", glob]}, subject) is expected


def test_a_glob_is_one_only_where_it_stands_directly() -> None:
    assert matches({"type": {"exactly": "a*"}}, event(type="a*"))
    assert not matches({"type": {"exactly": "a*"}}, event(type="ab"))
    assert not matches({"type": [{"prefix": "a*"}]}, event(type="ab"))
    assert not matches({"dataschema": "a*"}, event(dataschema="ab"))
    assert matches({"dataschema": {"wildcard": "a*"}}, event(dataschema="ab"))
    assert not matches({"data": {"type": "a*"}}, event(b'{"type": "ab"}'))
    assert matches({"$or": [{"type": "a*"}, {"type": "b*"}]}, event(type="bc"))


@pytest.mark.parametrize(
    ("written", "sent"),
    [(7, 7), (9, "9"), ("10", 10), (True, True), ("true", True), (False, "false"), (1.5, "1.5")],
)
def test_attributes_match_by_their_canonical_string(written: Any, sent: Any) -> None:
    subject = event(extensions={"retries": sent})
    assert matches({"retries": written}, subject)
    assert matches({"retries": {"anything-but": ["other", 8]}}, subject)
    assert not matches({"retries": {"anything-but": written}}, subject)
    assert matches({"retries": {"prefix": written}}, subject)


def test_payload_numbers_and_booleans_keep_their_type() -> None:
    assert not matches({"data": {"n": "7"}}, event(b'{"n": 7}'))
    assert not matches({"data": {"n": 7}}, event(b'{"n": "7"}'))
    assert not matches({"data": {"n": True}}, event(b'{"n": "true"}'))
    assert matches({"data": {"n": Decimal(12345678901234567890)}}, event(b'{"n": 12345678901234567890}'))


@pytest.mark.parametrize(
    ("data", "datacontenttype", "pattern", "expected"),
    [
        (b'"block"', None, {"data": "block"}, True),
        (b'"block"', None, {"data": [{"prefix": "bl"}]}, True),
        (b"7.0", None, {"data": 7}, True),
        (b"null", None, {"data": [None]}, True),
        (b"null", None, {"data": [{"exists": True}]}, True),
        (b'["a", "b"]', None, {"data": ["b"]}, True),
        (b'[{"x": 1}, {"x": 2}]', None, {"data": {"x": 2}}, True),
        (b"block", "text/plain", {"data": "block"}, True),
        (b'{"x": 1}', "text/plain", {"data": {"x": 1}}, False),
        (b'{"x": 1}', "text/plain", {"data": '{"x": 1}'}, True),
        (b'{"x": 1}', "application/vnd.a+json; charset=utf-8", {"data": {"x": 1}}, True),
        (b"\xff\xfe", "image/png", {"data": "//4="}, True),
        (None, None, {"data": [{"exists": False}]}, True),
        (None, None, {"data": {"x": {"exists": False}}}, True),
        (b"{}", None, {"data": [{"exists": False}]}, True),
        (b'{"x": 1, "x": 2}', None, {"data": {"x": 1}}, True),
    ],
)
def test_payloads(data: bytes, datacontenttype: str, pattern: dict[str, Any], expected: bool) -> None:
    assert matches(pattern, event(data, datacontenttype=datacontenttype)) is expected


def test_a_payload_that_should_be_json_and_is_not() -> None:
    with pytest.raises(EventError, match="not JSON"):
        matches({"type": "x"}, event(b"{"))


REFUSED: list[tuple[Any, tuple[Any, ...], str, str | None]] = [
    ({}, (), "Empty objects", "which events"),
    ("imm:*", (), "not a mapping", "type"),
    ({"Type": "x"}, ("Type",), "Type is not a context attribute", "did you mean type?"),
    ({"detail-type": "x"}, ("detail-type",), "not a context attribute", "under data"),
    ({"detail": {"state": "x"}}, ("detail", "state"), "it has no fields", "under data"),
    ({"type.x": "a"}, ("type.x",), "it has no fields", "under data"),
    ({"type": {}}, ("type",), "Match expression name not found", "prefix"),
    ({"type": None}, ("type",), "never null", "exists: false"),
    ({"type": ["a", None]}, ("type", 1), "never null", "exists: false"),
    (
        {"type": {"anything-but": None}},
        ("type", "anything-but"),
        "must be an array or single",
        "texts or numbers",
    ),
    ({"retries": {"numeric": [">", 1]}}, ("retries", "numeric"), "numeric never matches", "under data"),
    (
        {"subject": {"prefx": "a"}},
        ("subject", "prefx"),
        "Unrecognized match type prefx",
        "did you mean prefix?",
    ),
    ({"subject": {"bucket": "a"}}, ("subject", "bucket"), "'bucket' is no operator", "under data"),
    ({"subject": {"bucket": "a"}}, ("subject", "bucket"), "has no fields", "the operators are exactly,"),
    ({"type": {"regex": "a"}}, ("type", "regex"), "Unrecognized match type regex", "{wildcard: …}"),
    ({"type": {"not": "a"}}, ("type", "not"), "Unrecognized match", "no operator 'not': write {anything-but"),
    ({"type": {"in": ["a"]}}, ("type", "in"), "Unrecognized match", "or a list of values; the operators are"),
    ({"subject": [{"startsWith": "a"}]}, ("subject", 0, "startsWith"), "Unrecognized match", "{prefix: …}"),
    ({"data": {"a": [{"$gt": 1}]}}, ("data", "a", 0, "$gt"), "Unrecognized match", '{numeric: [">", …]}'),
    ({"data": {"a": [{"ilike": 1}]}}, ("data", "a", 0, "ilike"), "Unrecognized match", "the operators are"),
    (
        {"data": {"a": {"prefix": ["x"]}}},
        ("data", "a", "prefix"),
        "must be a string",
        "one condition for each",
    ),
    ({"data": {"a": [{"contains": 1}]}}, ("data", "a", 0, "contains"), "contains match pattern", "in quotes"),
    ({"data": {"a": []}}, ("data", "a"), "Empty arrays", "exists: false"),
    ({"data": {"a": {}}}, ("data", "a"), "Empty objects", "exists: true"),
    ({"data": {"a": [["x"]]}}, ("data", "a", 0), "Match value must be", "no further lists"),
    ({"data": {"a": [{"exists": False, "prefix": "x"}]}}, ("data", "a", 0), "exists: false cannot", "own"),
    ({"type": "a*b*c*d*e*f*g"}, ("type",), "too complex", "at most 5"),
    ({"type": ["a*b*c*d*e*f"] * 21}, ("type",), "too complex", "100 in all"),
    ({"$or": [{"type": "x"}]}, ("$or",), "at least 2", "without $or"),
    ({"$or": [{"type": "x"}, "y"]}, ("$or", 1), "Only JSON object", "`$or: ["),
    ({"$or": {"type": "x"}}, ("$or",), "must be an Array", "`$or: ["),
    (
        {"data": {"$or": [{"a": 1}, {"prefix": "x"}]}},
        ("data", "$or", 1, "prefix"),
        "reserved",
        "under the name of the field",
    ),
    (
        {"$or": [{"data": {"a": {"regex": 1}}}, {"type": "x"}]},
        ("$or", 0, "data", "a", "regex"),
        "reserved",
        "write {wildcard: …}",
    ),
    ({"data": {"a": {1: 2}}}, ("data", "a"), "key 1 is not a string", None),
    ({"data": {"a": float("nan")}}, ("data", "a"), "nan", None),
    ({"data": {"a": b"x"}}, ("data", "a"), "bytes is not a JSON value", None),
]


@pytest.mark.parametrize(("pattern", "path", "reason", "hint"), REFUSED)
def test_refusals(pattern: Any, path: tuple[Any, ...], reason: str, hint: str | None) -> None:
    (problem,) = problems_of_rule(pattern)
    assert problem.path == path
    assert reason in problem.reason
    assert hint is None if problem.hint is None else hint is not None and hint in problem.hint
    with pytest.raises(PatternError) as raised:
        parse_rule(pattern)
    assert (raised.value.reason, raised.value.path, raised.value.hint) == (problem.reason, path, problem.hint)
    assert raised.value.others == ()


names = st.sampled_from([*RULE_OPERATORS, "$or", "regex", "not", "in", "x", "y.z", "data", "type"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a*", "**", ">", "<", "10.0.0/8", "\\"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["type", "data", "$or", "Type", "other"]), values, max_size=3))
def test_every_refusal_says_what_to_do(pattern: dict[str, Any]) -> None:
    for problem in problems_of_rule(pattern):
        assert problem.hint, problem.reason


@pytest.mark.parametrize("pattern", list(refusals()), ids=str)
def test_what_eventbridge_refuses_has_a_hint_here(pattern: dict[str, Any]) -> None:
    for problem in problems_of_rule({"data": pattern}):
        assert problem.hint, problem.reason


def test_all_problems_are_found() -> None:
    pattern = {
        "Type": "x",
        "subject": [{"prefix": "a", "sufix": "b"}, None],
        "data": {"n": {"numeric": [">"]}, "$or": [{"a": []}, {"b": {"wildcard": "**"}}]},
    }
    assert [problem.path for problem in problems_of_rule(pattern)] == [
        ("Type",),
        ("subject", 0, "sufix"),
        ("subject", 1),
        ("data", "n", "numeric", 1),
        ("data", "$or", 0, "a"),
        ("data", "$or", 1, "b", "wildcard"),
    ]
    with pytest.raises(PatternError) as raised:
        parse_rule(pattern)
    assert raised.value.path == ("Type",)
    assert len(raised.value.others) == 5


def test_the_message_says_where() -> None:
    with pytest.raises(PatternError) as raised:
        parse_rule({"data": {"Suggestion": [{"prefix": 1}]}})
    assert raised.value.message == (
        "Event pattern is not valid. Reason: prefix match pattern must be a string\n"
        " at data.Suggestion[0].prefix"
    )
    assert (raised.value.line, raised.value.column) == (None, None)
