"""The address a request comes from: the peer's, or what trusted proxies say, and lists of networks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from receiver.contract.errors import DefinitionError

MOST_HOPS = 64
"""Proxies that are walked through; nobody has a longer chain."""

_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True)
class Networks:
    """Addresses and CIDRs, to allow or to trust. An empty one contains nothing."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def contains(self, ip: str) -> bool:
        """Whether an address lies in one of the networks; False for what is no address."""
        address = _parse(ip)
        return address is not None and any(address in network for network in self.networks)


def parse_networks(texts: Iterable[str], field: str = "ip_allowlist") -> Networks:
    """Networks from `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`, ...; raises `DefinitionError` naming the one wrong."""
    return Networks(tuple(_network(text, f"{field}[{index}]") for index, text in enumerate(texts)))


def client_ip(peer: str, headers: Sequence[tuple[str, str]], trusted: Networks) -> str:
    """The sender's address in its plain form, `peer` itself where that is none (a local socket).

    `X-Forwarded-For` is read from the right, as far as each hop that vouches for the next is trusted: what stands left
    of the first untrusted hop is the sender's own claim. An entry that is no address ends the walk at the hop before.
    """
    address = _parse(peer)
    if address is None:
        return peer
    if not trusted.networks or not trusted.contains(str(address)):
        return str(address)
    line = ",".join(value for name, value in headers if name.lower() == "x-forwarded-for")
    for entry in reversed(line.rsplit(",", MOST_HOPS)[-MOST_HOPS:]):
        hop = _parse(_without_port(entry.strip()))
        if hop is None:
            break
        address = hop
        if not trusted.contains(str(hop)):
            break
    return str(address)


@lru_cache(maxsize=1024)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address without its zone; IPv4 written as IPv6 is IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _without_port(entry: str) -> str:
    """`192.0.2.7:443`, `[2001:db8::1]:443` and `[2001:db8::1]` without brackets and port; a bare IPv6 as it is."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _network(text: str, field: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text.strip())
    except ValueError:
        raise DefinitionError(field, f"{text!r} is no address or network{_hint(text)}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return IPv4Network(f"{mapped}/{network.prefixlen - 96}")
    return network


def _hint(text: str) -> str:
    try:
        return f"; did you mean {ip_network(text.strip(), strict=False)}?"
    except ValueError:
        return "; write e.g. 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
