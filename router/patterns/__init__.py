"""The pattern language: parse, match, explain. `README.md` beside this file is its specification."""

from router.events import EventError
from router.patterns.errors import PatternError
from router.patterns.explain import Explanation, Verdict, explain
from router.patterns.fields import Fields, read
from router.patterns.index import Index
from router.patterns.parse import parse
from router.patterns.pattern import Pattern
from router.patterns.rule import parse_rule, problems_of_rule

__all__ = [
    "EventError",
    "Explanation",
    "Fields",
    "Index",
    "Pattern",
    "PatternError",
    "Verdict",
    "explain",
    "parse",
    "parse_rule",
    "problems_of_rule",
    "read",
]
