"""`sign: {standard-webhooks: …}`: Standard Webhooks 1.0.0, with as many secrets as there are."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, RootModel

from router.signatures import webhooks
from router.signatures.webhooks import WebhookSecret
from router.targets.signing.base import Outgoing, Secrets


def _readable(secrets: Secrets) -> Secrets:
    for number, secret in enumerate(secrets, start=1):
        try:
            webhooks.read_secret(secret.get_secret_value())
        except ValueError as error:
            which = f"number {number}: " if len(secrets) > 1 else ""
            raise ValueError(f"{which}{error}") from None
    return secrets


class StandardWebhooks(RootModel[Annotated[Secrets, AfterValidator(_readable)]]):
    """Secrets `whsec_…` (v1, HMAC-SHA256) and `whsk_…` (v1a, ed25519): one, or several during a rotation.

    Every request has a signature of each, so receivers may know either.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    sets: ClassVar[frozenset[str]] = frozenset((webhooks.ID, webhooks.TIMESTAMP, webhooks.SIGNATURE))

    @cached_property
    def _secrets(self) -> list[WebhookSecret]:
        return [webhooks.read_secret(secret.get_secret_value()) for secret in self.root]

    def headers(self, request: Outgoing, now: float) -> dict[str, str]:
        """Covers the delivery's id, the time and the body."""
        return webhooks.sign(self._secrets, request.id, request.body, at=now)
