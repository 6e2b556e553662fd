"""The API's own description: OpenAPI 3.1, made of the endpoints and of the structs they take and give."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from router import __version__
from router.operations.answers import Refusal
from router.web.api_endpoints import Endpoint

_REF = "#/components/schemas/{name}"
_NAMES = re.compile(r"\{(\w+)\}")


def describe(base: str, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The description of an API whose endpoints stand below the path `base`."""
    found = list(endpoints)
    kinds: dict[str, type[Struct]] = {Refusal.__name__: Refusal}
    for one in found:
        kinds |= {kind.__name__: kind for kind in (one.answer, one.body, one.query) if kind is not None}
    wanted = [kinds[name] for name in sorted(kinds)]
    _, schemas = msgspec.json.schema_components(wanted, ref_template=_REF)
    for schema in schemas.values():
        schema["description"] = " ".join(schema.get("description", "").partition("Attributes:")[0].split())
    paths: dict[str, dict[str, Any]] = {}
    for one in found:
        paths.setdefault(base + one.path, {})[one.method.lower()] = _operation(one, schemas)
    for one in found:
        if one.query is not None:
            schemas.pop(one.query.__name__, None)  # parameters, not a body: they stand with their operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "rule-router", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "summary": endpoint.does,
        "parameters": [*_in_path(endpoint), *_in_query(endpoint, schemas)],
        "responses": {
            "200": {"description": "It was done.", "content": _json(endpoint.answer)},
            "default": {"description": "It was not done.", "content": _json(Refusal)},
        },
    }
    if endpoint.body is not None:
        said["requestBody"] = {"required": True, "content": _json(endpoint.body)}
    return said


def _in_path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _NAMES.findall(endpoint.path)
    ]


def _in_query(endpoint: Endpoint, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    properties: dict[str, Any] = schemas[endpoint.query.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _json(kind: type[Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
