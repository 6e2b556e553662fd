"""Whether values of all fields can stand together: of every array at most one element is chosen.

Each element is asked once, inner ones first, what can be had of it. As long as no key is written twice, what
an event has for a field is in one array, or in none: an element has every field that is to be found there, or
it is out of the question, and the cost is that of reading the event. Only where a field can be looked for in
several arrays side by side is there more than one outcome to remember, and their number is bounded.

A field with `exists: false` is absent if all its values are in elements that are out, because a field
*before* it chose another element of that array. So of what is chosen in an array only the first field counts.

An outcome is three sets of fields (bits, as in `regions`) in one integer, so that what can be had of two
arrays together is the union of what can be had of each. From the lowest bits to the highest:

- chosen: of the fields that may be found elsewhere too, those for which a value here is chosen;
- later: the fields after the first for which a value here is chosen;
- present: of the fields that may be found elsewhere too, those with a value here that is not out.

The last two stay empty where no absence depends on what is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.patterns.regions import Array, Region, Survey


class EntangledError(Exception):
    """There are more outcomes to compare than is allowed."""


def consistent(survey: Survey, most: int) -> bool:
    """Whether all fields that a survey looked for match together.

    Args:
        survey: an event as a branch sees it.
        most: steps; each puts two outcomes together, or compares them.

    Raises:
        EntangledError: that many steps gave no answer.
    """
    search = _Search(survey, most)
    root = _Task(survey.root, survey.wanted, 0, survey.absent)
    tasks = [root]
    for task in tasks:  # it grows
        search.divide(task)
        tasks += [inner for part in task.parts for inner in part.tasks]
    for task in reversed(tasks):  # inner ones first
        task.outcomes = search.of_region(task)
    return bool(root.outcomes)


@dataclass(slots=True, eq=False)
class _Part:
    """What is asked of an array: it is asked of one of its elements.

    Attributes:
        array: the array.
        must: the fields to be found in it, or absent from it, because nothing else can help them.
        open: the fields that may be found elsewhere too; none of them is in `must`.
        absent: the fields for which absence would do.
        tasks: the same for each of its deep elements.
    """

    array: Array
    must: int
    open: int
    absent: int
    tasks: list[_Task]


@dataclass(slots=True, eq=False)
class _Task:
    """What is asked of a region: the first four are as in `_Part`.

    Attributes:
        shared: the fields that several of its arrays have.
        missing: those that nothing in it has: they have to be absent.
        parts: what is asked of its arrays.
        outcomes: what can be had of it.
    """

    region: Region
    must: int
    open: int
    absent: int
    shared: int = 0
    missing: int = 0
    parts: list[_Part] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)


class _Search:
    """The parts of `consistent`."""

    def __init__(self, survey: Survey, most: int) -> None:
        self._width = survey.width
        self._all = (1 << survey.width) - 1
        inside = reduce(or_, map(self._fields, survey.root.arrays), 0)
        self._depends = survey.absent & ~(survey.root.says >> self._width) & inside
        self._left = most

    def divide(self, task: _Task) -> None:
        """Ask the arrays of a region, unless a field is missing that has to be there."""
        met, present = task.region.says & self._all, task.region.says >> self._width
        task.must &= ~met
        task.absent &= ~present
        fields = [*map(self._fields, task.region.arrays)]
        once = twice = 0
        for these in fields:
            twice |= once & these
            once |= these
        task.missing = task.must & ~once
        if task.missing & ~task.absent:
            return
        task.shared = twice if self._depends else twice & task.must
        must, may = task.must & ~twice, task.open | task.shared
        if not self._depends:
            may &= ~met
        for array, these in zip(task.region.arrays, fields, strict=True):
            asked = must & these, may & these, task.absent
            task.parts.append(_Part(array, *asked, [_Task(inner, *asked) for inner in array.deep]))

    def of_region(self, task: _Task) -> list[int]:
        """What can be had of a region, when this is known of all that is inside."""
        if task.missing & ~task.absent:
            return []
        outcomes = self._of_values(task.region.says, task.open | task.shared)
        for part in task.parts:
            outcomes = self._together(outcomes, self._of_array(part))
        outcomes = self._in_time(outcomes, task.missing)
        if shared := task.must & task.shared:
            outcomes = [one for one in outcomes if not shared & ~one & ~(task.absent & ~self._present(one))]
        elsewhere = task.open | self._all << self._width | task.open << 2 * self._width
        return self._best({one & elsewhere for one in outcomes})

    def _of_array(self, part: _Part) -> list[int]:
        """What can be had of one element of an array; one of which nothing is taken stands for none."""
        outcomes = [outcome for task in part.tasks for outcome in task.outcomes]
        for says in part.array.flat:
            missing = part.must & ~says
            if not missing or not missing & ~(part.absent & ~(says >> self._width)):
                outcomes += self._in_time(self._of_values(says, part.open), missing)
        if (
            depends := (part.open & self._depends) << self._width
        ):  # present, unless something before is chosen
            outcomes = [one | (depends & ~one) << self._width for one in outcomes]
        return self._best({*outcomes})

    def _of_values(self, says: int, may: int) -> list[int]:
        """What can be had of values alone. Where absence depends on it, some may be left for elsewhere."""
        met = says & self._all
        if not self._depends:
            return [met & may]
        present = (says >> self._width & may) << 2 * self._width
        outcomes = []
        free = left = met & may
        while True:
            chosen = met & ~left
            later = self._all & -((chosen & -chosen) << 1)
            outcomes.append((chosen & may) | later << self._width | present)
            if not left:
                return outcomes
            self._spend(1)
            left = (left - 1) & free

    def _in_time(self, outcomes: list[int], missing: int) -> list[int]:
        """Those in which the missing fields are absent: a field before them chose this element."""
        late = (missing & self._depends) << self._width
        return [one for one in outcomes if not late & ~one] if late else outcomes

    def _together(self, some: list[int], others: list[int]) -> list[int]:
        """What can be had of two together. Where absence depends on it, no field is chosen twice."""
        self._spend(len(some) * len(others) - 1)  # no step where each has one
        once = self._all if self._depends else 0
        return self._best({one | other for one in some for other in others if not one & other & once})

    def _best(self, outcomes: set[int]) -> list[int]:
        """Outcomes without those that another one makes needless."""
        if len(outcomes) < 2:  # noqa: PLR2004 - nothing to compare
            return [*outcomes]
        best: list[int] = []
        merits = {self._merits(one): one for one in outcomes}
        for these in sorted(merits, key=int.bit_count, reverse=True):
            self._spend(len(best) - 1)  # no step where one is best of all
            if not any(not these & ~those for those in best):
                best.append(these)
        return [merits[these] for these in best]

    def _merits(self, outcome: int) -> int:
        """An outcome as a set of which more is better: chosen, later, not present.

        Where absence depends on it, a field that is chosen here is missing elsewhere: then it is neither
        better nor worse.
        """
        merits = outcome ^ self._all << 2 * self._width
        return merits | (~outcome & self._all) << 3 * self._width if self._depends else merits

    def _spend(self, steps: int) -> None:
        self._left -= max(steps, 0)
        if self._left < 0:
            raise EntangledError

    def _present(self, outcome: int) -> int:
        return outcome >> 2 * self._width

    def _fields(self, array: Array) -> int:
        """The fields that have a value that counts in an array."""
        return (array.says | array.says >> self._width) & self._all
