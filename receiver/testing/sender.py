"""The sender of a test: a request as it would arrive, signed as its scheme demands. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from receiver.contract.definition import WebhookDefinition
from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.fields import SET_PREFIX
from receiver.contract.paths import filled_path
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Scheme, Secrets

BASE_URL = "http://webhooks.test"

# Not secret: the test makes both the signature and its verification. The second is for keys in base64 or hex, the last
# for secrets of several parts.
_PARTS = ("token", "receive_id", "owner_key", "encrypt_key", "verification_token", "app_secret", "verify_token")
_SECRETS = tuple(
    Secrets(text)
    for text in (
        "sender:of-this-test",
        "5d41402abc4b2a76b9719d911017c592" * 2,
        "00D000000000001",  # the length of an organization's id
        json.dumps(dict.fromkeys(_PARTS, "of-this-test") | {"aes_key": "5d41402abc4b2a76b9719d911017c5925d41402abc4"}),
    )
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A request as a test describes it; see `receiver.testing.deliver`."""

    data: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None
    path: str | None = None
    files: Any = None
    raw: bytes | None = None
    client_ip: str | None = None
    signed: bool = True


def request_of(sample: Sample, definition: WebhookDefinition, now: datetime) -> RawRequest:
    """The request, unsigned. Raises ValueError for one that cannot be made, TypeError for data that is not JSON."""
    if sample.raw is not None and (sample.data is not None or sample.files is not None):
        raise ValueError("raw: is the whole body; leave out data and files, or raw")
    path = sample.path.lstrip("/") if sample.path is not None else _own_path(definition, sample.params)
    made = httpx.Request(
        (sample.method or definition.methods[0]).upper(),
        f"{BASE_URL}/api/webhooks/{path}",
        params=dict(sample.query) or None,
        headers=dict(sample.headers),
        **_body(sample),
    )
    body = made.read()
    return RawRequest(
        method=made.method,
        path=f"/api/webhooks/{path}",
        query_string=made.url.query.decode("ascii"),
        headers=tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in made.headers.raw),
        body=body,
        wire_body=body,
        client_ip=sample.client_ip or _welcome_address(definition),
        url=str(made.url),
        received_at=now,
    )


def sign(request: RawRequest, scheme: Scheme, now: datetime) -> tuple[RawRequest, Secrets] | None:
    """The request with the signature or the credential of its sender, and the secrets it is verified with.

    None where only the sender can sign, with a private key: the test's word has to do.
    """
    for secrets in _SECRETS:
        with suppress(Unverified, DefinitionError):  # the scheme writes its keys otherwise
            return scheme.sign(request, secrets, now), secrets
    return None


def secrets_of_nobody() -> Secrets:
    """What a request without a signature is verified against."""
    return _SECRETS[0]


def _own_path(definition: WebhookDefinition, params: Mapping[str, str]) -> str:
    pattern = definition.served_path or definition.key
    try:
        return filled_path(pattern, {name: str(value) for name, value in params.items()})
    except ValueError as error:
        raise ValueError(f"params: the path '{pattern}' {error}") from None


def _body(sample: Sample) -> dict[str, Any]:
    if sample.files is not None:
        return {"data": sample.data, "files": sample.files}
    if sample.raw is not None:
        return {"content": sample.raw}
    return {} if sample.data is None else {"json": sample.data}


def _welcome_address(definition: WebhookDefinition) -> str:
    listed = [entry for entry in definition.ip_allowlist or () if not entry.startswith(SET_PREFIX)]
    return listed[0].partition("/")[0] if listed else "127.0.0.1"
