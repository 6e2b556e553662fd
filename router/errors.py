"""Two families of errors, by who can mend them.

`ConfigurationError` is about what the user of this router wrote: rules, targets,
settings, a command's arguments. `MessageError` is about what a peer sent us.
A class's docstring is the message of an instance that is raised without one.
"""

from __future__ import annotations

import inspect


class RouterError(Exception):
    """The router could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.getdoc(type(self)) or type(self).__name__)

    @property
    def message(self) -> str:
        """The sentence a person reads."""
        return str(self.args[0])


class ConfigurationError(RouterError):
    """The configuration is broken."""


class MessageError(RouterError):
    """The peer's message cannot be read.

    Attributes:
        status: the HTTP status (RFC 9110, section 15) that tells the peer what kind of fault it is.
    """

    status = 400
