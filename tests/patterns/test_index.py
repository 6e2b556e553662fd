"""The index against the plain matcher: the same answers, whatever patterns stand beside each other."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.patterns import EventError, Index, Pattern, PatternError, parse, parse_rule
from router.patterns.index.found import Outcomes
from router.patterns.index.memo import MOST
from router.patterns.index.tree import Hit
from tests.patterns.test_laws import array_events, array_patterns, events, keys_twice, mutations, patterns

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]


def valid() -> dict[str, Pattern]:
    """The valid patterns of all cases, by the case's number."""
    found = {}
    for case in CASES:
        try:
            found[str(case["id"])] = parse(case["pattern"])
        except PatternError:
            assert case["expect"] == "error"
    return found


VALID = valid()


def answer(index: Index[Any], event: bytes, name: str) -> Any:
    try:
        return name in index.match(event)
    except EventError:
        return "error"


def test_every_case_alone() -> None:
    wrong = [
        case["id"]
        for case in CASES
        if (name := str(case["id"])) in VALID
        and answer(Index({name: VALID[name]}), case["event"].encode(), name) != case["expect"]
    ]
    assert wrong == []


def test_every_case_among_all_others() -> None:
    index = Index(VALID)
    wrong = [
        case["id"]
        for case in CASES
        if (name := str(case["id"])) in VALID
        and answer(index, case["event"].encode(), name) != case["expect"]
    ]
    assert wrong == []


def test_what_matches_is_told_in_the_order_of_insertion() -> None:
    text = '{"a": ["x"]}'
    names = ["c", "a", "d", "b"]
    assert Index({name: parse(text) for name in names}).match(b'{"a": "x"}') == names


Written = dict[str, Any]

some = st.lists(patterns | array_patterns, min_size=1, max_size=20)
texts = events.map(json.dumps) | keys_twice | array_events.map(json.dumps)


def plainly(asked: dict[str, Pattern], event: Any) -> list[str]:
    """What the plain matcher says."""
    return [name for name, pattern in asked.items() if pattern.matches(event)]


@given(some, st.lists(texts, min_size=1, max_size=4))
def test_it_gives_the_plain_matchers_answers(written: list[Written], seen: list[str]) -> None:
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    index = Index(asked)
    for event in seen:  # several: what is remembered of one must not answer for another
        assert index.match(event.encode()) == plainly(asked, event)


@given(some, texts)
def test_of_a_cloudevent_too(written: list[Written], payload: str) -> None:
    event = Event(id="1", source="s", type="t", extensions={"a": "x"}, data=payload.encode())
    asked = {str(number): parse_rule({"data": pattern}) for number, pattern in enumerate(written)}
    asked["attributes"] = parse_rule({"type": "t*", "a": ["x", "y"]})
    assert [*Index(asked).match_event(event)] == [
        name for name, pattern in asked.items() if pattern.matches_event(event)
    ]


@given(
    some, st.binary() | st.text().map(str.encode) | mutations.map(lambda text: text.encode(errors="ignore"))
)
def test_what_is_no_event_is_refused_where_the_plain_matcher_refuses_it(
    written: list[Written], event: bytes
) -> None:
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    expected: list[str] | None
    try:
        expected = plainly(asked, event)
    except EventError:
        expected = None
    try:
        found: list[str] | None = Index(asked).match(event)
    except EventError:
        found = None
    assert found == expected


def test_what_is_refused_leaves_the_index_as_it_was() -> None:
    index = Index({name: parse(f'{{"{name}": [{{"prefix": "x"}}]}}') for name in "ab"})
    for event in (b'{"a": "x\xff"}', b'{"a": "x", "b": "x"', b'{"a": "x"} x', b'{"a": "x", "b": x}'):
        assert answer(index, event, "a") == "error"
        assert index.match(b'{"b": "xyz"}') == ["b"]
    assert index.match(b'{"a": "xy", "b": "\\ud800"}') == ["a"]  # which takes the complete reading
    assert index.match(b'{"c": 1}') == []


@contextmanager
def switching_all_the_time() -> Iterator[None]:
    """Threads take turns as often as the interpreter lets them."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def test_threads_may_ask_one_index() -> None:
    words = ["ax", "bx", "ay", "by"]
    written = [{field: [{"prefix": "a"}]} for field in "opq"] + [
        {field: [{"suffix": "x"}]} for field in "opq"
    ]
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    seen = [json.dumps(dict(zip("opq", chosen, strict=True))) for chosen in product(words, repeat=3)]
    expected = [(event.encode(), plainly(asked, event)) for event in seen]
    index = Index(asked)

    def wrong(times: int) -> list[bytes]:
        return [event for _ in range(times) for event, names in expected if index.match(event) != names]

    with switching_all_the_time(), ThreadPoolExecutor(4) as threads:
        assert [*threads.map(wrong, [100] * 4)] == [[]] * 4


values = st.sampled_from(["x", "y", None, "z", 1, True])
several_values = st.lists(st.sampled_from(["x", "y", None]), min_size=1, max_size=2, unique=True)
asking_several_fields = st.fixed_dictionaries(
    {"o": st.dictionaries(st.sampled_from("abc"), several_values, min_size=2)}
)
objects = st.dictionaries(st.sampled_from("abc"), values | st.lists(values, max_size=3))
told_apart_by_several = (objects | st.lists(objects, max_size=3)).map(lambda value: json.dumps({"o": value}))


@given(
    st.lists(asking_several_fields, min_size=30, max_size=60),
    st.lists(
        told_apart_by_several | st.just('{"o": {"a": "x", "b": "y", "a": "y"}}'), min_size=3, max_size=6
    ),
)
def test_many_that_ask_the_same_fields_for_one_value_each(written: list[Written], seen: list[str]) -> None:
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    index = Index(asked)
    for event in seen:
        assert index.match(event.encode()) == plainly(asked, event)


@pytest.mark.parametrize(
    ("event", "names"),
    [
        ('{"o": {"a": "1", "b": "2"}}', ["12"]),
        ('{"o": {"a": "1", "a": "2"}}', []),
        ('{"o": {"a": "1", "a": "3", "b": "2"}}', ["12", "32"]),
        ('{"o": {"a": ["1", "3"], "b": ["2"]}}', ["12", "32"]),
        ('{"o": {"a": ["1"], "b": [["2"]]}}', ["12"]),
        ('{"o": [{"a": "1"}, {"b": "2"}]}', []),
        ('{"o": [{"a": "1"}, {"a": "3", "b": "2"}]}', ["32"]),
        ('{"o": {"a": "1", "b": 2}}', []),
        ('{"o": {"a": "1", "b": {"c": "2"}}}', []),
        ('{"o": {"a": "1"}, "o": {"b": "2"}}', ["12"]),
        ('{"o": {"a": [%s], "b": [%s]}}' % ((", ".join(f'"{n}"' for n in range(90)),) * 2), None),
    ],
)
def test_two_fields_told_apart_by_both(event: str, names: list[str] | None) -> None:
    asked = {a + b: parse({"o": {"a": [a], "b": [b]}}) for a, b in product("12345", repeat=2)}
    index = Index(asked)
    assert index.match(b'{"o": {"a": "5", "b": "4"}}') == ["54"]
    assert index.match(event.encode()) == ([*asked] if names is None else names) == plainly(asked, event)


def test_attributes_and_payload_may_be_asked_together() -> None:
    asked = {
        f"{kind}{value}": parse_rule({"type": kind, "data": {"v": str(value)}})
        for kind, value in product("stu", range(9))
    }
    event = Event(id="1", source="s", type="t", data=b'{"v": "3"}')
    assert [*Index(asked).match_event(event)] == ["t3"]


ASKED = ['[{"wildcard": %s}]', '[{"anything-but": {"wildcard": %s}}]']
ALL_STRINGS = ["".join(letters) for length in range(8) for letters in product("ab", repeat=length)]


@pytest.mark.parametrize("form", ASKED)
@pytest.mark.parametrize("end", ["", "b", "ab"])
def test_many_wildcards(form: str, end: str) -> None:
    """Their parts overlap in every way, begin where others end, and have to end before the end."""
    parts = ["a", "b", "ab", "ba"]
    some_parts = [chosen for length in range(4) for chosen in product(parts, repeat=length)]
    written = ["*".join((begin, *chosen, end)) for begin in ("", "a") for chosen in some_parts]
    asked = {text: parse('{"a": ' + form % json.dumps(text) + "}") for text in written}
    index = Index(asked)
    for value in ALL_STRINGS:
        event = json.dumps({"a": value})
        assert index.match(event.encode()) == plainly(asked, event)


@pytest.mark.parametrize("form", ASKED)
@pytest.mark.parametrize("text", ["a*b", "ab*ba", "a*a", "*a*b", "a*ba*", "ab*b*ba", "*a*b*a*", "aa*a*a"])
def test_one_wildcard(form: str, text: str) -> None:
    asked = {text: parse('{"a": ' + form % json.dumps(text) + "}")}
    index = Index(asked)
    for value in ALL_STRINGS:
        event = json.dumps({"a": value})
        assert index.match(event.encode()) == plainly(asked, event)


def test_one_event_may_find_more_than_is_remembered_together() -> None:
    index = Index({str(number): parse(f'{{"a": ["v{number}"]}}') for number in range(100)})
    for names in ([str(number) for number in range(100)], [str(number) for number in range(0, 100, 3)]):
        event = json.dumps({"a": [f"v{name}" for name in [*names, *names]]}).encode()
        assert index.match(event) == names
        assert index.match(event) == names


def test_what_is_remembered_is_bounded() -> None:
    outcomes = Outcomes(lambda branches: [str(number) for number in branches])
    most = 0
    for number in range(50_000):
        assert outcomes.start[Hit([number], ())].settle() == [str(number)]
        most = max(most, len(outcomes.start))
    assert most < 25_000


def test_a_field_of_ever_new_strings() -> None:
    """What they find is remembered first, and then not any more."""
    index = Index({"x": parse('{"a": [{"prefix": "x"}]}'), "y": parse('{"a": [{"anything-but": "xy"}]}')})

    def ask(numbers: range) -> None:
        for number in numbers:
            event = f'{{"a": "{"zx"[number % 2]}{number}"}}'
            assert index.match(event.encode()) == (["x", "y"] if number % 2 else ["y"])

    ask(range(12_000))
    tracemalloc.start()
    try:
        ask(range(12_000, 17_000))
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert index.match(b'{"a": ["xy", 1]}') == ["x", "y"]
    assert index.match(b'{"a": {"b": "x"}}') == []


@pytest.mark.parametrize(
    "written",
    [
        '[{"prefix": "x"}]',
        '[{"prefix": {"equals-ignore-case": "X"}}]',
        '[{"suffix": "7"}, {"prefix": "xy"}]',
        '[{"wildcard": "x*7"}]',
        '[{"anything-but": {"prefix": "x"}}]',
        '[{"anything-but": {"suffix": ["7", "17"]}}]',
        '[{"anything-but": {"wildcard": ["x*7", "*17"]}}]',
    ],
)
def test_strings_that_are_not_remembered_find_the_same(written: str) -> None:
    asked = {"it": parse(f'{{"a": {written}}}')}
    index = Index(asked)
    for number in range(MOST + 1):
        index.match(f'{{"a": "{number}"}}'.encode())
    values: list[Any] = [
        "x7",
        "x",
        "17",
        "xy17",
        "X7",
        "",
        "z",
        "7x",
        7,
        1.5,
        True,
        None,
        ["z", "x7"],
        [[]],
        {},
    ]
    for value in values:
        event = json.dumps({"a": value})
        assert index.match(event.encode()) == plainly(asked, event)


def test_long_strings_are_remembered_only_as_far_as_there_is_room() -> None:
    index = Index({"it": parse('{"a": [{"prefix": "x"}]}')})
    index.match(b'{"a": "x"}')
    tracemalloc.start()
    try:
        for number in range(MOST):
            assert index.match(f'{{"a": "{number:0900}"}}'.encode()) == []
            assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
    assert index.match(b'{"a": "x1"}') == ["it"]


def test_numbers_as_people_write_them() -> None:
    index = Index(
        {"range": parse('{"a": [{"numeric": [">", 12.4, "<=", 12.5]}]}'), "one": parse('{"a": [12.5]}')}
    )
    for text in ("12.50", "12.500000000000", "1.25e1", "125e-1", "12.5"):
        assert index.match(f'{{"a": {text}}}'.encode()) == ["range", "one"], text
    for text in ("12.5000000000000000000001", "12.49999999999999999999", "12.4", "1e400", "-12.5", "12"):
        assert index.match(f'{{"a": {text}}}'.encode()) == [], text


@pytest.mark.parametrize(
    "event",
    [
        '{"o": [{"n": 1.5}, {"n": 2.5}, {"n": 3.5}], "m": 1}',
        '{"o": [{"n": 1.5}, {"n": 2.0}, {"n": 2.50}, {"n": 2.25}]}',
        '{"o": [{"n": 7.5}, {"n": 8.5}, {"n": 9.5}]}',
        '{"o": [{"n": 1.5}, {"n": 1e400}, {"n": 2.5}]}',
        '{"o": [{"n": 1.5}, {"n": "x"}, {"n": [2.5, null]}, {"n": 2}]}',
        '{"o": [[{"n": 1.5}], {"n": 1.25}, [[{"n": 2.5, "s": "x"}]]]}',
        '{"o": {"n": 1.5, "s": "x"}, "o": [{"n": 2.5}, {"n": 3.5}, {"n": 4.5}]}',
        '{"o": {"n": 0.5, "s": "x"}, "o": [{"n": 2.5}]}',
        '{"o": {"n": 2.5}, "o": [{"s": "x"}, {"n": 0.5}, {"n": 0.25}, {"n": 0.125}]}',
        '{"o": [{"n": 1.5}, {"n": 2.5}, {"n": 3.5, "s": "y"}], "o.n": 9.5}',
    ],
)
@pytest.mark.parametrize("beside", ["x", "y"])
def test_numbers_in_arrays(event: str, beside: str) -> None:
    """Several are looked up all at once, wherever that gives the same answers."""
    written: list[Written] = [
        {"o": {"n": [{"numeric": [">", 1, "<=", 2.5]}]}},
        {"o": {"n": [{"numeric": [">", 2.5]}, "x"]}},
        {"o": {"n": [2.25, None]}},
        {"o": {"n": [1.5], "s": [{"anything-but": "q"}]}},
        *({"o": {"n": [{"numeric": ["<", limit]}], "s": [beside]}} for limit in range(1, 5)),
    ]
    asked = {str(number): parse(pattern) for number, pattern in enumerate(written)}
    for names in (asked, "1", "3", "20"):
        some_of_them = {name: asked[name] for name in names}
        index = Index(some_of_them)
        for _ in range(2):
            assert index.match(event.encode()) == plainly(some_of_them, event)


def test_texts_that_ignore_case_in_all_their_spellings() -> None:
    texts = ["ab", "a1", "12", "", "abcdefghijkl", "ABCDEFGHIJ", "k", "s", "\u017f", "\u212a"]
    conditions = [
        condition
        for text in texts
        for condition in (
            {"equals-ignore-case": text},
            {"anything-but": {"equals-ignore-case": text or "x"}},
            {"prefix": {"equals-ignore-case": text}},
            {"suffix": {"equals-ignore-case": text}},
        )
    ]
    asked = {json.dumps(one): parse({"a": [one]}) for one in conditions}
    together, alone = Index(asked), {name: Index({name: pattern}) for name, pattern in asked.items()}
    for value in (
        one for text in texts for one in (text, text.upper(), text.title(), f"{text}A", f"1{text}")
    ):
        event = json.dumps({"a": value})
        expected = plainly(asked, event)
        assert together.match(event.encode()) == expected
        assert [name for name, index in alone.items() if index.match(event.encode())] == expected
