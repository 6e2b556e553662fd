"""The paths of EventBridge's input transformers: dots, array indices and `*`, and nothing else of JSONPath.

Source: EventBridge User Guide, "Amazon EventBridge input transformation"; API reference, InputTransformer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from router.transforms.problems import TransformSyntaxError

LONGEST: Final = 256
"""Characters of a path, as the API's model has it."""

MISSING: Final = object()
"""What a path finds where there is nothing; null is something."""

_STEP = re.compile(r"\.([\w/-]+|\*)|\[([0-9]{1,9}|\*)\]")
_HINTS = (
    ("[?", "EventBridge's paths have no filters: select does"),
    ("..", "EventBridge's paths name every level"),
    ("['", "write names with a dot: $.data.name"),
    ('["', "write names with a dot: $.data.name"),
)
_HINT = "EventBridge's paths have .name, [0], .* and [*]"


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path.

    Attributes:
        steps: names and indexes from the event; "*" is everything on that level.
    """

    text: str
    steps: tuple[str | int, ...]

    def find(self, value: Any) -> Any:
        """What stands there: `MISSING` for nothing; with a `*`, the list of all that do."""
        found = [value]
        for step in self.steps:
            found = [inner for outer in found for inner in _below(outer, step)]
        if "*" in self.steps:
            return found
        return found[0] if found else MISSING


def _below(value: Any, step: str | int) -> list[Any]:
    if step == "*":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(step, int):
        return [value[step]] if isinstance(value, list) and step < len(value) else []
    return [value[step]] if isinstance(value, dict) and step in value else []


def compile_path(text: str) -> JsonPath:
    """Compile a path.

    Raises:
        TransformSyntaxError: EventBridge has no such paths. Its own path is empty.
    """
    if len(text) > LONGEST:
        raise TransformSyntaxError(f"a path has at most {LONGEST} characters, this one {len(text)}", ())
    if not text.startswith("$"):
        raise TransformSyntaxError("a path begins with $", (), 0, "such as $.data.URI or $.type")
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            hint = next((hint for start, hint in _HINTS if text.startswith(start, at)), _HINT)
            raise TransformSyntaxError(f"{text[at:]!r} cannot stand in a path", (), at, hint)
        name, index = step.groups()
        steps.append(name or ("*" if index == "*" else int(index)))
        at = step.end()
    if steps and (steps[0] == "*" or isinstance(steps[0], int)):
        raise TransformSyntaxError("a path begins with a name", (), 1, "such as $.data or $.type")
    return JsonPath(text, tuple(steps))
