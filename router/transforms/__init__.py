"""Builds a delivery's body from an event: as a value first, then serialised, so no quoting can break it.

Five kinds: `select` (a JMESPath expression whose value is the body), `json` and `xml` (a structure with
places to fill), `text` (a template), `constant`. Expressions see the event as `Event.view()` has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from router.config.expressions import Expression, ExpressionError, compile_expression
from router.config.problems import Path, did_you_mean
from router.errors import ConfigurationError, MessageError
from router.events import Event
from router.transforms import xml

KINDS = ("select", "json", "xml", "text", "constant")

JSON_TYPE = "application/json"
XML_TYPE = "application/xml"
TEXT_TYPE = "text/plain; charset=utf-8"


class TransformSyntaxError(ConfigurationError):
    """The transform is broken.

    Attributes:
        path: keys and indexes from the transform to the value at fault.
        offset: the character at fault in the text there, from 0.
        hint: what to write instead; "" where the message says enough.
    """

    def __init__(self, message: str, path: Path, offset: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.hint = hint


class TransformError(MessageError):
    """The transform cannot be applied to this event."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A body."""

    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Transform:
    """A compiled transform.

    Attributes:
        variant: the fingerprint of what was written: equal transforms make equal bodies.
    """

    variant: str
    _build: Callable[[Any], Rendered]

    def render(self, event: Event) -> Rendered:
        """The body for an event.

        Raises:
            TransformError: an expression cannot be evaluated, or its value is not JSON.
        """
        try:
            return self._build(_view(event))
        except MessageError as error:
            raise TransformError(error.message) from error
        except Exception as error:  # a stranger's payload in a user's expression: it may fail in any way
            raise TransformError(f"the body cannot be made: {error}") from error


def variant_of(written: Mapping[str, Any]) -> str:
    """The fingerprint of a transform: the first 12 hexadecimal digits of its canonical JSON's SHA-256.

    JSON's objects are the same in any order; the elements of XML are not.
    """
    text = _JSON.encode(written) if "xml" in written else canonical_json(written)
    return hashlib.sha256(text).hexdigest()[:12]


def canonical_json(value: Any) -> bytes:
    """Compact JSON with sorted keys; Decimals keep their digits."""
    return _SORTED.encode(value)


def compile_transform(written: Mapping[str, Any]) -> Transform:
    """Compile the one transform that `written` holds.

    Raises:
        TransformSyntaxError: the first fault; `faults` finds all.
    """
    for fault in faults(written):
        raise fault
    ((kind, value),) = written.items()
    return Transform(variant_of(written), _BUILDERS[kind](value))


def faults(written: Mapping[str, Any]) -> Iterator[TransformSyntaxError]:
    """Everything that is wrong with a transform."""
    kinds = ", ".join(KINDS)
    if len(written) != 1:
        found = " and ".join(written) or "none"
        yield TransformSyntaxError(f"a transform is exactly one of {kinds}; found {found}", ())
    for kind, value in written.items():
        if kind not in KINDS:
            hint = did_you_mean(kind, KINDS) or f"the transforms are {kinds}"
            yield TransformSyntaxError(f"there is no transform {kind!r}", (kind,), hint=hint)
        if kind in {"select", "text"} and not isinstance(value, str):
            yield TransformSyntaxError(f"{kind} wants a text", (kind,))
        elif kind == "select":
            try:
                compile_expression(value)
            except ExpressionError as error:
                yield TransformSyntaxError(error.message, (kind,), error.offset, error.hint)
        elif kind in {"json", "text", "xml"}:
            yield from _template_faults(value, (kind,))
        if kind == "xml":
            for message, path, offset, hint in xml.faults(value):
                yield TransformSyntaxError(message, (kind, *path), offset, hint)


# Templates: text with `{{ expression }}` in it.

_Part = str | Expression


class Piece(NamedTuple):
    """A piece of a transform: an expression, or text between expressions.

    Attributes:
        path: keys and indexes from the transform to the text that it stands in.
        offset: its first character in that text, from 0.
    """

    path: Path
    offset: int
    part: _Part


def pieces(written: Mapping[str, Any]) -> Iterator[Piece]:
    """All the pieces of a transform without faults. A `constant` has none."""
    ((kind, value),) = written.items()
    if kind == "select":
        yield Piece((kind,), 0, compile_expression(value))
    elif kind != "constant":
        yield from _pieces(value, (kind,))


def _pieces(value: Any, path: Path) -> Iterator[Piece]:
    if isinstance(value, str):
        for offset, part in _placed(value):
            yield Piece(path, offset, part)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _pieces(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _pieces(item, (*path, key))


def _parse(text: str) -> list[_Part]:
    """The parts of a template.

    Raises:
        TransformSyntaxError: with an empty path.
    """
    return [part for _, part in _placed(text)]


def _placed(text: str) -> Iterator[tuple[int, _Part]]:
    """The parts of a template, each with its first character.

    The expression ends at the first `}}` that leaves it whole: JMESPath has braces and quotes of its own.

    Raises:
        TransformSyntaxError: with an empty path.
    """
    done = 0
    while (start := text.find("{{", done)) >= 0:
        if start > done:
            yield done, text[done:start]
        expression, at, done = _expression(text, start)
        yield at, expression
    if done < len(text):
        yield done, text[done:]


def _expression(text: str, start: int) -> tuple[Expression, int, int]:
    """The expression behind the braces at `start`, where it begins, and where the text goes on."""
    first: TransformSyntaxError | None = None
    end = text.find("}}", start + 2)
    while end >= 0:
        inner = text[start + 2 : end]
        at = start + 2 + len(inner) - len(inner.lstrip())
        try:
            return compile_expression(inner.strip()), at, end + 2
        except ExpressionError as error:
            first = first or TransformSyntaxError(error.message, (), at + error.offset, error.hint)
        end = text.find("}}", end + 1)
    raise first or TransformSyntaxError(
        "'{{' is not closed", (), start, "close it with '}}'; for the two characters themselves: {{ '{{' }}"
    )


def _template_faults(value: Any, path: Path) -> Iterator[TransformSyntaxError]:
    if isinstance(value, str):
        try:
            _parse(value)
        except TransformSyntaxError as error:
            yield TransformSyntaxError(error.message, path, error.offset, error.hint)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _template_faults(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "{{" in key:
                yield TransformSyntaxError(f"a key cannot be filled: {key!r}", (*path, key))
            yield from _template_faults(item, (*path, key))


def _filled(parts: list[_Part]) -> Callable[[Any], str]:
    return lambda view: "".join(part if isinstance(part, str) else _text(part.search(view)) for part in parts)


def _text(value: Any) -> str:
    """A value inside a text: null is nothing, a text is itself, everything else is compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else _JSON.encode(value).decode()


def _structure(value: Any) -> Callable[[Any], Any]:
    """Builds a JSON value; a text that is one whole `{{ … }}` gives its value with its type."""
    if isinstance(value, str):
        parts = _parse(value)
        if len(parts) == 1 and isinstance(whole := parts[0], Expression):
            return whole.search
        return _filled(parts) if any(isinstance(part, Expression) for part in parts) else lambda _: value
    if isinstance(value, list):
        items = [_structure(item) for item in value]
        return lambda view: [item(view) for item in items]
    if isinstance(value, dict):
        members = [(key, _structure(item)) for key, item in value.items()]
        return lambda view: {key: item(view) for key, item in members}
    return lambda _: value


def _as_json(value: Any) -> Rendered:
    return Rendered(_JSON.encode(value), JSON_TYPE)


def _select(value: str) -> Callable[[Any], Rendered]:
    expression = compile_expression(value)
    return lambda view: _as_json(expression.search(view))


def _json(value: Any) -> Callable[[Any], Rendered]:
    structure = _structure(value)
    return lambda view: _as_json(structure(view))


def _xml(value: Any) -> Callable[[Any], Rendered]:
    structure = _structure(value)
    return lambda view: Rendered(xml.document(structure(view), _text), XML_TYPE)


def _template(value: str) -> Callable[[Any], Rendered]:
    fill = _filled(_parse(value))
    return lambda view: Rendered(fill(view).encode(), TEXT_TYPE)


def _constant(value: Any) -> Callable[[Any], Rendered]:
    body = Rendered(value.encode(), TEXT_TYPE) if isinstance(value, str) else _as_json(value)
    return lambda _: body


_BUILDERS: Mapping[str, Callable[[Any], Callable[[Any], Rendered]]] = {
    "select": _select,
    "json": _json,
    "xml": _xml,
    "text": _template,
    "constant": _constant,
}


# Numbers: a JSON number that no float holds exactly keeps its digits through every expression.


class _Exact(float):
    """A float that remembers the longer number it was made from."""

    __slots__ = ("spelling",)
    spelling: str


_Exact.__name__ = "float"  # jmespath tells types by their names


def _float(spelling: str) -> float:
    value = _Exact(spelling)
    try:
        if Decimal(repr(float(value))) == Decimal(spelling):
            return float(value)
    except ArithmeticError:
        pass  # an exponent that no Decimal holds: the spelling is all there is of this number
    value.spelling = spelling
    return value


def _exactly(value: Any) -> Any:
    if isinstance(value, _Exact):
        return msgspec.Raw(value.spelling.encode())
    raise TypeError(f"{type(value).__name__} is not JSON")


_DECODER = msgspec.json.Decoder(float_hook=_float)
_JSON = msgspec.json.Encoder(enc_hook=_exactly, decimal_format="number")
_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")


def _view(event: Event) -> Any:
    view: dict[str, Any] = dict(event.attributes())
    if event.data is not None:
        view["data"] = _DECODER.decode(event.data) if event.is_json else event.value()
    return view
