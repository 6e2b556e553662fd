"""Baidu Object Storage (BOS): PostResult, the results of its AI applications.

One request holds `events`; each of them holds one or several results (`imageOcr`, `imageClassify`), and
each result becomes a CloudEvent.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from router.errors import MessageError
from router.events import EventError, context
from router.events.received import Original, Reading, Received
from router.sources import baidu_json
from router.sources.base import Answer, Request, json_answer, overload, refusal
from router.sources.lenient import mend

_Members = dict[str, msgspec.Raw]


class _Push(msgspec.Struct):
    events: list[_Members]


_PUSH = msgspec.json.Decoder(_Push)

_DESCRIPTION = frozenset(
    ("version", "eventType", "eventTime", "content", "eventId", "eventOrigin", "eventFrom", "configurationId")
)
"""Members of an event that are no result: PostResult's and PostEvent's."""

TYPE_PREFIX = "com.baidubce.bos."


def _uuid() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class BaiduSource:
    """`POST /?result` as the document of 2018 has it, `POST /v1/{bucket}/?result` as that of 2025 has it.

    Attributes:
        request_id: makes the answer's `x-bce-request-id`.
    """

    kind: ClassVar[str] = "baidu"
    paths: ClassVar[tuple[str, ...]] = ("/baidu", "/v1/{bucket}/?result", "/v1/{bucket}?result", "/?result")

    request_id: Callable[[], str] = _uuid

    def read(self, request: Request) -> Received:
        """One CloudEvent for each result of each element of `events`; all of them or none."""
        document, text, notes = baidu_json.read(request.body)
        if type(document) is not dict or type(document.get("events")) is not list:
            raise EventError("events: a push holds a list of that name")
        if not all(type(element) is dict for element in document["events"]):
            raise EventError("events: each of them is an object")
        readings = tuple(
            reading
            for index, (element, members) in enumerate(
                zip(document["events"], _PUSH.decode(text).events, strict=True)
            )
            for reading in _readings(f"events[{index}]", element, members, notes)
        )
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


def _readings(
    where: str, element: dict[str, Any], members: _Members, notes: tuple[str, ...]
) -> Iterator[Reading]:
    kinds = [name for name, value in element.items() if name not in _DESCRIPTION and type(value) is dict]
    if not kinds:
        raise EventError(f"{where}: holds no result, such as imageOcr or imageClassify")
    for kind in kinds:
        attributes = _attributes(where, element, kind)
        found = tuple(mend(attributes))
        payload = _object({name: raw for name, raw in members.items() if name == kind or name not in kinds})
        yield Reading(context.build(attributes, payload), notes + found)


def _attributes(where: str, element: dict[str, Any], kind: str) -> dict[str, Any]:
    content = element.get("content")
    if type(content) is not dict:
        raise EventError(f"{where}.content: is missing; it names the object that the result is about")
    domain, bucket, name = (
        _text(content, member, f"{where}.content") for member in ("domain", "bucket", "object")
    )
    result = element[kind]
    log_id = _scalar(result.get("log_id"))
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
