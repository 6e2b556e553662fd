"""What signatures need of header fields and queries: bytes, times, base64, and how long is too long."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from router.signatures.base import Reason, SignatureError


def octets(value: str) -> bytes:
    """The bytes of a header's value: servers hand them over as Latin-1."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode(errors="surrogatepass")


LONGEST_QUERY = 4096
MOST_PARAMETERS = 100
"""How long a query may be that is signed, in characters and in parameters. What is pushed has one or two."""


def hold_query(query: str, status: int = 401) -> None:
    """Refuse a query that would cost much to bring into a signature's order, before anybody is known.

    Raises:
        SignatureError: it is longer than any sender's; with this status.
    """
    if len(query) > LONGEST_QUERY or query.count("&") >= MOST_PARAMETERS:
        raise SignatureError(
            Reason.UNFIT,
            f"the query is too long to be signed: at most {LONGEST_QUERY} characters and {MOST_PARAMETERS} "
            "parameters are looked at",
            status,
        )


def from_base64(name: str, headers: Mapping[str, str], status: int = 401) -> bytes:
    """What a header holds as base64 (RFC 4648, section 4).

    Raises:
        SignatureError: that is no base64; with this status.
    """
    try:
        return base64.b64decode(headers[name], validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(Reason.UNFIT, f"{name}: no base64", status) from None


def http_date(text: str) -> float | None:
    """An HTTP date (RFC 9110, section 5.6.7) in seconds since the epoch; None if it is none."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
