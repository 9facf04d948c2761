"""Tell people something, by whatever channel the block is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from blocks import AppriseChannel, ChatRobot, Smtp, lookup
from blocks.errors import InvalidInput, NotConfigured
from flows.nodes import _chat_robots, _prefect_channels
from flows.nodes._attachments import Attachment, read_attachments
from flows.nodes._node import node
from flows.nodes.send_email import post

MAX_TEXT = 100_000

_REFERENCE = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)/([^\s/]{1,200})")
_TAKES_FILES = frozenset({"smtp", "apprise-channel"})


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What is told, and where: the block's type and name."""

    kind: str
    name: str
    subject: str
    text: str
    html: str | None
    attachments: list[tuple[str, bytes, str]]


def plan(
    channel: str,
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> Notice:
    """What will be told, checked.

    >>> notice = plan("slack-webhook/sales", "Order 7", "A large order.")
    >>> notice.kind, notice.name
    ('slack-webhook', 'sales')
    """
    found = _REFERENCE.fullmatch(channel)
    if found is None:
        raise InvalidInput(f"channel: {channel[:80]!r} is not <block type>/<name>, as 'slack-webhook/sales'")
    if not text.strip():
        raise InvalidInput("text: is empty")
    if len(subject) > MAX_TEXT or len(text) > MAX_TEXT:
        raise InvalidInput(f"text: over {MAX_TEXT} characters; send a link, or a file")
    if re.search(r"[\r\n]", subject):
        raise InvalidInput("subject: is one line")
    if attachments and found[1] not in _TAKES_FILES:
        raise InvalidInput(f"attachments: {found[1]} takes none; {' and '.join(sorted(_TAKES_FILES))} do")
    files = read_attachments(attachments)
    return Notice(kind=found[1], name=found[2], subject=subject, text=text, html=html, attachments=files)


@node("notify {channel}: {subject}", timeout=120)
async def notify(
    channel: str,
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> dict[str, Any]:
    """Tell people something; the block decides how.

    ```python
    await notify("slack-webhook/sales", subject="Order 7", text="A large order has come in.")
    ```

    Args:
        channel: The block, as `<type>/<name>`: `smtp`, `chat-robot` (DingTalk, WeCom, Feishu), `apprise-channel`, or
            one of Prefect's, such as `slack-webhook`, `ms-teams-webhook`, `discord-webhook`, `twilio-sms`.
        subject: One line.
        text: The message as plain text.
        html: The same as HTML; only e-mail shows it. Escape what comes from outside.
        attachments: Files, each `("report.csv", data)` or with its media type third: by e-mail, and by those channels
            of Apprise that take files.

    Returns:
        `{"channel": "slack-webhook/sales"}`, for e-mail with what `send_email` gives.

    Raises:
        InvalidInput: The message cannot be sent that way. Nothing was sent.
        NotConfigured: There is no such block, or it lacks something.
        Failed: The channel refused it.
        TryAgain: The channel could not be used, after the last retry. The message may arrive twice.
    """
    notice = plan(channel, subject, text, html, attachments)
    return {"channel": channel, **(await _deliver(channel, notice))}


async def _deliver(channel: str, notice: Notice) -> dict[str, Any]:
    match notice.kind:
        case "smtp":
            block = await Smtp.named(notice.name)
            if not block.recipients:
                raise NotConfigured(f"the block {channel} has no recipients: add those who get its notifications")
            return await post(block, block.recipients, notice.subject, notice.text, notice.html, notice.attachments)
        case "chat-robot":
            await _chat_robots.speak(await ChatRobot.named(notice.name), notice.subject, notice.text)
        case "apprise-channel":
            apprise = await lookup.get(AppriseChannel, notice.name)
            await apprise.send(notice.subject, notice.text, notice.attachments)
        case _:
            await _prefect_channels.send(await _prefect_channels.load(channel), notice.subject, notice.text)
    return {}
