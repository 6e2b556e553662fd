"""Expressions and templates that hardly mean what they say: JMESPath reads them, as something else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jmespath.lexer import Lexer

from router.config.expressions import Expression
from router.config.functions import OWN
from router.events.model import ATTRIBUTE_NAME
from router.rules.lint.patterns import Seen, doubt_of, unknown_word
from router.transforms import Piece, envelope
from router.transforms.jsonpath import JsonPath

Warn = Callable[[int, str, str], None]
"""Told of a doubt: the character (from 0) where it is, what is doubtful, and what to write instead."""

_COMPARATORS = {"eq", "ne", "lt", "lte", "gt", "gte"}
_ON_A_VALUE = {
    "subexpression",
    "index_expression",
    "projection",
    "filter_projection",
    "value_projection",
    "pipe",
}
"""What looks up its first part where it stands, and the others in the value of that."""
_LITERALS = {"true", "false", "null"}

_STATEMENT = re.compile(r"\{%")
_JSON_PATH = re.compile(r"\$\.[A-Za-z_][\w.]*")


def check(expression: Expression, warn: Warn, seen: Seen) -> None:
    """Warn of what an expression can hardly mean, where the rule's tests have `seen` so much."""
    tokens = [token for token in Lexer().tokenize(expression.text) if token["type"] != "eof"]
    told = set()
    _check_filters(tokens, warn)
    _check_words(expression, tokens, warn, seen)
    types = ["", *(token["type"] for token in tokens), "", ""]  # "" stands beyond the ends
    for at, token in enumerate(tokens):
        name, around = str(token["value"]), (types[at], types[at + 2], types[at + 3])
        if not (token["type"].endswith("_identifier") and _stands_for_a_value(*around)):
            continue
        if token["type"] == "quoted_identifier":
            told.add(name)
            what = f'"{name}" in double quotes is the field of that name'
            warn(token["start"], what, f"write the text as '{name}'")
        elif name in _LITERALS:
            told.add(name)
            warn(token["start"], f"{name} is the field of that name here", f"write `{name}`, in backticks")
    for name in dict.fromkeys(_roots(expression.tree)):
        if name in told:
            continue
        if not ATTRIBUTE_NAME.match(name):
            what = f"{name} is no attribute of any event: their names are lower-case letters and digits"
            warn(_place(tokens, name), what, f"did you mean data.{name}?")
        elif (doubt := doubt_of(name, seen, f"data.{name}")) is not None:
            warn(_place(tokens, name), *doubt)


def _check_words(expression: Expression, tokens: list[Any], warn: Warn, seen: Seen) -> None:
    """Warn of a word that an attribute of the sources' own is compared with, and never is."""
    for node in _nodes(expression.tree):
        if node["type"] == "comparator":
            held = {child["type"]: child["value"] for child in _children(node) if "value" in child}
            name, word = held.get("field"), held.get("literal")
            if isinstance(word, str) and (doubt := unknown_word(str(name), word, seen)) is not None:
                warn(_place(tokens, str(name)), *doubt)


def _check_filters(tokens: list[Any], warn: Warn) -> None:
    """Warn of a function that is piped into as other templates have it: it is a field's name there."""
    for before, token, after in zip(tokens, tokens[1:], [*tokens[2:], {"type": ""}], strict=False):
        name = token["value"]
        if before["type"] == "pipe" and name in OWN and after["type"] in {"", "pipe", "dot"}:
            what = f"{name} is the field of that name here: a | gives a value to the expression behind it"
            warn(token["start"], what, f"write {name}(value), around the value")


def check_text(text: str, warn: Warn) -> None:
    """Warn of what a template's own text can hardly mean."""
    for found in _STATEMENT.finditer(text):
        warn(
            found.start(),
            "{% is plain text: templates have {{ expression }} and nothing else",
            "leave it out",
        )
    for found in _JSON_PATH.finditer(text):
        what = f"{found.group()} is plain text: nothing is filled in"
        warn(found.start(), what, f"write {{{{ {found.group().removeprefix('$.')} }}}}")


def check_path(path: JsonPath, warn: Warn) -> None:
    """Warn of a path of EventBridge's that can find nothing in any event."""
    name = str(path.steps[0]) if path.steps else "data"
    if not ATTRIBUTE_NAME.match(name) and name not in envelope.NAMES:
        what = f"{name} is no attribute of any event: their names are lower-case letters and digits"
        warn(2, what, f"did you mean $.data.{name}?")


def check_piece(piece: Piece, warn: Warn, seen: Seen) -> None:
    """Warn of what a piece of a transform can hardly mean; `seen` as in `check`."""

    def here(offset: int, what: str, hint: str) -> None:
        warn(piece.offset + offset, what, hint)

    if isinstance(piece.part, Expression):
        check(piece.part, here, seen)
    elif isinstance(piece.part, JsonPath):
        check_path(piece.part, here)
    else:
        check_text(piece.part, here)


def _stands_for_a_value(before: str, after: str, later: str) -> bool:
    """Whether a name is what something is compared with, or a whole argument."""
    if before in _COMPARATORS:
        return after not in {"dot", "lbracket", "filter", "flatten"}
    if after in _COMPARATORS:
        return before != "dot" and later != "literal"  # "content-type" == 'x' compares a field
    return before in {"comma", "lparen"} and after in {"comma", "rparen"}


def _roots(tree: Mapping[str, Any]) -> Iterator[str]:
    """The names that an expression looks up in the event itself, not in a value found there."""
    return (node["value"] for node in _nodes(tree) if node["type"] == "field")


def _nodes(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The parts of an expression that see the event itself, and not a value found there."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        children = _children(node)
        if node["type"] in _ON_A_VALUE:
            waiting.append(children[0])
        elif node["type"] != "expref":
            waiting.extend(reversed(children))


def _children(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [child for child in node["children"] if isinstance(child, Mapping)]


def _place(tokens: list[Any], name: str) -> int:
    """Where a root name stands first."""
    for before, token in zip([None, *tokens], tokens, strict=False):
        named = token["type"].endswith("_identifier") and token["value"] == name
        if named and (before is None or before["type"] != "dot"):
            return int(token["start"])
    return 0
