"""The strict form: EventBridge patterns as JSON text, or as the same structure in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from router.patterns.errors import PatternError
from router.patterns.jsontext import JSONError, Node, NotJSONError, Object, dumps, from_python, nodes
from router.patterns.nodes import Leaf
from router.patterns.operators import operation, scalar
from router.patterns.pattern import Pattern
from router.patterns.structure import branches, field_of, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.patterns.errors import Path
    from router.patterns.nodes import Field

LONGEST = 4_096
"""Characters of a pattern as JSON text (EventBridge's limit)."""


def parse(pattern: str | bytes | Mapping[str, Any]) -> Pattern:
    """Read a pattern in the strict AWS form.

    Args:
        pattern: JSON text (at most 4,096 characters), or a mapping of what JSON has: str, int, float,
            `decimal.Decimal`, bool, None, lists and mappings.

    Raises:
        PatternError: it is not a valid pattern; with line and column where it was text.
    """
    if not isinstance(pattern, str | bytes):
        return _parse(node_of(pattern), None)
    try:
        text = pattern if isinstance(pattern, str) else pattern.decode(errors="replace")
        if len(text) > LONGEST:
            reason = f"The pattern has {len(text):,} characters, where {LONGEST:,} are allowed"
            raise PatternError(reason, offset=LONGEST).within(text)
        return _parse(nodes(pattern), text)
    except JSONError as problem:
        raise PatternError(problem.reason, offset=problem.offset).within(text) from None


def _parse(root: Node, text: str | None) -> Pattern:
    """Read a pattern with `$or` as an operator, and where that fails as an ordinary field."""
    if not isinstance(root.value, Object):
        problem = PatternError("Filter is not an object", offset=root.opened)
        raise problem if text is None else problem.within(text)
    try:
        return Pattern(branches(root, StrictForm(text, or_is_operator=True)))
    except PatternError as refused:
        try:
            return Pattern(branches(root, StrictForm(text, or_is_operator=False)))
        except PatternError:
            raise (refused if text is None else refused.within(text)) from None
    except RecursionError:
        raise PatternError("The pattern is nested too deeply") from None


def node_of(value: Any) -> Node:
    """A Python value as the node that its JSON text would give.

    Raises:
        PatternError: JSON has no such value.
    """
    try:
        return _node(from_python(value))
    except NotJSONError as problem:
        raise PatternError(str(problem), problem.path) from None


def _node(value: Any) -> Node:
    if isinstance(value, Object):
        return Node(Object((key, _node(member)) for key, member in value))
    return Node([_node(one) for one in value] if isinstance(value, list) else value)


class StrictForm:
    """How EventBridge reads a field: an array of conditions, and nothing looser."""

    def __init__(self, text: str | None, *, or_is_operator: bool) -> None:
        self.or_is_operator = or_is_operator
        self._text = text

    def field(self, name: str, node: Node, path: Path) -> Field | None:
        """The field with the conditions of an array; None for an object."""
        if isinstance(node.value, Object):
            return None
        if not isinstance(node.value, list):
            reason = f'"{path[-1]}" must be an object or an array'
            raise PatternError(reason, path, offset=node.opened)
        if not node.value:
            raise PatternError("Empty arrays are not allowed", path, offset=node.end)
        leaves = tuple(self._leaf(one, (*path, index)) for index, one in enumerate(node.value))
        return field_of(name, leaves, node, path, self._text)

    def fault(self, problem: PatternError) -> NoReturn:
        """The first problem ends the reading."""
        raise problem

    def _leaf(self, node: Node, path: Path) -> Leaf:
        read = operation if isinstance(node.value, Object) else scalar
        return Leaf(read(node, path), dumps(node), place_of(node, path, self._text))
