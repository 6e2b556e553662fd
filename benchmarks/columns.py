"""The values of the events, column by column.

Each column is dealt like a deck of cards that holds just as many of every value that matters as the rules of
`categories.json` have to find: their numbers of matches hold whatever the seed is.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

COUNT = 213_068
"""How many events there are."""

LOT_NUMBERS = {"1430022": 1, "2607117": 101, "2607218": 35, "3745012": 655, "VACSTWIL": 1}
LOT_WILDCARDS = {"143*": 490, "2*0*1*7": 713, "*218": 43, "3*5*2": 2540, "VA*IL": 1}
"""How many lots each of them matches, those of `LOT_NUMBERS` included."""

STREETS = {
    "ACADIA": 24,
    "BEACH": 211,
    "BLANKEN": 442,
    "CHESTNUT": 825,
    "CLAYTON": 724,
    "DRAKE": 25,
    "DRUMM": 13,
    "FULTON": 1910,
    "FUNSTON": 477,
    "HYDE": 1758,
    "IRVING": 1963,
    "JACKSON": 3000,
    "JEFFERSON": 131,
    "LAKE": 846,
    "MASON": 2657,
    "MASONIC": 293,
    "MISSION": 6000,
    "MOULTON": 22,
    "RHODE ISLAND": 328,
    "SANTIAGO": 682,
    "WASHINGTON": 3000,
}
STREET_STARTS = ("AC", "BL", "DR", "FU", "RH", "MASO")
STREET_ENDS = ("ON", "KE", "MM", "ING", "GO")
OTHER_STREETS = 1_700

STREET_TYPES = {"ST": 116_386, "CT": 1_774, "STWY": 15}
OTHER_STREET_TYPES = ("AVE", "BLVD", "WAY", "DR", "TER", "RD", "LN", "PL", None)

HOUSES = {"441": 2_453}
HOUSES_FROM_44, HOUSES_TO_41 = 1_524, 1_560
"""How many further house numbers begin with 44, and how many end in 41."""

WEST, MIDDLE_WEST, MIDDLE_EAST, EAST = (
    (-122.51, -122.465),
    (-122.464, -122.417),
    (-122.415, -122.407),
    (-122.406, -122.37),
)
"""Ranges of longitude, in degrees, between the longitudes that rules speak of."""

ZONES = {WEST: 48_948, MIDDLE_WEST: 100_000, MIDDLE_EAST: 27_053, EAST: 37_067}
LATITUDES = (37.708, 37.83)
STRAYS = {(MIDDLE_WEST, MIDDLE_EAST): 248, (MIDDLE_EAST, MIDDLE_WEST): 498, (WEST, MIDDLE_WEST): 432}
"""How many lots of the first zone have one corner in the second."""

EXACT_LONGITUDE, EXACT_FIRST, EXACT_LATER = -122.42916360922355, 2, 216
"""A longitude in `MIDDLE_WEST`, how many lots have it first, and how many have it further on."""

EXACT_LATITUDE = 37.729900216217324
MULTIPOLYGONS = 120

CORNERS = 1.195
"""Shape of the Pareto distribution of the number of corners: events have 851 bytes on average."""

Corner = dict[str, float]


def _deal(chance: random.Random, counts: Mapping[Any, int], other: Callable[[], Any]) -> list[Any]:
    """A shuffled column: as many of these values as `counts` says, the rest from `other`."""
    cards = [value for value, count in counts.items() for _ in range(count)]
    cards += [other() for _ in range(COUNT - len(cards))]
    chance.shuffle(cards)
    return cards


def numbers(chance: random.Random) -> list[str]:
    """Block and lot, seven characters mostly."""
    kinds = {wildcard: re.compile(wildcard.replace("*", ".*")) for wildcard in LOT_WILDCARDS}

    def kinds_of(number: str) -> list[str]:
        return [wildcard for wildcard, kind in kinds.items() if kind.fullmatch(number)]

    def like(wildcard: str) -> str:
        """A new number that this wildcard matches, and no other one."""
        literals = wildcard.split("*")
        while True:
            digits = f"{chance.randrange(10**7):07}"[: 7 - sum(map(len, literals))]
            cuts = sorted(chance.randint(0, len(digits)) for _ in range(wildcard.count("*") - 1))
            runs = (digits[a:b] for a, b in itertools.pairwise([0, *cuts, len(digits)]))
            number = "".join(itertools.chain(*itertools.zip_longest(literals, runs, fillvalue="")))
            if number not in LOT_NUMBERS and kinds_of(number) == [wildcard]:
                return number

    def unlike() -> str:
        """A new number that no wildcard matches."""
        while True:
            number = f"{chance.randrange(1, 7_400):04}{int(chance.expovariate(1 / 40)) % 1_000:03}"
            if not any_kind.fullmatch(number):
                return number

    any_kind = re.compile("|".join(kind.pattern for kind in kinds.values()))
    counts = dict(LOT_NUMBERS)
    for wildcard, count in LOT_WILDCARDS.items():
        given = sum(LOT_NUMBERS[number] for number in LOT_NUMBERS if wildcard in kinds_of(number))
        for _ in range(count - given):
            number = like(wildcard)
            counts[number] = counts.get(number, 0) + 1
    return _deal(chance, counts, unlike)


def streets(chance: random.Random) -> list[str]:
    """Names of streets, the long ones met more often than the short ones."""
    names: dict[str, None] = {}
    while len(names) < OTHER_STREETS:
        syllables = (
            chance.choice("BCDFGHLMNPRSTVW") + chance.choice(("A", "E", "I", "O", "U", "AL", "ER"))
            for _ in range(3)
        )
        name = "".join(syllables)[: chance.randint(3, 8)] + chance.choice(("", "", "S", "WOOD", " VISTA"))
        if name not in STREETS and not name.startswith(STREET_STARTS) and not name.endswith(STREET_ENDS):
            names[name] = None
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(len(names))))
    pool = list(names)
    return _deal(chance, STREETS, lambda: chance.choices(pool, cum_weights=weights)[0])


def street_types(chance: random.Random) -> list[str | None]:
    """What kind of street it is; some have none."""
    weights = [60, 7, 7, 7, 5, 3, 3, 2, 6]
    return _deal(chance, STREET_TYPES, lambda: chance.choices(OTHER_STREET_TYPES, weights)[0])


def houses(chance: random.Random) -> list[str]:
    """House numbers, as text."""

    def other() -> str:
        while (house := str(chance.randrange(chance.choice((1_000, 5_000))))).startswith(
            "44"
        ) or house.endswith("41"):
            pass
        return house

    counts = dict(HOUSES)
    for column, count in (
        (["440", "442", "447", "4400", "4425"], HOUSES_FROM_44),
        (["41", "141", "1241", "2541"], HOUSES_TO_41),
    ):
        for house in chance.choices(column, k=count):
            counts[house] = counts.get(house, 0) + 1
    return _deal(chance, counts, other)


def shapes(chance: random.Random) -> Iterator[tuple[str, list[Corner]]]:
    """What a lot looks like: the type of its geometry, and its corners, of which the last is the first.

    The first event is one with `EXACT_LONGITUDE` first, and the first `MultiPolygon` has `EXACT_LATITUDE`.
    """
    zones = _deal(chance, ZONES, lambda: EAST)
    head = zones.index(MIDDLE_WEST)
    zones[0], zones[head] = zones[head], zones[0]
    places = {zone: [place for place, its in enumerate(zones) if its is zone] for zone in ZONES}
    exact, later = places[MIDDLE_WEST][:EXACT_FIRST], places[MIDDLE_WEST][EXACT_FIRST:]
    chance.shuffle(later)
    firsts = dict.fromkeys(exact, EXACT_LONGITUDE)
    seconds = dict.fromkeys(later[:EXACT_LATER], EXACT_LONGITUDE)
    for (zone, other), count in STRAYS.items():
        free = [place for place in places[zone] if place not in firsts and place not in seconds]
        for place in chance.sample(free, count):
            seconds[place] = chance.uniform(*other)
    multipolygons = {*chance.sample(places[EAST], MULTIPOLYGONS)}
    head = min(multipolygons)
    for place, zone in enumerate(zones):
        corners = _corners(chance, zone)
        corners[0]["x"] = firsts.get(place, corners[0]["x"])
        corners[1]["x"] = seconds.get(place, corners[1]["x"])
        if place == head:
            corners[1]["y"] = EXACT_LATITUDE
        yield ("MultiPolygon" if place in multipolygons else "Polygon"), corners


def _corners(chance: random.Random, zone: tuple[float, float]) -> list[Corner]:
    """A closed line: four or five corners mostly, and now and then hundreds."""
    x, y = chance.uniform(*zone), chance.uniform(*LATITUDES)
    count = min(3 + int(chance.paretovariate(CORNERS)), 400)
    corners = [
        {"x": x + chance.uniform(-4e-5, 4e-5), "y": y + chance.uniform(-3e-4, 3e-4), "z": 0.0}
        for _ in range(count)
    ]
    return [*corners, corners[0]]
