"""What stands in `rules/*.yml`, as pydantic models: the shape of it; `load` knows what it means."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from router.config.model import Shape
from router.config.names import Name

_TRANSFORM = {
    "type": "object",
    "properties": {
        "select": {"type": "string", "description": "A JMESPath expression whose value is the body."},
        "json": {"description": "A structure: {{ expression }} in its texts is filled in."},
        "xml": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "description": "An XML document: members are elements, a list repeats its element, and "
            "{{ expression }} in texts is filled in.",
        },
        "text": {"type": "string", "description": "A text: {{ expression }} in it is filled in."},
        "constant": {"description": "The body itself."},
        "input": {"type": "string", "description": "The body itself, as JSON text, as EventBridge has it."},
        "input_path": {"type": "string", "description": "A path such as $.data.URI, as EventBridge has it."},
        "input_transformer": {
            "type": "object",
            "description": "EventBridge's template, which <placeholders> in it are filled into.",
            "properties": {
                "input_paths_map": {"type": "object", "additionalProperties": {"type": "string"}},
                "input_template": {"type": "string"},
            },
            "required": ["input_template"],
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}


class RouteSpec(Shape):
    """A rule's way to one target: its name alone, or a mapping.

    Attributes:
        target: a name from `targets:`.
        transform: what the target gets instead of the event.
    """

    target: str
    transform: Annotated[dict[str, Any], WithJsonSchema(_TRANSFORM)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, value: Any) -> Any:
        return {"target": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A name alone is allowed too."""
        return {"anyOf": [{"type": "string"}, handler(core)]}


class RuleTestSpec(Shape):
    """An event and whether the rule must match it.

    Attributes:
        event: attributes at the top, the payload under `data`; id, source and type may be left out.
    """

    name: str = ""
    event: dict[str, Any]
    expect: Literal["match", "no-match"]


class RuleSpec(Shape):
    """One rule."""

    name: Name
    description: str = ""
    match: dict[str, Any] | None = None
    where: str | None = None
    backstop: bool = False
    targets: Annotated[list[RouteSpec], Field(min_length=1)]
    tests: list[RuleTestSpec] = Field(default_factory=list)
