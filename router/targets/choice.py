"""Settings of which exactly one may be there: `auth:`, `sign:`. Each field is None where it is not."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def chosen(model: BaseModel) -> dict[str, Any]:
    """What is there, by the word that it is written with."""
    fields = type(model).model_fields
    found = {field.alias or name: getattr(model, name) for name, field in fields.items()}
    return {name: value for name, value in found.items() if value is not None}


def hold_to_one(model: BaseModel) -> None:
    """Refuse several, and none.

    Raises:
        ValueError: there is not exactly one; the message says which there may be.
    """
    if len(found := chosen(model)) != 1:
        kinds = ", ".join(field.alias or name for name, field in type(model).model_fields.items())
        raise ValueError(f"wants exactly one of {kinds}; found {' and '.join(found) or 'none'}")
