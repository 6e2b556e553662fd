"""What Tencent CI says of a job: at once, later in a callback, and instead where it takes none. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Any
from xml.sax.saxutils import escape

from router import samples
from router.emulators.jobs.submission import TAG, Format, Submission
from router.sources import xml

_CHINA = timezone(timedelta(hours=8))

_QUEUE = "pcaffdc4229a543b296b10b22586a1e57"
"""The queue of the document's example: the emulator has one."""


class Outcome(StrEnum):
    """How a job ends; the values are its State."""

    SUCCESS = "Success"
    FAILED = "Failed"
    CANCEL = "Cancel"


_WORD = re.compile(rf"(?<![A-Za-z])({'|'.join(Outcome)})(?![A-Za-z])", re.IGNORECASE)


def outcome_of(name: str, otherwise: Outcome) -> Outcome:
    """How a job about this object ends: as a word in its name says, else as it is told to.

    >>> outcome_of("pic/failed-2.png", Outcome.SUCCESS), outcome_of("pic/1.png", Outcome.CANCEL)
    (<Outcome.FAILED: 'Failed'>, <Outcome.CANCEL: 'Cancel'>)
    """
    found = _WORD.search(name)
    return Outcome(found[1].capitalize()) if found else otherwise


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was taken.

    Attributes:
        created: seconds since the epoch.
        outcome: how it will end.
    """

    id: str
    bucket: str
    region: str
    submission: Submission
    created: float
    outcome: Outcome


def submitted(job: Job) -> bytes:
    """The answer to its submission."""
    detail = _detail(job, "Submitted", start="-", end="-")
    return _document("Response", {"JobsDetail": detail})


def callback(job: Job, now: float) -> tuple[str, bytes]:
    """The Content-Type and the body of its callback, in the format that it asks for.

    The two differ as they do in the document: JSON has lists of one, numbers, and no empty Message.

    Args:
        job: which has ended.
        now: seconds since the epoch.
    """
    form = job.submission.format
    detail = _detail(job, job.outcome, start=_time(job.created), end=_time(now))
    if job.outcome is Outcome.SUCCESS:
        detail["Operation"] = {"Detection": _detection(form), **detail["Operation"]}
    elif job.outcome is Outcome.FAILED:
        detail |= {"Code": "InvalidImage", "Message": "the picture cannot be decoded"}
    if form == "XML":
        return "application/xml", _document("Response", {"EventName": "TaskFinish", "JobsDetail": detail})
    detail["Operation"] = {**detail["Operation"], "JobLevel": int(detail["Operation"]["JobLevel"])}
    if not detail["Message"]:
        del detail["Message"]
    told = {"Response": {"EventName": "TaskFinish", "JobsDetail": [detail]}}
    return "application/json", json.dumps(told, ensure_ascii=False).encode()


def error(code: str, message: str, resource: str, request_id: str) -> bytes:
    """A refusal, as COS writes it (its page "Error Codes")."""
    told = {"Code": code, "Message": message, "Resource": resource, "RequestId": request_id, "TraceId": ""}
    return b"<?xml version='1.0' encoding='utf-8' ?>\n" + _document("Error", told)


def _detail(job: Job, state: str, *, start: str, end: str) -> dict[str, Any]:
    return {
        "Code": "Success",
        "CreationTime": _time(job.created),
        "EndTime": end,
        "Input": {"BucketId": job.bucket, "Object": job.submission.name, "Region": job.region},
        "JobId": job.id,
        "Message": "",
        "Operation": dict(job.submission.operation),
        "QueueId": _QUEUE,
        "StartTime": start,
        "State": state,
        "Tag": TAG,
    }


def _detection(form: Format) -> Any:
    """What the document's example has read."""
    name = f"ocr.{form.lower()}"
    body = next(sample.body for sample in samples.load("tencent") if sample.name == name)
    if form == "XML":
        return xml.read(body)[1]["JobsDetail"]["Operation"]["Detection"]
    return json.loads(body)["Response"]["JobsDetail"][0]["Operation"]["Detection"]


def _time(at: float) -> str:
    """China's time without a colon in its offset, as the documents write it."""
    return f"{datetime.fromtimestamp(at, _CHINA):%Y-%m-%dT%H:%M:%S%z}"


def _document(name: str, content: Mapping[str, Any]) -> bytes:
    return "\n".join(_lines(name, content)).encode()


def _lines(name: str, content: Any) -> Iterator[str]:
    if isinstance(content, list):
        for one in content:
            yield from _lines(name, one)
    elif isinstance(content, Mapping):
        yield f"<{name}>"
        for child, value in content.items():
            yield from _lines(child, value)
        yield f"</{name}>"
    else:
        yield f"<{name}>{escape(content)}</{name}>" if content else f"<{name}/>"
