"""A pattern that can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.patterns import match
from router.patterns.fields import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from router.events import Event
    from router.patterns.fields import Fields
    from router.patterns.nodes import Branch


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern.

    Attributes:
        branches: of which one has to match; more than one only with `$or`.
    """

    branches: tuple[Branch, ...]

    def matches(self, event: str | bytes | Mapping[str, Any]) -> bool:
        """Whether an event matches: JSON text, or a mapping of JSON values.

        Raises:
            EventError: it is not strict JSON with an object at its root, or its arrays are too entangled
                (`match.MOST_STEPS`).
        """
        return self.matches_fields(read(event))

    def matches_event(self, event: Event) -> bool:
        """Whether a CloudEvent matches: its attributes at the root, its payload under `data`.

        Raises:
            EventError: as `matches`, for the payload.
        """
        return self.matches_fields(read(event))

    def matches_fields(self, fields: Fields) -> bool:
        """Whether an event matches that was read once for many patterns (`read`).

        Raises:
            EventError: its arrays are too entangled.
        """
        return match.matches(self.branches, fields)
