"""Validation by pydantic models, with problems at their places and worded for people."""

from __future__ import annotations

import types
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from router.config.environment import Filled, Unfilled
from router.config.names import is_name
from router.config.problems import Path, did_you_mean
from router.config.report import Report
from router.config.yaml import Document

Model = TypeVar("Model", bound=BaseModel)


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "none_required": "nothing",
}

_BOOLEANS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
"""What YAML 1.1 took for a boolean, in lower case, and what to write here."""

_URL = "write https://example.com/path"

_URL_FAULTS = {
    "relative URL without a base": "has no scheme",
    "empty host": "has no host",
    "input is empty": "is empty",
    "invalid port number": "has a port that is no number up to 65535",
    "invalid IPv4 address": "has an IPv4 address that is none",
    "invalid IPv6 address": "has an IPv6 address that is none, or not whole in brackets",
}
"""The reasons of pydantic's URL parser, in a person's words."""

_LIMITS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def validate(model: type[Model], value: Any, document: Document, path: Path, report: Report) -> Model | None:
    """An instance of `model` made from `value`, which stands at `path`; None if there were problems.

    Validators find the folder of the file in their context, as `folder`.
    """
    folder = FilePath(document.file).parent
    try:
        return model.model_validate(value, context={"folder": folder})
    except ValidationError as error:
        found = [
            _Fault(model, value, document, path, details)
            for details in error.errors(include_url=False)
            if not _is_unfilled(details)
        ]
        misspelt = {fault.meant for fault in found}
        for fault in found:
            if not (fault.kind == "missing" and fault.place in misspelt):
                fault.tell(report)
        return None


def _is_unfilled(details: ErrorDetails) -> bool:
    """Whether the error only comes of a variable that is missing, which is reported already."""
    given = details["input"]
    if details["type"] == "value_error" and isinstance(given, dict):
        return any(isinstance(held, Unfilled) for held in given.values())
    return isinstance(given, Unfilled)


class _Fault:
    """One error of pydantic's, on its way to a person."""

    def __init__(
        self, model: type[BaseModel], value: Any, document: Document, path: Path, details: ErrorDetails
    ) -> None:
        self.document = document
        self.kind = details["type"]
        self.details = details
        self.within = _written(value, details["loc"], missing=self.kind == "missing")
        self.path = (*path, *self.within)
        self.model = model
        self.last = str(details["loc"][-1]) if details["loc"] else ""

    @property
    def place(self) -> Path:
        """The place of a key that is missing."""
        return (*self.path, self.last)

    @property
    def meant(self) -> Path | None:
        """The key that was probably meant by one that is unknown: it is not missing, then."""
        if self.kind != "extra_forbidden":
            return None
        known = _keys(self.model, self.within[:-1])
        near = did_you_mean(self.last, known)
        return next(((*self.path[:-1], key) for key in known if repr(key) in near), None)

    def tell(self, report: Report) -> None:
        """Report it."""
        if self.kind == "extra_forbidden":
            hint = did_you_mean(self.last, known := _keys(self.model, self.within[:-1]))
            hint = hint or f"the keys here are {', '.join(known)}"
            self._add(report, "unknown-key", f"unknown key {self.last!r}", hint, key=True)
        elif self.kind == "missing":
            self._add(report, "missing-key", f"the key {self.last!r} is missing")
        elif self.kind in _WANTED:
            found = described(self.details["input"])
            what = f"wants {_WANTED[self.kind]}, found {found}"
            self._add(report, "wrong-type", what, self._hint_for_type())
        elif self.kind == "too_short":
            self._add(report, "wrong-value", "is empty")
        elif self.kind in {"url_parsing", "url_scheme"}:
            self._add(report, "wrong-value", self._fault_of_url(), _URL)
        elif self.kind in _LIMITS:
            words, name = _LIMITS[self.kind]
            limit = self.details["ctx"][name]
            self._add(report, "wrong-value", f"must be {words} {limit:g}")
        elif self.kind in {"literal_error", "enum"}:
            expected = str(self.details["ctx"]["expected"])
            written = self._as_written()
            near = did_you_mean(str(written), expected.replace("'", "").replace(" or ", ", ").split(", "))
            self._add(report, "wrong-value", f"wants {expected}, found {_quoted(written)}", near)
        else:
            self._add(report, "wrong-value", self._reason())

    def _add(self, report: Report, code: str, message: str, hint: str = "", *, key: bool = False) -> None:
        where = shown(self.document, self.path)
        given = self.details["input"]
        if isinstance(given, Filled):
            message += f", with {' and '.join(given.variables)} filled in from the environment"
        report.add(self.document, self.path, code, f"{where}: {message}" if where else message, hint, key=key)

    def _as_written(self) -> Any:
        """What stands in the file: what the environment filled in may be a secret."""
        return self.document.at(self.path)

    def _hint_for_type(self) -> str:
        written = self._as_written()
        if self.kind == "bool_type" and isinstance(written, str):
            meant = _BOOLEANS.get(written.lower(), "")
            if meant == written:
                return "leave the quotes out"
            return f"write {meant}" if meant else ""
        if self.kind == "list_type" and isinstance(written, str):
            return f"write [{'…' if _may_be_secret(self.model, self.within) else written}]"
        return ""

    def _fault_of_url(self) -> str:
        given = str(self.details["input"]).strip()
        if any(map(str.isspace, given)):
            return "has a space in it"
        if self.kind == "url_scheme":
            named = "://" in given
            return (
                "has a scheme other than http and https"
                if named
                else _URL_FAULTS["relative URL without a base"]
            )
        return _URL_FAULTS.get(self.details["ctx"]["error"], "has a host that is no name")

    def _reason(self) -> str:
        error = self.details.get("ctx", {}).get("error")
        reason = str(error) if isinstance(error, Exception) else self.details["msg"]
        given = self.details["input"]
        if isinstance(given, str) and given and given != (written := self._as_written()):
            reason = reason.replace(repr(given), _quoted(written)).replace(given, str(written))
        return reason


def shown(document: Document, path: Path) -> str:
    """A path as messages name it: an entry of a list by its name, where it has one, else by its number."""
    steps = []
    here: Any = document.value
    for step in path:
        here = here[step]
        name = here.get("name") if isinstance(step, int) and isinstance(here, dict) else None
        steps.append(name if isinstance(name, str) and is_name(name) else str(step))
    return ".".join(steps)


def described(value: Any) -> str:
    """What kind of value this is, in a person's words; never the value itself, which may be a secret.

    >>> described([1]), described("x"), described(None)
    ('a list', 'a text', 'nothing')
    """
    if value is None:
        return "nothing"
    names: Mapping[type, str] = {bool: "true or false", str: "a text", list: "a list", dict: "a mapping"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "a number")


def _quoted(value: Any) -> str:
    return repr(value) if isinstance(value, str) else described(value)


def _written(value: Any, loc: tuple[int | str, ...], *, missing: bool) -> Path:
    """The part of pydantic's `loc` that leads through `value`: it also names the members of unions."""
    path: list[str | int] = []
    here: Any = value
    for step in loc[:-1] if missing else loc:
        if isinstance(here, dict):
            found = step in here
        else:
            found = isinstance(here, list) and isinstance(step, int) and step < len(here)
        if found:
            here = here[step]
            path.append(step)
    return tuple(path)


def _keys(annotation: Any, path: Path) -> list[str]:
    """The keys that a model has at a path."""
    places = [annotation]
    for step in path:
        places = [inner for place in places for inner in _inside(place, step)]
    return sorted({key for place in places for model in _models(place) for key in _fields(model)})


def _may_be_secret(annotation: Any, path: Path) -> bool:
    """Whether what stands at a path of a model may hold a secret."""
    places = [annotation]
    for step in path:
        places = [inner for place in places for inner in _inside(place, step)]
    return any(_holds_secret(place, frozenset()) for place in places)


def _holds_secret(annotation: Any, within: frozenset[type]) -> bool:
    members = _members(annotation)
    inner = [held for member in members for held in get_args(member)]
    models = [model for model in _models(annotation) if model not in within]
    inner += [held for model in models for held in _fields(model).values()]
    return SecretStr in members or any(_holds_secret(held, within.union(models)) for held in inner)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _inside(annotation: Any, step: str | int) -> list[Any]:
    """What may stand under a key or index of a value of this type."""
    found = [
        fields[step]
        for model in _models(annotation)
        if isinstance(step, str) and step in (fields := _fields(model))
    ]
    for place in _members(annotation):
        arguments = get_args(place)
        if get_origin(place) in {list, tuple} and arguments:
            found.append(arguments[0])
        elif get_origin(place) is dict:
            found.append(arguments[1])
    return found


def _members(annotation: Any) -> list[Any]:
    """The members of a union; anything else is its own."""
    if get_origin(annotation) in {Union, types.UnionType}:
        return [inner for member in get_args(annotation) for inner in _members(member)]
    if hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    return [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [
        member
        for member in _members(annotation)
        if isinstance(member, type) and not get_origin(member) and issubclass(member, BaseModel)
    ]
