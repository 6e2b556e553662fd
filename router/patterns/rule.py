"""Our YAML form: what a rule's `match` says about a CloudEvent.

It reads everything the strict form reads, and more: a bare value is a list of one; an object with several
operators means all of them; `contains`; a `*` is a glob in a direct string value of type, source and subject.
At the root stand context attributes and `data`, the payload. Attributes are text, so numbers and booleans
under one are taken as their text, and what can never match there is refused.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from router.events import canonical
from router.events.model import ATTRIBUTE_NAME, SPEC_ATTRIBUTES
from router.patterns.conditions import All, Exists, wildcard
from router.patterns.errors import PatternError
from router.patterns.hints import hint_for, known_operators, not_ours
from router.patterns.jsontext import Node, Object, dumps
from router.patterns.nodes import Leaf, Place
from router.patterns.operators import RULE_OPERATORS, scalar
from router.patterns.parse import node_of
from router.patterns.pattern import Pattern
from router.patterns.structure import branches, field_of
from router.patterns.values import Number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.patterns.conditions import Condition
    from router.patterns.errors import Path
    from router.patterns.nodes import Branch, Field

DATA = "data"
GLOBBED = ("type", "source", "subject")
"""The attributes in whose direct string values a `*` matches any run of characters."""


def parse_rule(mapping: Mapping[str, Any]) -> Pattern:
    """Read a pattern in the YAML form.

    Args:
        mapping: what the YAML says, as str, int, float, `decimal.Decimal`, bool, None, lists and mappings.

    Raises:
        PatternError: it is not a valid pattern. The error is the first problem; its `others` are the rest.
    """
    read, problems = _read(mapping)
    if problems:
        first, *others = problems
        raise PatternError(first.reason, first.path, hint=first.hint, others=tuple(others))
    return Pattern(read)


def problems_of_rule(mapping: Mapping[str, Any]) -> list[PatternError]:
    """Everything that is wrong with a pattern in the YAML form, in the order in which it stands there."""
    return _read(mapping)[1]


def _read(mapping: Mapping[str, Any]) -> tuple[tuple[Branch, ...], list[PatternError]]:
    """The branches, and the problems; with problems the branches mean nothing."""
    form = RuleForm()
    try:
        root = node_of(mapping)
        if isinstance(root.value, Object):
            return branches(root, form), form.problems
        form.fault(PatternError("The pattern is not a mapping", hint="write it as `type: …` or `data: …`"))
    except PatternError as problem:
        form.fault(problem)
    except RecursionError:
        form.fault(PatternError("The pattern is nested too deeply"))
    return (), form.problems


class RuleForm:
    """How the YAML form reads a field.

    Attributes:
        problems: what was found wrong so far.
    """

    or_is_operator = True

    def __init__(self) -> None:
        self.problems: list[PatternError] = []

    def fault(self, problem: PatternError) -> None:
        """Take note, and go on. Each problem says what to do, EventBridge's bare sentences too."""
        if problem.hint is None:
            hint = hint_for(problem)
            problem = PatternError(problem.reason, problem.path, hint=hint, offset=problem.offset)
        self.problems.append(problem)

    def field(self, name: str, node: Node, path: Path) -> Field | None:
        """The field with the conditions of a list, a bare value or operators; None for payload fields."""
        attribute = _attribute(name, path)
        members = [(node, path)]
        if isinstance(node.value, Object):
            operators = [key for key, _ in node.value if key in RULE_OPERATORS]
            if attribute is None and (name == DATA or len(operators) < max(len(node.value), 1)):
                return None
        elif isinstance(node.value, list):
            if not node.value:
                raise PatternError("Empty arrays are not allowed", path)
            members = [(one, (*path, index)) for index, one in enumerate(node.value)]
        return field_of(name, self._leaves(members, attribute), node, path)

    def _leaves(self, members: list[tuple[Node, Path]], attribute: str | None) -> tuple[Leaf, ...]:
        """The conditions of one field, as far as they can be read."""
        leaves = []
        for node, path in members:
            try:
                leaves.append(Leaf(_condition(node, path, attribute), dumps(node), Place(path)))
            except PatternError as problem:
                self.fault(problem)
        return tuple(leaves)


def _attribute(name: str, path: Path) -> str | None:
    """The context attribute a field is, or None for the payload and the fields in it.

    Raises:
        PatternError: it is neither.
    """
    root, *below = name.split(".")
    if root == DATA:
        return None
    if not ATTRIBUTE_NAME.match(root):
        close = get_close_matches(root.lower(), (*SPEC_ATTRIBUTES, DATA), n=1)
        hint = f"did you mean {close[0]}?" if close else "fields of the payload stand under data"
        reason = f"{root} is not a context attribute: their names are lower-case letters and digits"
        raise PatternError(reason, path, hint=hint)
    if below:
        raise _no_fields(root, path)
    return root


def _no_fields(attribute: str, path: Path) -> PatternError:
    return PatternError(f"{attribute} is a context attribute: it has no fields", path, hint=_under(attribute))


def _under(field: str) -> str:
    return f"fields of the payload stand under data: `data: {{{field}: …}}`"


def _condition(node: Node, path: Path, attribute: str | None) -> Condition:
    """One member of a field's list."""
    if isinstance(node.value, Object):
        return _operators(node.value, path, attribute)
    if attribute is None or isinstance(node.value, list):
        return scalar(node, path)
    if node.value is None:
        hint = "write {exists: false} for an event without it"
        raise PatternError(f"{attribute} is a context attribute: it is never null", path, hint=hint)
    if attribute in GLOBBED and isinstance(node.value, str) and "*" in node.value:
        return wildcard(node.value)
    return scalar(_as_text(node), path)


def _operators(members: Object, path: Path, attribute: str | None) -> Condition:
    """One or several operators, all of which must hold for the same value."""
    if not members:
        raise PatternError("Match expression name not found", path, hint=known_operators())
    conditions = [_operation(name, operand, (*path, name), attribute) for name, operand in members]
    if len(conditions) == 1:
        return conditions[0]
    if any(isinstance(one, Exists) and not one.wanted for one in conditions):
        hint = "make it a condition of its own in the list"
        raise PatternError("exists: false cannot hold together with other operators", path, hint=hint)
    return All(tuple(conditions))


def _operation(name: str, operand: Node, path: Path, attribute: str | None) -> Condition:
    """One operator."""
    if name not in RULE_OPERATORS:
        raise _unknown(name, path, attribute)
    if attribute is not None:
        if name == "numeric":
            hint = "write the text that is sent, or match a field of the payload under data"
            reason = f"{attribute} is a context attribute and therefore text: numeric never matches"
            raise PatternError(reason, path, hint=hint)
        operand = operand if name == "exists" else _as_text(operand)
    return RULE_OPERATORS[name](operand, path)


def _as_text(node: Node) -> Node:
    """A value with its numbers and booleans as their canonical strings."""
    value = node.value
    if isinstance(value, Object):
        return Node(Object((key, _as_text(member)) for key, member in value))
    if isinstance(value, list):
        return Node([_as_text(member) for member in value])
    if isinstance(value, Number):
        return Node(value.text)
    return Node(canonical(value)) if isinstance(value, bool) else node


def _unknown(name: str, path: Path, attribute: str | None) -> PatternError:
    """What to say of a key that is no operator, where only operators may stand."""
    reason = f"Unrecognized match type {name}"
    if (instead := not_ours(name)) is not None:
        hint = f"there is no operator {name!r}: {instead}; {known_operators()}"
        return PatternError(reason, path, hint=hint)
    if close := get_close_matches(name.lower().replace("_", "-"), RULE_OPERATORS, n=1):
        return PatternError(reason, path, hint=f"did you mean {close[0]}?")
    if attribute is None:
        return PatternError(reason, path, hint=known_operators())
    reason = f"{attribute} is a context attribute: it has no fields, and {name!r} is no operator"
    return PatternError(reason, path, hint=f"{_under(attribute)}; {known_operators()}")
