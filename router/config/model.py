"""What every model of a piece of YAML is made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """What every model of a piece of YAML is: frozen, strict, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, populate_by_name=False, hide_input_in_errors=True
    )
