"""CloudEvents whose attributes and payload are asked together: rightly, and by the shortest way."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice, product
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.events import Event
from router.patterns import EventError, Index, Pattern, parse_rule
from router.patterns.index.text import _REST
from tests.patterns.test_index import switching_all_the_time

Asked = dict[str, Pattern]

KIND = "imm:Task:*"
words = st.sampled_from(["a", "ab", "b", "block"])
numbers = st.integers(0, 3)
conditions = st.one_of(
    words,
    numbers,
    st.none(),
    st.builds(lambda text: {"prefix": text}, words),
    st.builds(lambda text: {"suffix": text}, words),
    st.builds(lambda text: {"anything-but": text}, words),
    st.builds(lambda number: {"numeric": [">", number]}, numbers),
    st.builds(lambda here: {"exists": here}, st.booleans()),
)
tests = st.lists(conditions, min_size=1, max_size=2)
asked_payloads = st.dictionaries(st.sampled_from("xyz"), tests, max_size=3).flatmap(
    lambda flat: st.dictionaries(st.sampled_from("mn"), tests, max_size=2).map(
        lambda inner: {**flat, "o": inner} if inner else flat
    )
)
asked_attributes = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["imm:*", KIND, "imm:Task:A", "*"]),
        "subject": st.sampled_from(["a", [{"exists": False}], [{"exists": False}, "b"], [{"prefix": "a"}]]),
        "tenant": st.sampled_from(["a", 1, [{"exists": True}], [{"anything-but": "b"}]]),
    },
)
rules = st.builds(
    lambda attributes, payload: {**attributes, "data": payload} if payload else attributes,
    asked_attributes,
    asked_payloads,
).filter(bool)

scalars = words | numbers | st.none() | st.just(1.5) | st.booleans()
members: st.SearchStrategy[Any] = scalars | st.lists(scalars, max_size=3) | st.just({})
inner_objects = st.dictionaries(st.sampled_from("mn"), members, max_size=2)
payloads = st.fixed_dictionaries(
    {},
    optional={
        "x": members,
        "y": members,
        "z": members,
        "o": inner_objects | st.lists(inner_objects, max_size=3) | scalars,
    },
).map(lambda value: json.dumps(value).encode())
sent = st.builds(
    lambda kind, data, **others: Event(id="1", source="s", type=kind, data=data, **others),
    st.sampled_from(["imm:Task:A", "imm:Task:B", "imm:Bind", "other"]),
    payloads
    | st.sampled_from([None, b'{"x": "a", "x": "b"}', b'{"o": {"m": 1}, "o": {"n": "a"}}', b"[]", b'"a"']),
    subject=st.sampled_from([None, "a", "ab", "b"]),
    extensions=st.sampled_from([{}, {"tenant": "a"}, {"tenant": 1}, {"type": "imm:Task:A"}, {"data.x": "a"}]),
)


def plainly(asked: Asked, event: Event) -> list[str]:
    return [name for name, pattern in asked.items() if pattern.matches_event(event)]


def named(written: Sequence[dict[str, Any]]) -> Asked:
    return {f"r{number}": parse_rule(one) for number, one in enumerate(written)}


@given(st.lists(rules, min_size=1, max_size=12), st.lists(sent, min_size=1, max_size=6))
def test_it_gives_the_plain_matchers_answers(written: list[dict[str, Any]], seen: list[Event]) -> None:
    asked = named(written)
    index = Index(asked)
    for event in [*seen, *seen]:  # what is remembered of one must not answer for another
        assert [*index.match_event(event)] == plainly(asked, event)


def calls(ask: Callable[[Event], object], event: Event) -> Counter[str]:
    """How often functions of Python were called for an answer."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, what: str, _: object) -> None:
        if what == "call":
            called[frame.f_code.co_name] += 1

    sys.setprofile(note)
    try:
        ask(event)
    finally:
        sys.setprofile(None)
    return called


def moderation(number: int, **payload: Any) -> Event:
    document = {"Suggestion": "block", "Team": f"team-{number}", "Count": number, **payload}
    return Event(id=str(number), source="s", type="imm:Task:A", data=json.dumps(document).encode())


USUAL: list[list[dict[str, Any]]] = [
    [{"type": KIND, "data": {"Suggestion": "block"}}, {"type": KIND, "data": {"Status": "Failed"}}],
    [{"type": KIND, "data": {"Suggestion": "block", "Team": f"team-{n}"}} for n in range(100)],
    [{"type": KIND, "data": {"Count": [{"numeric": [">", n]}]}} for n in range(100)],
    [{"type": KIND, "subject": [{"exists": False}], "data": {"Team": [{"prefix": "team"}]}}],
    [{"type": KIND, "data": {"Suggestion": "block", "Error": [{"exists": False}]}}, {"type": "x"}],
    [{"type": KIND}, {"source": "s", "id": "*7"}],
]


@pytest.mark.parametrize("written", USUAL)
def test_the_usual_rules_are_asked_by_the_shortest_way(written: list[dict[str, Any]]) -> None:
    """It holds for events that differ from all before, too: `_ask` is what asks in another way."""
    asked = named(written)
    index = Index(asked)
    for number in range(60):
        event = moderation(number)
        assert "_ask" not in calls(index.match_event, event)
        assert [*index.match_event(event)] == plainly(asked, event)


def test_the_shortest_way_is_found_again_after_events_that_need_another() -> None:
    asked = named([{"type": KIND, "data": {"o": {"m": "a", "n": "b"}}}])
    index = Index(asked)
    tangled = moderation(1, o=[{"m": "a"}, {"n": "b"}])
    for odd in (tangled, moderation(2, o="\ud800"), moderation(3, o=[{"m": "a"}, {"m": "a", "n": "b"}])):
        assert [*index.match_event(odd)] == plainly(asked, odd)
        for number in (4, 5):
            event = moderation(number, o={"m": "a", "n": "b"})
            assert [*index.match_event(event)] == ["r0"]
        assert "_ask" not in calls(index.match_event, event)


def test_objects_in_arrays_matter_only_to_rules_that_ask_several_of_their_fields() -> None:
    tied = {"o": {"m": "a", "n": "b"}}
    asked = named([{"type": KIND, "data": tied}, {"type": KIND, "data": {"o": {"m": "a"}, "Count": 1}}])
    index = Index(asked)
    for event in (moderation(1, o=[{"m": "a"}, {"m": "c"}]), moderation(2, o=[{"n": "b"}, {"m": "c"}])):
        assert "_ask" not in calls(index.match_event, event)
        assert [*index.match_event(event)] == plainly(asked, event)
    event = moderation(1, o=[{"m": "a"}, {"n": "b"}])
    assert [*index.match_event(event)] == ["r1"] == plainly(asked, event)


class Exhausting(bytes):
    """A payload at which the memory ends."""

    def isascii(self) -> bool:
        raise MemoryError


def test_whatever_interrupts_an_answer_leaves_the_shortest_way_open() -> None:
    index = Index(named([{"type": KIND, "subject": [{"exists": True}], "data": {"x": "a"}}]))
    event = Event(id="1", source="s", type="imm:Task:A", data=b'{"x": "a"}')
    with pytest.raises(MemoryError):
        index.match_event(Event(id="1", source="s", type="imm:Task:A", subject="a", data=Exhausting(b"{}")))
    assert "_ask" not in calls(index.match_event, event)
    assert [*index.match_event(event)] == []  # it has no subject: nothing is left of the event before


@pytest.mark.parametrize(
    "asked_of",
    [
        lambda n: {"Count": [{"numeric": [">", n]}]},
        lambda n: {f"Count{n}": [{"exists": False}], "Team": "team-1"},
    ],
    ids=["for one value", "for none"],
)
def test_more_tests_may_pass_than_are_asked_together(asked_of: Callable[[int], dict[str, Any]]) -> None:
    asked = named([{"type": KIND, "data": asked_of(n)} for n in range(600)])
    index = Index(asked)
    for number in (0, 1, 300, 599, 1_000):
        event = moderation(number, **{f"Count{number}": 1})
        assert [*index.match_event(event)] == plainly(asked, event)


def test_more_combinations_than_are_remembered() -> None:
    fields = [f"f{number}" for number in range(15)]
    asked = named([{"type": KIND, "data": {first: "a", "f0": "b"}} for first in fields[1:]])
    index = Index(asked)
    for chosen in product("ab", repeat=15):
        event = moderation(0, **dict(zip(fields, chosen, strict=True)))
        expected = [f"r{n}" for n, value in enumerate(chosen[1:]) if value == "a" and chosen[0] == "b"]
        assert [*index.match_event(event)] == expected


def test_the_tree_is_asked_for_a_while_where_nearly_every_event_finds_something_else() -> None:
    """To find out anew what passing tests lead to takes longer than the tree does."""
    least = 2, 3, 5
    asked = named(
        [
            {"type": KIND, "data": {"Team": f"team-{n}", **{f"n{k}": [{"numeric": [">", n]}] for k in least}}}
            for n in range(300)
        ]
    )
    index = Index(asked)
    varied = (moderation(n % 300, **{f"n{k}": n * k % 301 for k in least}) for n in count())
    while "_ask" not in calls(index.match_event, event := next(varied)):
        assert [*index.match_event(event)] == plainly(
            {name: asked[name] for name in (f"r{event.id}",)}, event
        )
    for event in islice(varied, 100):
        assert "resolve" not in calls(index.match_event, event)
        assert [*index.match_event(event)] == plainly(
            {name: asked[name] for name in (f"r{event.id}",)}, event
        )
    for _ in range(_REST):
        index.match_event(event)
    assert "_ask" not in calls(index.match_event, event)


def test_an_array_in_which_every_element_passes_nearly_all_tests_takes_no_longer_for_that() -> None:
    asked = named([{"type": KIND, "data": {"x": [{"anything-but": [f"v{n}"]}]}} for n in range(400)])
    index = Index(asked)
    event = moderation(1, x=[f"v{n % 400}" for n in range(20_000)])
    index.match_event(event)
    found = calls(index.match_event, event)
    assert found.total() < 400_000  # not each test for each element: that would be eight millions
    assert [*index.match_event(event)] == [*asked]


def test_threads_may_ask_at_once() -> None:
    asked = named([{"type": KIND, "data": {"x": [a], "y": [b]}} for a, b in product("ab", repeat=2)])
    index = Index(asked)
    seen = [moderation(0, x=a, y=b) for a, b in product("abc", repeat=2)]
    expected = [(event, (*plainly(asked, event),)) for event in seen]

    def wrong(times: int) -> list[Event]:
        return [event for _ in range(times) for event, found in expected if index.match_event(event) != found]

    with switching_all_the_time(), ThreadPoolExecutor(4) as threads:
        assert [*threads.map(wrong, [200] * 4)] == [[]] * 4


def test_a_payload_that_is_no_json_is_refused_where_the_plain_matcher_refuses_it() -> None:
    asked = named([{"type": KIND, "data": {"x": "a"}}])
    index = Index(asked)
    for payload in (b"not json", b'{"x": "a"} x', b'{"x": "\xff"}', b"[" * 1_100 + b"]" * 1_100):
        event = Event(id="1", source="s", type="imm:Task:A", data=payload)
        with pytest.raises(EventError):
            plainly(asked, event)
        with pytest.raises(EventError):
            index.match_event(event)
