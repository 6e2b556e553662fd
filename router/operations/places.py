"""Delivery ids as operators write them, and the places they stand for."""

from __future__ import annotations

import re

from router.config.names import NAME
from router.operations.errors import AskedWrongError
from router.store.base import Place

_ID = re.compile(rf"([0-9]{{1,18}})-({NAME})(?:--([A-Za-z0-9]+))?\Z")


def place_of(id_: str) -> Place:
    """The place of a delivery id (`router.store.base.Delivery.id`).

    Raises:
        AskedWrongError: it is none.
    """
    found = _ID.match(id_)
    if found is None:
        raise AskedWrongError(f"{id_[:100]!r} is no delivery id: they look like 1764000000000000-audit")
    return Place(int(found[1]), found[2], found[3] or "")


def id_of(place: Place) -> str:
    """The delivery id of a place."""
    return f"{place.sequence}-{place.target}" + (f"--{place.variant}" if place.variant else "")
