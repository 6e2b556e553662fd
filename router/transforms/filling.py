"""Makes bodies of EventBridge's own transforms.

A template is filled as text, with values that are JSON each, or JSON's spelling of texts: what comes out is
JSON as well, whatever is in the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from router.config import exact
from router.transforms import envelope, templates
from router.transforms.jsonpath import MISSING, JsonPath, compile_path
from router.transforms.placeholders import is_one_value, placeholders

MAP, TEMPLATE = "input_paths_map", "input_template"

WHOLE: Final = frozenset(("aws.events.event", "aws.events.event.json"))
"""Objects, which stand as JSON values only."""

_RULES = frozenset(("aws.events.rule-arn", "aws.events.rule-name"))

RESERVED: Final = WHOLE | _RULES | {"aws.events.event.ingestion-time"}
"""Placeholders that need no path."""

View = Mapping[str, Any]
Fill = Callable[[View, float], tuple[str, bool]]
"""From a view, and when its event was accepted, to the body, and whether that is JSON."""


def names_rule(written: Any) -> bool:
    """Whether the body of an input transformer depends on the rule that it belongs to."""
    template = written.get(TEMPLATE) if isinstance(written, dict) else None
    return isinstance(template, str) and any(one.name in _RULES for one in placeholders(template))


def path_value(path: str) -> Callable[[View, float], Any]:
    """What an `input_path` selects: `$` is AWS's envelope, and what is not there is null."""
    compiled = compile_path(path)

    def value(view: View, received: float) -> Any:
        found = _Seen.of(view, received).find(compiled)
        return None if found is MISSING else found

    return value


def paths_of(written: Mapping[str, Any]) -> Iterator[tuple[str, JsonPath]]:
    """The paths of an input transformer without faults, by name."""
    for name, path in (written.get(MAP) or {}).items():
        yield name, compile_path(path)


def transformer(written: Mapping[str, Any], rule: str) -> Fill:
    """Fills the template of an input transformer without faults.

    Args:
        written: what stands in the YAML.
        rule: the name of the rule that it belongs to.
    """
    template = written[TEMPLATE]
    paths = dict(paths_of(written))
    is_json = is_one_value(template)
    pieces: list[tuple[str, str, bool]] = []  # the text before a placeholder, its name, whether it is quoted
    done = 0
    for one in placeholders(template):
        pieces.append((template[done : one.start], one.name, one.quoted))
        done = one.end
    rest = template[done:]

    def fill(view: View, received: float) -> tuple[str, bool]:
        seen = _Seen.of(view, received)
        filled = [
            before + _spelt(_value(name, paths, rule, seen), quoted=quoted) for before, name, quoted in pieces
        ]
        text = "".join([*filled, rest])
        return (msgspec.json.format(text, indent=-1) if is_json else text), is_json

    return fill


@dataclass(frozen=True, slots=True)
class _Seen:
    """An event as templates see it.

    Attributes:
        envelope: as AWS has it, whole.
        root: what paths begin at.
        received: when it was accepted, in seconds since the epoch.
    """

    envelope: View
    root: View
    received: float

    @classmethod
    def of(cls, view: View, received: float) -> _Seen:
        whole = envelope.envelope(view, received)
        return cls(whole, {**whole, **view}, received)

    def find(self, path: JsonPath) -> Any:
        """What stands at a path; `$` is the envelope."""
        return path.find(self.root) if path.steps else self.envelope


def _value(name: str, paths: Mapping[str, JsonPath], rule: str, seen: _Seen) -> Any:
    """What a placeholder stands for; nothing is the empty text (as AWS has it), null is null."""
    if name in paths:
        found = seen.find(paths[name])
        return "" if found is MISSING else found
    if name == "aws.events.rule-name":
        return rule
    if name == "aws.events.event.ingestion-time":
        return envelope.ingested(seen.received)
    if name == "aws.events.rule-arn":
        return envelope.arn(seen.envelope, rule)
    return seen.envelope if name == "aws.events.event.json" else envelope.without_detail(seen.envelope)


def _spelt(value: Any, *, quoted: bool) -> str:
    """A value as JSON; within a text's quotes, what stands between those of the value's own text."""
    if not quoted:
        return exact.encode(value).decode()
    return exact.encode(templates.text(value)).decode()[1:-1]
