"""AWS's protocol JSON 1.1, as Amazon EventBridge speaks it: how calls are read and answered.

Errors have the names that AWS's SDKs know.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from router.errors import MessageError
from router.events import EventError, json_text
from router.events.model import cut
from router.signatures.base import Reason, SignatureError
from router.sources.base import Answer

T = TypeVar("T")

JSON = "application/x-amz-json-1.1"

_BY_REASON: Mapping[Reason, str] = {
    Reason.MISSING: "MissingAuthenticationTokenException",
    Reason.UNKNOWN_KEY: "UnrecognizedClientException",
    Reason.UNFIT: "IncompleteSignatureException",
    Reason.WRONG: "InvalidSignatureException",
    Reason.EXPIRED: "InvalidSignatureException",
    Reason.ALTERED: "InvalidSignatureException",
}
_BY_STATUS: Mapping[int, str] = {403: "AccessDeniedException", 413: "RequestEntityTooLargeException"}

_LARGEST_SHORT = 0xFF
"""How long a text may be whose length CBOR writes in one byte."""


class AwsError(MessageError):
    """A call that fails as a whole.

    Attributes:
        code: AWS's name for why.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class AnotherProtocolError(AwsError):
    """A call in a protocol that is not spoken here: Smithy's RPC v2, in CBOR."""


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body as the operation's own structure; members that it does not know are left out.

    Raises:
        AwsError: it is no JSON, or something in it has another type.
    """
    try:
        return decoder.decode(body)
    except json_text.REFUSALS as refusal:
        try:
            json_text.read(body)
        except EventError as error:
            raise AwsError("SerializationException", error.message) from None
        raise AwsError("SerializationException", cut(str(refusal))) from None


def invalid(message: str) -> AwsError:
    """What was sent breaks a rule of EventBridge's."""
    return AwsError("ValidationException", message)


def constraint(member: str, rule: str) -> AwsError:
    """What was sent breaks a rule of the service model's; in AWS's words, without the value itself."""
    return invalid(f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {rule}")


def success(content: Any) -> Answer:
    """A call's result."""
    return Answer(200, msgspec.json.encode(content), _headers(JSON))


def refusal(error: MessageError) -> Answer:
    """Why a call has failed. `__type` is what SDKs look at."""
    if isinstance(error, AnotherProtocolError):
        content = b"\xa2" + b"".join(map(_text, ("__type", error.code, "message", error.message)))
        headers = {**_headers("application/cbor"), "smithy-protocol": "rpc-v2-cbor"}
        return Answer(error.status, content, headers)
    content = msgspec.json.encode({"__type": _code(error), "message": error.message})
    return Answer(error.status, content, _headers(JSON))


def throttled(retry_after: int) -> Answer:
    """Not now. SDKs try again by themselves, three times in all as they come."""
    content = {
        "__type": "ThrottlingException",
        "message": f"Rate exceeded: nothing was stored, try again in {retry_after} s",
    }
    headers = {**_headers(JSON), "retry-after": str(retry_after)}
    return Answer(400, msgspec.json.encode(content), headers)


def _code(error: MessageError) -> str:
    if isinstance(error, AwsError):
        return error.code
    if isinstance(error, SignatureError):
        return _BY_REASON[error.reason]
    return _BY_STATUS.get(error.status, "InternalException" if error.status >= 500 else "ValidationException")  # noqa: PLR2004 (HTTP's own)


def _headers(content_type: str) -> dict[str, str]:
    return {"content-type": content_type, "x-amzn-requestid": str(uuid.uuid4())}


def _text(text: str) -> bytes:
    """A text string in CBOR (RFC 8949, section 3.1, major type 3)."""
    content = text.encode()
    size = len(content)
    return (b"\x78%c" % size if size <= _LARGEST_SHORT else b"\x79" + size.to_bytes(2)) + content
