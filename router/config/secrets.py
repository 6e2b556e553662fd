"""Secrets in targets and settings: texts that do not show themselves, or what a file holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, ValidationInfo, WithJsonSchema

_READ: ContextVar[set[Path] | None] = ContextVar("files that secrets were read from", default=None)


@contextmanager
def noted() -> Iterator[set[Path]]:
    """The files that secrets are read from while this is open, those that cannot be read among them."""
    found: set[Path] = set()
    token = _READ.set(found)
    try:
        yield found
    finally:
        _READ.reset(token)


def _secret(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return SecretStr(value)
    if isinstance(value, dict) and list(value) == ["file"] and isinstance(value["file"], str):
        folder = Path((info.context or {}).get("folder", "."))
        return SecretStr(_from_file(folder / value["file"]))
    raise ValueError("wants a text, or {file: path}")


def _from_file(path: Path) -> str:
    if (read := _READ.get()) is not None:
        read.add(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"the secret's file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret's file {path} is not UTF-8 text") from None
    secret = text.strip("\r\n")
    if not secret:
        raise ValueError(f"the secret's file {path} is empty")
    return secret


Secret = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"file": {"type": "string"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A secret: a text (out of the environment, most likely), or `{file: path}` from the YAML file's folder.

It never shows itself: `str` and `repr` give asterisks. `get_secret_value()` gives it.
"""
