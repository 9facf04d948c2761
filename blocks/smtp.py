"""How e-mail leaves: through a mail server, or into a folder."""

from __future__ import annotations

import asyncio
import ipaddress
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Literal, Self

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, model_validator

from blocks import lookup
from blocks.errors import Failed, TryAgain
from blocks.home import find_home
from blocks.mail_folder import keep

Refusals = dict[str, str]
"""Recipients the server did not take, each with its answer; the others got the message."""


class Smtp(Block):
    """A mail server that takes our e-mail, or a folder that keeps each message as an `.eml` file.

    Where nobody has saved `smtp/default`, messages are kept in `mail` in the folder of state, so that workflows run
    with no account anywhere.

    Examples:
        ```python
        from blocks import Smtp

        await Smtp(host="mail.example.com", port=587, username="bot", password="secret", sender="bot@example.com").save(
            "example"
        )
        smtp = await Smtp.named("example")
        assert smtp.security == "starttls"
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "SMTP"
    _block_type_slug = "smtp"
    _description = "A mail server that takes our e-mail, or a folder that keeps it as files."

    sender: str = Field(
        default="webhooks@localhost",
        description="The address in From, as `bot@example.com` or `Bot <bot@example.com>`.",
    )
    recipients: list[str] = Field(
        default_factory=list,
        description="Who gets what `notify` sends through this block; `send_email` names its own recipients.",
    )
    host: str | None = Field(default=None, description="The mail server's name; leave it empty to use a folder.")
    port: int = Field(default=587, ge=1, le=65535, description="The mail server's port, usually 587, 465 or 25.")
    security: Literal["none", "starttls", "tls"] = Field(
        default="starttls", description="How the connection is encrypted: `starttls` (port 587), `tls` (465) or `none`."
    )
    username: str | None = Field(default=None, description="The account to log in with; leave it empty for none.")
    password: SecretStr | None = Field(default=None, description="The account's password.")
    ca_file: str | None = Field(
        default=None, description="A file with the certificates to trust instead of the system's, in PEM format."
    )
    timeout: float = Field(default=20, gt=0, le=300, description="Seconds to wait for each answer of the server.")
    directory: str | None = Field(
        default=None, description="The folder that keeps messages as .eml files; only without a host."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.host is None) == (self.directory is None):
            raise ValueError("give either a host or a directory")
        if self.username and self.host and self.security == "none" and not _is_loopback(self.host):
            raise ValueError("a password is only sent encrypted: set security to starttls or tls")
        return self

    @classmethod
    async def named(cls, name: str = "default") -> Smtp:
        """The saved block of that name; for `default` without one, the folder `mail` in the folder of state.

        Raises `NotConfigured` when there is neither.
        """
        if name != "default":
            return await lookup.get(cls, name)
        if saved := await lookup.find(cls, name):
            return saved
        return cls(directory=str(find_home() / "mail"), recipients=["team@localhost"])

    async def deliver(self, message: EmailMessage) -> Refusals:
        """Hand the message over. Raises `TryAgain`, and `Failed` when nobody gets it."""
        if self.directory is not None:
            await asyncio.to_thread(keep, message, Path(self.directory))
            return {}
        return await asyncio.to_thread(self._send, message)

    def _send(self, message: EmailMessage) -> Refusals:
        try:
            with self._connected() as server:
                if self.username:
                    server.login(self.username, self.password.get_secret_value() if self.password else "")
                return _readable(server.send_message(message))
        except smtplib.SMTPRecipientsRefused as error:
            refused = _readable(error.recipients)
            passing = all(400 <= code < 500 for code, _ in error.recipients.values())
            raise (TryAgain if passing else Failed)(f"the mail server took no recipient: {refused}") from error
        except smtplib.SMTPResponseException as error:
            passing = 400 <= error.smtp_code < 500
            answer = f"{error.smtp_code} {_words(error.smtp_error)}"
            raise (TryAgain if passing else Failed)(f"the mail server said no: {answer}") from error
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"the mail server's certificate is not trusted: {error.verify_message}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise Failed(f"the mail server cannot do what the block asks for: {error}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise TryAgain(f"the mail server {self.host}:{self.port} cannot be used just now: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        host = self.host or ""
        if self.security == "tls":
            return smtplib.SMTP_SSL(host, self.port, timeout=self.timeout, context=self._tls())
        server = smtplib.SMTP(host, self.port, timeout=self.timeout)
        if self.security == "starttls":
            try:
                server.starttls(context=self._tls())
            except BaseException:
                server.close()
                raise
        return server

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _readable(refused: dict[str, tuple[int, bytes]]) -> Refusals:
    return {address: f"{code} {_words(answer)}" for address, (code, answer) in refused.items()}


def _words(answer: bytes | str) -> str:
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
