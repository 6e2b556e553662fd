"""CloudEvents 1.0: the model, its JSON format and its HTTP binding. Pure: bytes in, values out.

Some of this is compiled (see `router.compiled`).
"""

from router.compiled import place

__path__.insert(0, str(place(__name__)))  # searched before the sources

from router.events.model import (  # noqa: E402 -- the path says where its modules come from
    Event,
    EventError,
    TooMuchError,
    canonical,
)

__all__ = ["Event", "EventError", "TooMuchError", "canonical"]
