"""How an HTTP target signs what it sends: `sign:`, with exactly one of the kinds below.

A kind is a model of what stands under its word, and makes the headers of one attempt. It becomes one by
being a field of `Signing`.
"""

from __future__ import annotations

from typing import Annotated, Self, cast

from pydantic import Field, model_validator

from router.config.model import Shape
from router.targets.choice import chosen, hold_to_one
from router.targets.signing.base import Signer
from router.targets.signing.clouds import Bce, Cos
from router.targets.signing.keyed import Hmac
from router.targets.signing.webhooks import StandardWebhooks


class Signing(Shape):
    """What stands under `sign:`.

    Attributes:
        standard_webhooks: `standard-webhooks`: as Standard Webhooks has it.
        hmac: a keyed hash in a header of the user's choice.
        bce: as Baidu AI Cloud has it: bce-auth-v1.
        cos: as Tencent Cloud's COS and CI have it.
    """

    standard_webhooks: Annotated[StandardWebhooks | None, Field(alias="standard-webhooks")] = None
    hmac: Hmac | None = None
    bce: Bce | None = None
    cos: Cos | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        hold_to_one(self)
        return self

    @property
    def signer(self) -> Signer:
        """The one that was chosen."""
        (signer,) = chosen(self).values()
        return cast("Signer", signer)
