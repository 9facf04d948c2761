"""Settings of warnings: when something is worth one, and how people hear of it."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from receiver.contract.quantities import parse_duration

_ADDRESS = re.compile(r"[^@\s<>,;:\"()\[\]\\]{1,64}@[^@\s<>,;:\"()\[\]\\]{1,255}")
_HERE = {"localhost", "127.0.0.1", "::1"}


class AlertSettings(BaseSettings):
    """Warnings."""

    model_config = SettingsConfigDict(
        env_prefix="WEBHOOKS_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    alert_smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server for warnings: `smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`; "
        "without encryption to this machine alone. Special characters of the password are percent-encoded.",
    )
    alert_email_from: str = Field(default="webhooks@localhost", description="The address that warnings come from.")
    alert_email_to: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        validate_default=True,
        description="Who gets warnings by e-mail, comma-separated; needs `WEBHOOKS_ALERT_SMTP_URL`.",
    )
    alert_url: SecretStr | None = Field(
        default=None,
        description="Where warnings are posted as JSON with the field `text`, as chats' incoming webhooks take it: "
        "`https://...`, on this machine also `http://...`.",
    )
    alert_url_secret: SecretStr | None = Field(
        default=None,
        description="Secret `whsec_...` with which what is posted to `WEBHOOKS_ALERT_URL` is signed by Standard "
        "Webhooks.",
    )
    alert_per_hour: int = Field(
        default=10, ge=1, le=1000, description="Messages an hour by e-mail, and to the URL; what is more goes together."
    )
    alert_queue_seconds: int = Field(
        default=300, ge=10, description="Seconds that deliveries may be due for Prefect before there is a warning."
    )
    alert_prefect_seconds: int = Field(
        default=120, ge=10, description="Seconds that Prefect may be away before there is a warning."
    )
    alert_troubled: int = Field(
        default=10,
        ge=1,
        description="Held and dead deliveries of a webhook within a day from which on it is warned of.",
    )
    alert_disk: int = Field(default=1024, ge=1, description="MiB free in the home below which there is a warning.")
    alert_silence: str = Field(
        default="auto",
        description="When a webhook without requests is warned of: `auto` by its own past, `off` never; and by "
        "webhook, comma-separated: `auto,orders=2h,reports=off`.",
    )

    @field_validator("alert_smtp_url")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                address = urlsplit(value.get_secret_value())
                good = address.scheme in {"smtp", "smtps"} and bool(address.hostname) and address.port != 0
            except ValueError:
                good = False
            if not good:
                raise ValueError("is written smtp://user:password@host:587 or smtps://user:password@host:465")
        return value

    @field_validator("alert_email_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("is an address like webhooks@example.com")
        return value

    @field_validator("alert_email_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("alert_email_to")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(value) > 20 or not all(map(_ADDRESS.fullmatch, value)):
            raise ValueError("is one to 20 addresses like ops@example.com, with commas between")
        # Ignored, either alone would leave its owner without the warnings he believes he gets.
        if value and "alert_smtp_url" in info.data and info.data["alert_smtp_url"] is None:
            raise ValueError("is set without WEBHOOKS_ALERT_SMTP_URL")
        if not value and info.data.get("alert_smtp_url") is not None:
            raise ValueError("is missing: WEBHOOKS_ALERT_SMTP_URL alone sends nothing")
        return value

    @field_validator("alert_url")
    @classmethod
    def _is_safe(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                address = urlsplit(value.get_secret_value())
                host = address.hostname or ""
                good = bool(host) and (address.scheme == "https" or (address.scheme == "http" and host in _HERE))
                good = good and value.get_secret_value().isascii() and value.get_secret_value().isprintable()
            except ValueError:
                good = False
            if not good:
                raise ValueError("is an address that begins with https:// (on this machine also http://)")
        return value

    @field_validator("alert_url_secret")
    @classmethod
    def _can_sign(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            try:
                long_enough = (
                    len(base64.b64decode(value.get_secret_value().removeprefix("whsec_"), validate=True)) >= 16
                )
            except (binascii.Error, ValueError):
                long_enough = False
            if not long_enough:
                raise ValueError("is whsec_ and at least 16 random bytes in base64")
            if "alert_url" in info.data and info.data["alert_url"] is None:
                raise ValueError("is set without WEBHOOKS_ALERT_URL")
        return value

    @field_validator("alert_silence")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        _read_silence(value)
        return value

    @property
    def silence(self) -> dict[str, timedelta | None]:
        """After how long each webhook that was named is warned of, None: never."""
        return _read_silence(self.alert_silence)[1]

    @property
    def learns_silence(self) -> bool:
        """Whether the other webhooks' silence is judged by their past."""
        return _read_silence(self.alert_silence)[0]


def _read_silence(text: str) -> tuple[bool, dict[str, timedelta | None]]:
    learned, own = True, dict[str, timedelta | None]()
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, separator, wanted = part.partition("=")
        if not separator:
            if part not in {"auto", "off"}:
                raise ValueError("is auto or off, and webhook=2h or webhook=off for some, with commas between")
            learned = part == "auto"
        else:
            own[key.strip()] = None if wanted.strip() == "off" else parse_duration(wanted)
    return learned, own
