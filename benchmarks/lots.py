"""The events: parcels of land in San Francisco, as JSON lines.

They have the shape of the city-lots file on which event-ruler and quamina measure themselves: 213,068
events of about 850 bytes, mostly nested coordinates. The values are made up, from a fixed seed (`columns`).
"""

from __future__ import annotations

import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from benchmarks import columns

SEED = 1906


def lots(*, distinct: bool = False) -> Iterator[bytes]:
    """All events, one JSON text each, always the same.

    Args:
        distinct: give every string of the fields that rules read another value in every event. A value stays
            as it is where it comes first; elsewhere it keeps its beginning and its end, and wildcards match
            it as before. Equality with it then holds for one event in all.
    """
    chance = random.Random(SEED)
    spell = _Distinct() if distinct else _plainly
    dealt = zip(
        columns.numbers(chance),
        columns.streets(chance),
        columns.street_types(chance),
        columns.houses(chance),
        columns.shapes(chance),
        strict=True,
    )
    for block_and_lot, street, street_type, house, (geometry, corners) in dealt:
        number = spell("number", block_and_lot)
        lot = {
            "type": "Feature",
            "properties": {
                "MAPBLKLOT": number,
                "BLKLOT": number,
                "BLOCK_NUM": number[:4],
                "LOT_NUM": number[4:],
                "FROM_ST": spell("house", house),
                "TO_ST": house,
                "STREET": spell("street", street),
                "ST_TYPE": spell("street type", street_type),
                "ODD_EVEN": "O" if house[-1] in "13579" else "E",
            },
            "geometry": {
                "type": spell("geometry", geometry),
                "firstCoordinates": corners[0],
                "coordinates": corners,
            },
        }
        yield json.dumps(lot).encode()


def _plainly(_field: str, value: Any) -> Any:
    return value


class _Distinct:
    """Makes values of a field differ from one another."""

    def __init__(self) -> None:
        self._met: defaultdict[str, set[str]] = defaultdict(set)
        self._marks = itertools.count()

    def __call__(self, field: str, value: Any) -> Any:
        met = self._met[field]
        if value is None or value not in met:
            met.add(value)
            return value
        # Letters: a wildcard's digits must not find themselves in the mark.
        mark = str(next(self._marks)).translate(_LETTERS)
        if field == "number":
            return f"{value[:4]}-{mark}-{value[4:]}"  # no part of a wildcard goes across the cut
        return f"{value}-{mark}-{value}"


_LETTERS = str.maketrans("0123456789", "abcdefghij")
