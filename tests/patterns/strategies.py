r"""Patterns and events for laws: every operator and spelling, few keys and values, so that much matches.

Strict patterns and events are JSON text, since a mapping has no duplicate keys, no spellings and no escapes.
All patterns are valid, and so are events but for some that are nested too deeply: laws are about answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Strategy = st.SearchStrategy

MOST_RULES = 200
"""Patterns that stand beside each other in one index."""
MOST_DRAWN = 8
"""Those of them that are drawn one by one, and shrink."""


def some(choices: Sequence[T]) -> Strategy[T]:
    """One of many; as `sampled_from`, whose name of itself would hold them all."""
    return st.integers(0, len(choices) - 1).map(lambda at: choices[at])


def quoted(values: Iterable[object]) -> list[str]:
    return [json.dumps(value) for value in values]


def operator(name: str, operands: Iterable[str]) -> list[str]:
    return [f'{{"{name}": {operand}}}' for operand in operands]


def listed(operands: Sequence[str]) -> list[str]:
    """Lists of one, two and three of these."""
    return [f"[{', '.join(operands[at : at + n])}]" for n in (1, 2, 3) for at in range(len(operands) - n + 1)]


WORDS = [
    "a",
    "b",
    "ab",
    "A",
    "aB",
    "abab",
    "1",
    "*",
    "ß",
    "SS",
    "ς",
    "Σ",
    "é",
    "É",
    "\\",
    "true",
    "😀",
    "\ud800",
]
ADDRESSES = ["10.0.0.1", "10.0.0.001", "10.1.2.3", "::1", "0:0::1", "::ffff:a00:1", "2001:DB8::7"]
TEXTS = quoted([*WORDS, *ADDRESSES, ""])
"""JSON's spelling of strings: what is not ASCII stands there as an escape, a lone surrogate among it."""
COMPARABLE = ["1", "1.0", "0", "300", "-0", "3e2", "1e0", "10E-1", "0.0", "-1", "1.5", "1e20", "-2.5e-3"]
UNLIKE = ["12345678901234567890", "12345678901234567891", "0.10000000000000000001", "1e400", "1e-400"]
NUMBERS = [*COMPARABLE, *UNLIKE]
"""Numbers that are compared by value, and numbers that are like their own text only."""
WILDCARDS = quoted(
    ["a*", "*b", "*", "*b*", "a*b", "*a*b*", "*0.0*1", "A*", r"\*", r"\**", r"*\\", "ß*", "", "ab"]
)
BOUNDS = ["0", "1", "1.5", "3e2", "1e20"]  # rising

AFFIXES = [*TEXTS, *operator("equals-ignore-case", TEXTS)]
FILLED = [text for text in TEXTS if text != '""']

CONDITIONS: dict[str, list[str]] = {
    "string": TEXTS,
    "number": NUMBERS,
    "literal": ["true", "false", "null"],
    "exactly": operator("exactly", TEXTS),
    "prefix": operator("prefix", AFFIXES),
    "suffix": operator("suffix", AFFIXES),
    "equals-ignore-case": operator("equals-ignore-case", TEXTS),
    "wildcard": operator("wildcard", WILDCARDS),
    "numeric": operator(
        "numeric",
        [f'["{sign}", {number}]' for sign, number in product(["=", "<", "<=", ">", ">="], COMPARABLE)]
        + [
            f'["{low}", {BOUNDS[at]}, "{high}", {above}]'
            for low, high, at in product([">", ">="], ["<", "<="], range(len(BOUNDS)))
            for above in BOUNDS[at + 1 :]
        ],
    ),
    "cidr": operator("cidr", quoted(["10.0.0.0/8", "10.0.0.7/29", "0.0.0.0/0", "::/0", "2001:db8::/32"])),
    "exists": operator("exists", ["true", "false"]),
    "anything-but": operator(
        "anything-but",
        [*TEXTS, *COMPARABLE, *listed(TEXTS), *listed(COMPARABLE)],
    ),
    "anything-but with an operator": operator(
        "anything-but",
        [
            *operator("prefix", [*FILLED, *listed(FILLED)]),
            *operator("suffix", [*FILLED, *listed(FILLED)]),
            *operator("equals-ignore-case", [*TEXTS, *listed(TEXTS)]),
            *operator("wildcard", [*WILDCARDS, *listed(WILDCARDS)]),
        ],
    ),
}
"""Conditions of the strict form as JSON text, by operator."""


def evenly(groups: Iterable[Sequence[T]]) -> list[T]:
    """All of some groups in one list, to choose from at once: groups weigh the same, first members more."""
    groups = list(groups)
    longest = max(map(len, groups))
    return [
        group[at % len(group[:most])] for most in (3, 3, longest) for at in range(longest) for group in groups
    ]


ALL_CONDITIONS = evenly(CONDITIONS.values())
conditions = some(ALL_CONDITIONS)

KEYS = [
    "a",
    "b",
    "a",
    "b",
    "a",
    "b",
    "a",
    "b",
    "a",
    "b",
    "c",
    "a.b",
    "a.b.c",
    "A",
    "é",
    "\ud800",
    "",
    ".",
    'a"b',
    "$or",
]
"""Names of members, likely ones more than once; with escapes in both spellings."""
_NAMES = [*quoted(KEYS), '"\\u0061"', '"\\u0062"', '"a\\u002eb"', '"é"', '"\\u00C9"']
names = st.sampled_from(_NAMES)


def members(of: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in of)


def an_object(of: Iterable[tuple[str, str]]) -> str:
    return f"{{{members(of)}}}"


def an_array(of: Iterable[str]) -> str:
    return f"[{', '.join(of)}]"


def objects(values: Strategy[str], keys: Strategy[str], least: int = 0, most: int = 3) -> Strategy[str]:
    """Objects, in which keys may stand twice."""
    return st.lists(st.tuples(keys, values), min_size=least, max_size=most).map(an_object)


PATHS = [
    *(
        ["a"],
        ["b"],
        ["a"],
        ["b"],
        ["a"],
        ["b"],
        ["a"],
        ["b"],
        ["a", "b"],
        ["a.a"],
        ["b", "a"],
        ["a.b"],
        ["b.b"],
    ),
    *(["a"], ["b"], ["a"], ["b"], ["c"], ["A"], ["é"], ["\ud800"], [""], ["."], ['a"b'], ["c.a"]),
    *(["a.b", "c"], ["b", "b", "b"], ["a", "a", "b", "c"]),
]
"""Paths as they are written: by dots, or by objects in objects."""


def written(path: Sequence[str], below: str) -> tuple[str, str]:
    """The member that leads to what is below a path."""
    first, *others = quoted(path)
    for name in reversed(others):
        below = f"{{{name}: {below}}}"
    return first, below


def quick_pattern(number: int) -> str:
    """One or two fields with one condition each: a pattern by its number."""
    number, other = divmod(number, 2 * len(PATHS))
    number, path = divmod(number, len(PATHS))
    conditions = divmod(number, len(ALL_CONDITIONS))
    paths = (path, other)[: 1 + (other < len(PATHS))]
    return an_object(
        written(PATHS[at], f"[{ALL_CONDITIONS[condition]}]")
        for at, condition in zip(paths, conditions, strict=False)
    )


QUICK_PATTERNS = 2 * (len(PATHS) * len(ALL_CONDITIONS)) ** 2
"""How many there are."""
lists_of_conditions = conditions.map(lambda one: f"[{one}]") | st.lists(
    conditions, min_size=2, max_size=4
).map(an_array)
field = st.builds(written, some(PATHS), lists_of_conditions)
fields = st.lists(field, min_size=1, max_size=1) | st.lists(field, min_size=1, max_size=3)
plain_patterns = fields.map(an_object)


def with_or(before: list[tuple[str, str]], alternatives: list[str], after: list[tuple[str, str]]) -> str:
    return an_object([*before, ('"$or"', an_array(alternatives)), *after])


no_fields: Strategy[list[tuple[str, str]]] = st.just([])
FEW = [
    *(*["[1]", "[2]"] * 4, '["a"]', "[1, 2]", '[{"exists": false}]', '[{"exists": true}]'),
    *('[{"exists": false}, 1]', '[{"anything-but": 1}]', '[{"numeric": [">", 1]}]', '[{"prefix": "a"}, 1]'),
]
"""Conditions for several fields of one object: each is met by some of the few values there."""
few = st.builds(lambda name, conditions: (name, conditions), some(quoted("abc")), some(FEW))
array_patterns = st.builds(
    lambda around, below, beside: an_object([written(around, an_object(below)), *beside]),
    some([["a"], ["b"], ["a", "b"], ["a.a"]]),
    st.lists(few, min_size=2, max_size=3),
    st.one_of(no_fields, no_fields, st.lists(few, max_size=1)),
)
"""Fields that have to match in the same elements of arrays."""
or_patterns = st.builds(
    with_or,
    no_fields | fields,
    st.lists(
        plain_patterns
        | st.builds(with_or, no_fields, st.lists(plain_patterns, min_size=2, max_size=2), fields),
        min_size=2,
        max_size=3,
    ),
    no_fields | fields,
)
or_as_a_name = st.builds(written, some([["$or"], ["a", "$or"]]), lists_of_conditions)
patterns = st.one_of(
    *[plain_patterns] * 4,
    array_patterns,
    array_patterns,
    or_patterns,
    st.builds(lambda name, others: an_object([name, *others]), or_as_a_name, no_fields | fields),
)
"""Strict patterns as JSON text."""


def crowds(make: Callable[[int], T], of: int) -> Strategy[list[T]]:
    """Many of what is made of a number below `of`, by two choices: Hypothesis keeps all that is drawn."""
    return st.builds(
        lambda seed, size: [make(number) for number in Random(seed).choices(range(of), k=size)],
        st.integers(0, 2**32 - 1),
        st.integers(1, MOST_RULES - MOST_DRAWN),
    )


def beside_each_other(one: Strategy[T], crowd: Strategy[list[T]]) -> Strategy[list[T]]:
    """Up to `MOST_RULES`: a few that are drawn one by one, in every third list behind a crowd."""
    drawn = st.lists(one, min_size=1, max_size=MOST_DRAWN)
    return st.one_of(drawn, drawn, st.builds(lambda crowd, drawn: [*crowd, *drawn], crowd, drawn))


quick_crowds = crowds(quick_pattern, QUICK_PATTERNS)


RAW = [json.dumps(text, ensure_ascii=False) for text in (*WORDS, *ADDRESSES) if text != "\ud800"]
ESCAPED = [
    '"\\u0061"',
    '"\\u0041b"',
    '"\\ud83d\\ude00"',
    '"a\\/b"',
    '"\\n"',
    '"\\ud800b"',
    '" a"',
    '"ab\\u0000"',
]
scalars = some(evenly([TEXTS, [*RAW, *ESCAPED], NUMBERS, ["true", "false", "null"]]))
containers = st.recursive(
    scalars,
    lambda inner: st.one_of(
        objects(inner, names),
        st.lists(objects(inner, names), max_size=3).map(an_array),
        st.lists(inner, max_size=3).map(an_array),
    ),
    max_leaves=8,
)
mixed = st.lists(scalars, min_size=2, max_size=6).map(an_array)
records = st.lists(
    objects(
        some([*["1", "2"] * 4, '"a"', "[1, 2]", '[{"b": 2}]', "null", "[]"]), some(quoted("abc")), least=1
    ),
    min_size=2,
    max_size=4,
).map(an_array)
"""What `array_patterns` are about."""
tables = records | st.lists(objects(records, some(quoted("ab")), least=1), min_size=1, max_size=3).map(
    an_array
)
values = st.one_of(scalars, mixed, mixed, containers, tables)


array_events = objects(tables, some(quoted("ab")), least=1)
"""Events of nothing else."""


def deep(value: str, levels: int, around: tuple[str, str]) -> str:
    return around[0] * levels + value + around[1] * levels


deep_values = st.builds(
    deep,
    values,
    st.sampled_from([2, 3, 4, 5, 2, 3, 4, 5, 2, 3, 4, 5, 40, 990, 1_000]),  # 1,000 levels are too many
    st.sampled_from([("[", "]"), ('{"a": ', "}"), ('[{"b": ', "}]"), ('[0, {"c": 1, "a": ', "}]")]),
)
likely = st.sampled_from(['"a"', '"b"'])
roots = st.builds(
    lambda first, second, others: [first, second, *others],
    st.tuples(st.just('"a"'), values),
    st.tuples(likely, values),
    st.lists(st.tuples(names, st.one_of(*[values] * 9, deep_values)), max_size=3),
)
FILLER = [(f'"filler{number}"', f'["{number}", {number}]') for number in range(1_200)]
wide_roots = st.builds(
    lambda root, before, after: FILLER[:before] + root + FILLER[:after],
    roots,
    st.sampled_from([0, 1, 60]),
    st.sampled_from([0, 30, 30, 30, 1_200]),
)
spaced = st.sampled_from(
    [lambda text: text, lambda text: f"\n{text} ", lambda text: text.replace(": ", "\t:\r\n")]
)
events = st.builds(lambda root, space: space(an_object(root)), st.one_of(*[roots] * 9, wide_roots), spaced)
"""Events as JSON text."""
