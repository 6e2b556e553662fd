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
    taken. Within a life of the router an event comes again only as long as no later one of its key has come.
    What was taken, and a crash repeats, may begin to come again at any time.

    Args:
        arrivals: all of the key, as they came.
        owed: the numbers that must be among them.
    """
    found: list[str] = []
    seen: dict[int, int] = {}
    taken: set[int] = set()
    refused: set[int] = set()
    highest = 0
    for index, one in enumerate(arrivals):
        last = seen.get(one.number)
        since = () if last is None else arrivals[last + 1 : index]
        later = max((other.number for other in since), default=0)
        what = ""
        if last is None and one.number < highest:
            what = f"came after {highest}"
        elif last is not None and arrivals[last].life == one.life and later > one.number:
            what = f"came again after {later}"
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
        seen[one.number] = index
        highest = max(highest, one.number)
    for number in sorted(set(owed) - seen.keys()):
        later = next((index for index, one in enumerate(arrivals) if one.number > number), len(arrivals))
        found.append(f"{number} never came{_shown(number, arrivals, later, owed)}")
    return found


def out_of_turn(arrivals: Sequence[Arrival]) -> int:
    """How many events came again, because of a crash, when later ones of their key had come."""
    count = highest = 0
    lives: dict[int, int] = {}
    for one in arrivals:
        count += one.number < highest and lives.get(one.number, one.life) < one.life
        lives[one.number] = one.life
        highest = max(highest, one.number)
    return count


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
