"""Whether what arrived of one key came in its order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

AROUND = 4
"""How many arrivals before and after the wrong one are shown."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of the key stood before its target.

    Attributes:
        number: of two of a key, the one that was accepted later has the higher one; from 1.
        life: the router's; the first is 1.
        scene: which fault that was, and which round of it.
        kept: whether the target took it, though the router may never have heard so.
    """

    number: int
    life: int = 1
    scene: str = ""
    kept: bool = True


def wrong(arrivals: Sequence[Arrival], owed: Collection[int]) -> list[str]:
    """What breaks the word of targets/README.md about `order_by`; empty where all came in order.

    Events come for the first time in the order in which they were accepted, each when those before it were
    taken. An event comes again only as long as no later one of its key has come, crash or no crash.

    Args:
        arrivals: all of the key, as they came.
        owed: the numbers that must be among them.
    """
    found: list[str] = []
    seen: set[int] = set()
    taken: set[int] = set()
    refused: set[int] = set()
    highest = 0
    for index, one in enumerate(arrivals):
        what = ""
        if one.number < highest:
            what = f"came {'again ' if one.number in seen else ''}after {highest}"
        elif waiting := [number for number in refused if number < one.number]:
            what = f"came before {min(waiting)} was taken"
            refused.difference_update(waiting)
        if what:
            found.append(f"{one.number} {what}{_shown(one.number, arrivals, index, owed)}")
        if one.kept:
            taken.add(one.number)
            refused.discard(one.number)
        elif one.number not in taken:
            refused.add(one.number)
        seen.add(one.number)
        highest = max(highest, one.number)
    for number in sorted(set(owed) - seen):
        later = next((index for index, one in enumerate(arrivals) if one.number > number), len(arrivals))
        found.append(f"{number} never came{_shown(number, arrivals, later, owed)}")
    return found


def _shown(number: int, arrivals: Sequence[Arrival], index: int, owed: Collection[int]) -> str:
    """Where that was, and what it looked like: a bar is a crash, a question mark was not taken."""
    part = arrivals[max(0, index - AROUND) : index + AROUND + 1]
    numbers = {one.number for one in part} | {number}
    nearby = {number for number in owed if min(numbers) <= number <= max(numbers)}
    came = [_word(one) for one in part[:1]]
    for before, one in pairwise(part):
        came += [*(["|"] if one.life > before.life else []), _word(one)]
    scene = part[min(index, AROUND, len(part) - 1)].scene if part else "no arrival"
    return f" ({scene}): expected {' '.join(map(str, sorted(numbers | nearby)))}, found {' '.join(came)}"


def _word(one: Arrival) -> str:
    return f"{one.number}{'' if one.kept else '?'}"
