"""The normal form of Tencent CI's callbacks: the same data, whether they came as XML or as JSON.

XML knows neither numbers nor lists of one, and writes empty nodes that JSON leaves out; JSON mixes numbers
and text for the same node. The documents of the nodes decide: a node is a list if they call it a
"Container array", an integer if they call it an "Int", and else text.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from router.events import EventError, canonical
from router.sources.xml import MAX_DEPTH

NUMBER_KEPT = "number-kept-as-text"
"""The note on an integer node whose text is no integer."""


class Form(enum.Enum):
    """What a node is, where it is not plain text or a single container."""

    LIST = "Container array"
    INTEGER = "Int"


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
    "X": Form.INTEGER,
    "Y": Form.INTEGER,
    "Width": Form.INTEGER,
    "Height": Form.INTEGER,
    # Callbacks of tasks and workflows.
    "CosHeaders": Form.LIST,
    "Tasks": Form.LIST,
    # Callbacks of content moderation, detailed and simple.
    "Result": Form.INTEGER,
    "Score": Form.INTEGER,
    "ForbidState": Form.INTEGER,
    "Suggestion": Form.INTEGER,
    "HitFlag": Form.INTEGER,
    "code": Form.INTEGER,
    "result": Form.INTEGER,
    "forbidden_status": Form.INTEGER,
    "hit_flag": Form.INTEGER,
    "score": Form.INTEGER,
}

_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)

_JSON = msgspec.json.Decoder(float_hook=str)
"""Numbers with a fraction stay as they are spelled; integers keep every digit in any case."""


def read_json(body: bytes) -> Any:
    """The values of a JSON text that `router.events.json_text` has accepted."""
    return _JSON.decode(body)


def normal(value: Any, notes: set[str]) -> Any:
    """A callback's values in normal form; None where nothing is left.

    Empty leaves (null, or nothing but white space) and empty containers are dropped; `0` and `false` are
    values. `notes` receives `NUMBER_KEPT` where an integer node holds something else.

    Raises:
        EventError: nested deeper than `MAX_DEPTH`.
    """
    return _node("", value, notes, MAX_DEPTH)


def _node(name: str, value: Any, notes: set[str], depth: int) -> Any:
    """A node: one value, or a list of them."""
    if isinstance(value, list):
        return [kept for item in value if (kept := _value(name, item, notes, depth)) is not None] or None
    found = _value(name, value, notes, depth)
    return [found] if found is not None and NODES.get(name) is Form.LIST else found


def _value(name: str, value: Any, notes: set[str], depth: int) -> Any:
    if depth == 0:
        raise EventError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        members = ((member, _node(member, content, notes, depth - 1)) for member, content in value.items())
        return {member: kept for member, kept in members if kept is not None} or None
    if isinstance(value, list):
        return _node("", value, notes, depth - 1)
    return _leaf(name, value, notes)


def _leaf(name: str, value: Any, notes: set[str]) -> str | int | None:
    text = value if isinstance(value, str) else "" if value is None else canonical(value)
    if not text.strip():
        return None
    if NODES.get(name) is not Form.INTEGER:
        return text
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    notes.add(NUMBER_KEPT)
    return text
