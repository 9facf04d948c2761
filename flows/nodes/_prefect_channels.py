"""Notifications through Prefect's own blocks: Slack, Teams, Discord, Mattermost, Twilio, PagerDuty and the others."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from prefect.blocks.abstract import NotificationBlock, NotificationError
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound

from blocks.apprise_channel import SECONDS, hush, not_taken
from blocks.errors import Failed, InvalidInput, NotConfigured, TryAgain


async def load(reference: str) -> NotificationBlock:
    """The block `<type>/<name>`. Raises `NotConfigured` where there is none, `InvalidInput` where it is no channel."""
    import prefect.blocks.notifications  # noqa: F401 (makes Prefect know its types; takes a while)

    hush()
    try:
        # Not by `lookup`, which shares a block: whether its failures are errors is a switch in the block itself.
        block: Any = await Block.aload(reference)
    except ValueError as error:
        if isinstance(error.__cause__, ObjectNotFound):
            raise NotConfigured(f"there is no block {reference}: save one in Prefect's UI under Blocks") from None
        # Not the error itself: it may repeat the address that cannot be used, which is a credential.
        raise NotConfigured(f"the block {reference} cannot be used: look at its fields in Prefect's UI") from None
    if not isinstance(block, NotificationBlock):
        raise InvalidInput(f"channel: the block {reference} is a {type(block).__name__}, which notifies nobody")
    return block


async def send(block: NotificationBlock, subject: str, text: str) -> None:
    """Send it. Raises `Failed` and `TryAgain` without the address, which is a credential."""
    with block.raise_on_failure():
        try:
            async with asyncio.timeout(SECONDS):
                # The blocks' own coroutine; Apprise does its part in a thread.
                await getattr(block, "anotify", block.notify)(text, subject)
        except NotificationError as error:
            raise not_taken(error.log) from None
        except httpx.HTTPStatusError as error:
            raise not_taken(f"error={error.response.status_code}") from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise TryAgain(f"the channel cannot be used just now ({type(error).__name__})") from None
        except ValueError as error:  # a private address where the block allows none
            raise Failed(f"the block cannot be used: {type(error).__name__}") from None
