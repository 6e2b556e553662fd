"""What to write instead of a pattern that is refused, in the YAML form.

The reasons themselves are EventBridge's: terse, but people who come from there search for them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.patterns.operators import EXCLUDING, RULE_OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.patterns.errors import PatternError

_VALUES = "write the value itself, or a list of values"

_NOT_OURS = {
    "regex": "write {wildcard: …}, where * stands for any run of characters",
    "regexp": "write {wildcard: …}, where * stands for any run of characters",
    "matches": "write {wildcard: …}, where * stands for any run of characters",
    "gt": 'write {numeric: [">", …]}',
    "gte": 'write {numeric: [">=", …]}',
    "lt": 'write {numeric: ["<", …]}',
    "lte": 'write {numeric: ["<=", …]}',
    "not": "write {anything-but: …}",
    "ne": "write {anything-but: …}",
    "in": _VALUES,
    "eq": _VALUES,
    "equals": _VALUES,
    "startswith": "write {prefix: …}",
    "beginswith": "write {prefix: …}",
    "endswith": "write {suffix: …}",
}
"""Operators of other languages, and what they are here."""

_RANGE = 'write {numeric: [">", 0, "<=", 10]}; the comparisons are =, <, <=, >, >='
_BLOCK = "write a block such as 10.0.0.0/8; a single address is a plain text without /32"
_TEXT = "write a text; a number that is meant as one stands in quotes"
_EXCLUDED = f"it takes texts or numbers, or one of {', '.join(EXCLUDING)}"

_NO_TEXT = (
    f"{_EXCLUDED}; null, true and false it cannot exclude: list the values that are meant, or say it in the "
    "rule's where, such as data.done != `null`"
)

_HINTS: Mapping[str, str] = {
    "Bad numeric range operator": _RANGE,
    "Bad value in numeric range": _RANGE,
    "Invalid member in numeric match": _RANGE,
    "Unrecognized numeric range operator": _RANGE,
    "Value of numeric must be an array.": _RANGE,
    "Value of ": "after each comparison stands a number, without quotes",  # … must be numeric
    "Bottom must be less than top": 'the lower bound comes first: {numeric: [">", 0, "<", 10]}',
    "Malformed CIDR": _BLOCK,
    "Nonstandard IP address": "write an IPv4 block such as 10.0.0.0/8, or an IPv6 one such as 2001:db8::/32",
    "IPv": _BLOCK,  # … mask bits must be < 32
    "Anything-But expression name not found": _EXCLUDED,
    "Unsupported anything-but pattern": _EXCLUDED,
    "Value of anything-but": _NO_TEXT,
    "Inside anything but list, start|null|boolean": _NO_TEXT,
    "Inside anything but list, either": "write all of them as texts (in quotes), or all as numbers",
    "Inside anything-but/equals-ignore-case list": _TEXT,
    "Null prefix/suffix not allowed": "every text begins and ends with the empty text: write some characters",
    "Only one key allowed": "write one key only, such as {equals-ignore-case: …}",
    "Unsupported prefix/suffix pattern": "write a text, or {equals-ignore-case: …}",
    "Match value must be": "a list holds values and operators, and no further lists",
    "Consecutive wildcard characters": "one * is enough: it stands for any run of characters",
    "exists match pattern": "write {exists: true} or {exists: false}",
    "Empty arrays are not allowed": "write at least one value; for a field that is absent, {exists: false}",
    "Empty objects are not allowed": "say what the value must be; {exists: true} takes any",
    "It must be an Array": "write a list of alternatives: `$or: [{type: a}, {type: b}]`",
    "Only JSON object is allowed": "each alternative is a pattern of its own: `$or: [{type: a}, {type: b}]`",
    "There must have at least 2": "with one alternative only, write it without $or",
    "Too many fields": "make several rules of it",
    "The pattern is nested too deeply": "make several rules of it",
}
"""By the beginnings of reasons, the longest first that fits."""

_RESERVED = re.compile(r"(\S+) is Ruler reserved fieldName")


def not_ours(name: str) -> str | None:
    """What to write for an operator of another language; None for any other name.

    >>> not_ours("$gte"), not_ours("startsWith"), not_ours("prefix")
    ('write {numeric: [">=", …]}', 'write {prefix: …}', None)
    """
    return _NOT_OURS.get(re.sub(r"[$_-]", "", name).lower())


def known_operators() -> str:
    """A hint that lists them."""
    return f"the operators are {', '.join(RULE_OPERATORS)}"


def hint_for(problem: PatternError) -> str | None:
    """What to do about a problem that has no hint of its own."""
    reason = problem.reason
    if not problem.path and reason == "Empty objects are not allowed":
        return 'say which events it is for; `type: "*"` takes all of them'
    if "match pattern must be a string" in reason:
        return _BLOCK if problem.path[-1:] == ("cidr",) else _TEXT
    if (reserved := _RESERVED.match(reason)) is not None:
        instead = not_ours(reserved[1]) or "an operator stands under the name of the field that it is about"
        return f"{instead}; a field that is called so is written with a dot, as in data.{reserved[1]}"
    fitting = [beginning for beginning in _HINTS if reason.startswith(beginning)]
    return _HINTS[max(fitting, key=len)] if fitting else None
