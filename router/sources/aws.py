"""Amazon EventBridge's API, as boto3 and the AWS CLI call it: PutEvents and TestEventPattern."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from router.errors import MessageError
from router.events.model import cut
from router.events.received import Reading, Received
from router.signatures import address, sigv4
from router.signatures.base import Key
from router.sources import aws_calls, aws_entries, aws_pattern, aws_protocol
from router.sources.aws_entries import EntryError, Surroundings
from router.sources.aws_protocol import AnotherProtocolError, AwsError
from router.sources.base import Answer, Plain, Request
from router.sources.settings import Keys, SourceSettings

SERVICE = "events"
"""What requests are signed for."""

REMEMBERED = 20_000
"""Calls of which it is known when they began: all of the last minute, at 300 a second."""


class AwsSettings(SourceSettings, Keys):
    """Under `sources:`, `kind: aws`.

    Attributes:
        strict: whether an entry is refused whose Source is no URI-reference, as a CloudEvent's source has to
            be. Else it is percent-encoded, and noted as `source-encoded`.
        account: the account that events are said to be of.
        region: the region they are said to be of, if not the one that the caller signed for.
        data: what an event's data is: `detail`, the entry's Detail alone, or `envelope`, what EventBridge
            hands to targets, so that patterns written for it match below `data`.
    """

    account: Annotated[str, Field(pattern=r"^[0-9]{12}$")] = "000000000000"
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] | None = None
    data: Literal["detail", "envelope"] = "detail"


_OPEN = AwsSettings(kind="aws")


@dataclass(frozen=True, slots=True)
class AwsSource(Plain):
    """`POST /` with `X-Amz-Target: AWSEvents.…`, and its own path. Signatures are Version 4's.

    Attributes:
        success: 200, with a result for each entry.
        later: 400, ThrottlingException: SDKs know by the name that they may try again.
    """

    shape: ClassVar[type[SourceSettings]] = AwsSettings
    kind: ClassVar[str] = "aws"
    # The second is EventBridge v2's, to refuse it in its own protocol.
    paths: ClassVar[tuple[str, ...]] = ("/!x-amz-target", "/service/{service}/operation/{operation}")
    success: ClassVar[int] = 200
    later: ClassVar[int] = 400

    settings: AwsSettings = _OPEN
    _keys: tuple[Key, ...] = field(init=False, repr=False)
    _signatures: aws_calls.Signatures = field(
        default_factory=aws_calls.Signatures, init=False, repr=False, compare=False
    )
    _began: dict[uuid.UUID, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look into the settings once, not at every request."""
        object.__setattr__(self, "_keys", self.settings.all_keys)

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self._keys)

    def admit(self, request: Request) -> None:
        """Verify the signature, where there are keys.

        Raises:
            SignatureError: see `sigv4.verify`.
        """
        if not self._keys or _is_rpc_v2(request):  # `read` refuses those, whoever sends them
            return
        headers, path = request.headers, request.path
        if self.settings.public_url is not None:
            known = address.of(self.settings.public_url)
            headers, path = {**headers, "host": known.host}, known.path
        sigv4.verify(
            self._keys,
            request.method,
            path,
            request.query,
            headers,
            request.body,
            service=SERVICE,
            now=request.received,
        )

    def read(self, request: Request) -> Received:
        """The events of PutEvents' sound entries, or TestEventPattern's answer.

        Raises:
            AwsError: the call fails as a whole.
        """
        if _is_rpc_v2(request):
            raise AnotherProtocolError(
                "UnknownOperationException",
                f"{cut(request.path)} is a call of EventBridge v2, which is not spoken here. Use the SDK's "
                "client `events` or `eventbridge`, or `aws events`.",
            )
        match target := request.headers.get("x-amz-target", ""):
            case "AWSEvents.PutEvents":
                return self._put_events(request)
            case "AWSEvents.TestEventPattern":
                return Received((), reply={"Result": aws_pattern.test(request.body)})
        named = f"X-Amz-Target {cut(target)}" if target else "a call without X-Amz-Target"
        raise AwsError(
            "UnknownOperationException",
            f"{named} is not supported here; AWSEvents.PutEvents and AWSEvents.TestEventPattern are.",
        )

    def accepted(self, received: Received) -> Answer:
        """The operation's result."""
        return aws_protocol.success(received.reply)

    def refused(self, error: MessageError) -> Answer:
        """An exception by AWS's name for it."""
        return aws_protocol.refusal(error)

    def overloaded(self, retry_after: int) -> Answer:
        """ThrottlingException, for the whole call: SDKs do not repeat single entries."""
        return aws_protocol.throttled(retry_after)

    def _put_events(self, request: Request) -> Received:
        entries = aws_entries.read(request.body)
        signer = sigv4.credential(request.headers)
        call = aws_calls.call(request.headers, request.body, signer.key if signer else "")
        if self._keys and signer:
            call = self._signatures.call(sigv4.signature(request.headers), call, request.received)
        enveloped = self.settings.data == "envelope"
        around = Surroundings(
            account=self.settings.account,
            region=self.settings.region or (signer.region if signer else "us-east-1"),
            # In an envelope it is content, by which a second try is known.
            began=lambda: self._first(call, request.received) if enveloped else request.received,
            enveloped=enveloped,
            strict=self.settings.strict,
        )
        readings: list[Reading] = []
        results: list[dict[str, str]] = []
        for index, entry in enumerate(entries):
            id_ = str(uuid.uuid5(call, str(index)))
            try:
                readings.append(aws_entries.reading(entry, id_, around))
                results.append({"EventId": id_})
            except EntryError as error:
                results.append({"ErrorCode": error.code, "ErrorMessage": error.message})
        reply = {"FailedEntryCount": len(results) - len(readings), "Entries": results}
        left = Counter(result["ErrorCode"] for result in results if "ErrorCode" in result)
        return Received(tuple(readings), reply=reply, left=dict(left) or None)

    def _first(self, call: uuid.UUID, now: float) -> float:
        """When a call's first try came: what a second one says of its time must be the same."""
        began = self._began.setdefault(call, now)
        if len(self._began) > REMEMBERED:
            del self._began[next(iter(self._began))]
        return began


def _is_rpc_v2(request: Request) -> bool:
    return "smithy-protocol" in request.headers
