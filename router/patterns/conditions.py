"""The conditions a field can be put under, each with the one rule by which a value meets it.

All but `Exists(False)` speak about a value that is there. A field meets a condition if one of its values
does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from router.patterns.values import Number, Value, address_of

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Iterable

    from router.patterns.values import IPAddress


class Condition(Protocol):
    """What one value of a field is asked."""

    def matches(self, value: Value) -> bool:
        """Whether a value meets the condition."""
        ...


@dataclass(frozen=True, slots=True)
class Literal:
    """`true`, `false` or `null`."""

    value: bool | None

    def matches(self, value: Value) -> bool:
        """Only the same literal."""
        return value is self.value


@dataclass(frozen=True, slots=True)
class Exact:
    """A string, character for character."""

    text: str

    def matches(self, value: Value) -> bool:
        """Only the same string; never a number that is spelled like it."""
        return value == self.text


@dataclass(frozen=True, slots=True)
class Address:
    """A string that spells an IP address: compared as an address."""

    address: IPAddress

    def matches(self, value: Value) -> bool:
        """Every spelling of the same address."""
        return isinstance(value, str) and address_of(value) == self.address


@dataclass(frozen=True, slots=True)
class Equals:
    """A number."""

    number: Number

    def matches(self, value: Value) -> bool:
        """Comparable numbers by value (300 = 3e2, -0 = 0), others by their text."""
        return isinstance(value, Number) and _same_number(self.number, value)


@dataclass(frozen=True, slots=True)
class Prefix:
    """How a string begins; with `ignore_case`, as `EqualsIgnoreCase` reads each character."""

    text: str
    ignore_case: bool = False

    def matches(self, value: Value) -> bool:
        """Strings that begin so; the empty prefix begins every string."""
        if not isinstance(value, str):
            return False
        if self.ignore_case:
            return _prefix_length(self.text, value) is not None
        return value.startswith(self.text)


@dataclass(frozen=True, slots=True)
class Suffix:
    """How a string ends; with `ignore_case`, as `EqualsIgnoreCase` reads each character."""

    text: str
    ignore_case: bool = False

    def matches(self, value: Value) -> bool:
        """Strings that end so; the empty suffix ends every string."""
        if not isinstance(value, str):
            return False
        if self.ignore_case:
            return _ends_ignoring_case(self.text, value)
        return value.endswith(self.text)


@dataclass(frozen=True, slots=True)
class EqualsIgnoreCase:
    """A string, whatever its case."""

    text: str

    def matches(self, value: Value) -> bool:
        """Each character stands for its full lower and its full upper mapping: ß for ß and SS.

        Not the other way round: SS has no mapping to ß, so the pattern SS does not match ß.
        """
        return isinstance(value, str) and _prefix_length(self.text, value) == len(value)


@dataclass(frozen=True, slots=True)
class Contains:
    """A substring (Alibaba Cloud EventBridge's operator)."""

    text: str

    def matches(self, value: Value) -> bool:
        """Strings that hold the text somewhere."""
        return isinstance(value, str) and self.text in value


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A string with gaps.

    Attributes:
        parts: the literal texts between the `*`; one part means that there is no `*`.
    """

    parts: tuple[str, ...]

    def matches(self, value: Value) -> bool:
        """Strings with the parts in this order, the first at the start and the last at the end.

        Each part is taken at its earliest place and never reconsidered: any later place leaves less
        for the parts that follow. So the time is that of one search through the value.
        """
        if not isinstance(value, str):
            return False
        parts = self.parts
        first, last = parts[0], parts[-1]
        if len(parts) == 1:
            return value == first
        at, end = len(first), len(value) - len(last)
        if at > end or not value.endswith(last) or not value.startswith(first):
            return False
        for part in parts[1:-1]:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True, slots=True)
class Numeric:
    """A range of numbers, or one of them.

    Attributes:
        bounds: comparator (`=`, `<`, `<=`, `>`, `>=`) and number; all of them must hold.
    """

    bounds: tuple[tuple[str, float], ...]

    def matches(self, value: Value) -> bool:
        """Comparable numbers within the bounds; nothing else."""
        if not isinstance(value, Number) or (number := value.value) is None:
            return False
        return all(_COMPARE[comparator](number, bound) for comparator, bound in self.bounds)


@dataclass(frozen=True, slots=True)
class Cidr:
    """A block of IP addresses (RFC 4632, RFC 4291)."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def matches(self, value: Value) -> bool:
        """Strings that spell an address in the block."""
        address = address_of(value) if isinstance(value, str) else None
        return address is not None and address in self.network


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the field is there; only leaves count."""

    wanted: bool

    def matches(self, value: Value) -> bool:  # noqa: ARG002 - any value, null included, is there
        """A value is there, so True where that is wanted; absence is the field's own business."""
        return self.wanted


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """Every value but these; a field that is absent does not meet it."""

    excluded: tuple[Condition, ...]

    def matches(self, value: Value) -> bool:
        """Values of any type, null included, that meet none of the excluded conditions."""
        return not any(condition.matches(value) for condition in self.excluded)


@dataclass(frozen=True, slots=True)
class All:
    """Several operators in one object (Alibaba Cloud EventBridge's form): all of them."""

    conditions: tuple[Condition, ...]

    def matches(self, value: Value) -> bool:
        """One value that meets every condition."""
        return all(condition.matches(value) for condition in self.conditions)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": float.__eq__,
    "<": float.__lt__,
    "<=": float.__le__,
    ">": float.__gt__,
    ">=": float.__ge__,
}

COMPARATORS = tuple(_COMPARE)


def _same_number(one: Number, other: Number) -> bool:
    """Two numbers: by value where both are comparable, else by spelling."""
    value = one.value
    return one.text == other.text if value is None else value == other.value


def _prefix_length(pattern: str, value: str) -> int | None:
    """How many characters of the value the pattern covers from its start, ignoring case, or None.

    No character's lower mapping begins its upper mapping or the reverse, so there is never a choice.
    """
    at = 0
    for character in pattern:
        for mapped in (character.lower(), character.upper()):
            if value.startswith(mapped, at):
                at += len(mapped)
                break
        else:
            return None
    return at


def _ends_ignoring_case(pattern: str, value: str) -> bool:
    """Whether a value ends with the pattern, ignoring case; read backwards for the same reason."""
    end = len(value)
    for character in reversed(pattern):
        for mapped in (character.lower(), character.upper()):
            if value.endswith(mapped, 0, end):
                end -= len(mapped)
                break
        else:
            return False
    return True


def gaps(condition: Condition) -> Iterable[int]:
    """The number of `*` in each wildcard of a condition, for the cost rule."""
    match condition:
        case Wildcard(parts):
            yield len(parts) - 1
        case AnythingBut(inner) | All(inner):
            for one in inner:
                yield from gaps(one)
        case _:
            return


def wildcard(text: str) -> Wildcard:
    """A glob without escapes: only `*` is special, and several in a row are one."""
    parts = text.split("*")
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return Wildcard((first,))
    return Wildcard((first, *(part for part in parts[1:-1] if part), last))


def is_increasing(bounds: tuple[tuple[str, float], ...]) -> bool:
    """Whether a range's bottom is below its top."""
    return all(low < high for (_, low), (_, high) in pairwise(bounds))
