"""Whether those who may call a webhook can: its networks, the proxy before it, and what proves who they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from receiver.checks.situation import CallerFacts
from receiver.contract.fields import SET_PREFIX
from receiver.contract.reasons import Reason
from receiver.deliveries.records import DeliveryFilter
from receiver.deliveries.store import DeliveryStore
from receiver.ingress.client_ip import Networks, Proxies
from receiver.ingress.webhook import Webhook
from receiver.storage import StoreUnavailable

_RECENT = timedelta(days=1)
_SECONDS = 4.0
_OF_PROXIES = ("x-forwarded-for", "forwarded")


class Sets(Protocol):
    """The sets of networks; `NetworkSets` is one."""

    def get(self, name: str) -> Networks | None: ...

    def problem(self, name: str) -> str:
        """Why a set lets nobody in or is old; empty where it is fresh."""


@dataclass(frozen=True, kw_only=True)
class Callers:
    """Looks at a webhook's callers, at those that were refused lately too.

    `proxied_url` is the public address where something else than the receiver ends its TLS.
    """

    deliveries: DeliveryStore
    proxies: Proxies
    sets: Sets
    proxied_url: str | None
    now: Callable[[], datetime]

    async def facts(self, webhook: Webhook) -> CallerFacts:
        """What keeps its callers out. Takes 4 s at most."""
        lost, old = [], []
        for name in webhook.allowlist.sets if webhook.allowlist else ():
            if self.sets.get(name) is None:
                lost.append(f"{SET_PREFIX}{name}: {self.sets.problem(name)}")
            elif problem := self.sets.problem(name):
                old.append(f"{SET_PREFIX}{name}: {problem}")
        return CallerFacts(
            proxied=await self._proxied(webhook) if webhook.allowlist else "",
            lost_sets="; ".join(lost),
            old_sets="; ".join(old),
            no_certificates=webhook.scheme.name == "client-certificate" and not self._certificates_come(),
        )

    def _certificates_come(self) -> bool:
        return bool(self.proxies.certificate_header and self.proxies.networks.networks)

    async def _proxied(self, webhook: Webhook) -> str:
        """Why the addresses that are seen are a proxy's; empty where nothing speaks for it."""
        public = urlsplit(self.proxied_url or "")
        if public.scheme == "https" and not self.proxies.networks.networks:
            return "WEBHOOKS_PUBLIC_URL is set and WEBHOOKS_TRUSTED_PROXIES is not: of every request the proxy is seen"
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._refused_behind_a_proxy(webhook.key)
        except (StoreUnavailable, TimeoutError):
            return ""  # which is said of the inbox

    async def _refused_behind_a_proxy(self, key: str) -> str:
        which = DeliveryFilter(webhook=key, reason=Reason.ADDRESS_NOT_ALLOWED, since=self.now() - _RECENT)
        rows, _ = await self.deliveries.list(which, 1)
        request = await self.deliveries.request(rows[0].id) if rows else None
        if request is None or not _is_a_proxys(request.client_ip, request.headers):
            return ""
        return (
            f"the latest request that was refused came from {request.client_ip}, which writes the header of a proxy "
            "and is not among WEBHOOKS_TRUSTED_PROXIES"
        )


def _is_a_proxys(client_ip: str, headers: Mapping[str, str | list[str]]) -> bool:
    """Whether an address that was seen speaks for another one: what it says was not believed."""
    said = [headers[name] for name in _OF_PROXIES if name in headers]
    return bool(said) and not any(client_ip in str(value) for value in said)
