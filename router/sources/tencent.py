"""Tencent Cloud Infinite (CI): callbacks of tasks, workflows and content moderation, in XML or JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from router.events import EventError, context, json_text
from router.events.model import SHOWN, cut, hold_to
from router.events.received import Original, Reading, Received
from router.sources import tencent_form, xml
from router.sources.base import MAX_EVENTS, Plain, Request
from router.sources.lenient import date_time, mend
from router.sources.settings import SourceSettings, Tokens

TYPE_PREFIX = "com.tencentcloud.ci."

_ONCE = frozenset(("TaskFinish", "WorkflowFinish"))
"""Events that a job has once in each state. Others may repeat: a live stream is moderated again and again."""

_Item = Mapping[str, Any]


class TencentSettings(SourceSettings, Tokens):
    """Under `sources:`, `kind: tencent`."""


@dataclass(frozen=True, slots=True)
class TencentSource(Plain):
    """`POST /tencent`. The first byte tells XML from JSON, whose Content-Type is not documented.

    Attributes:
        success: 200.
        later: 503. Nothing is known of retries: count the callback as lost.
    """

    shape: ClassVar[type[SourceSettings]] = TencentSettings
    kind: ClassVar[str] = "tencent"
    keeps_unreadable: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/tencent",)
    repeats: ClassVar[bool] = False
    success: ClassVar[int] = 200
    later: ClassVar[int] = 503

    settings: TencentSettings = TencentSettings(kind="tencent")

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self.settings.all_tokens)

    def admit(self, request: Request) -> None:
        """See `Source.admit`."""

    def read(self, request: Request) -> Received:
        """One CloudEvent for each item of `JobsDetail`, for a workflow, or for a simple moderation result."""
        form, callback = _parse(request.body)
        if type(callback) is dict and type(jobs := callback.get("JobsDetail")) is list:
            hold_to(MAX_EVENTS, len(jobs))
        notes: set[str] = set()
        callback = tencent_form.normal(callback, notes)
        version = _word("x-ci-content-version", request.headers.get("x-ci-content-version"))
        readings = []
        for name, item in _items(callback):
            attributes = _attributes(name, item)
            attributes |= {"ciformat": form, "cicontentversion": version or None}
            found = [*sorted(notes), *mend(attributes)]
            payload = msgspec.json.encode(item, order="sorted")
            readings.append(Reading(context.build(attributes, payload), tuple(found)))
        return Received(tuple(readings), Original(request.body, request.headers.get("content-type")))


def _parse(body: bytes) -> tuple[str, Any]:
    """`xml` or `json`, and the callback without the envelope `Response`."""
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        return "xml", xml.read(body)[1]
    if start != b"{":
        raise EventError("neither XML nor a JSON object: a callback begins with < or {")
    json_text.read(body)
    callback = tencent_form.read_json(body)
    envelope = callback.get("Response")
    return "json", envelope if type(envelope) is dict else callback


def _items(callback: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The event's name and the data of each event in a callback."""
    callback = callback if type(callback) is dict else {}
    name = _word("EventName", _first(callback, "EventName"))
    if type(workflow := callback.get("WorkflowExecution")) is dict:
        yield name or "WorkflowFinish", workflow
    elif jobs := callback.get("JobsDetail"):
        if name is None or not all(type(job) is dict for job in jobs):
            raise EventError("EventName and JobsDetail: a callback names its event and describes its jobs")
        for job in jobs:
            yield name, job
    elif type(result := callback.get("data")) is dict:
        # The simple form of moderation; the audio document's sample leaves `event` out.
        outcome = {member: callback[member] for member in ("code", "message") if member in callback}
        yield _first(result, "event") or "Review", {**result, **outcome}
    else:
        raise EventError("no callback of Tencent CI: it has neither JobsDetail, WorkflowExecution nor data")


def _word(place: str, text: str | None) -> str | None:
    """What each event of a callback has a copy of: a word, for a thousand copies of a text are gigabytes."""
    if text and len(text) > SHOWN:
        raise EventError(
            f"{place}: {cut(ascii(text[:SHOWN]))} is longer than the {SHOWN} characters of any name"
        )
    return text


def _attributes(name: str, item: dict[str, Any]) -> dict[str, Any]:
    place = item.get("Input") if type(item.get("Input")) is dict else item
    assert type(place) is dict
    url = _first(item, "Url", "url") or _first(place, "Url", "url")
    tag = _first(item, "Tag")
    return {
        "specversion": "1.0",
        "id": _id(name, item),
        "source": _source(place, url),
        "type": TYPE_PREFIX + (f"{name}.{tag}" if tag and name == "TaskFinish" else name),
        "subject": _first(place, "Object") or _first(item, "Object") or url,
        "time": _time(item),
        "datacontenttype": "application/json",
        "citag": tag,
        "cistate": _first(item, "State"),
    }


def _id(name: str, item: _Item) -> str:
    job = _first(item, "JobId", "RunId", "trace_id")
    parts = [job, _first(item, "State")]
    if job is None or name not in _ONCE:
        parts.append(hashlib.sha256(msgspec.json.encode(item, order="sorted")).hexdigest()[:16])
    return ":".join(part for part in parts if part)


def _source(place: _Item, url: str | None) -> str:
    bucket, region = _first(place, "BucketId"), _first(place, "Region")
    if bucket:
        return f"//{bucket}.ci.{region}.myqcloud.com" if region else f"//{bucket}.ci.myqcloud.com"
    try:
        host = urlsplit(url or "").hostname
    except ValueError:
        host = None
    return f"//{host or 'ci.myqcloud.com'}"


def _time(item: _Item) -> str | None:
    """The end of the job, else its beginning; `-` stands for a time that has not come.

    The documents write RFC 3339 without the colon (`2023-11-25T08:47:40+0800`). Reading that is part of the
    mapping, no leniency: it leaves no note. What cannot be read is dropped, which leaves one.
    """
    for name in ("EndTime", "CreationTime", "CreateTime"):
        text = _first(item, name)
        if text and text != "-":
            return date_time(text) or text
    return None


def _first(item: _Item, *names: str) -> str | None:
    """The first of these members that is text."""
    for name in names:
        if type(value := item.get(name)) is str:
            return value
    return None
