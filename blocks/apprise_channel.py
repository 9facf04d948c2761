"""A channel that Apprise speaks: Telegram, Matrix, ntfy, Signal, SMS providers and a hundred more."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Any

from prefect.blocks.core import Block
from prefect.logging import LogEavesdropper
from pydantic import ConfigDict, Field, SecretStr, field_validator

from blocks.errors import Failed, InvalidInput, TryAgain

SECONDS = 60
"""How long one notification may take. Apprise gives up a request after about 8 seconds by itself."""

_STATUS = re.compile(r"error=(\d{3})\b")


class AppriseChannel(Block):
    """A notification channel by its Apprise URL, as `tgram://token/chat` for Telegram.

    What the URLs look like: https://appriseit.com/services/. For DingTalk, WeCom and Feishu take `chat-robot`: Apprise
    takes their refusals for a success.

    Examples:
        ```python
        from blocks import AppriseChannel

        await AppriseChannel(url="json://127.0.0.1:9/alerts").save("example")
        channel = await AppriseChannel.load("example")
        assert channel.url.get_secret_value().startswith("json://")
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "Apprise Channel"
    _block_type_slug = "apprise-channel"
    _description = "A notification channel that Apprise speaks, by its URL."

    url: SecretStr = Field(description="The channel's Apprise URL, one only, as `tgram://token/chat`.")

    @field_validator("url")
    @classmethod
    def _is_read(cls, value: SecretStr) -> SecretStr:
        _client(value)
        return value

    async def send(self, subject: str, text: str, attachments: Sequence[tuple[str, bytes, str]] = ()) -> None:
        """Send one notification; an attachment is its file name, bytes and media type.

        Raises `InvalidInput` where the channel takes no attachments, `TryAgain` and `Failed` when it was not taken.
        """
        client = _client(self.url)
        if attachments and not client[0].attachment_support:
            raise InvalidInput(f"attachments: {client[0].service_name} takes none")
        with LogEavesdropper("apprise", level=logging.WARNING) as log:
            try:
                async with asyncio.timeout(SECONDS):
                    taken = await client.async_notify(
                        body=text, title=subject, body_format="text", attach=_attached(attachments)
                    )
            except TimeoutError as error:
                raise TryAgain(f"the channel took longer than {SECONDS} s; the message may have arrived") from error
        if not taken:
            raise not_taken(log.text())


def not_taken(log: str) -> Failed | TryAgain:
    """Why Apprise did not deliver, by the statuses in its log; the log itself may hold a token and is not repeated.

    >>> not_taken("Failed to send Slack notification: error=404.")
    Failed('the channel did not take the message: it answered 404')
    """
    statuses = sorted({int(found) for found in _STATUS.findall(log)})
    if not statuses:
        return TryAgain("the channel did not take the message, and named no status: it may not be reachable")
    message = f"the channel did not take the message: it answered {', '.join(map(str, statuses))}"
    passing = any(status == 429 or status >= 500 for status in statuses)
    return TryAgain(message) if passing else Failed(message)


def hush() -> None:
    """Keep Apprise's own lines, which may hold tokens, out of the process's log."""
    logging.getLogger("apprise").propagate = False


def _client(url: SecretStr) -> Any:
    from apprise import Apprise  # takes a while, and few workflows need it

    hush()
    client: Any = Apprise()
    if not client.add(url.get_secret_value()) or len(client) != 1:
        raise ValueError("is not one Apprise URL; see https://appriseit.com/services/ for what they look like")
    return client


def _attached(attachments: Sequence[tuple[str, bytes, str]]) -> Any:
    if not attachments:
        return None
    from apprise import AppriseAttachment
    from apprise.attachment.memory import AttachMemory

    files: Any = AppriseAttachment()
    in_memory: Any = AttachMemory
    for name, data, media_type in attachments:
        files.add(in_memory(content=data, name=name, mimetype=media_type))
    return files
