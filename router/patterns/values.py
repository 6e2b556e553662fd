"""What a field of an event holds: strings, numbers that keep their spelling, true, false and null.

Rules of comparison are those of Amazon's event-ruler, the engine behind EventBridge.
"""

from __future__ import annotations

import ipaddress
import math
import re
import sys
from decimal import Decimal

import msgspec

_ADDRESS = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|(?=[^:]*:)[0-9a-fA-F:]+")
_LEADING_ZEROS = re.compile(r"\b0+(?=[0-9a-fA-F])")
_LONGEST_IPV4 = 15

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Number(msgspec.Struct, frozen=True, gc=False):
    """A JSON number as it was written. An event may have many: the garbage collector need not know them."""

    text: str

    @property
    def value(self) -> float | None:
        """The number as a double, if it is comparable: finite, and equal to that double's shortest repr.

        What a double cannot hold (12345678901234567890, 1e-400) is not comparable and has no value:
        it equals only the same text.

        >>> Number("3e2").value, Number("300.0").value, Number("9007199254740993").value
        (300.0, 300.0, None)
        """
        value = float(self.text)
        if len(self.text) <= sys.float_info.dig and self.text.isdigit():  # exact, as all so short are
            return value
        shortest = repr(value)
        if shortest == self.text:
            return value
        if math.isinf(value):
            return None
        if value == 0.0:
            mantissa = self.text.lower().partition("e")[0]
            return None if mantissa.strip("-0.") else value
        return value if Decimal(self.text) == Decimal(shortest) else None


Value = str | Number | bool | None
"""A leaf of an event."""


def address_of(text: str) -> IPAddress | None:
    """The IP address a string spells, or None.

    As Java reads literals: zeros may lead a group, no zone, and an IPv4-mapped address is IPv4.

    >>> address_of("1.2.3.004"), address_of("FACE:b00c::01"), address_of("1.2.3")
    (IPv4Address('1.2.3.4'), IPv6Address('face:b00c::1'), None)
    """
    if not _ADDRESS.fullmatch(text) or ("." in text and len(text) > _LONGEST_IPV4):
        return None
    try:
        address = ipaddress.ip_address(_LEADING_ZEROS.sub("", text))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def number(value: float | Decimal) -> Number:
    """A Python number as JSON spells it.

    Raises:
        ValueError: JSON has no such number.
    """
    text = str(value)
    if not text.strip("-")[0].isdigit():
        message = f"{text} is not a JSON number"
        raise ValueError(message)
    return Number(text)
