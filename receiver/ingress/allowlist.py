"""Who may call a webhook: addresses and networks, and sets of networks that are kept elsewhere, by name. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from receiver.contract.errors import DefinitionError, Refused
from receiver.contract.fields import SET_PREFIX
from receiver.contract.reasons import Reason
from receiver.ingress.client_ip import Networks, parse_networks


class NetworkSetLookup(Protocol):
    """Sets of networks by name."""

    def get(self, name: str) -> Networks | None:
        """The networks of a set; None where there is no such set, or it has never been loaded."""


class Allowed(Protocol):
    """A webhook, for which the allowlist is all that counts here."""

    @property
    def allowlist(self) -> Allowlist | None: ...


@dataclass(frozen=True)
class Allowlist:
    """The `ip_allowlist` of a webhook."""

    networks: Networks
    sets: tuple[str, ...] = ()

    def check(self, ip: str, known: NetworkSetLookup) -> None:
        """Raise `Refused` for an address that is not in it; for now, where one of its sets is not there."""
        if self.networks.contains(ip):
            return
        unavailable = []
        for name in self.sets:
            networks = known.get(name)
            if networks is None:
                unavailable.append(name)
            elif networks.contains(ip):
                return
        if unavailable:
            words = f"{', '.join(SET_PREFIX + name for name in unavailable)} of ip_allowlist has never been loaded"
            raise Refused(Reason.NETWORKS_UNAVAILABLE, words)
        raise Refused(Reason.ADDRESS_NOT_ALLOWED, f"{ip} is not in ip_allowlist")


def refuse_unknown_sets(webhook: Allowed, names: Collection[str]) -> None:
    """Raise `DefinitionError` for a set that nobody named."""
    for name in webhook.allowlist.sets if webhook.allowlist else ():
        if name not in names:
            there = f"there are: {', '.join(names)}" if names else "none is named"
            problem = f"there is no set '{name}' in the file of WEBHOOKS_NETWORK_SETS; {there}"
            raise DefinitionError("ip_allowlist", problem)


def parse_allowlist(entries: Iterable[str]) -> Allowlist:
    """An allowlist from `192.0.2.0/24`, `set:github-hooks`, ...; raises `DefinitionError` naming the one wrong."""
    entries = list(entries)
    sets = tuple(entry.removeprefix(SET_PREFIX) for entry in entries if entry.startswith(SET_PREFIX))
    return Allowlist(parse_networks(entry for entry in entries if not entry.startswith(SET_PREFIX)), sets)
