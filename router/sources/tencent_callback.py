"""The shapes that a callback of Tencent CI has, and what each says.

- Tasks: `EventName` and `JobsDetail`, of which there may be several; JSON puts an envelope `Response` around.
- Workflows: `WorkflowExecution`, likewise.
- Moderation, detailed: as tasks, with one job and without an envelope.
- Moderation, simple: `code`, `message` and `data`, which has a `trace_id`, and names its event if it likes.
- The console's test of a new address: a simple one about nothing; see `is_probe`.

Whatever else comes is not from Tencent CI, or of a kind that nobody has described yet, and is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from router.events import EventError
from router.events.model import SHOWN, cut, hold_to
from router.sources import tencent_form, xml
from router.sources.base import MAX_EVENTS

EVENT_DEFAULTED = "event-defaulted"
"""The note on a simple moderation callback that does not say which one it is."""

_MEMBERS = ("EventName", "JobsDetail", "WorkflowExecution", "code", "message", "data")
"""What is read of a callback; the rest of it is not looked at."""

_UNNAMED = "Review"
"""What such a callback is called."""

_TELLING = frozenset(
    ("result", "suggestion", "forbiddenstatus", "forbidstate", "hitflag", "state", "status", "errorcode")
)
"""Members of a verdict that say something, without capitals and underlines."""

_PROBE = "testrequestwhensettingcallbackurl"
_PROBED = "testtraceid"
_NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Item:
    """What one event is about.

    Attributes:
        name: the event's, such as `TaskFinish` or `ReviewImage`.
        judged: the name of what it is as a moderation; `router.sources.verdict` decides whether it is one.
        data: in normal form.
    """

    name: str
    judged: str
    data: dict[str, Any]


def parse(body: bytes, notes: set[str]) -> tuple[str, dict[str, Any]]:
    """`xml` or `json`, and the callback in normal form, without the envelope.

    The first byte tells which it is: the Content-Type of JSON is not documented everywhere.

    Args:
        body: the request's.
        notes: receives what had to be put right.

    Raises:
        EventError: it is neither, or too much of it.
    """
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        form, callback = "xml", xml.read(body)[1]
    elif start == b"{":
        callback = tencent_form.read_json(body)
        form, envelope = "json", callback.get("Response")
        if type(envelope) is dict:
            if not callback.keys().isdisjoint(_MEMBERS):
                raise EventError("a callback in an envelope, Response, and another one beside it")
            callback = envelope
    else:
        raise EventError("neither XML nor a JSON object: a callback begins with < or {")
    if type(callback) is not dict:
        return form, {}
    told = {member: callback[member] for member in _MEMBERS if member in callback}
    if type(jobs := told.get("JobsDetail")) is list:
        hold_to(MAX_EVENTS, len(jobs))
    return form, tencent_form.normal(told, notes) or {}


def items(callback: dict[str, Any], notes: set[str]) -> list[Item]:
    """What is in a callback in normal form.

    Raises:
        EventError: it has none of the shapes above, or several: which one counts, nobody could say.
    """
    if len(callback.keys() & {"JobsDetail", "WorkflowExecution", "data"}) > 1:
        raise EventError(
            "JobsDetail, WorkflowExecution and data are three kinds of callback: one has one of them"
        )
    if not callback.keys().isdisjoint(("JobsDetail", "WorkflowExecution")):
        return _detailed(callback)
    if "code" in callback and type(callback.get("data")) is dict:
        return [_simple(callback, notes)]
    raise EventError(
        "no callback of Tencent CI: it has neither JobsDetail nor WorkflowExecution, nor code and data as "
        "moderation's simple form has"
    )


def is_probe(callback: dict[str, Any]) -> bool:
    """Whether this is the console's own request when a callback address is set.

    All of it must be so: the simple form, with the message `Test request when setting callback url` and the
    `trace_id` `test_trace_id` (however they are spelled: only letters and digits count), and nothing in it
    that failed, is to be blocked or reviewed, or is frozen, also where that is spelled otherwise. A verdict
    on a file has a `trace_id` of its own.
    """
    data = callback.get("data")
    if type(data) is not dict or "JobsDetail" in callback or "WorkflowExecution" in callback:
        return False
    return (
        not callback.get("code")
        and _letters(callback.get("message")) == _PROBE
        and _letters(data.get("trace_id")) == _PROBED
        and not _says_something(data)
    )


def _says_something(data: dict[str, Any]) -> bool:
    """Whether a member of it, or of one of its parts, is a result other than 0."""
    parts = [data, *(part for part in data.values() if type(part) is dict)]
    return any(value != 0 and _letters(name) in _TELLING for part in parts for name, value in part.items())


def _letters(text: Any) -> str:
    """A text without what divides its words; a long one is none that anybody looks for."""
    return _NO_LETTERS.sub("", text).lower() if type(text) is str and len(text) <= SHOWN else ""


def _detailed(callback: dict[str, Any]) -> list[Item]:
    name = word("EventName", callback.get("EventName"))
    workflow, jobs = callback.get("WorkflowExecution"), callback.get("JobsDetail")
    if type(workflow) is dict:
        name = name or "WorkflowFinish"
        return [Item(name, name, workflow)]
    if name is None or not jobs or not all(type(job) is dict for job in jobs):
        raise EventError("EventName and JobsDetail: a callback names its event and describes its jobs")
    return [Item(name, name, job) for job in jobs]


def _simple(callback: dict[str, Any], notes: set[str]) -> Item:
    data = callback["data"]
    name = word("data.event", data.get("event"))
    if type(data.get("trace_id")) is not str:
        raise EventError(
            "data.trace_id: the simple form of moderation names what it is about, and this does not"
        )
    if name is None:
        name = _UNNAMED
        notes.add(EVENT_DEFAULTED)
    outcome = {member: value for member, value in callback.items() if member in ("code", "message")}
    return Item(name, _UNNAMED, data | outcome)


def word(place: str, text: Any) -> str | None:
    """What each event of a callback has a copy of: a word, for a thousand copies of a text are gigabytes.

    Raises:
        EventError: it is longer than any name.
    """
    if type(text) is not str or not text:
        return None
    if len(text) > SHOWN:
        shown = cut(ascii(text[:SHOWN]))
        raise EventError(f"{place}: {shown} is longer than the {SHOWN} characters of any name")
    return text
