"""Opens an HTTP target as the router does, for tests that look at what arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from router.events import Event
from router.targets.base import Body, Message, Outcome, Surroundings, Target
from router.targets.http import HttpKind
from router.targets.http_settings import HttpSettings
from tests.targets.clock import StandingClock

NOW = 1_800_000_000.0
"""2027-01-15T08:00:00Z"""

EVENT = Event(id="7", source="/cameras/1", type="t", datacontenttype="application/json", data=b'{"a": 1}')


def message(event: Event = EVENT, body: Body | None = None, number: int = 1) -> Message:
    return Message(f"179500000000000{number}-chat", number, event, body, ("a-rule",), 1)


@asynccontextmanager
async def opened(
    settings: dict[str, Any], clock: StandingClock | None = None, reject: frozenset[int] = frozenset({400})
) -> AsyncIterator[Target]:
    """A target with these settings, on a clock that stands at `NOW` or is the test's own."""
    kind = HttpKind(clock or StandingClock(NOW))
    surroundings = Surroundings("chat", Path("data"), loopback=True, reject=reject)
    async with kind.open(HttpSettings.model_validate(settings), surroundings) as target:
        yield target


async def deliver(settings: dict[str, Any], *messages: Message) -> list[Outcome]:
    """What becomes of these messages, one after the other; of one message if none is named."""
    async with opened(settings) as target:
        return [outcome for one in messages or [message()] for outcome in await target.deliver([one])]


def faults(settings: dict[str, Any]) -> str:
    """What is wrong with settings; none of it may show a secret, which all tests spell so: `hush…`."""
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate({"url": "http://127.0.0.1/"} | settings)
    assert "hush" not in str(caught.value)
    return "\n".join(error["msg"] for error in caught.value.errors())


def shown(settings: dict[str, Any]) -> str:
    """All that sound settings show of themselves."""
    parsed = HttpSettings.model_validate({"url": "http://127.0.0.1/"} | settings)
    return repr(parsed) + str(parsed) + str(parsed.model_dump()) + parsed.model_dump_json()
