"""Text with `{{ expression }}` in it, and structures of such texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from router.config import exact
from router.config.expressions import Expression, ExpressionError, compile_expression
from router.config.problems import Path
from router.transforms.problems import TransformSyntaxError

Part = str | Expression
"""Text as it is, or an expression whose value stands there."""


def parts(text: str) -> Iterator[tuple[int, Part]]:
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


def faults(value: Any, path: Path) -> Iterator[TransformSyntaxError]:
    """Everything that is wrong with the templates of a structure."""
    if isinstance(value, str):
        try:
            list(parts(value))
        except TransformSyntaxError as error:
            yield TransformSyntaxError(error.message, path, error.offset, error.hint)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            if "{{" in key:
                yield TransformSyntaxError(f"a key cannot be filled: {key!r}", (*path, key))
            yield from faults(item, (*path, key))


def filled(template: str) -> Callable[[Any], str]:
    """Fills a template from a view."""
    found = [part for _, part in parts(template)]
    return lambda view: "".join(part if isinstance(part, str) else text(part.search(view)) for part in found)


def text(value: Any) -> str:
    """A value inside a text: null is nothing, a text is itself, everything else is compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else exact.encode(value).decode()


def structure(value: Any) -> Callable[[Any], Any]:
    """Builds a JSON value; a text that is one whole `{{ … }}` gives its value with its type."""
    if isinstance(value, str):
        found = [part for _, part in parts(value)]
        if len(found) == 1 and isinstance(whole := found[0], Expression):
            return whole.search
        return filled(value) if any(isinstance(part, Expression) for part in found) else lambda _: value
    if isinstance(value, list):
        items = [structure(item) for item in value]
        return lambda view: [item(view) for item in items]
    if isinstance(value, dict):
        members = [(key, structure(item)) for key, item in value.items()]
        return lambda view: {key: item(view) for key, item in members}
    return lambda _: value
