"""What a wildcard's worst friends would write: a thousand of them on one field, and values made for them.

Every wildcard looks for three of ten parts in its own order and for an end behind them. A value holds all the
parts, over and over, so that each wildcard finds its own, and the end stands before them: each wildcard fails
at its last part. One value in ten is made for one wildcard, and matches it alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.categories import check
from benchmarks.measure import race
from router.patterns import Index, parse

COUNT = 1_000
_PARTS = tuple(f"al{digit}" for digit in range(10))
_END = "ale"
_EVERY = 10


@dataclass(frozen=True, slots=True)
class Resistance:
    """How fast the index is all the same.

    Attributes:
        ratio: its speed as a multiple of that of `orjson.loads`.
    """

    nanoseconds: float
    ratio: float

    @property
    def events_per_second(self) -> float:
        """On this machine."""
        return 1e9 / self.nanoseconds


def measure(lines: Sequence[bytes]) -> Resistance:
    """Measure the index with the wildcards on these lots, in whose `STREET` the values are put.

    Raises:
        WrongMatchesError: it found something else than what the values were made for.
    """
    rules = {
        str(number): parse({"properties": {"STREET": [{"wildcard": f"*{'*'.join(_parts(number))}*{_END}*"}]}})
        for number in range(COUNT)
    }
    expected = Counter(str(number // _EVERY % COUNT) for number in range(0, len(lines), _EVERY))
    measured = race([_with(line, number) for number, line in enumerate(lines)], {"index": Index(rules).match})
    check("adversarial", measured.matches["index"], {name: expected[name] for name in rules})
    return Resistance(measured.nanoseconds("index"), measured.ratio("index"))


def _parts(number: int) -> list[str]:
    """What one of the wildcards looks for, in this order."""
    return [_PARTS[int(digit)] for digit in f"{number:03}"]


def _with(line: bytes, number: int) -> bytes:
    """A lot whose street nearly matches every wildcard, or matches one."""
    if number % _EVERY:
        street = _END + "".join(_PARTS) * 3
    else:
        street = "".join(_parts(number // _EVERY % COUNT)) + _END
    lot = json.loads(line)
    lot["properties"]["STREET"] = f"{street} {number:x}"  # no two values are the same
    return json.dumps(lot).encode()
