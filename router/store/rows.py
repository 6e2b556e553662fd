"""How records and attempts stand in a row: msgpack, fields by name, so that older rows stay readable."""

from __future__ import annotations

import msgspec

from router.events import Event
from router.events.received import Original
from router.store.base import Attempt, Record, Route


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record without its routes and with its original by reference.

    Attributes:
        original: the sequence under which the sender's request is kept.
    """

    event: Event
    source: str
    received: float
    version: str
    notes: tuple[str, ...] = ()
    original: int | None = None


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
            received=record.received,
            version=record.version,
            notes=record.notes,
            original=original,
        )
    )


def decode_row(data: bytes) -> Row:
    """The inverse of `encode_record`, but for routes and original."""
    return _decode_row(data)


def decode_record(data: bytes) -> Record:
    """The inverse of `encode_record`, but for routes and original: what a delivery is made of."""
    return record_of(_decode_row(data), (), None)


def record_of(row: Row, routes: tuple[Route, ...], original: Original | None) -> Record:
    """The record that a row, its routes and its original make."""
    return Record(
        event=row.event,
        source=row.source,
        received=row.received,
        version=row.version,
        routes=routes,
        notes=row.notes,
        original=original,
    )


def encode_routes(routes: tuple[Route, ...]) -> bytes:
    """Routes as a row holds them."""
    return _encode(routes)


def decode_routes(data: bytes) -> tuple[Route, ...]:
    """The inverse of `encode_routes`."""
    return _decode_routes(data)


def encode_attempts(attempts: tuple[Attempt, ...]) -> bytes:
    """A delivery's history as a row holds it."""
    return _encode(attempts)


def decode_attempts(data: bytes) -> tuple[Attempt, ...]:
    """The inverse of `encode_attempts`."""
    return _decode_attempts(data)
