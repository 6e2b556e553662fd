"""Whatever bytes come as a pattern or as an event: an answer, or one of the two documented errors.

The inputs are cases of the corpus with some bytes changed, and random bytes; the same ones in every run.
`pytest --hypothesis-profile=thorough tests/patterns/test_fuzz.py` reads a million of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from hypothesis import settings

from router.events import Event
from router.patterns import EventError, Index, Pattern, PatternError, explain, parse, parse_rule, read

T = TypeVar("T")

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()
]
PATTERNS: list[bytes] = [case["pattern"].encode() for case in CASES]
EVENTS: list[bytes] = [case["event"].encode() for case in CASES]
BESIDE = 12
"""Patterns in one index: as many as were accepted last."""
EVENTS_OF_ONE = 100
"""Events that one index is asked about: making one costs as much as many answers."""

TOKENS = [
    *(
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"*",
        b"**",
        b"$or",
        b".",
        b"-",
        b"\n",
        b"\x00",
        b"\xff",
    ),
    *(b"\\ud800", b"\\u0000", b"\\u00e9", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf"),
    *(b"null", b"true", b"NaN", b"Infinity", b"1e400", b"-0", b"1e-9999999999999999999", b"0.1e+99999999999"),
    *(
        b"9" * 400,
        b"9" * 5_000,
        b"1." + b"0" * 400 + b"1",
        b"[[]]",
        b"{}",
        b'"a":',
        b'"a.b":',
        b'"":{"":[""]},',
    ),
    *(b'{"prefix": ""}', b'{"suffix": {"equals-ignore-case": "\xc3\x9f"}}', b'{"wildcard": "*a*"}'),
    *(
        b'{"exists": false}',
        b'{"cidr": "::/0"}',
        b'{"numeric": [">", 0, "<", 1]}',
        b'{"anything-but": [1, 2]}',
    ),
]

VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null')
SCALARS = [
    *(
        b'""',
        b'"a"',
        b'"A"',
        b'"\\ud800"',
        b'"\\u00df"',
        b'"*"',
        b'"a*"',
        b'"10.0.0.1"',
        b'"::1"',
        b'"$or"',
        b'"a.b"',
    ),
    *(
        b"0",
        b"-0",
        b"1",
        b"1.0",
        b"1e400",
        b"1e-400",
        b"12345678901234567890",
        b"null",
        b"true",
        b"false",
        b'"numeric"',
    ),
    *(
        b'"prefix"',
        b'"exists"',
        b'"anything-but"',
        b'"equals-ignore-case"',
        b'"wildcard"',
        b'"cidr"',
        b'"exactly"',
    ),
]
PIECES = [
    b"*",
    b"a",
    b"A",
    b"0",
    b"9",
    b".",
    b"e",
    b"/",
    b":",
    b"\\\\",
    b"\\u0061",
    b"\\udc00",
    b"\xc3\x9f",
    b"\xc4\xb0",
]


def span(random: Random, text: bytes) -> tuple[int, int]:
    """Where some of the bytes begin and end: mostly few."""
    start = random.randrange(len(text) + 1)
    return start, min(len(text), start + int(random.expovariate(0.2)))


def flip(random: Random, text: bytes) -> bytes:
    at = random.randrange(len(text)) if text else 0
    return (
        text[:at]
        + bytes([random.choice([random.randrange(256), random.randrange(32, 127)])])
        + text[at + 1 :]
    )


def insert(random: Random, text: bytes) -> bytes:
    at, _ = span(random, text)
    return text[:at] + random.choice(TOKENS) + text[at:]


def replace(random: Random, text: bytes) -> bytes:
    start, end = span(random, text)
    return text[:start] + random.choice(TOKENS) + text[end:]


def delete(random: Random, text: bytes) -> bytes:
    start, end = span(random, text)
    return text[:start] + text[end:]


def duplicate(random: Random, text: bytes) -> bytes:
    start, end = span(random, text)
    return text[:end] + text[start:end] * random.choice([1, 1, 2, 30]) + text[end:]


def swap(random: Random, text: bytes) -> bytes:
    a, b, c, d = sorted([*span(random, text), *span(random, text)])
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def splice(random: Random, text: bytes) -> bytes:
    other = random.choice(random.choice([PATTERNS, EVENTS]))
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other) + 1) :]


def nest(random: Random, text: bytes) -> bytes:
    opening, closing = random.choice(
        [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b'{"$or":[', b"]}")]
    )
    levels = random.choice([1, 1, 2, 3, 300, 1_001]) if random.random() < 0.1 else 1
    if (start := text.find(b":", random.randrange(len(text) + 1)) + 1) and random.random() < 0.9:
        end = max(text.rfind(b","), text.rfind(b"}"), start)
        return text[:start] + opening * levels + text[start:end] + closing * levels + text[end:]
    return opening * levels + text + closing * levels


def substitute(random: Random, text: bytes) -> bytes:
    """Another string, number or literal in the place of one: what stays JSON."""
    values = [*VALUE.finditer(text)]
    if not values:
        return text
    at = random.choice(values)
    new = random.choice([*(value[0] for value in values), *SCALARS, *SCALARS])
    return text[: at.start()] + new + text[at.end() :]


def respell(random: Random, text: bytes) -> bytes:
    """A change within a string or number, mostly one that keeps its end."""
    values = [*VALUE.finditer(text)]
    if not values:
        return text
    at = random.randrange(*random.choice(values).span())
    return text[: at + 1] + random.choice(PIECES) + text[at + 1 :]


BREAKING = (flip, insert, replace, delete, duplicate, swap, splice, nest)
KEEPING = (substitute, respell)


def inputs(seed: int, cases: list[bytes]) -> Iterator[bytes]:
    """Cases with one or a few changes, half of them hardly readable, and random bytes now and then."""
    random = Random(seed)
    while True:
        if random.random() < 0.02:
            yield random.randbytes(random.randrange(40))
            continue
        text = random.choice(cases)
        mutations = random.choice([BREAKING, KEEPING, KEEPING])
        for _ in range(random.choice([1, 1, 1, 2, 2, 3, 6])):
            text = random.choice(mutations)(random, text)
        yield text


def number_of_inputs() -> int:
    """A million in the thorough profile, 10,000 in the usual one: for patterns and for events together."""
    return max(10_000, 50 * settings().max_examples)


SOME = Event(id="1", source="a", type="b", data=b'{"a": ["b", 1]}')


def read_pattern(text: bytes) -> Pattern | None:
    """The pattern; None if it is refused, which has to be with a place and in words."""
    try:
        return parse(text)
    except PatternError as refused:
        problem = refused
    assert problem.reason
    assert None not in {problem.line, problem.column}
    problem.message.encode()
    return None


def read_rule(text: bytes) -> None:
    """The same text as a rule's `match`, and as what stands under `data` there."""
    try:
        mapping = json.loads(text)
    except (ValueError, RecursionError):
        return
    for rule in (mapping, {"data": mapping}):
        with suppress(PatternError):
            parse_rule(rule).matches_event(SOME)


def names(asked: dict[str, Pattern], event: bytes | Event) -> list[str] | None:
    """What the plain matcher says: the names of the patterns that match, or None for an `EventError`."""
    try:
        fields = read(event)
        return [name for name, pattern in asked.items() if pattern.matches_fields(fields)]
    except EventError as refused:
        refused.message.encode()
        return None


def by_index(ask: Callable[[T], Iterable[str]], event: T) -> list[str] | None:
    try:
        return [*ask(event)]
    except EventError:
        return None


def check(asked: dict[str, Pattern], index: Index[Any], event: bytes) -> bool:
    """See that all ways to ask agree about an event; whether it is one."""
    expected = names(asked, event)
    assert by_index(index.match, event) == expected
    payload = Event(id="1", source="a", type="b", data=event)
    assert by_index(index.match_event, payload) == names(asked, payload)
    first, pattern = next(iter(asked.items()))
    assert explained(pattern, event) is (None if expected is None else first in expected)
    return expected is not None


def explained(pattern: Pattern, event: bytes) -> bool | None:
    """What the explanation says, which can be shown; None for an `EventError`."""
    try:
        explanation = explain(pattern, event)
    except EventError:
        return None
    str(explanation).encode()
    return explanation.matched


def test_only_the_two_documented_errors() -> None:
    several = number_of_inputs() // 2
    beside: dict[str, Pattern] = {"first": parse('{"a": ["b"]}')}
    asked, index = beside, Index(beside)
    accepted = taken = 0
    pairs = zip(inputs(1, PATTERNS), inputs(2, EVENTS), strict=True)
    for number, (text, event) in enumerate(islice(pairs, several)):
        try:
            read_rule(text)
            if (pattern := read_pattern(text)) is not None:
                accepted += 1
                beside = {f"p{number}": pattern, **dict(islice(beside.items(), BESIDE - 1))}
            if number % EVENTS_OF_ONE == 0:
                asked, index = beside, Index(beside)
            taken += check(asked, index, event)
        except Exception as fault:
            fault.add_note(f"pair {number}: pattern {text!r}, event {event!r}, asked {asked}")
            raise
    for count in (accepted, taken):  # inputs are worth something if they go both ways
        assert several // 10 < count < several - several // 10
