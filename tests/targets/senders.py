"""What tests know of every client for HTTP."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from router.targets.network.connection import Connection
from router.targets.sender import Sender


class Closable(Sender, Protocol):
    """A sender without `open_sender` around it."""

    async def close(self) -> None: ...


class SenderKind(Protocol):
    """A class of senders."""

    def __call__(
        self,
        user_agent: str,
        connection: Connection,
        *,
        every_header: bool = ...,
        steady: Callable[[], float] = ...,
    ) -> Closable: ...


class OpenSender(Protocol):
    """As `router.targets.sender.open_sender`."""

    def __call__(
        self, user_agent: str, connection: Connection | None = None
    ) -> AbstractAsyncContextManager[Closable]: ...
