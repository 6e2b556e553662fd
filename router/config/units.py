"""Durations and sizes as people write them, as types for pydantic models.

`Duration` gives seconds (float), `Size` bytes (int), `Whole` an int.
Each also takes its value from a text that the environment filled in: `attempts: ${ATTEMPTS}`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}

_AMOUNT = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_PART = rf"({_AMOUNT})(ms|[smhd])"
_DURATION = re.compile(rf"(?:{_AMOUNT}(?:ms|[smhd]))+\Z")
_SIZE = re.compile(rf"({_AMOUNT}) ?({'|'.join(_BYTES)})\Z")
_WHOLE = re.compile(r"-?[0-9]{1,18}\Z")


def seconds(text: str) -> float:
    """A duration in seconds; parts may follow one another.

    >>> seconds("10s"), seconds("1m30s"), seconds("7d")
    (10.0, 90.0, 604800.0)

    Raises:
        ValueError: it is not one.
    """
    if not _DURATION.match(text):
        raise ValueError(f"{text!r} is no duration: write 10s, 1m30s, 24h or 7d")
    return sum(float(amount) * _SECONDS[unit] for amount, unit in re.findall(_PART, text))


def size(text: str) -> int:
    """A size in bytes: kB, MB, GB, TB count in thousands, KiB, MiB, GiB, TiB in 1,024s (IEC 80000-13).

    >>> size("256MB"), size("1KiB")
    (256000000, 1024)

    Raises:
        ValueError: it is not one.
    """
    found = _SIZE.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no size: write 512kB, 256MB or 10GB")
    return int(float(found[1]) * _BYTES[found[2]])


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        return seconds(value)
    raise ValueError("wants a duration such as 10s, 1m30s, 24h or 7d")


def _size(value: Any) -> Any:
    if isinstance(value, str):
        return size(value)
    raise ValueError("wants a size such as 512kB, 256MB or 10GB")


def _whole(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.match(value):
        return int(value)
    return value


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": [example]})


Duration = Annotated[float, BeforeValidator(_duration), _text(rf"(?:{_AMOUNT}(?:ms|[smhd]))+", "1m30s")]
Size = Annotated[int, BeforeValidator(_size), _text(rf"{_AMOUNT} ?(?:{'|'.join(_BYTES)})", "256MB")]
Whole = Annotated[
    int,
    BeforeValidator(_whole),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"\$\{"}]}),
]
