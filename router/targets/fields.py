"""Header fields: which names and values are legal, and those that are filled in for each event.

From RFC 9110, sections 5.1 (names) and 5.5 (values): a value has no control characters, so nothing that is
filled in can end its line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from router.config.secrets import Secret
from router.errors import MessageError
from router.events import Event
from router.transforms import Transform, TransformError, compile_transform, faults

Headers = dict[str, str]

LONGEST: Final = 8192
"""Bytes of a value that is filled in: what servers read of a line at most, unless they are told otherwise."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = re.compile(r"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?\Z")
_OURS = re.compile(
    r"(?i)(?:content-type|content-length|host|idempotency-key|webhook-.*|ce-.*"
    r"|connection|expect|keep-alive|te|trailer|transfer-encoding|upgrade)\Z"
)


class FieldError(MessageError):
    """A header cannot be made for this event."""


def check_name(name: str) -> str:
    """The name of a header that a user may set.

    Raises:
        ValueError: it is no name, or it is one that the router or the connection sets itself.
    """
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no header name: letters, digits and !#$%&'*+-.^_`|~ only")
    if _OURS.match(name):
        raise ValueError(f"{name!r} is set by the router or by the connection; leave it out")
    return name


def is_value(text: str) -> bool:
    """Whether a text can be a header's value."""
    return _VALUE.match(text) is not None


def is_template(value: str) -> bool:
    """Whether there is something to fill in."""
    return "{{" in value


def _check_value(name: str, value: str) -> None:
    """Nothing that is said here repeats the value: it may be a secret."""
    if not is_value(value):
        raise ValueError(
            f"the value of {name!r} has a control character (a line break?) or a blank at its ends"
        )
    if is_template(value):
        for fault in faults({"text": value}):
            where = "" if fault.offset is None else f" at character {fault.offset + 1}"
            raise ValueError(
                f"the value of {name!r} cannot be read{where}: between {{{{ and }}}} stands JMESPath"
            )


def _vetted(headers: dict[str, Secret]) -> dict[str, Secret]:
    seen = set()
    for name, value in headers.items():
        check_name(name)
        if name.lower() in seen:
            raise ValueError(f"{name!r} is there twice; upper and lower case do not matter in header names")
        _check_value(name, value.get_secret_value())
        seen.add(name.lower())
    return headers


UserHeaders = Annotated[dict[str, Secret], AfterValidator(_vetted)]
"""What stands under `headers:`. The router's own fields stay the router's own."""


class Templates:
    """Headers that are filled in for each event, as the transform `text` fills in a body."""

    def __init__(self, written: Mapping[str, str]) -> None:
        self._transforms: Mapping[str, Transform] = {
            name: compile_transform({"text": value}) for name, value in written.items()
        }

    def fill(self, event: Event) -> Headers:
        """The headers for this event. Blanks at a value's ends, which are not part of it, are left out.

        Raises:
            FieldError: what would stand in one is no header value, or an expression fails.
        """
        return {name: _filled(name, transform, event) for name, transform in self._transforms.items()}


def _filled(name: str, transform: Transform, event: Event) -> str:
    try:
        content = transform.render(event).content
    except TransformError as error:
        raise FieldError(f"the header {name!r} cannot be made: {error.message}") from error
    value = content.decode().strip(" \t")
    if not is_value(value):
        raise FieldError(f"the header {name!r} would have a control character in it (a line break?)")
    if len(content) > LONGEST:
        raise FieldError(
            f"the header {name!r} would be {len(content)} bytes long; at most {LONGEST} are sent"
        )
    return value
