"""A client's half of ACS3-HMAC-SHA256, as Alibaba's SDKs sign PutEvents, written apart from what verifies."""

from __future__ import annotations

import hashlib
import hmac
import time


def signed(secret: str, body: bytes, *, at: float) -> dict[str, str]:
    """The headers of PutEvents, signed with the key AK: names in lower case."""
    digest = hashlib.sha256(body).hexdigest()
    fields = {
        "content-type": "application/x-www-form-urlencoded",
        "host": "api.example.com",
        "x-acs-action": "PutEvents",
        "x-acs-content-sha256": digest,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "x-acs-version": "2020-04-01",
    }
    names = ";".join(sorted(fields))
    lines = "".join(f"{name}:{fields[name]}\n" for name in sorted(fields))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{digest}"
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    value = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
    return fields | {
        "authorization": f"ACS3-HMAC-SHA256 Credential=AK,SignedHeaders={names},Signature={value}"
    }
