"""Baidu Object Storage (BOS): PostResult, the results of its AI applications.

One request holds `events`; each of them holds one or several results (`imageOcr`, `imageClassify`), and
each result becomes a CloudEvent. A result is every member that is not known to describe the event: an
application that Baidu adds tomorrow is routed without a change here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from router.errors import MessageError
from router.events import EventError, TooMuchError, context
from router.events.model import hold_to
from router.events.received import Original, Reading, Received
from router.sources import baidu_json
from router.sources.base import MAX_EVENTS, Answer, Request, json_answer, overload, refusal
from router.sources.lenient import mend
from router.sources.settings import Keys, SourceSettings

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


def _uuid() -> str:
    return str(uuid.uuid4())


class BaiduSettings(SourceSettings, Keys):
    """Under `sources:`, `kind: baidu`."""


@dataclass(frozen=True, slots=True)
class BaiduSource:
    """`POST /?result` as the document of 2018 has it, `POST /v1/{bucket}/?result` as that of 2025 has it.

    Attributes:
        request_id: makes the answer's `x-bce-request-id`.
    """

    shape: ClassVar[type[SourceSettings]] = BaiduSettings
    kind: ClassVar[str] = "baidu"
    keeps_unreadable: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/baidu", "/v1/{bucket}/?result", "/v1/{bucket}?result", "/?result")

    settings: BaiduSettings = BaiduSettings(kind="baidu")
    request_id: Callable[[], str] = _uuid

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self.settings.keys)

    def admit(self, request: Request) -> None:
        """See `Source.admit`."""

    def greeted(self, request: Request) -> Answer | None:  # noqa: ARG002 (the interface's)
        """Nobody asks first."""
        return None

    def redacted(self, body: bytes) -> bytes:
        """See `Source.redacted`."""
        return body

    def read(self, request: Request) -> Received:
        """One CloudEvent for each result of each element of `events`; all of them or none.

        Everything is counted before anything is built, so that a request which is too much costs little.
        """
        document, text, notes = baidu_json.read(request.body)
        if type(document) is not dict or type(document.get("events")) is not list:
            raise EventError("events: a push holds a list of that name")
        if not all(type(element) is dict for element in document["events"]):
            raise EventError("events: each of them is an object")
        hold_to(MAX_EVENTS, len(document["events"]))
        pairs = zip(document["events"], _EVENTS.decode(_PUSH.decode(text).events), strict=True)
        elements = [_element(f"events[{index}]", *pair) for index, pair in enumerate(pairs)]
        hold_to(MAX_EVENTS, sum(len(element.kinds) for element in elements))
        if (copied := sum(element.copied for element in elements)) > MAX_COPIED:
            raise TooMuchError(
                f"the results of this push would carry {copied} bytes of the same descriptions; "
                f"at most {MAX_COPIED} are copied, so send fewer results at once"
            )
        readings = tuple(reading for element in elements for reading in _readings(element, notes))
        return Received(readings, Original(request.body, request.headers.get("content-type")))

    def accepted(self, received: Received) -> Answer:  # noqa: ARG002 (the interface's)
        """Exactly 200 with `{}`: anything else is pushed again."""
        return json_answer(200, {}, {"x-bce-request-id": self.request_id()})

    def refused(self, error: MessageError) -> Answer:
        """400 and why. The sender will repeat it."""
        return self._named(refusal(error))

    def overloaded(self, retry_after: int) -> Answer:
        """429: the document's own word for "later"."""
        return self._named(overload(429, retry_after))

    def _named(self, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "x-bce-request-id": self.request_id()})


@dataclass(frozen=True, slots=True)
class _Element:
    """One of `events`.

    Attributes:
        where: its place in the push.
        kinds: the names of its results.
        description: its other members, each value with the bytes its sender wrote.
        copied: how many bytes of the description its events hold beyond one copy.
    """

    where: str
    values: Mapping[str, Any]
    members: _Members
    kinds: Sequence[str]
    description: _Members
    copied: int


def _element(where: str, values: dict[str, Any], members: _Members) -> _Element:
    kinds = [name for name in values if name not in _DESCRIPTION]
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
        attributes = _attributes(element.where, element.values, kind)
        odd = () if type(element.values[kind]) is dict else (NO_OBJECT,)
        found = tuple(mend(attributes))
        payload = _object(element.description | {kind: element.members[kind]})
        yield Reading(context.build(attributes, payload), (*notes, *odd, *found))


def _attributes(where: str, element: Mapping[str, Any], kind: str) -> dict[str, Any]:
    content = element.get("content")
    if type(content) is not dict:
        raise EventError(f"{where}.content: is missing; it names the object that the result is about")
    domain, bucket, name = (
        _text(content, member, f"{where}.content") for member in ("domain", "bucket", "object")
    )
    result = element[kind]
    log_id = _scalar(result.get("log_id")) if type(result) is dict else ""
    time = element.get("eventTime")
    # Without a log_id, the result itself tells one run of the AI from the next.
    run = log_id or msgspec.json.encode(result, order="sorted").decode()
    identity = [
        domain,
        bucket,
        name,
        *map(_scalar, (content.get("eTag"), element.get("eventType"), time)),
        kind,
        run,
    ]
    return {
        "specversion": "1.0",
        "id": hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
        "source": f"//{domain}/{bucket}",
        "type": f"{TYPE_PREFIX}{kind[:1].upper()}{kind[1:]}",
        "subject": name,
        "time": time or None,
        "datacontenttype": "application/json",
        "bceeventtype": _scalar(element.get("eventType")) or None,
        "bceetag": _scalar(content.get("eTag")) or None,
        "bcelogid": log_id or None,
    }


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


def _object(members: _Members) -> bytes:
    """An object of these members, each value with the bytes its sender wrote."""
    return msgspec.json.encode(members)
