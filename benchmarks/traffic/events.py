"""What is sent: CloudEvents of one kilobyte, each with a number of its own, so that none is a duplicate."""

from __future__ import annotations

import json
import re

SIZE = 1_024
"""Bytes of one event in structured mode."""

TEAMS, GROUPS, PROJECTS = 10, 1_000, 10_000
"""How many values the fields have by which rules tell events apart."""

NUMBER = re.compile(rb"event-(\d{12})")
"""Finds an event's number in a request."""

_HEAD = b"POST /events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"


def event(number: int) -> bytes:
    """An event in the JSON format."""
    place = number * 7_919  # prime: neighbours differ in every field
    return _TEMPLATE % (number, place % TEAMS, place % GROUPS, place % PROJECTS)


def request(first: int, count: int) -> bytes:
    """An HTTP request with the events from number `first` on: one in structured mode, several as a batch."""
    if count == 1:
        return _HEAD % (b"application/cloudevents+json", SIZE) + event(first)
    body = b"[%b]" % b",".join(map(event, range(first, first + count)))
    return _HEAD % (b"application/cloudevents-batch+json", len(body)) + body


def _template() -> bytes:
    """A moderation event as the clouds send them, filled up to `SIZE`."""
    frames = [{"offset": 40 * at, "rate": 0.98 - at / 100, "label": "guns"} for at in range(6)]
    document = {
        "specversion": "1.0",
        "id": "event-%012d",
        "source": "acs:imm:cn-shanghai:1234567890:project/media",
        "type": "imm:Task:VideoModeration",
        "time": "2026-01-31T08:30:00.125Z",
        "datacontenttype": "application/json",
        "data": {
            "Suggestion": "block",
            "Team": "team-%02d",
            "Group": "group-%03d",
            "Project": "project-%04d",
            "URI": "oss://media/uploads/2026/01/31/holiday.mp4",
            "Frames": {"TotalCount": 120, "BlockFrames": frames},
            "Note": "",
        },
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    missing = SIZE - len(text % (0, 0, 0, 0))
    return text.replace(b'"Note":""', b'"Note":"%b"' % (b"x" * missing))


_TEMPLATE = _template()
