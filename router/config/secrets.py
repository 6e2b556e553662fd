"""Secrets in targets and settings: texts that do not show themselves, or what a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, ValidationInfo, WithJsonSchema


def _secret(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        return SecretStr(value)
    if isinstance(value, dict) and list(value) == ["file"] and isinstance(value["file"], str):
        folder = Path((info.context or {}).get("folder", "."))
        return SecretStr(_from_file(folder / value["file"]))
    raise ValueError("wants a text, or {file: path}")


def _from_file(path: Path) -> str:
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
