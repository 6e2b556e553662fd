"""Heads of requests, HTTP/1.1 (RFC 9112, section 3; RFC 9110, section 5). Pure.

What a head always says is said once, as a form: only the values of the caller's headers, and the content's
length, are left to be filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""RFC 9110, section 5.6.2."""

_UNSAYABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""What no header's value may hold (RFC 9110, section 5.5), or no UTF-8."""

_FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


class Head(msgspec.Struct, frozen=True):
    """The heads of one kind of request: one method, one address, the same names of headers.

    Attributes:
        form: for `%`: gets the values of the headers, and the content's length behind them.
    """

    form: str

    def request(self, values: Sequence[str], content: bytes) -> bytes:
        """A whole request.

        Args:
            values: of the headers, in the order of their names.
            content: the body.

        Raises:
            ValueError: a value would end its line, or more. It is not shown: it may be a secret.
        """
        if not (said := "".join(values)).isprintable() and (bad := _UNSAYABLE.search(said)):
            raise ValueError(f"invalid header value: there is {bad[0]!a} in it")
        return (self.form % (*values, len(content))).encode() + content


def head_of(method: str, target: str, names: Sequence[str], own: Mapping[str, str]) -> Head:
    """The head of requests like this.

    Args:
        method: a token.
        target: path and query, as in a parsed URL.
        names: of the caller's headers.
        own: what the sender says itself, by lower-case name, unless the caller says it.

    Raises:
        ValueError: the method or a name is none, or a name is that of a header which says where the request
            ends.
    """
    if not _TOKEN.fullmatch(method):
        raise ValueError(f"invalid HTTP method: {method!r}")
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"invalid header name: {name!r}")
        if name.lower() in _FRAMING:
            raise ValueError(f"the header {name!r} is not the caller's to say: the body has its own length")
    known = {name.lower() for name in names}
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{_title(name)}: {value}" for name, value in own.items() if name not in known]
    constant = "\r\n".join(lines).replace("%", "%%")
    asked = "".join(_title(name).replace("%", "%%") + ": %s\r\n" for name in names)
    return Head(f"{constant}\r\n{asked}Content-Length: %d\r\n\r\n")


def _title(name: str) -> str:
    """As HTTP/1.1 is mostly written; there are receivers that know no other spelling."""
    return "-".join(part[:1].upper() + part[1:] for part in name.lower().split("-"))
