"""Names of rules, targets and sources."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

NAME = "[a-z0-9]+(?:-[a-z0-9]+)*"
"""Lower-case letters and digits, with single dashes between them. Delivery ids are made of names."""

LONGEST = 64
"""Characters of a name."""

QUARANTINE = "quarantine"
"""The router's own target: it holds what verified senders sent and nobody could read."""

NAME_SCHEMA = {"type": "string", "pattern": f"^{NAME}$", "maxLength": LONGEST}


def is_name(text: str) -> bool:
    """Whether a text is a name."""
    return len(text) <= LONGEST and re.fullmatch(NAME, text) is not None


def check_name(name: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: it is none.
    """
    if len(name) > LONGEST:
        raise ValueError(f"{name[:12]!r}… is too long: a name has at most {LONGEST} characters")
    if not is_name(name):
        raise ValueError(f"{name!r} is no name: lower-case letters and digits, single dashes between them")
    return name


Name = Annotated[str, AfterValidator(check_name), WithJsonSchema(NAME_SCHEMA)]
