"""The source `github` keeps the contract of sources."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from router_example.github import SIGNATURE, GitHubSource

from router.events import EventError
from router.signatures.base import SignatureError
from router.sources.base import Request
from router.testing.sources import Sender, SourceContract

SECRET = "It's a Secret to Everybody"
PUSHED = {
    "ref": "refs/heads/main",
    "repository": {"full_name": "octo/hello world"},
    "size": 12345678901234567890,
}
OPENED = {"action": "opened", "issue": {"number": 1}, "repository": {"full_name": "octo/hello"}}


def delivered(name: str, payload: Any, secret: str = SECRET) -> Request:
    body = json.dumps(payload, indent=1).encode()
    headers = {
        "content-type": "application/json",
        "x-github-event": name,
        "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        SIGNATURE: f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}",
    }
    return Request("POST", "/github", "", headers, body, received=1_790_000_000.0)


class TestGitHub(SourceContract):
    sender = Sender(
        GitHubSource,
        [delivered("push", PUSHED), delivered("issues", OPENED)],
        settings={"secret": SECRET},
        secrets=[SECRET],
    )


def test_a_delivery_becomes_an_event() -> None:
    (reading,) = GitHubSource().read(delivered("issues", OPENED)).readings
    event = reading.event
    assert (event.type, event.source, event.id) == (
        "com.github.issues.opened",
        "https://github.com/octo/hello",
        "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    )
    assert event.data == json.dumps(OPENED, indent=1).encode()


def test_a_ping_is_no_event() -> None:
    assert GitHubSource().read(delivered("ping", {"zen": "Keep it logically awesome."})).readings == ()


def test_githubs_own_example_of_a_signature() -> None:
    """docs.github.com/en/webhooks: "Validating webhook deliveries", "Testing the webhook payload"."""
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    request = Request("POST", "/github", "", {SIGNATURE: signature}, b"Hello, World!", 0.0)
    source = TestGitHub.sender.strict()
    source.admit(request)
    with pytest.raises(SignatureError, match="does not fit"):
        source.admit(delivered("push", PUSHED, "another secret"))


def test_a_form_is_refused_with_advice() -> None:
    headers = {"x-github-event": "push", "content-type": "application/x-www-form-urlencoded"}
    with pytest.raises(EventError, match="set the webhook's content type to application/json"):
        GitHubSource().read(Request("POST", "/github", "", headers, b"payload=%7B%7D", 0.0))
