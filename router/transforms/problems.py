"""What is wrong with a transform as it is written, and what with an event that it is applied to."""

from __future__ import annotations

from router.config.problems import Path
from router.errors import ConfigurationError, MessageError


class TransformSyntaxError(ConfigurationError):
    """The transform is broken.

    Attributes:
        path: keys and indexes from the transform to the value at fault.
        offset: the character at fault in the text there, from 0.
        hint: what to write instead; "" where the message says enough.
    """

    def __init__(self, message: str, path: Path, offset: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.hint = hint


class TransformError(MessageError):
    """The transform cannot be applied to this event."""
