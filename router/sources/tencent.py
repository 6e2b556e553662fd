"""Tencent Cloud Infinite (CI): callbacks of tasks, workflows and content moderation, in XML or JSON.

CI signs nothing. What tells its callbacks from others is a token in the address that they are sent to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import msgspec

from router.events import EventError, context
from router.events.received import Original, Reading, Received
from router.signatures.base import Reason, SignatureError, same
from router.sources import tencent_callback, verdict
from router.sources.base import Plain, Request
from router.sources.lenient import date_time, mend
from router.sources.settings import SourceSettings, Tokens

TYPE_PREFIX = "com.tencentcloud.ci."

_ONCE = frozenset(("TaskFinish", "WorkflowFinish"))
"""Events that a job has once in each state. Others may repeat: a live stream is moderated again and again."""

_Item = Mapping[str, Any]


class TencentSettings(SourceSettings, Tokens):
    """Under `sources:`, `kind: tencent`. The token stands in the callback address: `…/tencent?token=…`."""


_OPEN = TencentSettings(kind="tencent")


@dataclass(frozen=True, slots=True)
class TencentSource(Plain):
    """`POST /tencent`, with `?token=` where the settings name tokens.

    Attributes:
        success: 200.
        later: 503. Nothing is known of retries: count the callback as lost.
    """

    shape: ClassVar[type[SourceSettings]] = TencentSettings
    kind: ClassVar[str] = "tencent"
    by_head: ClassVar[bool] = True
    keeps_unreadable: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/tencent",)
    repeats: ClassVar[bool] = False
    success: ClassVar[int] = 200
    later: ClassVar[int] = 503

    settings: TencentSettings = _OPEN

    @property
    def verifies(self) -> bool:
        """Whether the settings name a token."""
        return bool(self.settings.all_tokens)

    def admit(self, request: Request) -> None:
        """Compare the token of the address with every one of the settings.

        Raises:
            SignatureError: 401 where there is none, 403 where it is another one.
        """
        tokens = self.settings.all_tokens
        if not tokens:
            return
        fields = (field.partition("=") for field in request.query.split("&"))
        given = [unquote(value) for name, _, value in fields if name == "token"]
        if len(given) != 1:
            reason = Reason.UNFIT if given else Reason.MISSING
            raise SignatureError(
                reason, "the callback address carries no token, or several: end it with ?token=…"
            )
        if True not in {same(token, given[0]) for token in tokens}:  # each is compared, whichever fits
            raise SignatureError(Reason.WRONG, "the callback address carries another token", status=403)

    def read(self, request: Request) -> Received:
        """One CloudEvent for each item of `JobsDetail`, for a workflow, or for a simple moderation result.

        None for the console's test of the address (`tencent_callback.is_probe`). `strict` refuses what else
        would only be noted: a number that is none, a time or another attribute that cannot be had, a
        moderation without a name.
        """
        notes: set[str] = set()
        form, callback = tencent_callback.parse(request.body, notes)
        if tencent_callback.is_probe(callback):
            return Received(())
        items = tencent_callback.items(callback, notes)
        version = tencent_callback.word("x-ci-content-version", request.headers.get("x-ci-content-version"))
        extensions = {"ciformat": form, "cicontentversion": version}
        readings = []
        for item in items:
            attributes = _attributes(item.name, item.data) | extensions
            attributes |= verdict.tencent(item.judged, item.data)
            found = (*sorted(notes), *mend(attributes))
            if found and self.settings.strict:
                raise EventError(f"{', '.join(found)}: this source is strict")
            payload = msgspec.json.encode(item.data, order="sorted")
            readings.append(Reading(context.build(attributes, payload), found))
        return Received(tuple(readings), Original(request.body, request.headers.get("content-type")))


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
    """The end of the job, else its beginning.

    The documents write RFC 3339 without the colon (`2023-11-25T08:47:40+0800`). Reading that is part of the
    mapping, no leniency: it leaves no note. What cannot be read is dropped, which leaves one.
    """
    for name in ("EndTime", "CreationTime", "CreateTime"):
        text = _first(item, name)
        if text:
            return date_time(text) or text
    return None


def _first(item: _Item, *names: str) -> str | None:
    """The first of these members that is text."""
    for name in names:
        if type(value := item.get(name)) is str:
            return value
    return None
