"""The normal form of Tencent CI's callbacks: the same data, whether they came as XML or as JSON.

XML knows neither numbers nor lists of one, and writes empty nodes that JSON leaves out; JSON mixes numbers
and text for the same node. The documents of the nodes decide: a node is a list if they call it an "array", a
number if they call it an "Int" or a "Float", and else text. A time that has not come, `-`, is left out.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from router.events import EventError, canonical, json_text
from router.events.model import cut
from router.sources.xml import MAX_DEPTH, MAX_NODES, too_many

NUMBER_KEPT = "number-kept-as-text"
"""The note on a number's node whose text is no such number."""


class Form(enum.Enum):
    """What a node is, where it is not plain text or a single container."""

    LIST = "Container array"
    PAIRS = "Container array of Key and Value, or a map"
    INTEGER = "Int"
    NUMBER = "Float"
    TIME = "time"


NODES: Mapping[str, Form] = {
    # Submitting OCR tasks (POST /jobs), response; TaskFinish has the same nodes.
    "JobsDetail": Form.LIST,
    "TextDetections": Form.LIST,
    "Polygon": Form.LIST,
    "ItemPolygon": Form.LIST,
    "Words": Form.LIST,
    "WordPolygon": Form.LIST,
    "WordCoordPoint": Form.LIST,
    "WordCoordinate": Form.LIST,
    "LeftTop": Form.LIST,
    "RightTop": Form.LIST,
    "LeftBottom": Form.LIST,
    "RightBottom": Form.LIST,
    "PdfPageSize": Form.INTEGER,
    "Confidence": Form.INTEGER,
    "X": Form.NUMBER,  # an Int in OCR, a Float in moderation, as its three neighbours are
    "Y": Form.NUMBER,
    "Width": Form.NUMBER,
    "Height": Form.NUMBER,
    "CreationTime": Form.TIME,
    "StartTime": Form.TIME,
    "EndTime": Form.TIME,
    # Callbacks of tasks and workflows.
    "CosHeaders": Form.PAIRS,  # a map in those of moderation
    "Tasks": Form.LIST,
    "CreateTime": Form.TIME,
    # Callbacks of content moderation: detailed.
    "Snapshot": Form.LIST,
    "AudioSection": Form.LIST,
    "Section": Form.LIST,
    "Results": Form.LIST,
    "OcrResults": Form.LIST,
    "LibResults": Form.LIST,
    "ObjectResults": Form.LIST,
    "ListResults": Form.LIST,
    "Keywords": Form.LIST,
    "Result": Form.INTEGER,
    "Score": Form.INTEGER,
    "ForbidState": Form.INTEGER,
    "Suggestion": Form.INTEGER,
    "HitFlag": Form.INTEGER,
    "Count": Form.INTEGER,
    "CompressionResult": Form.INTEGER,
    "PageCount": Form.INTEGER,
    "PageNumber": Form.INTEGER,
    "SheetNumber": Form.INTEGER,
    "SectionCount": Form.INTEGER,
    "SnapshotCount": Form.INTEGER,
    "SnapshotTime": Form.INTEGER,
    "OffsetTime": Form.INTEGER,
    "Duration": Form.NUMBER,
    "Rotate": Form.NUMBER,
    "LibType": Form.INTEGER,
    "ListType": Form.INTEGER,
    # And simple.
    "code": Form.INTEGER,
    "result": Form.INTEGER,
    "forbidden_status": Form.INTEGER,
    "hit_flag": Form.INTEGER,
    "score": Form.INTEGER,
    "count": Form.INTEGER,
}

_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_FRACTION = re.compile(r"-?\d{1,9}\.\d{1,6}", re.ASCII)
"""What a double holds without a change: fifteen digits."""

_MOST_BITS = 128
"""Of an integer. To write out a long one takes time that grows with the square of its length."""

_JSON = msgspec.json.Decoder(float_hook=str)
"""Numbers with a fraction stay as they are spelled; integers keep every digit in any case."""


def read_json(body: bytes) -> Any:
    """The values of a JSON text.

    Raises:
        EventError: it is none, with line and column.
    """
    try:
        return _JSON.decode(body)
    except json_text.REFUSALS as error:
        json_text.read(body)
        raise EventError(cut(str(error))) from None


def normal(value: Any, notes: set[str]) -> Any:
    """A callback's values in normal form; None where nothing is left.

    Empty leaves (null, or nothing but white space) and empty containers are dropped; `0` and `false` are
    values. `notes` receives `NUMBER_KEPT` where a number's node holds something else.

    Raises:
        EventError: nested deeper than `MAX_DEPTH`, or with a number that nobody means.
        TooMuchError: it has more than `MAX_NODES` values.
    """
    _hold_to_most(value)
    return _node("", value, notes, MAX_DEPTH)


def _hold_to_most(value: Any) -> None:
    """Count the nodes level by level, and touch no more of them than are allowed."""
    level, nodes = [value], 1
    while level:
        containers = [node for node in level if isinstance(node, (dict, list))]
        nodes += sum(map(len, containers))
        if nodes > MAX_NODES:
            raise too_many()
        level = [
            child
            for container in containers
            for child in (container.values() if isinstance(container, dict) else container)
        ]


def _node(name: str, value: Any, notes: set[str], depth: int) -> Any:
    """A node: one value, or a list of them."""
    if isinstance(value, list):
        return [kept for item in value if (kept := _value(name, item, notes, depth)) is not None] or None
    found = _value(name, value, notes, depth)
    form = NODES.get(name)
    if form is Form.LIST or (form is Form.PAIRS and isinstance(found, dict) and "Key" in found):
        return [found] if found is not None else None
    return found


def _value(name: str, value: Any, notes: set[str], depth: int) -> Any:
    if depth == 0:
        raise EventError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        members = ((member, _node(member, content, notes, depth - 1)) for member, content in value.items())
        return {member: kept for member, kept in members if kept is not None} or None
    if isinstance(value, list):
        return _node("", value, notes, depth - 1)
    return _leaf(NODES.get(name), value, notes)


def _leaf(form: Form | None, value: Any, notes: set[str]) -> str | float | None:
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise EventError("an integer of more than 128 bits, which no node holds")
    text = value if isinstance(value, str) else "" if value is None else canonical(value)
    trimmed = text.strip()
    if not trimmed or (form is Form.TIME and trimmed == "-"):
        return None
    if form is Form.INTEGER or form is Form.NUMBER:
        if _INTEGER.fullmatch(trimmed):
            return int(trimmed)
        if form is Form.NUMBER and _FRACTION.fullmatch(trimmed):
            return float(trimmed)
        notes.add(NUMBER_KEPT)
    return text
