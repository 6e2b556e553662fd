"""CloudEvents 1.0: the model, its JSON format and its HTTP binding. Pure: bytes in, values out."""

from router.events.model import Event, EventError, TooMuchError, canonical

__all__ = ["Event", "EventError", "TooMuchError", "canonical"]
