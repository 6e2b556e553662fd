"""Baidu Object Storage (BOS): PostResult, the results of its AI applications, and PostEvent, its events."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from router.errors import MessageError
from router.events import EventError
from router.events.received import Original, Received
from router.signatures import address, bce
from router.signatures.base import Reason, SignatureError
from router.sources import baidu_push, baidu_secrets
from router.sources.base import Answer, Request, json_answer, overload, refusal
from router.sources.settings import Keys, SourceSettings


def _uuid() -> str:
    return str(uuid.uuid4())


class BaiduSettings(SourceSettings, Keys):
    """Under `sources:`, `kind: baidu`.

    Attributes:
        keys: those whose secrets stand as `encryption: {key: …}` in Baidu's rules. Their ids are for people:
            which one a notification names is not documented.
        cover_body: whether a signature that does not cover the body is refused. bce-auth-v1 covers it only
            where Content-MD5 or x-bce-content-sha256 is signed; whether Baidu signs one is not documented.
    """

    cover_body: bool = False


_OPEN = BaiduSettings(kind="baidu")


@dataclass(frozen=True, slots=True)
class BaiduSource:
    """`POST /?result` as the document of 2018 has it, `POST /v1/{bucket}/?result` as that of 2025 has it.

    PostEvent says `?event` instead.

    Attributes:
        request_id: makes the answer's `x-bce-request-id`.
    """

    shape: ClassVar[type[SourceSettings]] = BaiduSettings
    kind: ClassVar[str] = "baidu"
    by_head: ClassVar[bool] = False
    keeps_unreadable: ClassVar[bool] = True
    repeats: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = (
        "/baidu",
        "/v1/{bucket}/?result",
        "/v1/{bucket}?result",
        "/?result",
        "/v1/{bucket}/?event",
        "/v1/{bucket}?event",
        "/?event",
    )

    settings: BaiduSettings = _OPEN
    request_id: Callable[[], str] = _uuid

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self.settings.keys)

    def admit(self, request: Request) -> None:
        """See `Source.admit`. It must be signed for what has arrived, or for the public address."""
        if not self.verifies:
            return
        public_url = self.settings.public_url
        covered = bce.verify(
            self.settings.all_keys,
            request.method,
            request.path,
            request.query,
            request.headers,
            request.body,
            now=request.received,
            known_as=None if public_url is None else address.of(public_url),
        )
        if self.settings.cover_body and not covered:
            raise SignatureError(
                Reason.UNFIT,
                f"the signature does not cover the body, and this source has cover_body: true; "
                f"sign {bce.SHA256} or {bce.MD5}",
                status=403,
            )

    def read(self, request: Request) -> Received:
        """See `baidu_push.read`. Credentials are gone before anything of it can be kept or quoted."""
        body = self.redacted(request.body)
        readings = baidu_push.read(body, request.query)
        if self.settings.strict and (notes := {note for reading in readings for note in reading.notes}):
            raise EventError(
                f"not as Baidu's documents have it, and this source is strict: {', '.join(sorted(notes))}"
            )
        return Received(readings, Original(body, request.headers.get("content-type")))

    def redacted(self, body: bytes) -> bytes:
        """See `Source.redacted`: `[redacted]` for temporary credentials."""
        return baidu_secrets.redacted(body)

    def accepted(self, received: Received) -> Answer:  # noqa: ARG002 (the interface's)
        """Exactly 200 with `{}`: anything else is pushed again."""
        return json_answer(200, {}, {"x-bce-request-id": self.request_id()})

    def kept(self, request: Request) -> Answer:  # noqa: ARG002 (the interface's)
        """As `accepted`."""
        return self.accepted(Received(()))

    def refused(self, error: MessageError) -> Answer:
        """The error's own status, and why. The sender will repeat it."""
        return self._named(refusal(error))

    def overloaded(self, retry_after: int) -> Answer:
        """429: the document's own word for "later"."""
        return self._named(overload(429, retry_after))

    def greeted(self, request: Request) -> Answer | None:  # noqa: ARG002 (the interface's)
        """Nobody asks first."""
        return None

    def _named(self, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "x-bce-request-id": self.request_id()})
