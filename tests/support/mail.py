"""A real mail server on loopback that keeps what it took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope


class Mailbox:
    """What a mail server took, and what it says to whom."""

    def __init__(self, answers: dict[str, str] | None = None, after_data: str = "250 taken") -> None:
        self.envelopes: list[Envelope] = []
        self.answers = answers or {}
        self.after_data = after_data

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 (aiosmtpd's name)
        answer = self.answers.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd's name)
        self.envelopes.append(envelope)
        return self.after_data


@contextmanager
def mail_server(mailbox: Mailbox, port: int, **options: Any) -> Iterator[int]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()
