"""What else matches rules in Python: it decodes an event once and asks every rule in turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath
import orjson
from moto.events.models import EventPattern

from benchmarks.categories import Category
from benchmarks.measure import Matcher, race
from router.patterns import Index, read

INDEX = "index"
CHUNK = 100

_ARRAYS = ("geometry.coordinates",)


class UnsaidError(Exception):
    """A rule that a rival has no words for."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much faster than each rival the index is; None where one cannot be compared.

    Attributes:
        cannot: the rivals whose language does not have what the rules need.
        wrong: the rivals that match other events.
    """

    category: str
    faster: Mapping[str, float | None]
    cannot: Sequence[str]
    wrong: Sequence[str]


def measure(category: Category, lines: Sequence[bytes]) -> Comparison:
    """Measure all rivals with a category's rules."""
    matchers: dict[str, Matcher] = {INDEX: Index(category.patterns).match}
    cannot = []
    for name, rival in RIVALS.items():
        try:
            matchers[name] = rival(category)
        except UnsaidError:
            cannot.append(name)
    measured = race(lines, matchers, CHUNK)
    wrong = [name for name in matchers if measured.matches[name] != measured.matches[INDEX]]
    return Comparison(
        category.name,
        {
            name: None if name in cannot or name in wrong else measured.ratio(INDEX, to=name)
            for name in RIVALS
        },
        cannot,
        wrong,
    )


def _plain(category: Category) -> Matcher:
    patterns = category.patterns

    def match(line: bytes) -> list[str]:
        fields = read(line)
        return [name for name, pattern in patterns.items() if pattern.matches_fields(fields)]

    return match


def _jmespath(category: Category) -> Matcher:
    expressions = {name: jmespath.compile(expression(rule)) for name, rule in category.rules.items()}

    def match(line: bytes) -> list[str]:
        event = orjson.loads(line)
        return [name for name, compiled in expressions.items() if compiled.search(event)]

    return match


def _moto(category: Category) -> Matcher:
    patterns = {name: EventPattern.load(json.dumps(rule)) for name, rule in category.rules.items()}

    def match(line: bytes) -> list[str]:
        event = orjson.loads(line)
        return [name for name, pattern in patterns.items() if pattern.matches_event(event)]

    return match


RIVALS: Mapping[str, Callable[[Category], Matcher]] = {
    "plain matcher": _plain,
    "jmespath": _jmespath,
    "moto": _moto,
}


def expression(rule: Mapping[str, Any]) -> str:
    """A rule of the categories in JMESPath.

    >>> expression({"a": {"b": [{"prefix": "x"}]}})
    "(a.b && starts_with(a.b, 'x'))"

    Raises:
        UnsaidError: JMESPath knows neither wildcards nor a way to ignore case.
    """
    return " && ".join(_test(path, condition) for path, condition in _leaves(rule))


def _leaves(rule: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Each field's path and its one condition."""
    for key, member in rule.items():
        if isinstance(member, list):
            yield above + key, member[0]
        else:
            yield from _leaves(member, f"{above}{key}.")


def _test(path: str, condition: Any) -> str:
    array, _, field = path.rpartition(".")
    if array in _ARRAYS:
        return f"{array}[?{_test(field, condition)}]"
    match condition:
        case str():
            return f"{path} == '{condition}'"
        case {"prefix": str(text)}:
            return f"({path} && starts_with({path}, '{text}'))"
        case {"suffix": str(text)}:
            return f"({path} && ends_with({path}, '{text}'))"
        case {"numeric": [*parts]}:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return " && ".join(f"{path} {'==' if sign == '=' else sign} `{bound}`" for sign, bound in pairs)
        case {"anything-but": [str(text)]}:
            return f"{path} != '{text}'"
        case {"anything-but": {"prefix": str()} | {"suffix": str()} as inner}:
            return f"!{_test(path, inner)}"
        case _:
            raise UnsaidError
