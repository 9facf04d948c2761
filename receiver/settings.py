"""Settings: one small model per concern, each read from the environment or `.env` with the prefix `WEBHOOKS_`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from receiver.alert_settings import AlertSettings
from receiver.contract.errors import WebhooksError
from receiver.contract.quantities import format_rate, parse_rate

_LOOPBACK = "127.0.0.1"
_CONFIG = SettingsConfigDict(
    env_prefix="WEBHOOKS_", env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
)


def find_home(start: Path | None = None) -> Path:
    """The nearest `.webhooks` from `start` (default: the current folder) upward, else the one to be made there."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / ".webhooks").is_dir():
            return folder / ".webhooks"
    return start / ".webhooks"


def _address(host: str, port: int, *, tls: bool) -> str:
    host = _LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 (compared, not bound)
    return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


class HomeSettings(BaseSettings):
    """Where state lives."""

    model_config = _CONFIG

    home: Path = Field(
        default_factory=find_home,
        description="Folder of all state (mode 0700): databases, keys, logs. Default: the nearest `.webhooks` upward "
        "from the current folder, else made there.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="The inbox's database. Default: SQLite in the home; `postgresql://user:password@host/name` for "
        "several receiver processes.",
    )
    secrets_dir: Path | None = Field(
        default=None, description="Folder below which `file:PATH` secret references are read. Default: none may be."
    )


class HttpSettings(BaseSettings):
    """Where the receiver listens and how it is reached."""

    model_config = _CONFIG

    host: str = Field(default="127.0.0.1", description="Address the receiver listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the receiver listens on.")
    public_url: str | None = Field(
        default=None, description="The receiver's address as senders see it, e.g. `https://hooks.example.com`."
    )
    internal_url: str | None = Field(
        default=None,
        description="The receiver's address as flows see it, of its admin port where there is one. Default: the "
        "address on this machine.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or CIDRs of proxies that are believed, comma-separated: whom they had before them, and "
        "how it spoke to them. See `WEBHOOKS_PROXY_HEADER`.",
    )
    admin_key: SecretStr | None = Field(
        default=None, description="API key with scope `admin`, taken instead of a generated one."
    )

    admin_host: str = Field(default=_LOOPBACK, description="Address the admin port listens on.")
    admin_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        validate_default=True,
        description="Port of the admin API and all else that is not public; `WEBHOOKS_PORT` then serves the public "
        "routes only. Default: one port for all.",
    )

    tls_certificate: Path | None = Field(
        default=None,
        description="File with a certificate (PEM, its chain behind it), with which the receiver speaks TLS itself. "
        "Default: it does not.",
    )
    tls_key: Path | None = Field(
        default=None,
        description="File with the certificate's key (PEM, not encrypted). Default: in the certificate's file.",
    )
    tls_min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest TLS that is spoken.")

    @field_validator("tls_certificate", "tls_key")
    @classmethod
    def _whole_path(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

    @field_validator("tls_key")
    @classmethod
    def _belongs_to_a_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # Ignored, it would leave open what its owner believes encrypted.
        if value and "tls_certificate" in info.data and info.data["tls_certificate"] is None:
            raise ValueError("is set without WEBHOOKS_TLS_CERTIFICATE")
        return value

    @field_validator("admin_port")
    @classmethod
    def _apart(cls, value: int | None, info: ValidationInfo) -> int | None:
        # Ignored, an address alone would leave the admin API open where its owner believes it closed.
        if value is None and info.data.get("admin_host", _LOOPBACK) != _LOOPBACK:
            raise ValueError("is missing: WEBHOOKS_ADMIN_HOST alone opens no port")
        if value and value == info.data.get("port"):
            raise ValueError("has to be another one than WEBHOOKS_PORT")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def local_url(self) -> str:
        """The address on this machine, e.g. `http://127.0.0.1:8000`."""
        return _address(self.host, self.port, tls=self.tls_certificate is not None)

    @property
    def admin_url(self) -> str:
        """Where commands and flows on this machine speak to the receiver: the admin port where there is one."""
        if self.admin_port is None:
            return self.local_url
        return _address(self.admin_host, self.admin_port, tls=self.admin_certificate is not None)

    @property
    def admin_certificate(self) -> Path | None:
        """The file with the certificate that is shown at `admin_url`: none at a port for this machine alone."""
        for_here = self.admin_port is not None and self.admin_host in {_LOOPBACK, "::1", "localhost"}
        return None if for_here else self.tls_certificate

    @property
    def base_url(self) -> str:
        """The public address without a trailing slash; the one on this machine where none is set."""
        return (self.public_url or self.local_url).rstrip("/")


class IngressSettings(BaseSettings):
    """What is believed of requests, and how many are taken."""

    model_config = _CONFIG

    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        default="x-forwarded-for",
        description="The header in which trusted proxies say whom they had before them: `x-forwarded-for` (and "
        "X-Forwarded-Proto) or `forwarded` (RFC 7239). The other one is never read.",
    )
    network_sets: Path | None = Field(
        default=None,
        description="YAML or JSON file that names the sets of networks for `ip_allowlist`: a file or an https address, "
        "with `#/json/pointer` into it.",
    )
    client_cert_header: str | None = Field(
        default=None,
        description="The header in which trusted proxies pass on the client's certificate, for the scheme "
        "`client-certificate`. They have to set it on every request, empty where there is none.",
    )
    allow_plain_http: bool = Field(
        default=False,
        description="Whether secrets that travel themselves (`api-key`, `bearer`, ...) are taken over plain HTTP from "
        "elsewhere than this machine.",
    )
    unverified_limit: str = Field(
        default="60/minute",
        description="Requests of one address (IPv6: of one /64) whose verification may fail in a time; past it "
        "all its requests to verified webhooks get 429 before they are verified. `off`: no such bound. Each receiver "
        "counts alone.",
    )
    rate_limit_url: SecretStr | None = Field(
        default=None,
        description="Redis in which several receivers count the requests of webhooks with a `rate_limit` together, "
        "`redis://host:6379/0`. Default: each counts alone, in memory.",
    )

    @field_validator("client_cert_header")
    @classmethod
    def _is_a_header(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
            raise ValueError("is a header's name, e.g. X-Client-Cert")
        return value.lower() if value else None

    @field_validator("unverified_limit")
    @classmethod
    def _is_a_rate(cls, value: str) -> str:
        try:
            return value if value == "off" else format_rate(parse_rate(value))
        except ValueError:
            raise ValueError("is a number for a second, minute, hour or day, e.g. 60/minute, or off") from None


class LimitSettings(BaseSettings):
    """How much the receiver takes at the same time, and how long it waits for a request."""

    model_config = _CONFIG

    max_requests: int = Field(
        default=2000, ge=1, description="Webhook requests in progress at the same time, waiting callers included."
    )
    max_connections: int = Field(
        default=4000, ge=1, description="Open connections, of the public and of the admin port each."
    )
    body_budget: int = Field(
        default=256, ge=1, description="MiB of bodies that are read or held at the same time by requests in progress."
    )
    head_seconds: float = Field(
        default=10, gt=0, description="Seconds that a request's head may take to arrive, from its first byte on."
    )
    body_seconds: float = Field(
        default=30, gt=0, description="Seconds that a webhook request's body may take to arrive."
    )


class BodySettings(BaseSettings):
    """Where big bodies are kept, and how many there may be at the same time."""

    model_config = _CONFIG

    body_storage: str | None = Field(
        default=None,
        pattern=r"^(local|database|block:remote-file-system/[a-z0-9][a-z0-9-]{0,99})$",
        description="Where bodies over `WEBHOOKS_BODY_INLINE` are kept: `local` (the folder `bodies` in the home), "
        "`database` (the inbox's, in pieces), or `block:remote-file-system/NAME`, a Prefect block for S3, GCS, Azure, "
        "SFTP, ... Default: `local`; `database` with `WEBHOOKS_DATABASE_URL`.",
    )
    body_inline: int = Field(
        default=256, ge=16, le=1024, description="KiB up to which a body stays in its row of the inbox."
    )
    body_bench: int = Field(
        default=64, ge=1, description="MiB of big bodies that are in memory at the same time, while each is judged."
    )
    body_spool: int = Field(
        default=2048, ge=1, description="MiB of big bodies that wait on disk at the same time, in the home."
    )


class DispatchSettings(BaseSettings):
    """How deliveries are handed over to Prefect and followed."""

    model_config = _CONFIG

    dispatch_concurrency: int = Field(default=8, ge=1, le=64, description="Hand-overs to Prefect at the same time.")
    lease_seconds: float = Field(
        default=60, gt=0, description="Seconds after which a hand-over of a receiver that died is taken up again."
    )
    poll_seconds: float = Field(
        default=15, gt=0, description="Seconds between looks at unfinished runs; events are faster, this is the net."
    )


class SupervisorSettings(BaseSettings):
    """What `webhooks up` starts."""

    model_config = _CONFIG

    prefect_port: int = Field(default=4200, ge=0, le=65535, description="Port of the Prefect server that `up` starts.")
    prefect_database: str = Field(
        default="postgres",
        pattern="^(postgres|sqlite)$",
        description="Database of the Prefect server that `up` starts: `postgres` (embedded) or `sqlite`.",
    )
    project: Path = Field(
        default_factory=Path.cwd,
        description="Folder with `prefect.yaml`, whose deployments `up` and `deploy` make.",
    )


class Settings(BaseSettings):
    """Every concern, read once at the start of a command."""

    model_config = _CONFIG

    state: HomeSettings = Field(default_factory=HomeSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    ingress: IngressSettings = Field(default_factory=IngressSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    bodies: BodySettings = Field(default_factory=BodySettings)
    dispatch: DispatchSettings = Field(default_factory=DispatchSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    supervisor: SupervisorSettings = Field(default_factory=SupervisorSettings)


def load_settings() -> Settings:
    """Every setting. Raises WebhooksError naming each variable that cannot be used and why; no value is repeated."""
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(
            f"WEBHOOKS_{'_'.join(map(str, entry['loc'])).upper()} {entry['msg'].removeprefix('Value error, ')}"
            for entry in error.errors(include_input=False, include_url=False)
        )
        raise WebhooksError(problems) from None
