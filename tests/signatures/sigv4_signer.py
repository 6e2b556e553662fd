"""A client's half of Signature Version 4, written apart from the half that verifies."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

from router.signatures.base import Key

HOST = "127.0.0.1:8080"


def signed(
    key: Key,
    body: bytes,
    *,
    at: float,
    target: str = "AWSEvents.PutEvents",
    path: str = "/",
    scope: str = "eu-central-1/events",
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a POST, as boto3 sends them: names in lower case, all but `amz-sdk-…` signed."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {
        "host": HOST,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": target,
        "x-amz-date": stamp,
        **(more or {}),
    }
    names = sorted(name for name in headers if not name.startswith("amz-sdk-"))
    content = headers.get("x-amz-content-sha256", hashlib.sha256(body).hexdigest())
    canonical = "\n".join(
        [
            "POST",
            path,
            "",
            *(f"{name}:{headers[name]}" for name in names),
            "",
            ";".join(names),
            content,
        ]
    )
    region, service = scope.split("/")
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    secret = f"AWS4{key.secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"):
        secret = hmac.new(secret, part.encode(), "sha256").digest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={key.id}/{scope}, SignedHeaders={';'.join(names)}, "
        f"Signature={secret.hex()}"
    )
    return headers
