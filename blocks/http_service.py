"""Another system that is called over HTTP: where it is, how to log in, and which networks it may be in."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from blocks import lookup
from blocks.networks import Networks


class HttpService(Block):
    """A system that `http_request` and `http_pages` call by name: its address, its credentials, its certificates.

    A system in the company's own network is reached only with a block that opens its network. Credentials are sent
    to the block's own origin and nowhere else.

    Examples:
        ```python
        from blocks import HttpService

        await HttpService(
            base_url="https://erp.example.com/api",
            auth="oauth2",
            username="sync",
            secret="secret",
            token_url="https://erp.example.com/oauth/token",
            allow_networks=["10.20.0.0/16"],
        ).save("example")
        erp = await HttpService.named("example")
        assert erp.timeout == 30
        ```
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    _block_type_name = "HTTP Service"
    _block_type_slug = "http-service"
    _description = "Another system that is called over HTTP: address, credentials, certificates and networks."

    base_url: str = Field(description="Where it is, as `https://erp.example.com/api`; a node's `url` is added to it.")
    headers: SecretDict = Field(
        default_factory=lambda: SecretDict({}), description="Headers of every request, API keys among them."
    )
    auth: Literal["none", "basic", "bearer", "oauth2"] = Field(
        default="none",
        description="How to log in: `basic` with username and secret, `bearer` with the secret as token, `oauth2` with "
        "a token that is fetched for them (client credentials).",
    )
    username: str | None = Field(default=None, description="The user of `basic`, or the client id of `oauth2`.")
    secret: SecretStr | None = Field(
        default=None, description="The password of `basic`, the token of `bearer`, or the client secret of `oauth2`."
    )
    token_url: str | None = Field(default=None, description="Where `oauth2` fetches a token.")
    scope: str | None = Field(default=None, description="What `oauth2` asks for; leave it empty for none.")
    credentials_in: Literal["header", "body"] = Field(
        default="header", description="Where `oauth2` puts client id and secret when it fetches a token."
    )
    signing_secret: SecretStr | None = Field(
        default=None, description="Signs each body with HMAC-SHA256; leave it empty for no signature."
    )
    signature_header: str = Field(default="X-Signature-256", description="The header that carries the signature.")
    signature_prefix: str = Field(default="sha256=", description="What stands before the signature in its header.")
    signature_encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")
    allow_networks: Networks = Field(
        default_factory=list,
        description="Networks that may be reached besides public addresses, as `10.20.0.0/16` or `127.0.0.1`.",
    )
    ca_file: str | None = Field(
        default=None, description="A file with the certificates to trust instead of the system's, in PEM format."
    )
    timeout: float = Field(default=30, gt=0, le=300, description="Seconds for a whole exchange.")

    @field_validator("base_url", "token_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("begins with http:// or https:// and a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("holds no password, query or fragment: those go into the other fields")
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: SecretDict) -> SecretDict:
        for name, content in value.get_secret_value().items():
            if not isinstance(content, str) or not _fits_a_header(content):
                raise ValueError(f"the header {name} is no line of printable ASCII text")
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needed = {"basic": ("username", "secret"), "bearer": ("secret",), "oauth2": ("username", "secret", "token_url")}
        for name in needed.get(self.auth, ()):
            if not _filled(getattr(self, name)):
                raise ValueError(f"auth {self.auth} needs {name}")
        if self.auth == "bearer" and self.secret and not _fits_a_header(self.secret.get_secret_value()):
            raise ValueError("the secret of auth bearer is no line of printable ASCII text")
        if self.signing_secret is not None and not _filled(self.signing_secret):
            raise ValueError("signing_secret is empty: leave it out, or give one")
        plain = [url for url in (self.base_url, self.token_url) if url and url.startswith("http:")]
        if plain and self._has_credentials and not self.allow_networks:
            raise ValueError("credentials are only sent over https://, or within allow_networks")
        return self

    @property
    def _has_credentials(self) -> bool:
        return self.auth != "none" or bool(self.headers.get_secret_value())

    @classmethod
    async def named(cls, name: str) -> HttpService:
        """The saved block of that name. Raises `NotConfigured` when nobody has saved one."""
        return await lookup.get(cls, name)


def _filled(value: str | SecretStr | None) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _fits_a_header(text: str) -> bool:
    return text.isascii() and text.isprintable()
