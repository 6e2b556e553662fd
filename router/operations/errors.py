"""What an operator asked wrongly. Each has the HTTP status that tells an API's client the same."""

from __future__ import annotations

from router.errors import MessageError


class AskedWrongError(MessageError):
    """This question cannot be understood."""


class NotThereError(MessageError):
    """There is no such thing."""

    status = 404


class NotNowError(MessageError):
    """This cannot be done now."""

    status = 409
