"""AWS Signature Version 4 in the Authorization header: HMAC-SHA256 over all that decides what a request does.

From "Create a signed AWS API request" in the AWS IAM User Guide, and what `botocore.auth.SigV4Auth` does.
Names and sentences of refusals are those that AWS's JSON services answer with, and so is the status: 400.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_to_bytes

from router.signatures.base import Key, Reason, SignatureError, same

ALGORITHM = "AWS4-HMAC-SHA256"

SKEW = 300.0
"""Seconds that a sender's clock may differ, either way."""

CONTENT = "x-amz-content-sha256"

DECISIVE = ("host", "x-amz-target")
"""Headers that must be signed where they are there: they say whom a request is for, and what it does."""

_STAMP = "%Y%m%dT%H%M%SZ"
_BASIC = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_ANOTHER = re.compile(r"(AWS4-[A-Z0-9-]{1,40})[ ,]")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request says of who signed it, for what.

    Attributes:
        key: the id of the access key.
        date: the day, `20261122`.
        region, service: what the signature is for.
    """

    key: str
    date: str
    region: str
    service: str

    @property
    def scope(self) -> str:
        """The part that is signed."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class _Signature:
    """An Authorization header's value, taken apart, and the time that goes with it."""

    credential: Credential
    signed: tuple[str, ...]
    digest: str
    at: datetime


def verify(
    keys: Sequence[Key],
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str,
    now: float,
) -> Key:
    """The key that a request was signed with, for this service, now.

    Any region will do. A session token (x-amz-security-token) is not looked at: what it stands for, only AWS
    knows.

    Args:
        keys: any of them may have signed; several may have one id.
        method: the request's.
        path: as it was sent.
        query: as it was sent, without `?`.
        headers: all of the request's, names in lower case. One that was sent repeatedly must not be signed.
        body: always covered; compared with x-amz-content-sha256 where that was sent.
        service: what it must be signed for.
        now: seconds since the epoch.

    Raises:
        SignatureError: it was not.
    """
    signature = _read(headers)
    _check_time(signature.at, now)
    candidates = [key for key in keys if key.id == signature.credential.key]
    if not candidates:
        raise _refused(Reason.UNKNOWN_KEY, "The security token included in the request is invalid.")
    _check_scope(signature, headers, service)
    content = hashlib.sha256(body).hexdigest()
    text = _string_to_sign(signature, method, path, query, headers, headers.get(CONTENT, content))
    for key in candidates:
        if same(_digest(key, signature.credential, text), signature.digest):
            if not same(headers.get(CONTENT, content), content):
                raise _refused(
                    Reason.ALTERED, "The provided 'x-amz-content-sha256' header does not match the body."
                )
            return key
    raise _refused(
        Reason.WRONG,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method.",
    )


def credential(headers: Mapping[str, str]) -> Credential | None:
    """What a request says of its signer, whether it is true or not; None where it cannot be read."""
    try:
        return _read(headers).credential
    except SignatureError:
        return None


def signature(headers: Mapping[str, str]) -> str:
    """The signature itself, in hexadecimal digits.

    Raises:
        SignatureError: it cannot be read.
    """
    return _read(headers).digest


def _refused(reason: Reason, message: str) -> SignatureError:
    return SignatureError(reason, message, status=400)


def _read(headers: Mapping[str, str]) -> _Signature:
    given = headers.get("authorization")
    if given is None:
        raise _refused(Reason.MISSING, "Missing Authentication Token")
    algorithm, _, rest = given.partition(" ")
    if algorithm != ALGORITHM:
        other = _ANOTHER.match(given)
        named = f": {other[1]}" if other else ""
        raise _refused(Reason.UNFIT, f"Unsupported AWS 'algorithm'{named}. {ALGORITHM} is spoken here.")
    pairs = [part.partition("=") for part in re.split(r"[\s,]+", rest) if part]
    if not all(equals for _, equals, _ in pairs):
        raise _refused(
            Reason.UNFIT, "There is no valid key=value pair (missing equal-sign) in Authorization header."
        )
    found = {name: value for name, _, value in pairs}
    lacking = [
        f"Authorization header requires '{name}' parameter." for name in _PARAMETERS if not found.get(name)
    ]
    stamp = headers.get("x-amz-date") or headers.get("date")
    if not stamp:
        lacking.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if lacking or not stamp:
        raise _refused(Reason.UNFIT, " ".join(lacking))
    signed = tuple(found["SignedHeaders"].lower().split(";"))
    return _Signature(_credential(found["Credential"]), signed, found["Signature"], _time(stamp))


def _credential(text: str) -> Credential:
    # From the right: an id may hold slashes.
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not all(parts) or parts[4] != "aws4_request":  # noqa: PLR2004 (the five of the form)
        raise _refused(
            Reason.UNFIT,
            "Credential must have the form <access key>/<date>/<region>/<service>/aws4_request.",
        )
    return Credential(*parts[:4])


def _time(text: str) -> datetime:
    try:
        if _BASIC.fullmatch(text):
            return datetime.fromisoformat(text)
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter also where a zone leads out of the years 1 to 9999
        raise _refused(Reason.UNFIT, "Date must be in ISO-8601 'basic format'.") from None


def _check_time(at: datetime, now: float) -> None:
    here, window = datetime.fromtimestamp(now, UTC), timedelta(seconds=SKEW)
    minutes = f"{SKEW / 60:g} min."
    if at < here - window:
        raise _refused(
            Reason.EXPIRED,
            f"Signature expired: {at:{_STAMP}} is now earlier than {here - window:{_STAMP}} "
            f"({here:{_STAMP}} - {minutes})",
        )
    if at > here + window:
        raise _refused(
            Reason.EXPIRED,
            f"Signature not yet current: {at:{_STAMP}} is still later than {here + window:{_STAMP}} "
            f"({here:{_STAMP}} + {minutes})",
        )


def _check_scope(signature: _Signature, headers: Mapping[str, str], service: str) -> None:
    if signature.credential.service != service:
        raise _refused(Reason.WRONG, f"Credential should be scoped to correct service: '{service}'.")
    if signature.credential.date != f"{signature.at:%Y%m%d}":
        raise _refused(Reason.WRONG, "Date in Credential scope does not match the date from HTTP.")
    for name in DECISIVE:
        if name in headers and name not in signature.signed:
            raise _refused(Reason.UNFIT, f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def _string_to_sign(
    signature: _Signature, method: str, path: str, query: str, headers: Mapping[str, str], content: str
) -> str:
    lines = [
        method.upper(),
        quote(_without_dots(path).encode("latin-1", "replace"), safe="/~"),
        _canonical_query(query),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signature.signed),
        "",
        ";".join(signature.signed),
        content,
    ]
    # Headers came as bytes, each of which the web read as one character of ISO 8859-1.
    request = hashlib.sha256("\n".join(lines).encode("latin-1", "replace")).hexdigest()
    return "\n".join((ALGORITHM, f"{signature.at:{_STAMP}}", signature.credential.scope, request))


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4; AWS also makes one slash of several."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    )


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _digest(key: Key, scope: Credential, text: str) -> str:
    made = f"AWS4{key.secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        made = hmac.digest(made, part.encode(), "sha256")
    return hmac.digest(made, text.encode(), "sha256").hex()
