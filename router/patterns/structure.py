"""The skeleton of a pattern, for both forms: objects that nest, fields with conditions, `$or`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from router.patterns.conditions import COMPARATORS, gaps
from router.patterns.errors import PatternError
from router.patterns.jsontext import Node, Object, dumps
from router.patterns.nodes import Branch, Field, Leaf, Place
from router.patterns.operators import OPERATORS

if TYPE_CHECKING:
    from router.patterns.errors import Path

OR = "$or"
MOST_FIELDS = 256
"""Fields of one branch (event-ruler's limit)."""
MOST_BRANCHES = 1_000
"""Branches that `$or` may give, products of nested ones included. Ours: event-ruler has no limit."""
MOST_GAPS = 5
"""The `*` in one wildcard. EventBridge refuses `*:*:*:*:*:event-bus/*`, which has six."""
MOST_GAPS_IN_FIELD = 100
"""The `*` in all wildcards of one field."""

RESERVED = frozenset(
    {
        *OPERATORS,
        *COMPARATORS,
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    }
)
"""Names that no field inside `$or` may have (event-ruler, Constants)."""

_TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters "
    "or fewer repeating character sequences after a wildcard character"
)

_Growing = dict[str, Field]
"""A branch while it is being read: its fields by their paths, of which the last one written counts."""


class Form(Protocol):
    """How a form of the language reads what the skeleton leaves to it."""

    or_is_operator: bool

    def field(self, name: str, node: Node, path: Path) -> Field | None:
        """The field a member is; None if it is an object with further fields.

        Raises:
            PatternError: it is neither.
        """
        ...

    def fault(self, problem: PatternError) -> None:
        """Take note of a problem, or raise it."""
        ...


def branches(root: Node, form: Form) -> tuple[Branch, ...]:
    """What a pattern asks: one branch, or with `$or` several, of which one has to match.

    Raises:
        PatternError: the first problem, unless the form takes note of them instead.
    """
    grown: list[_Growing] = []
    _grow(grown, root, None, (), form)
    return tuple(_branch(fields, root) for fields in grown)


def _grow(
    grown: list[_Growing], node: Node, prefix: str | None, path: Path, form: Form, *, in_or: bool = False
) -> None:
    """Add an object's members to every branch grown so far."""
    assert isinstance(node.value, Object)
    if not node.value:
        form.fault(PatternError("Empty objects are not allowed", path, offset=node.end))
    for key, member in node.value:
        at = (*path, key)
        if key == OR and form.or_is_operator:
            _fork(grown, member, prefix, at, form)
            continue
        if in_or and key in RESERVED:
            reason = f"{key} is Ruler reserved fieldName which cannot be used inside {OR}."
            form.fault(PatternError(reason, at, offset=member.opened))
            continue
        name = key if prefix is None else f"{prefix}.{key}"
        try:
            field = form.field(name, member, at)
        except PatternError as problem:
            form.fault(problem)
            continue
        if field is None:
            _grow(grown, member, name, at, form, in_or=in_or)
            continue
        if not grown:
            grown.append({})
        for fields in grown:
            fields[name] = field


def _fork(grown: list[_Growing], node: Node, prefix: str | None, path: Path, form: Form) -> None:
    """`$or`: each alternative goes on from a copy of what was written before it."""
    if not isinstance(node.value, list):
        form.fault(PatternError(f"It must be an Array followed with {OR}.", path, offset=node.opened))
        return
    before, grown[:] = list(grown), []
    for index, alternative in enumerate(node.value):
        at = (*path, index)
        if not isinstance(alternative.value, Object):
            reason = f"Only JSON object is allowed in array of {OR} relationship."
            form.fault(PatternError(reason, at, offset=alternative.opened))
            continue
        copies = [dict(fields) for fields in before] or [{}]
        _grow(copies, alternative, prefix, at, form, in_or=True)
        grown += copies
        if len(grown) > MOST_BRANCHES:
            reason = f"{OR} gives more than {MOST_BRANCHES:,} combinations"
            raise PatternError(reason, path, offset=node.end, hint="make several rules of it")
    if len(node.value) < 2:  # noqa: PLR2004 - one alternative is no alternative
        reason = f"There must have at least 2 Objects in {OR} relationship."
        form.fault(PatternError(reason, path, offset=node.end))


def _branch(fields: _Growing, root: Node) -> Branch:
    """A branch within the limits, its fields in the order in which they are matched."""
    if len(fields) > MOST_FIELDS:
        reason = f"Too many fields: {len(fields)}, where {MOST_FIELDS} are allowed"
        raise PatternError(reason, (), offset=root.end)
    # Java compares strings by UTF-16 code units, and so does the order of `exists: false`.
    paths = sorted(fields, key=lambda path: path.encode("utf-16-be", "surrogatepass"))
    return Branch(tuple(fields[path] for path in paths))


def field_of(name: str, leaves: tuple[Leaf, ...], node: Node, path: Path, text: str | None = None) -> Field:
    """A field with its conditions, if their wildcards are within the cost rule.

    `name` is the field's path in events; `node` holds the conditions, at `path`, read from the JSON `text`.

    Raises:
        PatternError: more than `MOST_GAPS` in one wildcard, or `MOST_GAPS_IN_FIELD` in all together.
    """
    counts = [count for leaf in leaves for count in gaps(leaf.condition)]
    if max(counts, default=0) > MOST_GAPS or sum(counts) > MOST_GAPS_IN_FIELD:
        hint = f"at most {MOST_GAPS} * in one wildcard, {MOST_GAPS_IN_FIELD} in all wildcards of one field"
        raise PatternError(_TOO_COMPLEX, path, offset=node.end, hint=hint)
    return Field(tuple(name.split(".")), leaves, dumps(node), place_of(node, path, text))


def place_of(node: Node, path: Path, text: str | None) -> Place:
    """Where a node stands; with line and column if it was read from text."""
    if text is None or node.start is None:
        return Place(path)
    return Place(path, text.count("\n", 0, node.start) + 1, node.start - text.rfind("\n", 0, node.start))
