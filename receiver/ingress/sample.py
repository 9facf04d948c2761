"""`webhooks send`: a sample request, signed here as the webhook's sender would and taken in like any other.

The signature never leaves this process: the caller sees the answer alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.paths import filled_path
from receiver.contract.reasons import Reason
from receiver.ingress.answers import Answer
from receiver.ingress.intake import Intake
from receiver.ingress.request import RawRequest
from receiver.ingress.vault import SecretUnavailable, Vault
from receiver.ingress.webhook import Webhook
from receiver.webhooks.catalog import Catalog

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A request to be signed and sent to a webhook of our own.

    `method` is None where the webhook's first method is to be taken; `params` are the values of a custom path's
    parameters; `query` is the raw query without `?`; `example` names a stored request to start from.
    """

    method: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    body: bytes | None = None
    example: str | None = None


class SampleSender:
    """Signs samples and gives them to the intake."""

    def __init__(self, intake: Intake, catalog: Catalog[Webhook], vault: Vault, base_url: str) -> None:
        self._intake = intake
        self._catalog = catalog
        self._vault = vault
        self._base_url = base_url

    async def send(self, key: str, sample: Sample) -> Answer:
        """The answer a sender would have got. Raises `DefinitionError` for a sample that cannot be made."""
        await self._catalog.refresh()
        webhook = self._catalog.routes.by_key(key)
        if webhook is None:
            raise DefinitionError("key", f"there is no webhook '{key}'; `webhooks list` names them")
        if sample.example is not None:
            raise DefinitionError("example", "is not available yet: give the body with --file or --data")
        path, body = _path(webhook, sample.params), sample.body or b""
        query = f"?{sample.query}" if sample.query else ""
        unsigned = RawRequest(
            method=sample.method or webhook.methods[0],
            path=f"/api/webhooks/{path}",
            query_string=sample.query,
            headers=tuple((name.lower(), value) for name, value in sample.headers),
            body=body,
            wire_body=body,
            client_ip=_LOOPBACK,
            url=f"{self._base_url}/api/webhooks/{path}{query}",
            received_at=datetime.now(UTC),
        )
        try:
            secrets = await self._vault.resolve(webhook.secret) if webhook.secret else None
        except SecretUnavailable as error:
            raise DefinitionError("verification.secret", str(error)) from None
        try:
            signed = webhook.scheme.sign(unsigned, secrets, unsigned.received_at)
        except Unverified as error:
            # The secret is no use, or the signature's place is in a body that this one is not: nothing is sent.
            field = "verification.secret" if error.reason is Reason.SECRET_UNAVAILABLE else "body"
            raise DefinitionError(field, error.detail or f"cannot be signed: {error.reason}") from None
        return await self._intake.take(_SampleArrival(signed))


def _path(webhook: Webhook, params: Mapping[str, str]) -> str:
    path = webhook.path or webhook.key
    try:
        return filled_path(path, params)
    except ValueError as error:
        raise DefinitionError("params", f"'{path}' {error}") from None


class _SampleArrival:
    """A signed sample as if it had come over the network from this machine."""

    def __init__(self, request: RawRequest) -> None:
        self.method = request.method
        self.raw_path = request.path.removeprefix("/api/webhooks/")
        self.query_string = request.query_string
        self.headers = request.headers
        self.peer = request.client_ip
        self.scheme = "http"
        self._body = request.wire_body

    async def read(self, limit: int) -> bytes:  # noqa: ARG002 (the rule on size judges the content-length)
        return self._body

    def hold(self, size: int) -> None:
        """Not counted: it is an operator's."""

    def let_go(self) -> None:
        """Not counted either."""

    async def hung_up(self) -> None:
        """Never: the answer goes to a caller of ours."""
        await asyncio.Event().wait()
