"""PutEvents: its entries, and the CloudEvent that each of them becomes.

Rules and sentences are those of the API reference and of EventBridge's own answers; where only the router
refuses, the reason says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from router.events import EventError, context, json_text
from router.events.received import Reading
from router.sources.aws_protocol import constraint, decoded, invalid

MOST = 10
"""Entries in one call."""

LARGEST = 2**20
"""Bytes of all entries together: 1 MB since January 2026."""

LONGEST_TYPE = 128
"""Characters of a DetailType."""

ENCODED = "source-encoded"
"""The note on an event whose Source is no URI-reference as it was sent."""

_TIME_SIZE = 14
"""Bytes that a Time counts for."""

_BUS = re.compile(
    r"(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus/)?([.\-_A-Za-z0-9]+)", re.ASCII
)
"""The service model's `NonPartnerEventBusNameOrArn`."""

_PLAIN = re.compile(r"[A-Za-z0-9._~/-]+", re.ASCII)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*", re.ASCII)

_MEMBERS = {
    "type": "DetailType",
    "source": "Source",
    "awssource": "Source",
    "subject": "Resources",
    "awsresources": "Resources",
    "awstraceheader": "TraceHeader",
}
"""From which member of an entry an attribute comes."""


class Entry(msgspec.Struct, rename="pascal", gc=False):
    """One of a call's entries, as it was sent. Time is in seconds since the epoch."""

    source: str | None = None
    detail_type: str | None = None
    detail: str | None = None
    event_bus_name: str | None = None
    resources: list[str] | None = None
    time: float | None = None
    trace_header: str | None = None


class _Call(msgspec.Struct, rename="pascal"):
    entries: list[Entry] | None = None


_CALL = msgspec.json.Decoder(_Call)


class EntryError(Exception):
    """One entry cannot be an event; the others of its call are none the worse for it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the entries of a call have in common.

    Attributes:
        began: when the call came, in seconds since the epoch; asked where an entry has no Time.
        enveloped: whether data is AWS's whole envelope, and not Detail alone.
        strict: whether a Source that is no URI-reference is refused.
    """

    account: str
    region: str
    began: Callable[[], float]
    enveloped: bool
    strict: bool


def read(body: bytes) -> list[Entry]:
    """The entries of a call that is sound as a whole.

    Raises:
        AwsError: it is not.
    """
    entries = decoded(_CALL, body).entries
    if entries is None:
        raise constraint("entries", "Member must not be null")
    if len(entries) > MOST:
        raise constraint("entries", f"Member must have length less than or equal to {MOST}")
    if not entries:
        raise constraint("entries", "Member must have length greater than or equal to 1")
    for number, entry in enumerate(entries, 1):
        if entry.event_bus_name is not None and not _BUS.fullmatch(entry.event_bus_name):
            rule = f"Member must satisfy regular expression pattern: {_BUS.pattern}"
            raise constraint(f"entries.{number}.member.eventBusName", rule)
    if sum(map(_size, entries)) > LARGEST:
        raise invalid("Total size of the entries in the request is over the limit.")
    return entries


def _size(entry: Entry) -> int:
    """As "Calculating Amazon EventBridge PutEvents event entry size" has it."""
    texts = (entry.source, entry.detail_type, entry.detail, *(entry.resources or ()))
    return sum(len(text.encode()) for text in texts if text) + (_TIME_SIZE if entry.time is not None else 0)


def reading(entry: Entry, id_: str, around: Surroundings) -> Reading:
    """The event that an entry becomes.

    Raises:
        EntryError: it becomes none.
    """
    source, detail_type, detail = _required(entry)
    time = _time(entry, around)
    reference = uri_reference(source)
    if reference != source and around.strict:
        raise _invalid("Source", "it is no URI-reference (RFC 3986), and this source is strict.")
    attributes = {
        "specversion": "1.0",
        "id": id_,
        "source": reference,
        "type": detail_type,
        "subject": (entry.resources[0] or None) if entry.resources else None,
        "time": _written(time),
        "datacontenttype": "application/json",
        "awsaccount": around.account,
        "awsregion": around.region,
        "awseventbus": _bus(entry),
        "awsresources": json.dumps(entry.resources, separators=(",", ":")) if entry.resources else None,
        "awssource": source if reference != source else None,
        "awstraceheader": entry.trace_header or None,
    }
    data = _envelope(entry, id_, time, detail, around) if around.enveloped else detail
    try:
        event = context.build(attributes, data)
    except EventError as error:
        name, _, reason = error.message.partition(": ")
        raise _invalid(_MEMBERS.get(name, name), f"{reason}.") from None
    return Reading(event, (ENCODED,) if reference != source else ())


def _required(entry: Entry) -> tuple[str, str, bytes]:
    """Source, DetailType and Detail, each as it has to be."""
    for name, text in (("Source", entry.source), ("DetailType", entry.detail_type), ("Detail", entry.detail)):
        if not text:
            raise _invalid(name, f"{name} is a required argument.")
    assert entry.source
    assert entry.detail_type
    assert entry.detail
    if len(entry.detail_type) > LONGEST_TYPE:
        raise _invalid("DetailType", f"DetailType must have at most {LONGEST_TYPE} characters.")
    detail = entry.detail.encode()
    try:
        is_object = type(json_text.read(detail)) is dict
    except EventError:
        is_object = False
    if not is_object:
        raise EntryError("MalformedDetail", "Detail is malformed.")
    return entry.source, entry.detail_type, detail


def _invalid(member: str, reason: str) -> EntryError:
    return EntryError("InvalidArgument", f"Parameter {member} is not valid. Reason: {reason}")


def _bus(entry: Entry) -> str:
    """The bus's name, also where its ARN was sent."""
    return (entry.event_bus_name or "default").rpartition("/")[2]


def _time(entry: Entry, around: Surroundings) -> datetime:
    try:
        seconds = around.began() if entry.time is None else entry.time
        return datetime.fromtimestamp(round(seconds, 3), UTC)
    except (ValueError, OverflowError, OSError):
        raise _invalid("Time", "it is in no year from 1 to 9999.") from None


def _written(time: datetime) -> str:
    """RFC 3339, to the millisecond.

    >>> _written(datetime(2026, 11, 22, 12, 0, 0, 250_000, UTC)), _written(datetime(2026, 11, 22, tzinfo=UTC))
    ('2026-11-22T12:00:00.250Z', '2026-11-22T00:00:00Z')
    """
    spec = "milliseconds" if time.microsecond else "seconds"
    return f"{time.replace(tzinfo=None).isoformat(timespec=spec)}Z"


def _envelope(entry: Entry, id_: str, time: datetime, detail: bytes, around: Surroundings) -> bytes:
    """What EventBridge hands to targets; times to the second, as it has them."""
    members: dict[str, Any] = {
        "version": "0",
        "id": id_,
        "detail-type": entry.detail_type,
        "source": entry.source,
        "account": around.account,
        "time": _written(time.replace(microsecond=0)),
        "region": around.region,
        "resources": entry.resources or [],
        "detail": msgspec.Raw(detail),
    }
    return msgspec.json.encode(members)


def uri_reference(text: str) -> str:
    """A text as a URI-reference (RFC 3986, section 4.1): what may not stand there, percent-encoded as UTF-8.

    >>> uri_reference("com.example/orders"), uri_reference("my app"), uri_reference("1:a")
    ('com.example/orders', 'my%20app', '1%3Aa')
    """
    if _PLAIN.fullmatch(text):
        return text
    encoded = quote(_STRAY_PERCENT.sub("%25", text), safe="%:/?#@!$&'()*+,;=~")
    path, mark, fragment = encoded.partition("#")
    # Before the first colon stands a scheme, unless a slash or a query comes before it.
    first = re.split(r"[/?]", path, maxsplit=1)[0]
    scheme, colon, _ = first.partition(":")
    if colon and not _SCHEME.fullmatch(scheme):
        path = first.replace(":", "%3A") + path[len(first) :]
    return path + mark + fragment.replace("#", "%23")
