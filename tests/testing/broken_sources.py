"""Sources that get something wrong, each one thing. They are made of one that is sound."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import ClassVar

import msgspec
from pydantic import ConfigDict

from router.errors import MessageError
from router.events.received import Received
from router.sources.base import Answer, Request
from router.sources.cloudevents import CloudEventsSettings, CloudEventsSource
from router.sources.settings import SourceSettings


class Echoing(CloudEventsSource):
    """It sends back to strangers what they sent."""

    __slots__ = ()

    def read(self, request: Request) -> Received:
        try:
            return CloudEventsSource.read(self, request)
        except MessageError as error:
            raise MessageError(repr(request.body)) from error


class Surprising(CloudEventsSource):
    """It raises what nobody expects."""

    __slots__ = ()

    def read(self, request: Request) -> Received:
        msgspec.json.decode(request.body)
        return CloudEventsSource.read(self, request)


class Random(CloudEventsSource):
    """It gives every try another id."""

    __slots__ = ()

    def read(self, request: Request) -> Received:
        received = CloudEventsSource.read(self, request)
        renamed = [
            msgspec.structs.replace(one, event=msgspec.structs.replace(one.event, id=str(uuid.uuid4())))
            for one in received.readings
        ]
        return Received(tuple(renamed))


class Credulous(CloudEventsSource):
    """It lets everybody in."""

    __slots__ = ()

    def admit(self, request: Request) -> None:
        """Ask for nothing."""


class Curious(CloudEventsSource):
    """It looks into a file for each request."""

    __slots__ = ()

    def read(self, request: Request) -> Received:
        Path(__file__).read_bytes()
        return CloudEventsSource.read(self, request)


class Soft(CloudEventsSource):
    """It has a dictionary, and keeps things there."""


class Hasty(CloudEventsSource):
    """It does not say when to come again."""

    __slots__ = ()

    def overloaded(self, retry_after: int) -> Answer:
        return Answer(self.later)


class ShownSettings(CloudEventsSettings):
    """They take unknown keys, and show their token."""

    model_config = ConfigDict(extra="ignore")

    def __repr__(self) -> str:
        return f"{self.all_tokens}"


class Shown(CloudEventsSource):
    __slots__ = ()
    shape: ClassVar[type[SourceSettings]] = ShownSettings
