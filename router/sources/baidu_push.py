"""Baidu's pushes as CloudEvents: what happened to an object (PostEvent), what was found in it (PostResult).

Both hold `events`. Each of PostEvent's is an event. Each of PostResult's holds one or several results
(`imageOcr`, `imageClassify`), and each result becomes an event. A result is every member that is not known
to describe the event: an application that Baidu adds tomorrow is routed without a change here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from router.events import EventError, TooMuchError, context
from router.events.model import hold_to
from router.events.received import Reading
from router.sources import baidu_json
from router.sources.base import MAX_EVENTS
from router.sources.lenient import mend

_Members = dict[str, msgspec.Raw]


class _Push(msgspec.Struct):
    """Only the last `events` counts, as in every reading; an earlier one may be anything and stays unread."""

    events: msgspec.Raw


_PUSH = msgspec.json.Decoder(_Push)
_EVENTS = msgspec.json.Decoder(list[_Members])

_DESCRIPTION = frozenset(
    ("version", "eventType", "eventTime", "content", "eventId", "eventOrigin", "eventFrom", "configurationId")
)
"""Members of an event that are no result: PostResult's and PostEvent's."""

MAX_KINDS = 32
"""How many results one element may hold. Baidu has a handful of applications."""

MAX_COPIED = 16 * 2**20
"""How many bytes of payload one request may cost beyond what was sent.

Each result of an element has a copy of what describes the element: 32 of them would make 32 MB out of 1 MB. A
description is some hundred bytes, so an honest push of 1,000 events stays far below."""

NO_OBJECT = "result-not-an-object"
"""The note on a result that is text, a number, a list or null: it is handed on as it is."""

TYPE_PREFIX = "com.baidubce.bos."


def read(body: bytes, query: str) -> tuple[Reading, ...]:
    """One CloudEvent for each event, or for each result of each event; all of them or none.

    Everything is counted before anything is built, so that a request which is too much costs little.

    Args:
        body: without credentials: whatever is wrong with it may be quoted to anybody.
        query: `event` in it makes it a PostEvent, `result` a PostResult. Without either, an element that has
            an `eventId` and no result is PostEvent's.

    Raises:
        EventError: it is no push; the message says where.
        TooMuchError: it would make too many events, or too large ones.
    """
    document, text, notes = baidu_json.read(body)
    if type(document) is not dict or type(document.get("events")) is not list:
        raise EventError("events: a push holds a list of that name")
    if not all(type(element) is dict for element in document["events"]):
        raise EventError("events: each of them is an object")
    hold_to(MAX_EVENTS, len(document["events"]))
    pairs = zip(document["events"], _EVENTS.decode(_PUSH.decode(text).events), strict=True)
    keys = {part.partition("=")[0] for part in query.split("&")} & {"event", "result"}
    elements = [_element(f"events[{index}]", *pair, keys) for index, pair in enumerate(pairs)]
    hold_to(MAX_EVENTS, sum(len(element.kinds) for element in elements))
    if (copied := sum(element.copied for element in elements)) > MAX_COPIED:
        raise TooMuchError(
            f"the results of this push would carry {copied} bytes of the same descriptions; "
            f"at most {MAX_COPIED} are copied, so send fewer results at once"
        )
    return tuple(reading for element in elements for reading in _readings(element, notes))


@dataclass(frozen=True, slots=True)
class _Element:
    """One of `events`.

    Attributes:
        where: its place in the push.
        kinds: the names of its results; None alone where it is PostEvent's.
        description: its other members, each value with the bytes its sender wrote.
        copied: how many bytes of the description its events hold beyond one copy.
    """

    where: str
    values: Mapping[str, Any]
    members: _Members
    kinds: Sequence[str | None]
    description: _Members
    copied: int


def _element(where: str, values: dict[str, Any], members: _Members, keys: set[str]) -> _Element:
    kinds = [name for name in values if name not in _DESCRIPTION]
    if keys == {"event"} or (not keys and not kinds and "eventId" in values):
        return _Element(where, values, members, (None,), {}, 0)
    if not kinds:
        raise EventError(f"{where}: holds no result, such as imageOcr or imageClassify")
    if len(kinds) > MAX_KINDS:
        raise TooMuchError(
            f"{where}: holds {len(kinds)} results; at most {MAX_KINDS} are taken of one element"
        )
    description = {name: raw for name, raw in members.items() if name in _DESCRIPTION}
    copied = (len(kinds) - 1) * len(_object(description))
    return _Element(where, values, members, kinds, description, copied)


def _readings(element: _Element, notes: tuple[str, ...]) -> Iterator[Reading]:
    """The element's events. The data of each is the element with only that result, which stands last."""
    for kind in element.kinds:
        if kind is None:
            attributes, payload = _of_event(element), _object(element.members)
        else:
            attributes = _of_result(element, kind)
            payload = _object(element.description | {kind: element.members[kind]})
        odd = kind is not None and type(element.values[kind]) is not dict
        found = (*notes, *([NO_OBJECT] if odd else ()), *mend(attributes))
        yield Reading(context.build(attributes, payload), found)


def _of_event(element: _Element) -> dict[str, Any]:
    """An event of PostEvent is known by its `eventId`; one without, by all that is in it."""
    content = _content(element)
    type_ = _text(element.values, "eventType", element.where)
    identity = _scalar(element.values.get("eventId")) or _hash(element.values)
    return _attributes(element, content, identity, type_) | {
        "subject": _scalar(content.get("object")) or None
    }


def _of_result(element: _Element, kind: str) -> dict[str, Any]:
    """A result has no id: it is the one that came of this run of the AI, about this version of the object."""
    content = _content(element)
    result = element.values[kind]
    log_id = _scalar(result.get("log_id")) if type(result) is dict else ""
    name = _text(content, "object", f"{element.where}.content")
    about = (content["domain"], content["bucket"], name, content.get("eTag"))
    happened = (element.values.get("eventType"), element.values.get("eventTime"))
    # Without a log_id, the result itself tells one run from the next.
    run = log_id or msgspec.json.encode(result, order="sorted").decode()
    identity = _hash([*map(_scalar, (*about, *happened)), kind, run])
    attributes = _attributes(element, content, identity, f"{kind[:1].upper()}{kind[1:]}")
    return attributes | {"subject": name, "bcelogid": log_id or None}


def _attributes(element: _Element, content: Mapping[str, Any], identity: str, type_: str) -> dict[str, Any]:
    """What both have."""
    return {
        "specversion": "1.0",
        "id": identity,
        "source": f"//{content['domain']}/{content['bucket']}",
        "type": TYPE_PREFIX + type_,
        "time": element.values.get("eventTime") or None,
        "datacontenttype": "application/json",
        "bceeventtype": _scalar(element.values.get("eventType")) or None,
        "bceetag": _scalar(content.get("eTag")) or None,
    }


def _content(element: _Element) -> Mapping[str, Any]:
    content = element.values.get("content")
    if type(content) is not dict:
        raise EventError(f"{element.where}.content: is missing; it names the object that this is about")
    for name in ("domain", "bucket"):
        _text(content, name, f"{element.where}.content")
    return content


def _text(container: Mapping[str, Any], name: str, where: str) -> str:
    value = container.get(name)
    if type(value) is not str or not value:
        raise EventError(f"{where}.{name}: a non-empty string should stand there")
    return value


def _scalar(value: Any) -> str:
    """A leaf as text; numbers with all their digits, nothing for null."""
    if value is None:
        return ""
    return value if type(value) is str else msgspec.json.encode(value, order="sorted").decode()


def _hash(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def _object(members: _Members) -> bytes:
    """An object of these members, each value with the bytes its sender wrote."""
    return msgspec.json.encode(members)
