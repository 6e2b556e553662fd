"""The functions of expressions: JMESPath's own, and what bodies for people need beside them.

Those of text and dates give null for null, so that `default` can stand around them; everything else that
they cannot take is an error, as with JMESPath's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from jmespath.functions import Functions as Standard
from jmespath.functions import signature

from router.config import exact
from router.config.problems import did_you_mean

MOST_GROWTH: Final = 10_000_000
"""Characters that the functions of one evaluation may make beyond those that they are given.

A text that stands between many others, or in place of each, multiplies: 100 kB would make gigabytes.
"""

_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES = frozenset("aAbBcdfGHIjmMpSuUVwWxXyYzZ%")
"""Those that Python documents for every platform (`datetime`, "Format Codes")."""

_OPTIONAL_TEXT: Any = {"types": ["string"], "optional": True}


class Functions(Standard):
    """What expressions can call, for one evaluation.

    Nothing here looks at a clock: a body is the same at every attempt.
    """

    def __init__(self) -> None:
        self._left = MOST_GROWTH

    @signature({"types": []}, {"types": []})
    def _func_default(self, value: Any, other: Any) -> Any:
        """The other one, where the value is null or missing."""
        return other if value is None else value

    @signature({"types": ["string", "number", "null"]}, {"types": ["string"]}, _OPTIONAL_TEXT)
    def _func_format_date(self, time: str | float | None, form: str, zone: str = "UTC") -> str | None:
        """A time as `strftime` writes it, in a zone (else UTC): RFC 3339, or seconds since 1970."""
        return None if time is None else _moment(time).astimezone(_zone(zone)).strftime(form)

    @signature({"types": []})
    def _func_to_json(self, value: Any) -> str:
        """JSON text; a text becomes one in double quotes."""
        return exact.encode(value).decode()

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        """As JMESPath has it, but that numbers keep all their digits."""
        return value if isinstance(value, str) else exact.encode(value).decode()

    @signature({"types": ["string", "null"]})
    def _func_upper(self, text: str | None) -> str | None:
        return None if text is None else text.upper()

    @signature({"types": ["string", "null"]})
    def _func_lower(self, text: str | None) -> str | None:
        return None if text is None else text.lower()

    @signature({"types": ["string", "null"]})
    def _func_trim(self, text: str | None) -> str | None:
        """Without the white space around it."""
        return None if text is None else text.strip()

    @signature({"types": ["string", "null"]}, {"types": ["string"]}, {"types": ["string"]})
    def _func_replace(self, text: str | None, old: str, new: str) -> str | None:
        """With every occurrence of one text exchanged for another."""
        if text is None:
            return None
        self._grow("replace", text.count(old) * (len(new) - len(old)) - len(new))
        return text.replace(old, new)

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, between: str, texts: Sequence[str]) -> str:
        """As JMESPath has it, but that it does not fill the memory."""
        self._grow("join", len(between) * (len(texts) - 2))
        return between.join(texts)

    def _grow(self, function: str, characters: int) -> None:
        """Look whether a function may make so many more, before it does."""
        self._left -= max(characters, 0)
        if self._left < 0:
            told = f"{function}() would make {characters} characters more than it is given"
            raise ValueError(f"{told}; at most {MOST_GROWTH} in one expression")

    def _validate_arguments(self, args: Sequence[Any], signature: Sequence[Any], function_name: str) -> Any:
        """Optional arguments are what JMESPath has not."""
        if len(args) >= arity(signature)[0]:
            signature = signature[: len(args)] if _is_optional(signature) else signature
        return super()._validate_arguments(args, signature, function_name)  # type: ignore[misc] # not in its stubs


OWN = frozenset(Functions.FUNCTION_TABLE) - frozenset(Standard.FUNCTION_TABLE)
"""The names of those that JMESPath itself has not."""


def arity(wanted: Sequence[Mapping[str, Any]]) -> tuple[int, int | None]:
    """How many arguments a signature takes at least and at most; None for any number."""
    if wanted and wanted[-1].get("variadic", False):
        return len(wanted), None
    return len(wanted) - _is_optional(wanted), len(wanted)


def _is_optional(wanted: Sequence[Mapping[str, Any]]) -> bool:
    return bool(wanted) and bool(wanted[-1].get("optional", False))


def complaint(name: str, arguments: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """What is wrong with the arguments of a call as they are written, and a hint; None where nothing is.

    Format and zone of a date are written out: a stranger's could cost any amount of memory, or look
    through the disk for zones.
    """
    if name != "format_date":
        return None
    for what, node in zip(("format", "zone"), arguments[1:], strict=False):
        text = node.get("value")
        if node["type"] != "literal" or not isinstance(text, str):
            return f"format_date() wants its {what} written out", "as a text in single quotes: '%d.%m.%Y'"
        if what == "format":
            for found in _DIRECTIVE.finditer(text):
                if not found[1] or found[1] not in _DIRECTIVES:
                    hint = "day %d, month %m, year %Y, hour %H, minute %M, second %S"
                    return f"no date has {found.group()}", hint
        elif text not in (zones := available_timezones()):
            near = did_you_mean(text, zones)
            return f"there is no time zone {text!r} on this machine", near or "name one as in 'Asia/Shanghai'"
    return None


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _moment(time: str | float) -> datetime:
    """A point in time; one without a zone is UTC."""
    if not isinstance(time, str):
        return datetime.fromtimestamp(time, UTC)
    found = datetime.fromisoformat(time.upper())
    return found if found.tzinfo else found.replace(tzinfo=UTC)
