"""A segment's bytes: a header, then groups, each of which was one commit.

All numbers are little-endian. A file begins with two pages of 4,096 bytes, of which each holds the same
header: so one torn page costs no file::

    magic 8 | version u16 | first sequence u64 | marker 8 | CRC-32 of these

Groups stand one behind the other. What follows the last one is nothing: zeros that were set aside for the
next one, or what a crash has left of one that nobody was told of::

    head     marker 8 | first u64 | last u64 | newest f64 | length of the payload u64
             | length of the front u32 | events u32 | originals u32 | CRC-32 of the front | CRC-32 of the head
    front    for each event: sequence u64 | received f64 | fingerprint (its length u8, 16 bytes)
                             | length of its routes u32 | length of its record u32 | CRC-32 of its record
             for each original: sequence u64 | length u32 | CRC-32
             the routes
    payload  the records | the originals (MessagePack: body, content type)

A log that was closed ends with a head of no events: it says that nothing is missing before it, and when the
newest of all was received. When the log is gone on with, it stays.

So who walks from group to group reads heads; who asks for times, fingerprints or routes reads fronts; and one
record is read, and found to be as it was written, without any other. Sequences rise from event to event, with
gaps. Times need not: clocks are set.

The marker is made by chance for each file. It tells where a group may begin behind a stretch that cannot be
read, and nobody who sends events can know it, and make the router take a payload for a group.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from itertools import accumulate, islice
from typing import NamedTuple
from zlib import crc32

import msgspec

from router.events.received import Original
from router.store.fingerprints import Fingerprint
from router.store.rows import Arrival

MAGIC = b"rtevents"
VERSION = 1

PAGE = 4_096
BEGIN = 2 * PAGE
"""Where the first group stands."""

MARKER = 8
"""How many bytes a marker has."""

_NUMBER = struct.Struct("<I")
_HEADER = struct.Struct("<8sHQ8s")
_HEAD = struct.Struct("<8sQQdQIIII")
_EVENT = struct.Struct("<Qd17pIII")
_ORIGINAL = struct.Struct("<QII")

HEAD = _HEAD.size + _NUMBER.size
"""How many bytes a group's head has."""

_encode = msgspec.msgpack.Encoder().encode
_decode_original = msgspec.msgpack.Decoder(tuple[bytes, str | None]).decode


# -- the header -----------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What a file begins with.

    Attributes:
        version: the layout's; of another one nothing else is known.
        first: no event in it has a lower sequence.
        marker: what each group begins with.
    """

    version: int
    first: int
    marker: bytes


def new_header(first: int) -> Header:
    """A header with a marker of its own."""
    return Header(VERSION, first, os.urandom(MARKER))


def encode_header(header: Header) -> bytes:
    """The two pages that a file begins with."""
    text = _HEADER.pack(MAGIC, *header)
    return (text + _NUMBER.pack(crc32(text))).ljust(PAGE, b"\0") * 2


def decode_header(pages: bytes) -> Header | None:
    """What these pages say; None if neither of them can be read."""
    for start in (0, PAGE):
        end = start + _HEADER.size
        text = pages[start:end]
        if len(text) == _HEADER.size and pages[end : end + _NUMBER.size] == _NUMBER.pack(crc32(text)):
            magic, *fields = _HEADER.unpack(text)
            if magic == MAGIC:
                return Header(*fields)
    return None


# -- groups ---------------------------------------------------------------------------------------------


class Columns(NamedTuple):
    """Events side by side, and the requests that they came in.

    Attributes:
        received: seconds since the epoch.
        fingerprints: 16 bytes each, or none.
        routes, records: as `router.store.rows` makes them.
        originals: (the sequence it is kept under, body, content type).
    """

    sequences: Sequence[int]
    received: Sequence[float]
    fingerprints: Sequence[bytes]
    routes: Sequence[bytes]
    records: Sequence[bytes]
    originals: Sequence[tuple[int, bytes, str | None]] = ()


class Head(NamedTuple):
    """What a group says of itself.

    Attributes:
        first, last: the lowest and the highest sequence.
        newest: when the last one by the clock was received, seconds since the epoch; of all events before it,
            where it has none itself.
        payload, front: how long these are, in bytes.
        events, originals: how many there are.
        front_crc: what the front must give.
    """

    first: int
    last: int
    newest: float
    payload: int
    front: int
    events: int
    originals: int
    front_crc: int

    @property
    def is_end(self) -> bool:
        """Whether it has no event, and says that nothing is missing before it."""
        return not self.events

    @property
    def size(self) -> int:
        """How many bytes the whole group has."""
        return HEAD + self.front + self.payload


def encode_group(marker: bytes, columns: Columns) -> bytes:
    """A group of at least one event."""
    sequences, received, fingerprints, routes, records, requests = columns
    originals = [_encode((body, content_type)) for _, body, content_type in requests]
    front = b"".join(
        [
            *map(
                _EVENT.pack,
                sequences,
                received,
                fingerprints,
                map(len, routes),
                map(len, records),
                map(crc32, records),
            ),
            *(
                _ORIGINAL.pack(request[0], len(text), crc32(text))
                for request, text in zip(requests, originals, strict=True)
            ),
            *routes,
        ]
    )
    payload = sum(map(len, records)) + sum(map(len, originals))
    head = _HEAD.pack(
        marker,
        sequences[0],
        sequences[-1],
        max(received),
        payload,
        len(front),
        len(sequences),
        len(originals),
        crc32(front),
    )
    return b"".join([head, _NUMBER.pack(crc32(head)), front, *records, *originals])


def encode_end(marker: bytes, last: int, newest: float | None) -> bytes:
    """What says that nothing is missing up to the sequence `last`: a group of no event.

    Args:
        marker: the file's.
        last: that sequence.
        newest: when the last one by the clock was received; None where there is no event.
    """
    head = _HEAD.pack(marker, last + 1, last, -math.inf if newest is None else newest, 0, 0, 0, 0, 0)
    return head + _NUMBER.pack(crc32(head))


def decode_head(data: bytes, marker: bytes) -> Head | None:
    """What the first `HEAD` bytes of a group say; None if these are none."""
    if data[:MARKER] != marker or len(data) < HEAD:
        return None
    if data[_HEAD.size : HEAD] != _NUMBER.pack(crc32(data[: _HEAD.size])):
        return None
    _, *fields = _HEAD.unpack_from(data)
    return Head(*fields)


class Piece(NamedTuple):
    """Where something stands in a file, and what it must give.

    Attributes:
        at: its first byte's place.
        size: how many bytes it has.
    """

    at: int
    size: int
    crc: int


class Front(NamedTuple):
    """What a group says of its events.

    Attributes:
        sequences: in order.
        arrivals: likewise.
        records: where each one's record stands.
        originals: where the requests stand that they came in, by sequence.
    """

    sequences: Sequence[int]
    arrivals: Sequence[Arrival]
    records: Sequence[Piece]
    originals: dict[int, Piece]


def decode_front(data: bytes, head: Head, at: int) -> Front | None:
    """What a group's front says; None if it is not what was written.

    Args:
        data: the front.
        head: the group's.
        at: where the group begins in its file.
    """
    if not _is_front(data, head):
        return None
    tables = _EVENT.size * head.events + _ORIGINAL.size * head.originals
    events = list(_EVENT.iter_unpack(data[: _EVENT.size * head.events]))
    originals = list(_ORIGINAL.iter_unpack(data[_EVENT.size * head.events : tables]))
    ends = list(accumulate((event[3] for event in events), initial=tables))
    arrivals = [
        Arrival(event[0], event[1], event[2], data[start:end])
        for event, start, end in zip(events, ends, ends[1:], strict=False)
    ]
    sizes = [(event[4], event[5]) for event in events] + [(size, crc) for _, size, crc in originals]
    places = accumulate((size for size, _ in sizes), initial=at + HEAD + head.front)
    pieces = iter([Piece(place, size, crc) for place, (size, crc) in zip(places, sizes, strict=False)])
    return Front(
        sequences=[event[0] for event in events],
        arrivals=arrivals,
        records=list(islice(pieces, len(events))),
        originals={original[0]: piece for original, piece in zip(originals, pieces, strict=True)},
    )


def decode_fingerprints(data: bytes, head: Head) -> list[Fingerprint] | None:
    """Likewise, and nothing but when events came and what tells them from others."""
    if not _is_front(data, head):
        return None
    return [event[:3] for event in _EVENT.iter_unpack(data[: _EVENT.size * head.events])]


def _is_front(data: bytes, head: Head) -> bool:
    return len(data) == head.front and crc32(data) == head.front_crc


def decode_original(data: bytes) -> Original:
    """A request, as a group keeps it.

    Raises:
        msgspec.DecodeError: it is broken.
    """
    return Original(*_decode_original(data))
