"""Send an e-mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import Any
from uuid import uuid4

from prefect.context import TaskRunContext

from blocks import Smtp
from blocks.errors import InvalidInput
from flows.nodes._attachments import Attachment, read_attachments
from flows.nodes._node import node

MAX_RECIPIENTS = 100

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\u0085\u2028\u2029\ud800-\udfff]")
_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\]{1,255}")


def plan(
    to: str | Sequence[str],
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
    *,
    sender: str,
    message_id: str,
    now: datetime,
) -> EmailMessage:
    """The message, ready to be handed over. `message_id` is its part before the @.

    Raises `InvalidInput` for a line break in an address or the subject (someone tries to add headers of his own) and
    for what is no address.

    >>> message = plan("Ada <ada@example.com>", "Привіт", "Hello", sender="bot@example.com", message_id="1",
    ...                now=datetime(2026, 1, 2, tzinfo=UTC))
    >>> message["To"], message["Message-ID"], message["Date"]
    ('Ada <ada@example.com>', '<1@example.com>', 'Fri, 02 Jan 2026 00:00:00 +0000')
    """
    [origin] = _addresses("the block's sender", sender)
    recipients = [address for one in ([to] if isinstance(to, str) else to) for address in _addresses("to", one)]
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise InvalidInput(f"to: {len(recipients)} recipients; give from 1 to {MAX_RECIPIENTS}")
    message = EmailMessage()
    message["From"] = origin
    message["To"] = recipients
    message["Subject"] = _header("subject", subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{_header('message_id', message_id)}@{_ascii_domain(origin)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_body("text", text))
    if html is not None:
        message.add_alternative(_body("html", html), subtype="html")
    for name, data, media_type in read_attachments(attachments):
        kind, _, subtype = media_type.partition("/")
        message.add_attachment(data, kind, subtype, filename=name)
    return message


@node("send e-mail to {to}: {subject}", timeout=120)
async def send_email(
    to: str | Sequence[str],
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
    *,
    smtp: str = "default",
) -> dict[str, Any]:
    """Send an e-mail, or keep it as a file where no mail server is set up.

    ```python
    await send_email("ada@example.com", "Thank you", "We have got your message.")
    ```

    Args:
        to: One address or several, each `ada@example.com` or `Ada <ada@example.com>`.
        subject: One line.
        text: The message as plain text.
        html: The same as HTML, for programs that show it. Escape what comes from outside.
        attachments: Files, each `("report.csv", data)` or with its media type third; at most 20, 20 MiB together.
        smtp: The block `smtp/<smtp>`; for `default` without one, files in `mail` in the folder of state.

    Returns:
        `{"message_id": "<...>", "recipients": [...], "refused": {address: answer}}`. A retry sends the same
        Message-ID, so that a message that went out twice can be recognised.

    Raises:
        InvalidInput: A line break in an address or the subject, or no address at all. Nothing was sent.
        Failed: The server refused every recipient, the login or the message.
        TryAgain: The server could not be used, after the last retry.
    """
    return await post(await Smtp.named(smtp), to, subject, text, html, attachments)


async def post(
    block: Smtp,
    to: str | Sequence[str],
    subject: str,
    text: str,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
) -> dict[str, Any]:
    """Send it through that block; gives and raises what `send_email` does."""
    run = TaskRunContext.get()
    message_id = str(run.task_run.id if run else uuid4())
    message = plan(
        to, subject, text, html, attachments, sender=block.sender, message_id=message_id, now=datetime.now(UTC)
    )
    refused = await block.deliver(message)
    recipients = [address.addr_spec for address in message["To"].addresses if address.addr_spec not in refused]
    return {"message_id": str(message["Message-ID"]), "recipients": recipients, "refused": refused}


def _addresses(name: str, text: str) -> list[Address]:
    pairs = getaddresses([_header(name, text)])
    if not pairs or not all(_ADDRESS.fullmatch(address) for _, address in pairs):
        raise InvalidInput(f"{name}: {text[:80]!r} is not an e-mail address")
    found = []
    for display_name, address in pairs:
        username, _, domain = address.rpartition("@")
        found.append(Address(display_name, username, domain))
    return found


def _header(name: str, text: str) -> str:
    if _CONTROL.search(text):
        raise InvalidInput(f"{name}: holds a line break or a control character, which could add headers of its own")
    return text


def _body(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{name}: holds half of a surrogate pair, which is no character") from None
    return text


def _ascii_domain(address: Address) -> str:
    try:
        return address.domain.encode("idna").decode()
    except UnicodeError:
        raise InvalidInput(f"the block's sender: {address.domain!r} is not a domain") from None
