"""Alibaba's PutEvents, as the two Python SDKs of EventBridge call it.

- `alibabacloud_eventbridge` 1.3.8: `POST /openapi/putEvents`, a batch of CloudEvents.
- `alibabacloud_eventbridge20200401` 8.7.0: `POST /` with `x-acs-action: PutEvents`, a form whose `EventList`
  is JSON with members in PascalCase.

Every entry is taken or refused by itself, and the answer says which.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs

import msgspec

from router.errors import MessageError
from router.events import EventError, TooMuchError, context, json_format
from router.events.received import Original, Reading, Received
from router.signatures import acs, address
from router.signatures.base import Key, Reason, SignatureError
from router.sources import alibaba_event
from router.sources.base import Answer, Plain, Request, json_answer
from router.sources.openapi_replay import Nonces
from router.sources.settings import Keys, SourceSettings

MAX_ENTRIES = 16
MAX_ENTRY = 256 * 1024
MAX_BATCH = 1024 * 1024
"""Entries of a request, bytes of one and of all (help.aliyun.com/en/eventbridge/product-overview/limits)."""

_FAULT = "InvalidArgument"
"""What an entry is refused with."""

_ACTION = "x-acs-action"

_CODES: Mapping[Reason, str] = {
    Reason.MISSING: "IncompleteSignature",
    Reason.UNFIT: "IncompleteSignature",
    Reason.EXPIRED: "InvalidTimeStamp.Expired",
    Reason.UNKNOWN_KEY: "InvalidAccessKeyId",
    Reason.WRONG: "SignatureDoesNotMatch",
    Reason.ALTERED: "SignatureDoesNotMatch",
}
"""EventBridge's own (alibabacloud.com/help/en/eventbridge/error-codes), and those of Alibaba's gateway."""

_NAMES = {
    "Id": "id",
    "Source": "source",
    "Type": "type",
    "SpecVersion": "specversion",
    "Subject": "subject",
    "Time": "time",
    "DataContentType": "datacontenttype",
    "DataSchema": "dataschema",
}
"""What the newer SDK calls the context attributes."""

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class OpenApiSettings(SourceSettings, Keys):
    """Under `sources:`, `kind: openapi`.

    Attributes:
        keys: the access keys that may sign; without any, everybody may send.
        public_url: the address that senders use, where a proxy changes Host: that is signed.
        strict: whether what senders leave out or get wrong is refused.
    """


_OPEN = OpenApiSettings(kind="openapi")


class UnknownActionError(EventError):
    """Of EventBridge's actions only PutEvents is served here."""

    status = 404


@dataclass(frozen=True, slots=True)
class _Reply:
    """What became of each entry: the id of its event, or why it was refused."""

    entries: Sequence[tuple[str | None, str | None]]
    newer: bool


def _request_id() -> str:
    return str(uuid.uuid4()).upper()


@dataclass(frozen=True, slots=True)
class OpenApiSource(Plain):
    """`POST /openapi/putEvents`, and `POST /` with the header `x-acs-action`.

    Attributes:
        success: 200; refused entries are in its body.
        later: 429, `TooManyRequests`.
        request_id: makes the id of an answer.
    """

    shape: ClassVar[type[SourceSettings]] = OpenApiSettings
    kind: ClassVar[str] = "openapi"
    paths: ClassVar[tuple[str, ...]] = ("/openapi/putEvents", f"/!{_ACTION}")
    success: ClassVar[int] = 200
    later: ClassVar[int] = 429

    settings: OpenApiSettings = _OPEN
    request_id: Callable[[], str] = _request_id
    _keys: tuple[Key, ...] = field(init=False, repr=False)
    _nonces: Nonces = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look into the settings once, not at every request."""
        object.__setattr__(self, "_keys", self.settings.all_keys)
        object.__setattr__(self, "_nonces", Nonces())

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self._keys)

    def admit(self, request: Request) -> None:
        """Ask for a signature, where there are keys.

        Raises:
            SignatureError: there is none, or it does not fit.
        """
        if not self._keys:
            return
        headers, body, now = request.headers, request.body, request.received
        if self.settings.public_url is not None:
            headers = {**headers, "host": address.of(self.settings.public_url).host}
        covered = acs.verify(self._keys, request.method, request.path, request.query, headers, body, now=now)
        if not covered:
            self._nonces.check(headers, body, now)

    def read(self, request: Request) -> Received:
        """The entries that are events; the others stand in the answer."""
        action = request.headers.get(_ACTION)
        if action is not None and action != "PutEvents":
            raise UnknownActionError
        bus, texts = _form(request.body) if action else (None, _split(request.body))
        _hold_to_limits(texts)
        readings: list[Reading] = []
        entries: list[tuple[str | None, str | None]] = []
        for text in texts:
            try:
                reading = self._entry(text, bus, newer=action is not None)
            except EventError as error:
                entries.append((None, error.message))
            else:
                readings.append(reading)
                entries.append((reading.event.id, None))
        lossless = action is None and all(
            alibaba_event.LOSSLESS.issuperset(reading.notes) for reading in readings
        )
        original = None if lossless else Original(request.body, request.headers.get("content-type"))
        failed = len(entries) - len(readings)
        left = {_FAULT: failed} if failed else None
        return Received(tuple(readings), original, _Reply(entries, newer=action is not None), left)

    def _entry(self, text: bytes, bus: str | None, *, newer: bool) -> Reading:
        if len(text) > MAX_ENTRY:
            raise EventError(f"an event of {len(text)} bytes; at most {MAX_ENTRY} are taken")
        if not newer:
            return alibaba_event.read(
                text, lambda mend: json_format.decode(text, mend), strict=self.settings.strict
            )
        attributes, payload = _newer(text)
        if bus:
            attributes["aliyuneventbusname"] = bus

        def decode(mend: json_format.Mend | None) -> Any:
            if mend is not None:
                mend(attributes)
            return context.build(attributes, payload)

        return alibaba_event.read(text, decode, strict=self.settings.strict)

    def accepted(self, received: Received) -> Answer:
        """What became of each entry, in the words of the SDK that sent them."""
        reply: _Reply = received.reply
        request_id = self.request_id()
        entries = [
            {"EventId": id_, "TraceId": _trace(request_id, index)}
            if wrong is None
            else {"ErrorCode": _FAULT, "ErrorMessage": wrong, "TraceId": _trace(request_id, index)}
            for index, (id_, wrong) in enumerate(reply.entries)
        ]
        result = {
            "FailedEntryCount": sum(wrong is not None for _, wrong in reply.entries),
            "EntryList": entries,
        }
        if not reply.newer:
            return json_answer(200, {"RequestId": request_id, **result})
        told = {"Code": "200", "Message": "Success", "RequestId": request_id, "Success": True}
        return json_answer(200, {**told, "Data": result})

    def refused(self, error: MessageError) -> Answer:
        """EventBridge's code, and why."""
        if isinstance(error, SignatureError):
            return self._failure(error.status, _CODES[error.reason], error.message)
        code = {404: "InvalidAction.NotFound", 413: "RequestEntityTooLarge", 500: "InternalError"}
        return self._failure(error.status, code.get(error.status, "InvalidArgument"), error.message)

    def overloaded(self, retry_after: int) -> Answer:
        """`TooManyRequests`. The newer SDK reads how long to wait as `x-acs-retry-after`, in milliseconds."""
        message = f"overloaded; nothing was stored, try again in {retry_after} s"
        answer = self._failure(self.later, "TooManyRequests", message)
        waits = {"retry-after": str(retry_after), "x-acs-retry-after": str(retry_after * 1000)}
        return Answer(answer.status, answer.body, {**answer.headers, **waits})

    def _failure(self, status: int, code: str, message: str) -> Answer:
        """One body for both SDKs: the older one reads `code`, the newer one `Code`."""
        told = {"code": code, "message": message, "requestId": self.request_id()}
        return json_answer(status, {**told, **{name[0].upper() + name[1:]: told[name] for name in told}})


def _hold_to_limits(texts: Sequence[bytes]) -> None:
    """Refuse a request that is too much for PutEvents, whole as EventBridge does.

    Raises:
        EventError: it is.
    """
    if (size := sum(map(len, texts))) > MAX_BATCH:
        raise EventError(f"events of {size} bytes in one request; PutEvents takes at most {MAX_BATCH}")


def _split(text: bytes, where: str = "") -> Sequence[bytes]:
    """The entries of a list; more than PutEvents takes are counted, and not looked into.

    Args:
        text: the list.
        where: its place in the request, for messages about what cannot be read.

    Raises:
        EventError: it is none, or too long. EventBridge answers both alike.
    """
    try:
        return json_format.split_batch(text, MAX_ENTRIES)
    except TooMuchError as error:
        count = error.message.partition(" ")[0]  # it begins with that; the rest is not EventBridge's limit
        raise EventError(f"{count} events in one request; PutEvents takes at most {MAX_ENTRIES}") from None
    except EventError as error:
        raise EventError(where + error.message) from None


def _form(body: bytes) -> tuple[str | None, Sequence[bytes]]:
    """The bus and the entries of the newer SDK's form."""
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise EventError("the body is no form (application/x-www-form-urlencoded) in UTF-8") from None
    if "EventList" not in fields:
        raise EventError("EventList: is missing; PutEvents is a form with EventBusName and EventList")
    texts = _split(fields["EventList"][-1].encode(), "EventList: ")
    return fields.get("EventBusName", [None])[-1], texts


def _newer(text: bytes) -> tuple[dict[str, Any], bytes | None]:
    """Attributes and payload of an entry of the newer SDK."""
    try:
        members = _MEMBERS.decode(text)
    except msgspec.ValidationError:
        raise EventError("an event is an object with Id, Source and Type") from None
    unknown = members.keys() - _NAMES.keys() - {"Data"}
    if unknown:
        raise EventError(f"{min(unknown)[:100]!r}: PutEvents knows no such member of an event")
    attributes = {_NAMES[name]: msgspec.json.decode(raw) for name, raw in members.items() if name != "Data"}
    raw = members.get("Data")
    if raw is None or bytes(raw) == b"null":
        return attributes, None
    if context.is_json(attributes):
        return attributes, bytes(raw)
    value = msgspec.json.decode(raw)
    if type(value) is not str:
        raise EventError("Data: must be a string, because DataContentType is not JSON")
    return attributes, value.encode()


def _trace(request_id: str, index: int) -> str:
    return f"{request_id.replace('-', '')}{index:02}"
