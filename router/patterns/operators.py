"""Reading one condition: a scalar, or an operator and its operand.

Reasons are in the words of event-ruler's compiler, which EventBridge's own answers carry, and stand at
the offset it gives: behind the last token it has looked at.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from router.patterns.conditions import (
    COMPARATORS,
    Address,
    AnythingBut,
    Cidr,
    Contains,
    Equals,
    EqualsIgnoreCase,
    Exact,
    Exists,
    Literal,
    Numeric,
    Prefix,
    Suffix,
    Wildcard,
    is_increasing,
)
from router.patterns.errors import PatternError
from router.patterns.jsontext import Node, Object
from router.patterns.values import Number, address_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.patterns.conditions import Condition
    from router.patterns.errors import Path

    Operator = Callable[[Node, Path], Condition]

_ONE_KEY = "Only one key allowed in match expression"
_MIXED = "Inside anything but list, either all values are number or string, mixed type is not supported"
_MASK = re.compile(r"[+-]?[0-9]+")
_MOST_BITS = {4: 31, 6: 127}
"""By IP version. An address alone is no block: write it as a string."""


def scalar(node: Node, path: Path) -> Condition:
    """A condition that is a bare value.

    Raises:
        PatternError: it is an array or an object.
    """
    value = node.value
    if value is None or isinstance(value, bool):
        return Literal(value)
    if isinstance(value, Number):
        return Equals(value)
    if isinstance(value, str):
        address = address_of(value)
        return Exact(value) if address is None else Address(address)
    reason = "Match value must be String, number, true, false, or null"
    raise PatternError(reason, path, offset=node.opened)


def only_member(node: Node, path: Path, absent: str) -> tuple[str, Node]:
    """The one key of an object and its value.

    Raises:
        PatternError: there is none (for the reason `absent`), or there are several.
    """
    assert isinstance(node.value, Object)
    if not node.value:
        raise PatternError(absent, path, offset=node.end)
    if len(node.value) > 1:
        key, second = node.value[1]
        raise PatternError(_ONE_KEY, (*path, key), offset=second.opened)
    name: str
    operand: Node
    name, operand = node.value[0]
    return name, operand


def operation(node: Node, path: Path) -> Condition:
    """A condition that is an object with one operator.

    Raises:
        PatternError: no operator, several, an unknown one, or an operand it cannot take.
    """
    name, operand = only_member(node, path, "Match expression name not found")
    if name not in OPERATORS:
        raise PatternError(f"Unrecognized match type {name}", (*path, name), offset=operand.opened)
    return OPERATORS[name](operand, (*path, name))


def _string(node: Node, path: Path, reason: str) -> str:
    if not isinstance(node.value, str):
        hint = "write one condition for each member of the list" if isinstance(node.value, list) else None
        raise PatternError(reason, path, offset=node.opened, hint=hint)
    return node.value


def _exactly(node: Node, path: Path) -> Condition:
    return Exact(_string(node, path, "exact match pattern must be a string"))


def _prefix(node: Node, path: Path) -> Condition:
    return Prefix(*_affix(node, path, "prefix match pattern must be a string"))


def _suffix(node: Node, path: Path) -> Condition:
    return Suffix(*_affix(node, path, "suffix match pattern must be a string"))


def _affix(node: Node, path: Path, reason: str) -> tuple[str, bool]:
    """A prefix or suffix: its text, and whether case is ignored."""
    if not isinstance(node.value, Object):
        return _string(node, path, reason), False
    name, operand = only_member(node, path, reason)
    if name != "equals-ignore-case":
        reason = f"Unsupported prefix/suffix pattern: {name}"
        raise PatternError(reason, (*path, name), offset=operand.opened)
    reason = "equals-ignore-case match pattern must be a string"
    return _string(operand, (*path, name), reason), True


def _equals_ignore_case(node: Node, path: Path) -> Condition:
    return EqualsIgnoreCase(_string(node, path, "equals-ignore-case match pattern must be a string"))


def _contains(node: Node, path: Path) -> Condition:
    return Contains(_string(node, path, "contains match pattern must be a string"))


def _wildcard(node: Node, path: Path) -> Condition:
    r"""`*` for any run of characters; `\*` and `\\` for the characters themselves."""
    text = _string(node, path, "wildcard match pattern must be a string")
    parts = [""]
    at = 0
    while at < len(text):
        character, following = text[at], text[at + 1 : at + 2]
        # Positions count UTF-8 bytes, and the quotation mark that the engine puts in front.
        position = 1 + len(text[:at].encode(errors="replace"))
        if character == "\\":
            if following not in ("*", "\\"):
                reason = f"Invalid escape character at pos {position}"
                raise PatternError(reason, path, offset=node.end, hint=r"only \* and \\ are escapes")
            parts[-1] += following
            at += 1
        elif character == "*":
            if following == "*":
                raise PatternError(
                    f"Consecutive wildcard characters at pos {position}", path, offset=node.end
                )
            parts.append("")
        else:
            parts[-1] += character
        at += 1
    return Wildcard(tuple(parts))


def _exists(node: Node, path: Path) -> Condition:
    if not isinstance(node.value, bool):
        raise PatternError("exists match pattern must be either true or false.", path, offset=node.opened)
    return Exists(node.value)


def _cidr(node: Node, path: Path) -> Condition:
    """An address, `/` and the number of leading bits; bits set after those do not matter."""
    text = _string(node, path, "prefix match pattern must be a string")  # sic: EventBridge says prefix
    reason = ""
    address_text, slash, mask = text.rstrip("/").partition("/")
    address = address_of(address_text)
    if not slash or "/" in mask:
        reason = "Malformed CIDR, one '/' required"
    elif not _MASK.fullmatch(mask):
        reason = "Malformed CIDR, mask bits must be an integer"
    elif int(mask) < 0:
        reason = "Malformed CIDR, mask bits must not be negative"
    elif address is None:
        reason = f"Nonstandard IP address: {address_text}"
    elif int(mask) > _MOST_BITS[address.version]:
        reason = f"IPv{address.version} mask bits must be < {_MOST_BITS[address.version] + 1}"
    if reason or address is None:
        raise PatternError(reason, path, offset=node.end)
    return Cidr(ipaddress.ip_network(f"{address}/{int(mask)}", strict=False))


def _number(node: Node | None, path: Path, reason: str, end: int | None) -> float:
    """A comparable number; `end` is the offset where one is missing."""
    if node is None:
        raise PatternError(reason, path, offset=end)
    if not isinstance(node.value, Number):
        raise PatternError(reason, path, offset=node.opened)
    return comparable(node.value, node, path)


def comparable(number: Number, node: Node, path: Path) -> float:
    """The value of a number that is to be compared.

    Raises:
        PatternError: a double cannot hold it.
    """
    value = number.value
    if value is None:
        reason = f"Value {number.text} cannot be compared: a double does not hold it exactly"
        raise PatternError(reason, path, offset=node.end, hint="as a string it matches only its own text")
    return value


def _numeric(node: Node, path: Path) -> Condition:
    """One comparison, or a range: `>` or `>=` and a number, then `<` or `<=` and a larger one."""
    if not isinstance(node.value, list):
        raise PatternError("Value of numeric must be an array.", path, offset=node.opened)
    terms: list[Node | None] = [*node.value, None, None]
    bounds: list[tuple[str, float]] = []
    for index in range(0, max(len(node.value), 1), 2):
        comparator = _comparator(terms[index], (*path, index), node, bounds)
        name = "equals" if comparator == "=" else comparator
        reason = f"Value of {name} must be numeric"
        bounds.append((comparator, _number(terms[index + 1], (*path, index + 1), reason, node.end)))
    if not is_increasing(tuple(bounds)):
        raise PatternError("Bottom must be less than top", path, offset=node.end)
    return Numeric(tuple(bounds))


def _comparator(term: Node | None, path: Path, node: Node, bounds: list[tuple[str, float]]) -> str:
    """The comparator at an even place of `numeric`, after the bounds read so far."""
    value = term.value if term else None
    if term is None:
        raise PatternError("Invalid member in numeric match: ]", path[:-1], offset=node.end)
    if bounds and (len(bounds) > 1 or bounds[0][0] not in (">", ">=")):
        reason = "Too many elements in numeric expression"
        raise PatternError(reason, path, offset=term.opened, hint="a range is > or >=, then < or <=")
    if not isinstance(value, str):
        shown = value.text if isinstance(value, Number) else "it must be a string"
        reason = "Bad value in numeric range" if bounds else "Invalid member in numeric match"
        raise PatternError(f"{reason}: {shown}", path, offset=term.end)
    if bounds and value not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {value}", path, offset=term.end)
    if value not in COMPARATORS:
        raise PatternError(f"Unrecognized numeric range operator: {value}", path, offset=term.end)
    return value


def _anything_but(node: Node, path: Path) -> Condition:
    """Values, or one operator with its operand or a list of operands."""
    if isinstance(node.value, Object):
        name, operand = only_member(node, path, "Anything-But expression name not found")
        if name not in EXCLUDING:
            reason = f"Unsupported anything-but pattern: {name}"
            raise PatternError(reason, (*path, name), offset=operand.opened)
        return AnythingBut(tuple(_excluded(name, one, at) for one, at in _operands(operand, (*path, name))))
    if not isinstance(node.value, str | Number | list):
        reason = "Value of anything-but must be an array or single string/number value."
        raise PatternError(reason, path, offset=node.opened)
    excluded: list[Exact | Equals] = []
    for one, at in _operands(node, path):
        if isinstance(one.value, Number):
            comparable(one.value, one, at)
            excluded.append(Equals(one.value))
        else:
            reason = "Inside anything but list, start|null|boolean is not supported."
            excluded.append(Exact(_string(one, at, reason)))
    if len({type(one) for one in excluded}) > 1:
        raise PatternError(_MIXED, path, offset=node.end)
    return AnythingBut(tuple(excluded))


def _operands(node: Node, path: Path) -> list[tuple[Node, Path]]:
    """A list's members, or the one value, with their paths."""
    if not isinstance(node.value, list):
        return [(node, path)]
    if not node.value:
        raise PatternError("Empty arrays are not allowed", path, offset=node.end)
    return [(one, (*path, index)) for index, one in enumerate(node.value)]


def _excluded(name: str, node: Node, path: Path) -> Condition:
    """One operand of an operator inside `anything-but`."""
    if isinstance(node.value, Object):
        reason = "Value of anything-but must be an array or single string/number value."
        raise PatternError(reason, path, offset=node.opened)
    text = _string(node, path, EXCLUDING[name])
    if name in ("prefix", "suffix") and not text:
        raise PatternError("Null prefix/suffix not allowed", path, offset=node.end)
    return OPERATORS[name](node, path)


EXCLUDING = {
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "equals-ignore-case": "Inside anything-but/equals-ignore-case list, "
    "number|start|null|boolean is not supported.",
    "wildcard": "wildcard match pattern must be a string",
}
"""The operators that `anything-but` takes, and what is wrong with an operand that is no text."""

OPERATORS: dict[str, Operator] = {
    "exactly": _exactly,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _equals_ignore_case,
    "wildcard": _wildcard,
    "numeric": _numeric,
    "cidr": _cidr,
    "exists": _exists,
    "anything-but": _anything_but,
}
"""EventBridge's operators."""

RULE_OPERATORS: dict[str, Operator] = {**OPERATORS, "contains": _contains}
"""Those of our YAML form."""
