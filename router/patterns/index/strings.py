"""Many conditions on strings at once: tables by what a string is, begins with, ends with or contains."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Generic, TypeVar

from router.compiled import LONG, breathe
from router.patterns.conditions import (
    Condition,
    Contains,
    EqualsIgnoreCase,
    Exact,
    Prefix,
    Suffix,
    Wildcard,
)
from router.patterns.index.finders import Finder, Merge, Screened, Single, constant, table, union

Item = TypeVar("Item")
C = TypeVar("C")

_GRAM = 3
_FEW = 8
_SPELLINGS = 1_000
"""Spellings of texts that ignore case, in one table."""


class Strings(Generic[Item]):
    """What is posted under conditions on strings."""

    def __init__(self) -> None:
        self._exact: _Affixes[Item] = _Affixes()
        self._ascii: _Affixes[Item] = _Affixes()
        self._folded: _Affixes[Item] = _Affixes()
        self._parts: _Parts[Item] = _Parts()
        self._room = _SPELLINGS

    def post(self, condition: Condition, item: Item) -> None:
        """Post an item that all strings which meet the condition find; others may, if not `is_exact`."""
        match condition:
            case Exact(text) | Wildcard((text,)):
                self._exact.whole[text].append(item)
            case Contains(text):
                self._post_part(text, item)
            case Wildcard(parts):
                self._post_wildcard(parts, item)
            case Prefix(text, ignore_case):
                for tables, key in self._places(text, ignore_case=ignore_case):
                    tables.post_start(key or "", item)
            case Suffix(text, ignore_case):
                for tables, key in self._places(text, ignore_case=ignore_case):
                    tables.post_end(key or "", item)
            case EqualsIgnoreCase(text):
                for tables, key in self._places(text, ignore_case=True):
                    (tables.every if key is None else tables.whole[key]).append(item)

    def finder(self, merge: Merge[Item, C]) -> Finder[C] | None:
        """A finder for strings; None if nothing is posted."""
        return union(
            self._exact.finder(merge),
            _lowered(self._ascii.finder(merge)),
            _casefolded(self._folded.finder(merge)),
            self._parts.finder(merge),
        )

    def _post_wildcard(self, parts: Sequence[str], item: Item) -> None:
        """Post an item under the longest part, rather one at an end."""
        first, *inner, last = parts
        longest = max(inner, key=len, default="")
        if len(longest) > max(len(first), len(last)):
            self._post_part(longest, item)
        elif len(first) < len(last):
            self._exact.post_end(last, item)
        else:
            self._exact.post_start(first, item)

    def _places(self, pattern: str, *, ignore_case: bool) -> Sequence[tuple[_Affixes[Item], str | None]]:
        """The tables for a pattern, each with its key there; None if it has none.

        One that ignores case goes by all its spellings, if they are few: to look a value up as it is takes
        less time than to put it in lower case.
        """
        if not ignore_case:
            return [(self._exact, pattern)]
        if not pattern.isascii():
            return [(self._folded, _folded(pattern))]
        spellings = 2 ** sum(map(str.isalpha, pattern))
        if spellings > self._room:
            return [(self._ascii, pattern.lower())]
        self._room -= spellings
        letters = [{letter.lower(), letter.upper()} for letter in pattern]
        return [(self._exact, "".join(spelling)) for spelling in product(*letters)]

    def _post_part(self, part: str, item: Item) -> None:
        if part:
            self._parts.posted[part].append(item)
        else:
            self._exact.every.append(item)


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


class _Affixes(Generic[Item]):
    """What is posted under whole strings, beginnings and ends, and what every string finds."""

    def __init__(self) -> None:
        self.every: list[Item] = []
        self.whole: dict[str, list[Item]] = defaultdict(list)
        self.starts: dict[str, list[Item]] = defaultdict(list)
        self.ends: dict[str, list[Item]] = defaultdict(list)

    def post_start(self, text: str, item: Item) -> None:
        (self.starts[text] if text else self.every).append(item)

    def post_end(self, text: str, item: Item) -> None:
        (self.ends[text] if text else self.every).append(item)

    def finder(self, merge: Merge[Item, C]) -> Finder[C] | None:
        return union(
            constant(self.every, merge),
            table(self.whole, merge),
            _affix_finder(self.starts, self.ends, merge),
        )


def _affix_finder(
    starts: Mapping[str, Sequence[Item]], ends: Mapping[str, Sequence[Item]], merge: Merge[Item, C]
) -> Finder[C] | None:
    """A finder by beginnings and ends, the shortest first, as long as there are longer ones."""
    if not (starts or ends):
        return None
    of_starts = _by_length(starts, merge, lambda text, length: text[:length])
    of_ends = _by_length(ends, merge, lambda text, length: text[-length:])

    # Most values have none of them. If these are few, that is told sooner without looking them up.
    first = tuple(starts) if len(starts) <= _FEW else ("",)
    last = tuple(ends) if len(ends) <= _FEW else ("",)
    if len(of_starts) + len(of_ends) == 1:
        one = _of_one_length(*(of_starts or of_ends)[0], at_start=bool(starts))
        return Screened(first, last, None, one)

    def find(value: str) -> Sequence[C]:
        found: list[C] = []
        if value.startswith(first):
            for length, cells in of_starts:
                here = cells(value[:length])
                if here is None:
                    break
                found += here
        if value.endswith(last):
            for length, cells in of_ends:
                here = cells(value[-length:])
                if here is None:
                    break
                found += here
        return found

    return Screened(first, last, None, find)


def _of_one_length(size: int, get: Callable[[str], Sequence[C] | None], *, at_start: bool) -> Finder[C]:
    if at_start:
        return lambda value: get(value[:size]) or ()
    return lambda value: get(value[-size:]) or ()


def _by_length(
    posted: Mapping[str, Sequence[Item]], merge: Merge[Item, C], cut: Callable[[str, int], str]
) -> list[tuple[int, Callable[[str], Sequence[C] | None]]]:
    """For each length what gives the cells of an affix: none where only longer ones share it, else None."""
    lengths = sorted({*map(len, posted)})
    cells: dict[int, dict[str, Sequence[C]]] = {
        length: {cut(affix, length): () for affix in posted if len(affix) > length} for length in lengths
    }
    for affix, items in posted.items():
        cells[len(affix)][affix] = (merge(items),)
    return [(length, found.get) for length, found in cells.items()]


class _Parts(Generic[Item]):
    """What is posted under parts of strings; each is found by the three characters it shares with fewest."""

    def __init__(self) -> None:
        self.posted: dict[str, list[Item]] = defaultdict(list)

    def finder(self, merge: Merge[Item, C]) -> Finder[C] | None:
        if not self.posted:
            return None
        cells = [(part, merge(items)) for part, items in self.posted.items()]
        shared = Counter(gram for part in self.posted for gram in _grams(part, _GRAM))
        by_gram: dict[str, list[tuple[str, C]]] = defaultdict(list)
        for part, cell in cells:
            by_gram[min(_grams(part, _GRAM), key=shared.__getitem__)].append((part, cell))
        sizes = sorted({*map(len, by_gram)})

        def find(value: str) -> Sequence[C]:
            candidates = cells
            if len(cells) > _FEW + len(value) // _FEW:
                grams = {gram for size in sizes for gram in _grams(value, size)}
                candidates = [one for gram in by_gram.keys() & grams for one in by_gram[gram]]
            breathe()
            if len(value) > LONG:
                return [cell for part, cell in candidates if breathe() or part in value]
            return [cell for part, cell in candidates if part in value]

        return find


def _grams(text: str, size: int) -> list[str]:
    size = min(size, len(text))
    return [text[at : at + size] for at in range(len(text) - size + 1)]


def _lowered(find: Finder[C] | None) -> Finder[C] | None:
    """A finder by the text with its ASCII letters in lower case."""
    if find is None:
        return None
    if isinstance(find, Single):
        cell = find.cell
        return Single(lambda value: cell(value.lower() if value.isascii() else _lower_ascii(value)))
    return lambda value: find(value.lower() if value.isascii() else _lower_ascii(value))


def _lower_ascii(text: str) -> str:
    """Not `str.lower`: the lower case of the Kelvin sign is `k`."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _casefolded(find: Finder[C] | None) -> Finder[C] | None:
    return None if find is None else lambda value: find(value.casefold())


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
