"""`router schema`: the JSON Schema of the YAML, for editors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import click
from pydantic import BaseModel, PydanticUserError
from pydantic.json_schema import models_json_schema

from router.config.names import NAME_SCHEMA
from router.errors import ConfigurationError
from router.rules.spec import RuleSpec
from router.settings import ServerSettings
from router.sources.registry import installed_sources
from router.targets.registry import Registry, installed_kinds
from router.targets.spec import Handling

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_FILLED_IN: dict[str, Any] = {"type": "string", "pattern": r"\$\{"}
"""A text that the environment makes into what is wanted."""

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (?:`([\w-]+)`: )?((?:.|\n {8})*)", re.MULTILINE)


@click.command()
def schema() -> None:
    """Print the JSON Schema of rules, targets and settings, for editors.

    With the YAML language server, write at the top of a file:
    # yaml-language-server: $schema=router.schema.json
    """
    click.echo(json.dumps(schema_of(installed_kinds()), ensure_ascii=False, indent=2))


def schema_of(registry: Registry) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a deployment's files, with the kinds of target that can be loaded."""
    kinds = _usable({name: partial(_settings, registry, name) for name in registry})
    shapes = _usable({name: partial(_shape, name) for name in installed_sources()})
    outside: list[type[BaseModel]] = [ServerSettings, Handling, *shapes.values(), *kinds.values()]
    refs, defs = _definitions([RuleSpec, *outside])
    of_rules = _reachable(refs[RuleSpec], defs)
    for name, held in defs.items():
        _describe(held)
        if name not in of_rules:
            defs[name] = _with_environment(held)
    handling = defs.pop(_name(refs[Handling]))["properties"]
    target = {
        "type": "object",
        "properties": {name: {"anyOf": [refs[kinds[name]], {"type": "null"}]} for name in kinds} | handling,
        "additionalProperties": False,
        "oneOf": [{"required": [name]} for name in kinds],
    }
    for shape in shapes.values():
        words = [kind for kind, other in shapes.items() if other is shape]
        defs[_name(refs[shape])]["properties"]["kind"] = {"enum": words} if words[1:] else {"const": words[0]}
    return {
        "$schema": DIALECT,
        "title": "Configuration of rule-router",
        "type": "object",
        "properties": {
            "sources": _entries({"anyOf": [refs[shape] for shape in shapes.values()]}),
            "settings": {"anyOf": [refs[ServerSettings], {"type": "null"}]},
            "rules": {"type": ["array", "null"], "items": refs[RuleSpec]},
            "targets": _entries(target) | {"propertyNames": NAME_SCHEMA},
        },
        "additionalProperties": False,
        "$defs": defs,
    }


def _usable(models: Mapping[str, Callable[[], type[BaseModel]]]) -> dict[str, type[BaseModel]]:
    """The models that can be had and described; of others `router check` tells those who use them."""
    found = {}
    for name, load in models.items():
        try:
            model = load()
            model.model_json_schema()
        except (ConfigurationError, PydanticUserError):
            continue
        found[name] = model
    return found


def _settings(registry: Registry, name: str) -> type[BaseModel]:
    return registry.kind(name).settings


def _shape(name: str) -> type[BaseModel]:
    return installed_sources()[name].shape


def _definitions(models: Iterable[type[BaseModel]]) -> tuple[dict[type[BaseModel], Any], dict[str, Any]]:
    """A reference to each model, and the definitions that they refer to."""
    wanted = list(dict.fromkeys(models))
    refs, schema = models_json_schema([(model, "validation") for model in wanted])
    return {model: refs[model, "validation"] for model in wanted}, schema["$defs"]


def _name(ref: dict[str, Any]) -> str:
    """The definition that a reference leads to."""
    return str(ref.get("$ref", "")).rpartition("/")[2]


def _entries(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "additionalProperties": schema}


def _reachable(schema: Any, defs: dict[str, Any]) -> set[str]:
    """The names of the definitions that a schema leads to."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        held = waiting.pop()
        if isinstance(held, dict):
            name = _name(held)
            if name and name not in found:
                found.add(name)
                waiting.append(defs[name])
            waiting.extend(held.values())
        elif isinstance(held, list):
            waiting.extend(held)
    return found


def _with_environment(schema: Any) -> Any:
    """The schema, with `${NAME}` allowed for every text that is not free."""
    if isinstance(schema, list):
        return [_with_environment(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    free = {"title", "description", "default", "examples"}
    if schema.get("type") == "string":
        around = {key: value for key, value in schema.items() if key in free}
        wanted = {key: value for key, value in schema.items() if key not in free}
        if len(wanted) > 1 and wanted != _FILLED_IN:
            return {**around, "anyOf": [wanted, _FILLED_IN]}
    return {key: value if key in free else _with_environment(value) for key, value in schema.items()}


def _describe(schema: dict[str, Any]) -> None:
    """Share a docstring out: its beginning to the model, its Attributes section to the properties."""
    for member in schema.get("anyOf", []):
        _describe(member)
    text = schema.get("description", "")
    properties = schema.get("properties", {})
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    if summary:
        schema["description"] = " ".join(summary.split())
    for name, alias, meaning in _ATTRIBUTE.findall(attributes):
        if (held := properties.get(alias or name)) is not None:
            held["description"] = " ".join(meaning.split())
    for held in properties.values():
        as_parsed = held.get("type") == "string" and not isinstance(held.get("default"), str | None)
        if as_parsed or "$ref" in held:
            held.pop("default", None)  # a duration's seconds are not how a duration is written
