"""`${NAME}` and `${NAME:-default}` in targets and settings.

Rules never see the environment: what a rule does must be the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from router.config.problems import Path, did_you_mean
from router.config.report import Report
from router.config.yaml import Document

_DEFAULT = (
    r"(?:[^{}$]|\$(?!\{)|\{[^{}]*\})*"  # braces in pairs, as in audit/{date}.jsonl; no place in a place
)
_PLACE = re.compile(rf"\$\$\{{|\$\{{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-({_DEFAULT}))?\}})?")


class Unfilled(str):
    """A text whose variable is missing, as it is written. What is wrong with it so is no news."""

    __slots__ = ()


class Filled(str):
    """A text with something of the environment in it.

    Attributes:
        written: the text as the file has it, which may be shown to anybody.
        variables: the variables that are in it, each once.
    """

    __slots__ = ("variables", "written")
    written: str
    variables: tuple[str, ...]


def as_written(value: Any) -> Any:
    """What the file says there: what the environment filled in may be a secret."""
    return value.written if isinstance(value, Filled) else value


def interpolate(
    document: Document, path: Path, value: Any, environ: Mapping[str, str] | None, report: Report
) -> Any:
    """`value`, which stands at `path`, with the environment filled into all of its strings (as `Filled`).

    `$${` stands for `${`. As in a shell, a default also stands in for a variable that is empty; one that
    is missing or empty without a default is reported. Where `environ` is None nobody wants to know: a text
    with a variable in it stays as it is, `Unfilled`.
    """
    if isinstance(value, str):
        return _fill(document, path, value, environ, report) if "${" in value else value
    if isinstance(value, list):
        return [
            interpolate(document, (*path, index), item, environ, report) for index, item in enumerate(value)
        ]
    if isinstance(value, dict):
        return {
            key: interpolate(document, (*path, key), item, environ, report) for key, item in value.items()
        }
    return value


def _fill(
    document: Document, path: Path, text: str, environ: Mapping[str, str] | None, report: Report
) -> str:
    if environ is None:
        return Unfilled(text)
    complete = True
    variables: dict[str, None] = {}

    def one(found: re.Match[str]) -> str:
        if found.group() == "$${":
            return "${"
        nonlocal complete
        name, default = found[1], found[2]
        if name is not None and (value := environ.get(name)):
            variables[name] = None  # a dict keeps their order
            return value
        if default is not None:
            return str(default)
        complete = False
        report.add(document, path, "environment", *_missing(name, environ), offset=found.start())
        return found.group()

    filled = _PLACE.sub(one, text)
    if not complete:
        return Unfilled(filled)
    if not variables:
        return filled
    made = Filled(filled)
    made.written, made.variables = text, tuple(variables)
    return made


def _missing(name: str | None, environ: Mapping[str, str]) -> tuple[str, str]:
    """What is wrong with a place that cannot be filled, and what to do."""
    if name is None:
        hint = "write ${NAME} or ${NAME:-default}; for the two characters themselves, $${"
        return "'${' without a name, or without its '}'", hint
    hint = f"set it, or give it a default: ${{{name}:-…}}"
    if name in environ:
        return f"the environment variable {name} is empty", hint
    return f"the environment variable {name} is not set", did_you_mean(name, environ) or hint
