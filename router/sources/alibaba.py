"""Alibaba Cloud: what EventBridge and the Simple Message Queue (SMQ) push, above all of its IMM service.

The hosted service's own attributes (`aliyun…`) are extensions like any others. They are text and nothing
else: `aliyunpublishtime` comes as `…42.179PRC` in half of the documented samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import unquote_to_bytes

from pydantic import AfterValidator, model_validator

from router.config.secrets import Secret
from router.events import EventError, TooMuchError, context, http, json_format
from router.events.received import Original, Reading, Received
from router.signatures import address, eventbridge, mns
from router.signatures.base import Reason, SignatureError, same
from router.signatures.fields import octets
from router.sources import alibaba_event, alibaba_smq
from router.sources.alibaba_certificates import REGIONS, Certificates, read_pem
from router.sources.base import MAX_EVENTS, Answer, Plain, Request
from router.sources.settings import Keys, SourceSettings, Tokens

_TAKEN = Answer(204)
"""Success, in SMQ's words."""

_UNSIGNED = (
    "the body is no CloudEvent, and ce- headers beside it, which no signature covers, do not count: have "
    "complete events sent (structured mode), or set `signature: false` and rely on the token"
)

_OF_EVENTBRIDGE = ("com.aliyun.eventbridge.transformed", "acs.eventbridge")
_OF_SMQ = ("com.aliyun.smq.message", "acs.mns")
"""Type and source of an event whose text is no CloudEvent."""


def _vetted_certificate(pem: Secret) -> Secret:
    try:
        read_pem(pem.get_secret_value().encode())
    except ValueError:
        raise ValueError("wants the PEM of an X.509 certificate with an RSA key") from None
    return pem


class AlibabaSettings(SourceSettings, Tokens, Keys):
    """Under `sources:`, `kind: alibaba`.

    A signature says that Alibaba sent a push, and not for which of its customers: that is what a token says.

    Attributes:
        public_url: the address that is configured at EventBridge, which is part of what it signs. With it,
            signatures are asked for.
        signature: false, where tokens alone are asked for in spite of `public_url`.
        certificate: the PEM of whom to believe, instead of the certificates that pushes name.
        regions: where EventBridge's certificates may be kept; all regions that have it, if none is named.
        keys: nothing that is pushed is signed with these. With them, a source of `kind: openapi` is there as
            well, for whom they sign, where no other one is.
        strict: whether what known senders leave out or get wrong is refused, and so is text that is no event.
    """

    signature: bool | None = None
    certificate: Annotated[Secret, AfterValidator(_vetted_certificate)] | None = None
    regions: list[str] | None = None

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if self.public_url is None and (self.signature or self.certificate is not None or self.regions):
            raise ValueError(
                "signatures want public_url, the address that is configured at EventBridge: it is signed"
            )
        return self

    @property
    def also(self) -> tuple[str, dict[str, Any]] | None:
        """See `SourceSettings.also`. SDKs sign `public_url`'s host, and call paths of their own."""
        if not self.keys:
            return None
        return "openapi", {"keys": self.keys, "strict": self.strict, "public_url": self.public_url}

    @property
    def doubt(self) -> str | None:
        """A signature says that Alibaba sent it, not for whom."""
        if self.signed and not self.all_tokens:
            return (
                "whoever has an account at Alibaba Cloud can let it push here, with a signature that fits; "
                "add a token, and put it into your own target there"
            )
        return None

    @property
    def signed(self) -> bool:
        """Whether signatures are asked for."""
        return self.public_url is not None and self.signature is not False


_OPEN = AlibabaSettings(kind="alibaba")


@dataclass(frozen=True, slots=True)
class AlibabaSource(Plain):
    """`POST /alibaba`: EventBridge's pushes in any mode, told apart by what is there; SMQ's by their headers.

    Where a signature is asked for, the modes are those that it covers: structured and batch.

    Which Content-Type EventBridge sends is not documented.

    Attributes:
        success: 200, as every known receiver of these pushes answers; to SMQ 204.
        later: 503; EventBridge repeats after 10 to 20 s, or with exponential decay for a day.
    """

    shape: ClassVar[type[SourceSettings]] = AlibabaSettings
    kind: ClassVar[str] = "alibaba"
    keeps_unreadable: ClassVar[bool] = True
    paths: ClassVar[tuple[str, ...]] = ("/alibaba",)
    success: ClassVar[int] = 200
    later: ClassVar[int] = 503

    settings: AlibabaSettings = _OPEN
    _tokens: tuple[bytes, ...] = field(init=False, repr=False)
    _certificates: Certificates = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Look into the settings once, not at every request."""
        pem = self.settings.certificate
        pinned = None if pem is None else pem.get_secret_value().encode()
        regions = frozenset(self.settings.regions or REGIONS)
        object.__setattr__(self, "_tokens", tuple(token.encode() for token in self.settings.all_tokens))
        object.__setattr__(self, "_certificates", Certificates(pinned, regions))

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return bool(self._tokens) or self.settings.signed

    def admit(self, request: Request) -> None:
        """Ask for a token where there are any, and for a signature where there is a `public_url`.

        Raises:
            SignatureError: one of them is missing or does not fit.
            Wanted: the certificate that it names is not known yet.
        """
        from_smq = alibaba_smq.is_push(request.headers)
        if self._tokens:
            _check_token(self._tokens, request, 403 if from_smq else 401)
        if self.settings.signed:
            (self._check_message if from_smq else self._check_push)(request)

    def _check_push(self, request: Request) -> None:
        public_url = self.settings.public_url
        assert public_url is not None
        signature = eventbridge.read(request.headers, now=request.received)
        if signature.version == "v1" and not self._tokens:
            raise SignatureError(
                Reason.UNFIT,
                "whoever has got one push can make signatures of version 1: give the source a token as well",
            )
        # A token may stand in the query of the address, and need not stand in the configuration twice.
        url = f"{public_url}?{request.query}" if request.query and "?" not in public_url else public_url
        verify = partial(eventbridge.verify, signature, url, request.headers, request.body)
        self._certificates.hold_push(signature.certificate_url, request.received, verify)

    def _check_message(self, request: Request) -> None:
        public_url = self.settings.public_url
        assert public_url is not None
        signature = mns.read(request.headers, now=request.received)
        path = address.of(public_url).path
        resources = [f"{path}?{request.query}", path] if request.query else [path]
        verify = partial(mns.verify, signature, request.method, resources, request.headers, request.body)
        self._certificates.hold_message(
            signature.certificate_url, request.received, verify, beside_token=bool(self._tokens)
        )

    def read(self, request: Request) -> Received:
        """The events of a push.

        Lenient: without `specversion` it is 1.0, without `id` the SHA-256 of all that was sent of the event
        stands for it, and optional attributes that no CloudEvent may carry are put right or left out, each
        with a note. What a verified sender sends and nobody meant as an event is the payload of one.

        No signature covers the headers that the binary mode has an event's attributes in. So where one is
        asked for, the body alone counts.
        """
        headers, body = request.headers, request.body
        from_smq = alibaba_smq.is_push(headers)
        message = alibaba_smq.unwrap(headers, body) if from_smq else None
        text = body if message is None else message.text
        described = {} if from_smq or self.settings.signed else headers
        try:
            readings = self._readings(described, text)
        except TooMuchError:
            raise
        except EventError:
            meant = alibaba_event.is_meant(text)
            if not (meant or from_smq) and self.settings.signed and http.is_binary(headers):
                raise EventError(_UNSIGNED) from None
            meant = meant or http.is_binary(described) or not text.strip()
            if meant or self.settings.strict or not self.verifies:
                raise
            readings = (_wrapped(request, message),)
        if message is not None and message.notes:
            readings = tuple(Reading(one.event, (*message.notes, *one.notes)) for one in readings)
        lossless = all(alibaba_event.LOSSLESS.issuperset(reading.notes) for reading in readings)
        original = None if lossless else Original(body, headers.get("content-type"))
        return Received(readings, original, reply=_TAKEN if from_smq else None)

    def _readings(self, headers: Mapping[str, str], text: bytes) -> tuple[Reading, ...]:
        strict = self.settings.strict
        if http.is_binary(headers):
            sent = _described(headers) + text
            decoded = alibaba_event.read(
                sent, lambda mend: http.decode_binary(headers, text, mend), strict=strict
            )
            return (decoded,)
        if text.lstrip()[:1] == b"[":
            return tuple(
                alibaba_event.read_text(one, strict=strict, where=f"events[{index}]: ")
                for index, one in enumerate(json_format.split_batch(text, MAX_EVENTS))
            )
        return (alibaba_event.read_text(text, strict=strict),)

    def accepted(self, received: Received) -> Answer:
        """200, and to SMQ 204: its documentation knows no other success."""
        return _TAKEN if received.reply is _TAKEN else Plain.accepted(self, received)

    def kept(self, request: Request) -> Answer:
        """Success likewise."""
        return _TAKEN if alibaba_smq.is_push(request.headers) else Plain.kept(self, request)


def _check_token(tokens: tuple[bytes, ...], request: Request, status: int) -> None:
    """The token of EventBridge's header, else the query's `token`: SMQ can be told no header.

    Raises:
        SignatureError: it is missing (with this status), or none of those configured.
    """
    given = octets(request.headers.get(eventbridge.TOKEN, ""))
    if not given:  # a plus is a plus there, as in RFC 3986: a token in base64 has it
        pairs = (pair.partition("=") for pair in request.query.split("&"))
        given = unquote_to_bytes(next((value for name, _, value in pairs if name == "token"), ""))
    if not given:
        raise SignatureError(
            Reason.MISSING,
            f"no token: neither a header {eventbridge.TOKEN} nor ?token= in the address",
            status,
        )
    if not any(same(given, token) for token in tokens):
        raise SignatureError(Reason.WRONG, "the token is none of those configured", 403)


def _described(headers: Mapping[str, str]) -> bytes:
    """The headers that belong to an event in binary mode: another event may have the same payload."""
    found = [item for item in headers.items() if item[0].startswith(http.PREFIX) or item[0] == "content-type"]
    return ascii(sorted(found)).encode() + b"\0"


def _wrapped(request: Request, message: alibaba_smq.Message | None) -> Reading:
    """An event whose payload is the text that a transformation, or a publisher, made.

    The same text may well come twice: SMQ tells its messages apart. EventBridge does not, so the time at
    which it signed stands in the id, and a second try of its is another event.
    """
    type_, source = _OF_EVENTBRIDGE if message is None else _OF_SMQ
    text = request.body if message is None else message.text
    moment = request.headers.get(eventbridge.TIMESTAMP) or f"{request.received:.3f}"
    known = None if message is None else message.id
    attributes = {
        "specversion": "1.0",
        "id": known or hashlib.sha256(octets(moment) + b"\0" + text).hexdigest(),
        "source": source,
        "type": type_,
        "subject": None if message is None else message.topic,
        "datacontenttype": alibaba_event.payload_type(text),
    }
    return Reading(context.build(attributes, text), ("no-cloudevent",))
