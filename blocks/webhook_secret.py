"""The secret a sender and the receiver share."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class WebhookSecret(Block):
    """The secret with which a sender signs its webhooks, and the ones it signed with before.

    A webhook names it as `block:webhook-secret/<name>`. To rotate: move `current` to `previous`, put the new secret
    into `current`, change it at the sender, and empty `previous` when no request uses the old one any more.

    Examples:
        ```python
        from blocks import WebhookSecret

        await WebhookSecret(current="new", previous=["old"]).save("my-shop")
        secret = await WebhookSecret.load("my-shop")
        assert secret.current.get_secret_value() == "new"
        ```
    """

    _block_type_name = "Webhook Secret"
    _block_type_slug = "webhook-secret"
    _description = "The secret a sender and the receiver share, with earlier ones for a rotation without downtime."

    current: SecretStr = Field(description="The secret in use; a request may be signed with it.")
    previous: list[SecretStr] = Field(
        default_factory=list, description="Earlier secrets that are still accepted while the sender changes over."
    )
