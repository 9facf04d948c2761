"""How an HMAC signature is made and where it travels: the options of the scheme `hmac`, and of every preset over it."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from receiver.ingress.verify.keys import KeyEncoding
from receiver.ingress.verify.options import HeaderName, SchemeOptions
from receiver.ingress.verify.signed_content import SignedContent, compile_signed_content
from receiver.ingress.verify.timestamps import Applies, Unit


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class HmacOptions(SchemeOptions):
    """A keyed hash over bytes of the request, in a header. Every field is as a definition writes it."""

    header: Annotated[tuple[HeaderName, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=4)] = Field(
        description="Header with the signature; a list where a sender has several names for the same header.",
    )
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = Field(default="sha256", description="Hash of the HMAC.")
    encoding: Literal["hex", "base64", "base64url"] = Field(
        default="hex", description="How the signature is written: lower-case hex, base64, or URL-safe base64."
    )
    prefix: str = Field(default="", max_length=64, description="What stands before the signature, e.g. `sha256=`.")
    separator: Annotated[str, Field(min_length=1, max_length=4)] | None = Field(
        default=None,
        description="Where one header holds several entries: what stands between them. Entries that begin with "
        "`prefix` are signatures, any of which may match; others are ignored.",
    )
    signed: str = Field(
        default="{body}",
        max_length=1024,
        description="What is signed: a template over raw bytes with {body}, {timestamp}, {method}, {path}, {query}, "
        "{url} and {header:NAME}.",
    )
    key: KeyEncoding = Field(
        default="plain",
        description="How the secret is written: `plain`, `base64`, `whsec` (base64, with or without `whsec_` before "
        "it) or `hex`.",
    )
    timestamp_header: HeaderName | None = Field(default=None, description="Header with the sender's timestamp.")
    timestamp_prefix: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Where the timestamp is an entry of the signature's header: its prefix, e.g. `t=`."
    )
    timestamp_field: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="Where the timestamp is a field of the signed JSON body, at its top level: its name."
    )
    timestamp_unit: Unit = Field(default="s", description="Unit of the timestamp since 1970: `s` or `ms`.")
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="Seconds by which the timestamp may differ from our clock; null: any age is taken."
    )
    tolerance_applies: Applies = Field(
        default="both", description="Which timestamps are refused beyond the tolerance: `past`, `future` or `both`."
    )

    notification_url: Annotated[str, Field(max_length=2048, pattern="^https?://")] | None = Field(
        default=None,
        description="The URL as it is entered at the sender, for {url}; default the URL of the request below "
        "WEBHOOKS_PUBLIC_URL.",
    )

    @cached_property
    def content(self) -> SignedContent:
        """The compiled `signed`."""
        return compile_signed_content(self.signed, url=self.notification_url)

    @property
    def has_timestamp(self) -> bool:
        """Whether the sender tells when it signed."""
        return self.has_timestamp_header or self.timestamp_field is not None

    @property
    def has_timestamp_header(self) -> bool:
        """Whether it tells so in a header."""
        return self.timestamp_header is not None or self.timestamp_prefix is not None

    @field_validator("signed")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compile_signed_content(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        signed_headers = self.content.header_names
        if [self.timestamp_header, self.timestamp_prefix, self.timestamp_field].count(None) < 2:
            raise ValueError("give either 'timestamp_header' or 'timestamp_prefix' or 'timestamp_field'")
        if self.timestamp_prefix is not None and self.separator is None:
            raise ValueError("'timestamp_prefix' needs a 'separator' between the timestamp and the signature")
        if self.separator is not None and self.separator in self.prefix + (self.timestamp_prefix or ""):
            raise ValueError("'separator' may not occur in a prefix")
        if set(signed_headers) & set(self.header):
            raise ValueError("a signature cannot sign its own header")
        covered = self.content.covers_timestamp or self.timestamp_header in signed_headers
        if self.timestamp_field is not None:
            covered = self.content.covers("body")
        if self.has_timestamp and not covered:
            raise ValueError("'signed' does not hold {timestamp}: anybody could put a fresh one on an old request")
        if self.content.covers_timestamp and not self.has_timestamp_header:
            raise ValueError("{timestamp} is signed: name its header with 'timestamp_header' or 'timestamp_prefix'")
        if self.notification_url is not None and not self.content.covers("url"):
            raise ValueError("'notification_url' has no use: 'signed' does not hold {url}")
        if not self.has_timestamp and self.model_fields_set & {"tolerance", "tolerance_applies", "timestamp_unit"}:
            raise ValueError("without a signed timestamp there is no age to check")
        return self
