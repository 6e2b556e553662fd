"""A running router's desk, reached through its API."""

from __future__ import annotations

import http.client
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from anyio import to_thread
from msgspec import Struct

from router.errors import MessageError, RouterError
from router.operations.address import BASE, Address
from router.operations.answers import (
    Changed,
    DeliveryPage,
    DeliveryTold,
    EventPage,
    EventTold,
    Refusal,
    ReplayList,
    ReplayTold,
    Status,
)
from router.operations.questions import DeliveryQuery, Drop, EventQuery, ListQuery, Redrive, ReplayQuery
from router.store.base import StoreError

TIMEOUT = 60.0
"""Seconds to wait for an answer."""

T = TypeVar("T", bound=Struct)


class UnreachableError(RouterError):
    """The router does not answer."""


class RefusedError(MessageError):
    """The router has refused this.

    Attributes:
        status: as it said.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Remote:
    """See `router.operations.base.Operations`. Each question is a connection of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def status(self) -> Status:
        """See `Operations.status`."""
        return await self._ask("GET", "/status", Status)

    async def events(self, query: EventQuery) -> EventPage:
        """See `Operations.events`."""
        return await self._ask("GET", "/events", EventPage, query=query)

    async def event(self, sequence: int) -> EventTold:
        """See `Operations.event`."""
        return await self._ask("GET", f"/events/{sequence}", EventTold)

    async def deliveries(self, query: DeliveryQuery) -> DeliveryPage:
        """See `Operations.deliveries`."""
        return await self._ask("GET", "/deliveries", DeliveryPage, query=query)

    async def delivery(self, id_: str) -> DeliveryTold:
        """See `Operations.delivery`."""
        return await self._ask("GET", f"/deliveries/{quote(id_, safe='')}", DeliveryTold)

    async def redrive(self, change: Redrive) -> Changed:
        """See `Operations.redrive`."""
        return await self._ask("POST", "/deliveries/redrive", Changed, body=change)

    async def drop(self, change: Drop) -> Changed:
        """See `Operations.drop`."""
        return await self._ask("POST", "/deliveries/drop", Changed, body=change)

    async def replay(self, query: ReplayQuery) -> ReplayTold:
        """See `Operations.replay`."""
        return await self._ask("POST", "/replays", ReplayTold, body=query)

    async def replays(self, query: ListQuery) -> ReplayList:
        """See `Operations.replays`."""
        return await self._ask("GET", "/replays", ReplayList, query=query)

    async def replay_named(self, name: str) -> ReplayTold:
        """See `Operations.replay_named`."""
        return await self._ask("GET", f"/replays/{quote(name, safe='')}", ReplayTold)

    async def stop_replay(self, name: str) -> ReplayTold:
        """See `Operations.stop_replay`."""
        return await self._ask("DELETE", f"/replays/{quote(name, safe='')}", ReplayTold)

    async def _ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        query: Struct | None = None,
        body: Struct | None = None,
    ) -> T:
        """What the router answers.

        Raises:
            RefusedError: it cannot be asked like this.
            StoreError: the router cannot answer now.
            UnreachableError: no router answers.
        """
        words = "" if query is None else "?" + urlencode(msgspec.to_builtins(query), doseq=True)
        sent = b"" if body is None else msgspec.json.encode(body)
        status, said = await to_thread.run_sync(self._exchange, method, BASE + path + words, sent)
        try:
            if status == HTTPStatus.OK:
                return msgspec.json.decode(said, type=answer)
            why = msgspec.json.decode(said, type=Refusal).error
        except msgspec.MsgspecError as error:
            where = f"what answers at {self._address.url} is no router of this version"
            raise UnreachableError(f"{where}: {status}, {error}") from None
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreError(why)
        raise RefusedError(why, status)

    def _exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self._address.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        headers = {"authorization": f"Bearer {self._address.token}", "content-type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise UnreachableError(
                f"the router (process {self._address.pid}) does not answer at {self._address.url}: {why}"
            ) from error
        finally:
            connection.close()
