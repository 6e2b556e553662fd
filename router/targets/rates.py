"""A rate as people write it, as a type for pydantic models: `Rate` gives how many a second (float)."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_TEXT = r"([0-9]{1,9})/([smh])"
_RATE = re.compile(rf"{_TEXT}\Z")


def per_second(text: str) -> float:
    """A rate as deliveries a second.

    >>> per_second("50/s"), per_second("90/m"), per_second("9/h")
    (50.0, 1.5, 0.0025)

    Raises:
        ValueError: it is none, or it is nothing at all.
    """
    found = _RATE.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no rate: write 50/s, 100/m or 1000/h")
    if (count := int(found[1])) == 0:
        raise ValueError(f"{text!r} would let nothing through; leave it out, or write more")
    return count / _SECONDS[found[2]]


def _rate(value: Any) -> Any:
    if isinstance(value, str):
        return per_second(value)
    raise ValueError("wants a rate such as 50/s, 100/m or 1000/h")


Rate = Annotated[
    float,
    BeforeValidator(_rate),
    WithJsonSchema({"type": "string", "pattern": f"^{_TEXT}$", "examples": ["50/s"]}),
]
