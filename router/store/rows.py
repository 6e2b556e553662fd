"""How records and attempts stand in a row: msgpack, fields by name, so that older rows stay readable."""

from __future__ import annotations

import functools

import msgspec

from router.events import Event
from router.events.received import Original
from router.store.base import Attempt, Record, Route


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A record without what stands in its arrival, and with its original by reference.

    Attributes:
        original: the sequence under which the sender's request is kept.
    """

    event: Event
    source: str
    version: str
    notes: tuple[str, ...] = ()
    original: int | None = None


class Arrival(msgspec.Struct, frozen=True):
    """What is kept of a record apart from it: when it came, what tells it from others, where it goes.

    Attributes:
        received: seconds since the epoch.
        routes: as `encode_routes` has made them.
    """

    sequence: int
    received: float
    fingerprint: bytes
    routes: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(Row).decode
_decode_routes = msgspec.msgpack.Decoder(tuple[Route, ...]).decode
_decode_attempts = msgspec.msgpack.Decoder(tuple[Attempt, ...]).decode


def encode_record(record: Record, original: int | None) -> bytes:
    """A record's row, its original kept under the sequence `original`."""
    return _encode(
        Row(
            event=record.event,
            source=record.source,
            version=record.version,
            notes=record.notes,
            original=original,
        )
    )


def decode_row(data: bytes) -> Row:
    """The inverse of `encode_record`, but for what stands elsewhere.

    Raises:
        msgspec.DecodeError: it is broken.
    """
    try:
        return _decode_row(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error


def record_of(row: Row, arrival: Arrival, original: Original | None = None) -> Record:
    """The record that a row, its arrival and its original make."""
    return Record(
        event=row.event,
        source=row.source,
        received=arrival.received,
        version=row.version,
        routes=decode_routes(arrival.routes),
        notes=row.notes,
        original=original,
        fingerprint=arrival.fingerprint,
    )


def encode_routes(routes: tuple[Route, ...]) -> bytes:
    """Routes as a row holds them."""
    return _encode(routes)


@functools.lru_cache(4_096)  # most events go where the last ones went
def decode_routes(data: bytes) -> tuple[Route, ...]:
    """The inverse of `encode_routes`.

    Raises:
        msgspec.DecodeError: they are broken.
    """
    try:
        return _decode_routes(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error


def encode_attempts(attempts: tuple[Attempt, ...]) -> bytes:
    """A delivery's history as a row holds it."""
    return _encode(attempts)


def decode_attempts(data: bytes) -> tuple[Attempt, ...]:
    """The inverse of `encode_attempts`; a history that is broken is one attempt that says so."""
    try:
        return _decode_attempts(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return (Attempt(at=0.0, seconds=0.0, error=f"the history cannot be read: {error}"),)
