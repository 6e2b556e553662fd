"""What is wrong with EventBridge's own transforms: a constant input, a path, an input transformer.

Source: the API reference's Target and InputTransformer, the User Guide's "Amazon EventBridge input
transformation", and what EventBridge itself was seen to answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from router.config.problems import Path, did_you_mean
from router.transforms.filling import MAP, RESERVED, TEMPLATE, WHOLE
from router.transforms.jsonpath import compile_path
from router.transforms.placeholders import Placeholder, is_one_value, placeholders, values
from router.transforms.problems import TransformSyntaxError

MOST_PATHS: Final = 100
LONGEST_NAME: Final = 256
LONGEST: Final = 8192
"""Characters of a template or an input."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def input_faults(value: Any) -> Iterator[TransformSyntaxError]:
    """What is wrong with `input`."""
    if not isinstance(value, str):
        yield TransformSyntaxError("input wants a text that is JSON", (), hint="constant takes any value")
        return
    yield from _too_long(value, ())
    try:
        values(value)
    except TransformSyntaxError as error:
        yield TransformSyntaxError(error.message, (), error.offset, "constant takes any text")


def path_faults(value: Any) -> Iterator[TransformSyntaxError]:
    """What is wrong with `input_path`, or with one path of a map."""
    if not isinstance(value, str):
        yield TransformSyntaxError("a path is a text", (), hint="such as $.data.URI")
        return
    try:
        compile_path(value)
    except TransformSyntaxError as error:
        yield error


def transformer_faults(value: Any) -> Iterator[TransformSyntaxError]:
    """What is wrong with `input_transformer`."""
    if not isinstance(value, dict) or TEMPLATE not in value:
        hint = f"write it as {{{MAP}: {{name: $.path}}, {TEMPLATE}: '…'}}"
        yield TransformSyntaxError(f"input_transformer wants an {TEMPLATE}", (), hint=hint)
        value = value if isinstance(value, dict) else {}
    for key in value:
        if key not in {MAP, TEMPLATE}:
            hint = snake_case(key, (MAP, TEMPLATE))
            yield TransformSyntaxError(f"unknown key {key!r}", (key,), hint=hint)
    paths = value.get(MAP) or {}
    if isinstance(paths, dict):
        yield from _map_faults(paths)
    else:
        yield TransformSyntaxError(f"{MAP} is a mapping from names to paths", (MAP,))
        return
    if TEMPLATE in value:
        for fault in _template_faults(value[TEMPLATE], paths):
            yield TransformSyntaxError(fault.message, (TEMPLATE,), fault.offset, fault.hint)


def snake_case(key: str, known: Iterable[str]) -> str:
    """A hint for a key: also for one that is spelt as in AWS's JSON."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()
    return f"write {snake}" if snake in known else did_you_mean(key, known)


def _map_faults(paths: Mapping[str, Any]) -> Iterator[TransformSyntaxError]:
    if len(paths) > MOST_PATHS:
        what = f"{MAP} has at most {MOST_PATHS} paths, here are {len(paths)}"
        yield TransformSyntaxError(what, (MAP,))
    for name, path in paths.items():
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            hint = f"letters, digits, _ and -, at most {LONGEST_NAME}"
            yield TransformSyntaxError(f"no placeholder can be called {name!r}", (MAP, name), hint=hint)
        for fault in path_faults(path):
            yield TransformSyntaxError(fault.message, (MAP, name), fault.offset, fault.hint)


def _too_long(text: str, path: Path) -> Iterator[TransformSyntaxError]:
    if not 1 <= len(text) <= LONGEST:
        yield TransformSyntaxError(f"EventBridge takes 1 to {LONGEST} characters, here are {len(text)}", path)


def _template_faults(template: Any, paths: Mapping[str, Any]) -> Iterator[TransformSyntaxError]:
    if not isinstance(template, str):
        hint = "json takes a structure"
        yield TransformSyntaxError(f"{TEMPLATE} is a text that holds JSON", (), hint=hint)
        return
    yield from _too_long(template, ())
    sound = True
    for one in placeholders(template):
        if (wrong := _misplaced(one, paths)) is not None:
            sound = False
            yield TransformSyntaxError(wrong[0], (), one.start, wrong[1])
    if sound:
        try:
            is_one_value(template)
        except TransformSyntaxError as error:
            yield error


def _misplaced(one: Placeholder, paths: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a placeholder, and a hint."""
    if one.name not in paths and one.name not in RESERVED:
        known = [*paths, *sorted(RESERVED)]
        hint = did_you_mean(one.name, known) or f"{MAP} says what it stands for"
        return f"the template contains invalid placeholder <{one.name}>", hint
    if one.key:
        return f"the placeholder <{one.name}> cannot be an object's key", "select can make such an object"
    if one.quoted and one.name in WHOLE:
        return f"<{one.name}> is an object: it stands without quotes, as a value of its own", ""
    return None
