"""Builds a delivery's body from an event: as a value first, then serialised, so no quoting can break it.

Five kinds of the router's own: `select` (a JMESPath expression whose value is the body), `json` and `xml` (a
structure with places to fill), `text` (a template), `constant`; their expressions see the event as
`Event.view()` has it. And three of EventBridge's: `input`, `input_path`, `input_transformer`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from router.config import exact
from router.config.expressions import ExpressionError, compile_expression
from router.config.problems import Path, did_you_mean
from router.errors import MessageError
from router.events import Event
from router.transforms import filling, inputs, templates, xml
from router.transforms.jsonpath import JsonPath, compile_path
from router.transforms.problems import TransformError, TransformSyntaxError
from router.transforms.templates import Part

__all__ = [
    "JSON_TYPE",
    "KINDS",
    "TEXT_TYPE",
    "XML_TYPE",
    "Piece",
    "Rendered",
    "Transform",
    "TransformError",
    "TransformSyntaxError",
    "canonical_json",
    "compile_transform",
    "faults",
    "pieces",
    "variant_of",
]

OWN = ("select", "json", "xml", "text", "constant")
EVENTBRIDGES = ("input", "input_path", "input_transformer")
KINDS = (*OWN, *EVENTBRIDGES)

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"
TEXT_TYPE = "text/plain; charset=utf-8"

MOST_BYTES: Final = 10_000_000
"""How long a body may be at most; or ten times as long as its event, where that is more."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A body."""

    content: bytes
    content_type: str


_Build = Callable[[Any, float], Rendered]
"""From what expressions see of an event, and when it was accepted."""


@dataclass(frozen=True, slots=True)
class Transform:
    """A compiled transform.

    Attributes:
        variant: the fingerprint of what was written: equal transforms make equal bodies.
    """

    variant: str
    _build: _Build

    def render(self, event: Event, received: float = 0.0) -> Rendered:
        """The body for an event.

        Args:
            event: what was accepted.
            received: when, in seconds since the epoch; EventBridge's templates can ask for it.

        Raises:
            TransformError: an expression cannot be evaluated, its value is not JSON, or the body is too long.
        """
        try:
            body = self._build(_view(event), received)
        except MessageError as error:
            raise TransformError(error.message) from error
        except Exception as error:  # a stranger's payload in a user's expression: it may fail in any way
            raise TransformError(f"the body cannot be made: {error}") from error
        most = max(MOST_BYTES, 10 * len(event.data or b""))
        if len(body.content) > most:
            told = f"the body would be {len(body.content)} bytes long; at most {most} are made of this event"
            raise TransformError(told)
        return body


def variant_of(written: Mapping[str, Any], rule: str = "") -> str:
    """The fingerprint of a transform: the first 12 hexadecimal digits of its canonical JSON's SHA-256.

    JSON's objects are the same in any order; the elements of XML are not. A template that names its rule
    makes a body for each rule.
    """
    told = {**written, "rule": rule} if _names_rule(written) else written
    text = exact.encode(told) if "xml" in written else canonical_json(told)
    return hashlib.sha256(text).hexdigest()[:12]


def canonical_json(value: Any) -> bytes:
    """Compact JSON with sorted keys; Decimals keep their digits."""
    return exact.encode_sorted(value)


def compile_transform(written: Mapping[str, Any], rule: str = "") -> Transform:
    """Compile the one transform that `written` holds.

    Args:
        written: what stands in the YAML.
        rule: the name of the rule that it belongs to.

    Raises:
        TransformSyntaxError: the first fault; `faults` finds all.
    """
    for fault in faults(written):
        raise fault
    ((kind, value),) = written.items()
    if kind == "input_transformer":
        return Transform(variant_of(written, rule), _input_transformer(value, rule))
    return Transform(variant_of(written), _BUILDERS[kind](value))


def _names_rule(written: Mapping[str, Any]) -> bool:
    return filling.names_rule(written.get("input_transformer"))


def faults(written: Mapping[str, Any]) -> Iterator[TransformSyntaxError]:
    """Everything that is wrong with a transform."""
    if len(written) != 1:
        found = " and ".join(written) or "none"
        yield TransformSyntaxError(f"a transform is exactly one of {', '.join(KINDS)}; found {found}", ())
    for kind, value in written.items():
        if kind in KINDS:
            for fault in _FAULTS[kind](value):
                yield TransformSyntaxError(fault.message, (kind, *fault.path), fault.offset, fault.hint)
        else:
            hint = inputs.snake_case(kind, EVENTBRIDGES) or did_you_mean(kind, KINDS)
            hint = hint or f"the transforms are {', '.join(KINDS)}"
            yield TransformSyntaxError(f"there is no transform {kind!r}", (kind,), hint=hint)


def _select_faults(value: Any) -> Iterator[TransformSyntaxError]:
    if not isinstance(value, str):
        yield TransformSyntaxError("select wants a text", ())
        return
    try:
        compile_expression(value)
    except ExpressionError as error:
        yield TransformSyntaxError(error.message, (), error.offset, error.hint)


def _text_faults(value: Any) -> Iterator[TransformSyntaxError]:
    if isinstance(value, str):
        yield from templates.faults(value, ())
    else:
        yield TransformSyntaxError("text wants a text", ())


def _xml_faults(value: Any) -> Iterator[TransformSyntaxError]:
    yield from templates.faults(value, ())
    for message, path, offset, hint in xml.faults(value):
        yield TransformSyntaxError(message, path, offset, hint)


_FAULTS: Mapping[str, Callable[[Any], Iterator[TransformSyntaxError]]] = {
    "select": _select_faults,
    "json": lambda value: templates.faults(value, ()),
    "xml": _xml_faults,
    "text": _text_faults,
    "constant": lambda _: iter(()),
    "input": inputs.input_faults,
    "input_path": inputs.path_faults,
    "input_transformer": inputs.transformer_faults,
}


class Piece(NamedTuple):
    """A piece of a transform: an expression or a path, or text between expressions.

    Attributes:
        path: keys and indexes from the transform to the text that it stands in.
        offset: its first character in that text, from 0.
    """

    path: Path
    offset: int
    part: Part | JsonPath


def pieces(written: Mapping[str, Any]) -> Iterator[Piece]:
    """All the pieces of a transform without faults. A `constant` and an `input` have none."""
    ((kind, value),) = written.items()
    if kind == "select":
        yield Piece((kind,), 0, compile_expression(value))
    elif kind == "input_path":
        yield Piece((kind,), 0, compile_path(value))
    elif kind == "input_transformer":
        for name, path in filling.paths_of(value):
            yield Piece((kind, filling.MAP, name), 0, path)
    elif kind in {"json", "xml", "text"}:
        yield from _pieces(value, (kind,))


def _pieces(value: Any, path: Path) -> Iterator[Piece]:
    if isinstance(value, str):
        for offset, part in templates.parts(value):
            yield Piece(path, offset, part)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _pieces(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _pieces(item, (*path, key))


def _as_json(value: Any) -> Rendered:
    return Rendered(exact.encode(value), JSON_TYPE)


def _select(value: str) -> _Build:
    expression = compile_expression(value)
    return lambda view, _: _as_json(expression.search(view))


def _json(value: Any) -> _Build:
    structure = templates.structure(value)
    return lambda view, _: _as_json(structure(view))


def _xml(value: Any) -> _Build:
    structure = templates.structure(value)
    return lambda view, _: Rendered(xml.document(structure(view), templates.text), XML_TYPE)


def _template(value: str) -> _Build:
    fill = templates.filled(value)
    return lambda view, _: Rendered(fill(view).encode(), TEXT_TYPE)


def _constant(value: Any) -> _Build:
    body = Rendered(value.encode(), TEXT_TYPE) if isinstance(value, str) else _as_json(value)
    return lambda _, __: body


def _input(value: str) -> _Build:
    body = Rendered(value.encode(), JSON_TYPE)
    return lambda _, __: body


def _input_path(value: str) -> _Build:
    found = filling.path_value(value)
    return lambda view, received: _as_json(found(view, received))


def _input_transformer(value: Mapping[str, Any], rule: str) -> _Build:
    fill = filling.transformer(value, rule)

    def build(view: Any, received: float) -> Rendered:
        text, is_json = fill(view, received)
        return Rendered(text.encode(), JSON_TYPE if is_json else TEXT_TYPE)

    return build


_BUILDERS: Mapping[str, Callable[[Any], _Build]] = {
    "select": _select,
    "json": _json,
    "xml": _xml,
    "text": _template,
    "constant": _constant,
    "input": _input,
    "input_path": _input_path,
}


def _view(event: Event) -> Any:
    view: dict[str, Any] = dict(event.attributes())
    if event.data is not None:
        view["data"] = exact.decode(event.data) if event.is_json else event.value()
    return view
