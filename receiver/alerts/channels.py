"""How a message leaves: as events in Prefect, by e-mail, to a URL. Each tries once; the courier tries again."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx
import orjson

from receiver.alerts.message import Message, plain
from receiver.contract.errors import AddressRefused, AnswerTooLarge
from receiver.contract.outbound import exchange
from receiver.contract.outbound_addresses import read_networks
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES
from receiver.ingress.verify.base import Secrets
from receiver.prefect_gateway import PrefectUnavailable
from receiver.prefect_gateway.alert_events import AlertEvent, AlertEvents

_SECONDS = 10.0
_LARGEST_ANSWER = 64 * 1024
_ANYWHERE = read_networks(["0.0.0.0/0", "::/0"])
"""The address comes from the settings, not from a request: it may be on a network of one's own."""


class NotSent(Exception):
    """A message did not leave. The words are for people and hold neither address nor secret of a channel."""


class Channel(Protocol):
    """A way to tell people. `bounded`: at most so many messages an hour go this way, the rest together."""

    @property
    def name(self) -> str: ...

    @property
    def bounded(self) -> bool: ...

    async def send(self, message: Message) -> None:
        """Tell it; raises `NotSent`. Takes half a minute at most."""


class EventChannel:
    """An event in Prefect for each notice, `webhooks.alert.raised` and so on, for automations to act upon."""

    name = "event"
    bounded = False

    def __init__(self, events: AlertEvents) -> None:
        self._events = events

    async def send(self, message: Message) -> None:
        """The event's id is the message's, so that one that is sent again is the same one."""
        [notice] = message.notices
        payload = {**plain(notice), "source": message.source, "subject_line": message.subject, "text": message.text}
        event = AlertEvent(
            id=message.id, kind=str(notice.kind), resource=payload["resource"], at=notice.at, payload=payload
        )
        try:
            async with asyncio.timeout(_SECONDS):
                await self._events.emit(event)
        except PrefectUnavailable as error:
            raise NotSent(str(error)) from None
        except TimeoutError:
            raise NotSent(f"Prefect did not answer within {_SECONDS:g} s") from None


@dataclass(frozen=True, repr=False)
class MailChannel:
    """E-mail by the server at `smtp://`, `smtps://user:password@host:port`. Without TLS to this machine alone."""

    url: str
    sender: str
    recipients: Sequence[str]
    tls: ssl.SSLContext | None = None
    name: str = "email"
    bounded: bool = True

    async def send(self, message: Message) -> None:
        """One e-mail to all; who is refused alone does not keep it from the others."""
        await asyncio.to_thread(self._send, self._letter(message))

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = self.sender
        letter["To"] = ", ".join(self.recipients)
        letter["Subject"] = message.subject[:200]
        letter["Date"] = format_datetime(datetime.now(UTC))
        letter["Message-ID"] = f"<{message.id}@{Address(addr_spec=self.sender).domain}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.text)
        return letter

    def _send(self, letter: EmailMessage) -> None:
        try:
            with self._connected() as server:
                address = urlsplit(self.url)
                if address.username:
                    server.login(unquote(address.username), unquote(address.password or ""))
                server.send_message(letter)
        except smtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(sorted({str(code) for code, _ in error.recipients.values()}))
            raise NotSent(f"the mail server took no recipient ({codes})") from None
        except smtplib.SMTPResponseException as error:
            raise NotSent(f"the mail server said {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise NotSent(f"the mail server cannot be used: {type(error).__name__}") from None

    def _connected(self) -> smtplib.SMTP:
        address = urlsplit(self.url)
        host, context = address.hostname or "", self.tls or ssl.create_default_context()
        if address.scheme == "smtps":
            return smtplib.SMTP_SSL(host, address.port or 465, timeout=_SECONDS, context=context)
        server = smtplib.SMTP(host, address.port or 587, timeout=_SECONDS)
        if not is_here(host):
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


@dataclass(frozen=True, repr=False)
class UrlChannel:
    """A POST of JSON to a URL, which is a credential itself; signed by Standard Webhooks with a `whsec_` secret."""

    url: str
    secret: str | None = None
    name: str = "url"
    bounded: bool = True

    async def send(self, message: Message) -> None:
        """Any 2xx will do; no redirect is followed."""
        now = datetime.now(UTC)
        body = orjson.dumps(message.document(now))
        request = httpx.Request("POST", self.url, content=body, headers=self._headers(message.id, body, now))
        try:
            response, _ = await exchange(request, allow=_ANYWHERE, seconds=_SECONDS, max_bytes=_LARGEST_ANSWER)
        except AnswerTooLarge:
            return  # it was taken
        except (httpx.HTTPError, TimeoutError, OSError, AddressRefused) as error:
            raise NotSent(f"it cannot be reached: {type(error).__name__}") from None
        if not response.is_success:
            raise NotSent(f"it answered {response.status_code}")

    def _headers(self, message_id: str, body: bytes, now: datetime) -> dict[str, str]:
        headers = {"content-type": "application/json", "webhook-id": message_id}
        if self.secret is None:
            return headers
        unsigned = RawRequest(
            method="POST",
            path="/",
            query_string="",
            headers=tuple(headers.items()),
            body=body,
            wire_body=body,
            client_ip="",
            url="",
            received_at=now,
        )
        scheme = SCHEMES["standard-webhooks"]({})
        return dict(scheme.sign(unsigned, Secrets(self.secret), now).headers)


def is_here(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    return host in {"localhost", "127.0.0.1", "::1"}
