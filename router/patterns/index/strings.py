"""Many conditions on strings at once: tables by what a string is, begins with, ends with or contains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from router.patterns.conditions import (
    Condition,
    Contains,
    EqualsIgnoreCase,
    Exact,
    Prefix,
    Suffix,
    Wildcard,
)
from router.patterns.index.finders import Finder, union

T = TypeVar("T")

_GRAM = 3
_FEW = 8


class Strings(Generic[T]):
    """What is posted under conditions on strings."""

    def __init__(self) -> None:
        self._exact: _Affixes[T] = _Affixes()
        self._ascii: _Affixes[T] = _Affixes()
        self._folded: _Affixes[T] = _Affixes()
        self._parts: _Parts[T] = _Parts()

    def post(self, condition: Condition, item: T) -> None:
        """Post an item that all strings which meet the condition find; others may, if not `is_exact`."""
        match condition:
            case Exact(text) | Wildcard((text,)):
                self._exact.whole[text].append(item)
            case Contains(text):
                self._post_part(text, item)
            case Wildcard((first, *inner, last)):
                longest = max(inner, key=len, default="")
                if len(longest) > max(len(first), len(last)):
                    self._post_part(longest, item)
                elif len(first) < len(last):
                    self._exact.ends[last].append(item)
                else:
                    self._exact.starts[first].append(item)
            case Prefix(text, ignore_case):
                tables, key = self._ignoring_case(text) if ignore_case else (self._exact, text)
                tables.starts[key or ""].append(item)
            case Suffix(text, ignore_case):
                tables, key = self._ignoring_case(text) if ignore_case else (self._exact, text)
                tables.ends[key or ""].append(item)
            case EqualsIgnoreCase(text):
                tables, key = self._ignoring_case(text)
                if key is None:
                    tables.starts[""].append(item)
                else:
                    tables.whole[key].append(item)

    def finder(self) -> Finder[T] | None:
        """A finder for strings; None if nothing is posted."""
        return union(
            self._exact.finder(),
            _after(_lower_ascii, self._ascii.finder()),
            _after(str.casefold, self._folded.finder()),
            self._parts.finder(),
        )

    def _ignoring_case(self, pattern: str) -> tuple[_Affixes[T], str | None]:
        """The tables for a pattern that ignores case, and its key there; None if it has none."""
        return (self._ascii, pattern.lower()) if pattern.isascii() else (self._folded, _folded(pattern))

    def _post_part(self, part: str, item: T) -> None:
        if part:
            self._parts.posted.append((part, item))
        else:
            self._exact.starts[""].append(item)


def is_exact(condition: Condition) -> bool:
    """Whether only strings that meet a condition find what is posted under it."""
    match condition:
        case Wildcard((_, _)) as wildcard:
            return "" in wildcard.parts
        case Wildcard(parts):
            return len(parts) == 1
        case Prefix(text, True) | Suffix(text, True) | EqualsIgnoreCase(text):
            return text.isascii()
        case _:
            return True


class _Affixes(Generic[T]):
    """What is posted under whole strings, beginnings and ends."""

    def __init__(self) -> None:
        self.whole: dict[str, list[T]] = defaultdict(list)
        self.starts: dict[str, list[T]] = defaultdict(list)
        self.ends: dict[str, list[T]] = defaultdict(list)

    def finder(self) -> Finder[T] | None:
        if not (self.starts or self.ends):
            whole = dict(self.whole)
            return (lambda value: whole.get(value, ())) if whole else None
        whole_at, start_at, end_at = self.whole.get, self.starts.get, self.ends.get
        starts, ends = sorted({*map(len, self.starts)}), sorted({*map(len, self.ends)})

        def find(value: str) -> Sequence[T]:
            found = list(whole_at(value, ()))
            size = len(value)
            for length in starts:
                if length > size:
                    break
                found += start_at(value[:length], ())
            for length in ends:
                if length > size:
                    break
                found += end_at(value[size - length :], ())
            return found

        return find


class _Parts(Generic[T]):
    """What is posted under parts of strings; each is found by the three characters it shares with fewest."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, T]] = []

    def finder(self) -> Finder[T] | None:
        posted = self.posted
        if not posted:
            return None
        shared = Counter(gram for part, _ in posted for gram in _grams(part, _GRAM))
        table: dict[str, list[tuple[str, T]]] = defaultdict(list)
        for part, item in posted:
            table[min(_grams(part, _GRAM), key=shared.__getitem__)].append((part, item))
        sizes = sorted({*map(len, table)})

        def find(value: str) -> Sequence[T]:
            candidates = posted
            if len(posted) > _FEW + len(value) // _FEW:
                grams = {gram for size in sizes for gram in _grams(value, size)}
                candidates = [one for gram in table.keys() & grams for one in table[gram]]
            return [item for part, item in candidates if part in value]

        return find


def _grams(text: str, size: int) -> list[str]:
    size = min(size, len(text))
    return [text[at : at + size] for at in range(len(text) - size + 1)]


def _after(change: Callable[[str], str], find: Finder[T] | None) -> Finder[T] | None:
    return None if find is None else lambda value: find(change(value))


def _lower_ascii(text: str) -> str:
    """A text with only its ASCII letters in lower case: the lower case of the Kelvin sign is `k`."""
    if text.isascii():
        return text.lower()
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _folded(pattern: str) -> str | None:
    """What all strings are casefolded to that a pattern matches ignoring case.

    None for the few characters (dotless i is one) whose lower and upper mappings fold differently.
    """
    key = ""
    for character in pattern:
        lower, upper = character.lower().casefold(), character.upper().casefold()
        if lower != upper:
            return None
        key += lower
    return key
