"""JMESPath, compiled at load: its faults are found then, with their column, not at the first event."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jmespath
from jmespath.exceptions import IncompleteExpressionError, LexerError, ParseError

from router.config.functions import Functions, arity, complaint
from router.config.problems import did_you_mean
from router.errors import ConfigurationError, MessageError


class ExpressionError(ConfigurationError):
    """This is not a JMESPath expression.

    Attributes:
        offset: the character at fault, from 0.
        hint: what to write instead; "" where the message says enough.
    """

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


class EvaluationError(MessageError):
    """A JMESPath expression cannot be evaluated on this event."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled JMESPath expression (https://jmespath.org/specification.html), with functions of our own."""

    text: str
    _parsed: Any = field(repr=False, compare=False)

    @property
    def tree(self) -> Mapping[str, Any]:
        """What was parsed: nodes with `type`, `children` and, some of them, `value`."""
        found: Mapping[str, Any] = self._parsed.parsed
        return found

    def search(self, view: Any) -> Any:
        """The expression's value on a JSON-like value.

        Raises:
            EvaluationError: a function got what it cannot take.
        """
        try:
            return self._parsed.search(view, jmespath.Options(custom_functions=Functions()))
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise EvaluationError(f"the expression {self.text!r} failed: {reason}") from error

    def holds(self, view: Any) -> bool:
        """Whether the value is true: not null, not false, and no empty text, list or object; 0 is true.

        Raises:
            EvaluationError: a function got what it cannot take.
        """
        value = self.search(view)
        return not (value is None or value is False or value in ("", [], {}))


def compile_expression(text: str) -> Expression:
    """Compile JMESPath.

    Raises:
        ExpressionError: it is none, or it calls a function that does not exist or with other arguments.
    """
    if not text.strip():
        raise ExpressionError("an expression is missing", 0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PendingDeprecationWarning)
            parsed = jmespath.compile(text)
    except PendingDeprecationWarning:
        what = "between backticks stands JSON, and this is none"
        raise ExpressionError(what, text.index("`"), "write a text as 'text'") from None
    except (ValueError, RecursionError) as error:
        raise _explained(error, text) from None
    _check_functions(parsed.parsed, text)
    return Expression(text, parsed)


def _explained(error: Exception, text: str) -> ExpressionError:
    if isinstance(error, IncompleteExpressionError):
        return ExpressionError("the expression ends too early", len(text))
    if isinstance(error, LexerError):
        offset = int(error.lexer_position)
        return ExpressionError(str(error.message).lower(), offset, _hint(text, offset))
    if isinstance(error, ParseError):
        if error.token_type == "EOF":  # noqa: S105 -- a token of a grammar
            return ExpressionError("the expression ends too early", len(text))
        offset = int(error.lex_position)
        return ExpressionError(f"{error.token_value!r} cannot stand here", offset, _hint(text, offset))
    if isinstance(error, RecursionError):
        return ExpressionError("the expression is nested too deeply", 0)
    return ExpressionError(str(error), 0)


_HINTS = (
    (r"-?[0-9]+(?:\.[0-9]+)?", "a number stands between backticks: `{}`"),
    (r"(?i:and)\b", "write && for {}"),
    (r"(?i:or)\b", "write || for {}"),
    (r"(?i:in)\b", "write contains(list, value) for {}"),
    (r"=", "write == to compare"),
    (r"\$\.?", "leave {} out: names begin at the event, as in data.x"),
    (r"-", 'a name with other characters than letters, digits and _ stands in double quotes: data."a-b"'),
)
"""By what stands at the fault: what to write, instead of what other languages have."""


def _hint(text: str, offset: int) -> str:
    if re.search(r"(?i:\bnot)\s+\Z", text[:offset]):
        return "write ! for not"
    for pattern, hint in _HINTS:
        if (found := re.compile(pattern).match(text, offset)) is not None:
            return hint.format(found.group())
    return ""


def _check_functions(tree: Mapping[str, Any], text: str) -> None:
    for node in _nodes(tree):
        if node["type"] != "function_expression":
            continue
        name, given = node["value"], len(node["children"])
        call = re.search(rf"\b{re.escape(name)}\s*\(", text)
        offset = call.start() if call else 0
        known = Functions.FUNCTION_TABLE.get(name)
        if known is None:
            hint = (
                "write ! for not" if name.lower() == "not" else did_you_mean(name, Functions.FUNCTION_TABLE)
            )
            raise ExpressionError(f"there is no function {name}()", offset, hint)
        least, most = arity(known["signature"])
        if given < least or (most is not None and given > most):
            piped = re.search(r"(?<!\|)\|\s*\Z", text[:offset]) is not None
            hint = f"what stands before the | goes into its brackets: {name}(value, …)" if piped else ""
            raise ExpressionError(_miscounted(name, least, most, given), offset, hint)
        if (wrong := complaint(name, node["children"])) is not None:
            raise ExpressionError(wrong[0], offset, wrong[1])


def _miscounted(name: str, least: int, most: int | None, given: int) -> str:
    count = str(least) if least == most else f"at least {least}" if most is None else f"{least} or {most}"
    return f"{name}() takes {count} argument{'s' * ((most or least) != 1)}, here are {given}"


def _nodes(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All nodes, in their order; without recursion, as `a || b || …` is as deep as it is long."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in reversed(node["children"]) if isinstance(child, dict))
