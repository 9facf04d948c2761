"""Who sent a request: its webhook's secrets and what must be fetched of the sender, then the scheme's verdict."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.decide import Proven, verify
from receiver.ingress.remote import RemoteDocuments
from receiver.ingress.request import RawRequest
from receiver.ingress.vault import SecretUnavailable, Vault
from receiver.ingress.verify.base import Handshake, Secrets
from receiver.ingress.webhook import Webhook


class Prover:
    """Proves requests. What cannot be judged for want of a secret or a document is refused for now, never for good."""

    def __init__(self, vault: Vault, documents: RemoteDocuments) -> None:
        self._vault = vault
        self._documents = documents

    async def prove(self, webhook: Webhook, request: RawRequest, now: datetime) -> Proven | Handshake:
        """The proven request, or the answer to a handshake that is complete; raises `Refused`."""
        secrets = await self._secrets(webhook)
        if urls := webhook.scheme.documents(request):
            request = replace(request, documents=await self._documents.get(urls))
            if webhook.scheme.outdated(request):
                request = replace(request, documents=await self._documents.get(urls, renew=True))
        proven = verify(webhook, request, secrets, now)
        if isinstance(proven, Handshake) and proven.confirm is not None:
            await self._documents.confirm(proven.confirm)
        return proven

    async def _secrets(self, webhook: Webhook) -> Secrets | None:
        if webhook.secret is None:
            return None
        try:
            return await self._vault.resolve(webhook.secret)
        except SecretUnavailable as error:
            raise Refused(Reason.SECRET_UNAVAILABLE, str(error)) from None
