"""The kind of source `github`: GitHub's webhooks, verified by X-Hub-Signature-256.

docs.github.com/en/webhooks: "Validating webhook deliveries", "Webhook events and payloads".
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from router.events import EventError, context, json_text
from router.events.received import Reading, Received
from router.signatures.base import Reason, SignatureError, same
from router.sources.base import Plain, Request
from router.sources.settings import Given, SourceSettings

SIGNATURE = "x-hub-signature-256"


class GitHubSettings(SourceSettings):
    """Under `sources:`, `kind: github`.

    Attributes:
        secret: the webhook's; without it, anybody may send.
    """

    secret: Given | None = None


_OPEN = GitHubSettings(kind="github")


@dataclass(frozen=True, slots=True)
class GitHubSource(Plain):
    """`POST /github`, with the content type application/json.

    Attributes:
        success: any 2xx will do.
        later: 503. GitHub repeats nothing by itself; its owner can have it redelivered.
    """

    shape: ClassVar[type[SourceSettings]] = GitHubSettings
    kind: ClassVar[str] = "github"
    paths: ClassVar[tuple[str, ...]] = ("/github",)
    repeats: ClassVar[bool] = False
    success: ClassVar[int] = 202
    later: ClassVar[int] = 503

    settings: GitHubSettings = _OPEN

    @property
    def verifies(self) -> bool:
        """See `Source.verifies`."""
        return self.settings.secret is not None

    def admit(self, request: Request) -> None:
        """Ask for the signature of the body.

        Raises:
            SignatureError: there is none, or it is another one.
        """
        if self.settings.secret is None:
            return
        given = request.headers.get(SIGNATURE)
        if given is None:
            raise SignatureError(Reason.MISSING, f"{SIGNATURE}: is missing")
        key = self.settings.secret.get_secret_value().encode()
        made = hmac.new(key, request.body, hashlib.sha256).hexdigest()
        if not same(f"sha256={made}", given):
            raise SignatureError(Reason.WRONG, f"{SIGNATURE}: does not fit the body and the secret", 403)

    def read(self, request: Request) -> Received:
        """One event: `com.github.<event>.<action>`, under the id of GitHub's delivery; none of a `ping`."""
        name = _field(request, "x-github-event")
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise EventError("this is a form; set the webhook's content type to application/json")
        payload = json_text.read(request.body)
        if not isinstance(payload, dict):
            raise EventError("the body is no JSON object")
        if name == "ping":
            return Received(())
        action = payload.get("action")
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": _field(request, "x-github-delivery"),
            "source": f"https://github.com/{quote(_repository(payload))}",
            "type": f"com.github.{name}.{action}" if isinstance(action, str) else f"com.github.{name}",
            "datacontenttype": "application/json",
        }
        return Received((Reading(context.build(attributes, request.body.strip(b" \t\r\n"))),))


def _field(request: Request, name: str) -> str:
    if not (value := request.headers.get(name)):
        raise EventError(f"{name}: is missing")
    return value


def _repository(payload: dict[str, Any]) -> str:
    """Whose event it is: a repository's, or an organisation's."""
    for key, name in (("repository", "full_name"), ("organization", "login")):
        held = payload.get(key)
        if isinstance(held, dict) and isinstance(held.get(name), str):
            return str(held[name])[:200]
    return ""
