"""The named statements of a `.sql` file: `-- name: what_it_does`, then the statement."""

from __future__ import annotations

import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(file: str) -> dict[str, str]:
    """The statements of a file beside this module, by name."""
    text = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


EVENTS = load("events.sql")
DELIVERIES = load("deliveries.sql")
