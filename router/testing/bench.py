"""What a target is tried on: messages, something to deliver them to, and what arrived there."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from router.events import Event
from router.targets.base import Body, Kind, Message


@dataclass(frozen=True, slots=True)
class Receipt:
    """One message at the far side.

    Attributes:
        id: the delivery's id.
        content: the payload, or the transformed body; None where the event had no payload.
        attributes: the event's attributes and extensions; empty where this way carries none.
    """

    id: str
    content: bytes | None
    attributes: dict[str, str] = field(default_factory=dict)


class Bench:
    """A kind, and something to deliver to.

    Attributes:
        kind: what the entry point names, or an instance of it.
        settings: as they stand under the kind's word in YAML.
        folder: the data folder.
        secrets: the texts in `settings` that nobody may see.
        most: the far side sees no more than this of a payload; None if it sees all.
        carries: which attributes the far side sees; None if all of them.
    """

    kind: Kind
    settings: dict[str, Any]
    folder: Path
    secrets: tuple[str, ...] = ()
    most: int | None = None
    carries: frozenset[str] | None = None

    def read(self, **more: Any) -> Any:
        """The settings, read; `more` beside them."""
        return self.kind.settings.model_validate(self.settings | more)

    def received(self) -> list[Receipt]:
        """All that arrived, in the order of arrival."""
        raise NotImplementedError

    def go_down(self) -> None:
        """Make delivery impossible for now."""
        raise NotImplementedError

    def come_back(self) -> None:
        """Undo `go_down`."""
        raise NotImplementedError

    def stall(self) -> threading.Event:
        """Have the far side take a delivery and not say what became of it, until `resume`.

        What cannot stall leaves this as it is.

        Returns:
            What is set as soon as a delivery waits there.
        """
        pytest.skip("the far side of this kind does not stall")

    def resume(self) -> None:
        """Undo `stall`; from any thread, and as often as one likes."""


_numbers = itertools.count(1)


def message(
    data: bytes | None = b"{}",
    datacontenttype: str | None = "application/json",
    body: Body | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Message:
    """A message that differs from all others."""
    number = next(_numbers)
    known: dict[str, Any] = {"id": f"event-{number}", "source": "/conformance", "type": "example.happened"}
    event = Event(**(known | {"data": data, "datacontenttype": datacontenttype} | dict(attributes or {})))
    return Message(f"{number}-bench", number, event, body, ("one", "another"), 1)


EXACT = (
    b'{"big":12345678901234567890123,"float":1.0,"exponent":1E+2,"zero":-0.0,'
    b'"escaped":"\\u00e9\\/\\n","twice":1,"twice":2,"nested":[[],{},null,true]}'
)
"""Every token of it would change if somebody decoded and encoded it."""
