"""A record of a chained file: one line that remembers the line before it. Pure.

A line is `{"n":…,"prev":"…",…,"hash":"…"}` and a line break. Its hash is the SHA-256 of its own bytes before
`,"hash"`: there is no canonical form that would have to be agreed on, or that would round a number.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple

ORIGIN: Final = b"0" * 64
"""What the first record of a chain remembers."""

END: Final = len(b',"hash":""}\n') + 64
"""How many bytes of a line its own hash does not cover."""

_HEAD: Final = re.compile(rb'\{"n":([0-9]{1,18}),"prev":"([0-9a-f]{64})",')
_END: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n\Z')


class Link(NamedTuple):
    """What a record says of its place.

    Attributes:
        n: which record of its chain it is; 1 is the first.
        prev: the hash of the one before, 64 hexadecimal digits.
        hash: its own, as it is written there.
        is_sound: whether that is the hash of its bytes.
    """

    n: int
    prev: bytes
    hash: bytes
    is_sound: bool


def seal(n: int, prev: bytes, members: bytes) -> tuple[bytes, bytes]:
    """A record's line, and its hash.

    Args:
        n: which record it is.
        prev: the hash of the one before; `ORIGIN` for the first.
        members: what stands between `prev` and `hash`: members of a JSON object, on one line.
    """
    text = b'{"n":%d,"prev":"%b",%b' % (n, prev, members)
    digest = sha256(text).hexdigest().encode()
    return b'%b,"hash":"%b"}\n' % (text, digest), digest


def follows(line: bytes, n: int, prev: bytes) -> bytes | None:
    """The hash of a line that is record `n` behind `prev`, unchanged; None where it is anything else."""
    if not line.startswith(b'{"n":%d,"prev":"%b",' % (n, prev)):
        return None
    digest = sha256(line[:-END]).hexdigest().encode()
    return digest if line[-END:] == b',"hash":"%b"}\n' % digest else None


def is_like_record(line: bytes) -> bool:
    """Whether a line begins or ends as a record of a chain does, whatever has become of the rest."""
    return _HEAD.match(line) is not None or _END.search(line[-END:]) is not None


def link_of(line: bytes) -> Link | None:
    """What a line says of its place; None where it is no record of a chain."""
    head, end = _HEAD.match(line), _END.search(line[-END:])
    if head is None or end is None:
        return None
    is_sound = sha256(line[:-END]).hexdigest().encode() == end[1]
    return Link(int(head[1]), head[2], end[1], is_sound)
