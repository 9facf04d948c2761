"""Where flows reach the receiver, to fetch bodies and files that were too large to travel with the run."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr


class WebhooksReceiver(Block):
    """The receiver's address and a key with scope `read`, as flows need them to fetch large bodies and files.

    `webhooks up` and `webhooks deploy` write `webhooks-receiver/default`.

    Examples:
        ```python
        from blocks import WebhooksReceiver

        await WebhooksReceiver(url="http://127.0.0.1:8000", key="read-key").save("example")
        receiver = await WebhooksReceiver.load("example")
        assert receiver.url == "http://127.0.0.1:8000"
        ```
    """

    _block_type_name = "Webhooks Receiver"
    _block_type_slug = "webhooks-receiver"
    _description = "The receiver's address and a key to read deliveries, for flows that fetch large bodies and files."

    url: str = Field(description="The receiver's address as the workers see it, without a trailing slash.")
    certificate: str = Field(
        default="",
        description="File with the certificate the receiver shows, where the workers' system trusts no other for it.",
    )
    key: SecretStr = Field(description="An API key of the receiver with scope read.")
