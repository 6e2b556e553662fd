"""The rules of event-ruler's own benchmark, and how often each has to match."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.columns import COUNT
from router.patterns import Pattern, parse, read

_FILE = Path(__file__).with_name("categories.json")


class WrongMatchesError(Exception):
    """A rule matched more or fewer events than it has to."""


@dataclass(frozen=True, slots=True)
class Category:
    """Rules that are measured together.

    Attributes:
        rules: patterns by name.
        matches: how many of all lots each of them matches.
        ruler: event-ruler's speed with these rules, as a multiple of that of `orjson.loads`.
    """

    name: str
    rules: Mapping[str, Mapping[str, Any]]
    matches: Mapping[str, int]
    ruler: float

    @property
    def patterns(self) -> dict[str, Pattern]:
        """The rules, parsed."""
        return {name: parse(rule) for name, rule in self.rules.items()}

    def expected(self, lines: Sequence[bytes], *, distinct: bool) -> Mapping[str, int]:
        """How many of these lots each rule matches: known for all, found by the plain matcher for fewer."""
        if len(lines) < COUNT:
            return plain_matches(self.patterns, lines)
        if not distinct:
            return self.matches
        return {name: _when_distinct(rule, self.matches[name]) for name, rule in self.rules.items()}


def load() -> list[Category]:
    """All categories, in the order of the file."""
    return [
        Category(
            name=entry["name"],
            rules={str(number): rule for number, rule in enumerate(entry["rules"])},
            matches={str(number): count for number, count in enumerate(entry["matches"])},
            ruler=entry["event_ruler_over_orjson_loads"],
        )
        for entry in json.loads(_FILE.read_bytes())
    ]


def plain_matches(patterns: Mapping[str, Pattern], lines: Sequence[bytes]) -> dict[str, int]:
    """How many of these events each pattern matches, as the plain matcher says."""
    counts = dict.fromkeys(patterns, 0)
    for line in lines:
        fields = read(line)
        for name, pattern in patterns.items():
            counts[name] += pattern.matches_fields(fields)
    return counts


def check(what: str, counts: Counter[str], expected: Mapping[str, int]) -> None:
    """Compare numbers of matches.

    Raises:
        WrongMatchesError: one of them differs.
    """
    for name, count in expected.items():
        if counts[name] != count:
            raise WrongMatchesError(
                f"{what}: rule {name} has to match {count} events and matched {counts[name]}"
            )


def _when_distinct(rule: Mapping[str, Any], matches: int) -> int:
    """How many lots a rule matches when equality of strings holds for one of them (`lots`)."""
    kinds = {_kind(condition) for condition in _conditions(rule)}
    if "differs" in kinds:
        return COUNT - 1
    return 1 if "equals" in kinds else matches


def _conditions(rule: Mapping[str, Any]) -> Iterator[Any]:
    for member in rule.values():
        yield from member if isinstance(member, list) else _conditions(member)


def _kind(condition: Any) -> str:
    """What a condition does to a string: `equals`, `differs` from it, or `other`."""
    match condition:
        case str() | {"equals-ignore-case": _}:
            return "equals"
        case {"anything-but": [*_] | {"equals-ignore-case": _}}:
            return "differs"
        case _:
            return "other"
