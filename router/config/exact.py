"""JSON whose numbers keep their digits: a number that no float holds exactly is written as it was read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec


class _Exact(float):
    """A float that remembers the longer number it was made from."""

    __slots__ = ("spelling",)
    spelling: str


_Exact.__name__ = "float"  # jmespath tells types by their names


def decode(text: bytes) -> Any:
    """The value of a JSON text. To whoever calculates or compares, its numbers are Python's.

    Raises:
        msgspec.MsgspecError: it is no JSON.
    """
    return _DECODER.decode(text)


def encode(value: Any) -> bytes:
    """Compact JSON. Members keep their order, and decimals their digits.

    Raises:
        TypeError: a value in it is not JSON.
        UnicodeEncodeError: half a surrogate pair is no text.
    """
    return _ENCODER.encode(value)


def encode_sorted(value: Any) -> bytes:
    """Compact JSON with sorted keys: for what is compared."""
    return _SORTED.encode(value)


def _float(spelling: str) -> float:
    value = _Exact(spelling)
    try:
        if Decimal(repr(float(value))) == Decimal(spelling):
            return float(value)
    except ArithmeticError:
        pass  # an exponent that no Decimal holds: the spelling is all there is of this number
    value.spelling = spelling
    return value


def _exactly(value: Any) -> Any:
    if isinstance(value, _Exact):
        return msgspec.Raw(value.spelling.encode())
    raise TypeError(f"{type(value).__name__} is not JSON")


_DECODER = msgspec.json.Decoder(float_hook=_float)
_ENCODER = msgspec.json.Encoder(enc_hook=_exactly, decimal_format="number")
_SORTED = msgspec.json.Encoder(enc_hook=_exactly, decimal_format="number", order="sorted")
