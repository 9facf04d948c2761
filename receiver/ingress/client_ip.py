"""Where a request comes from, by its connection or by what trusted proxies say, and lists of networks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from receiver.contract.errors import DefinitionError
from receiver.ingress.forwarded import ProxyHeader, hops

_OF_PROXIES = frozenset({"x-forwarded-for", "forwarded", "x-real-ip"})
_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True)
class Networks:
    """Addresses and CIDRs, to allow or to trust. An empty one contains nothing."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def contains(self, ip: str) -> bool:
        """Whether an address lies in one of the networks; False for what is no address."""
        address = _parse(ip)
        if address is None:
            return False
        number, bits = int(address), address.max_prefixlen
        return any(number >> (bits - length) in firsts for length, firsts in self._index[address.version].items())

    @cached_property
    def _index(self) -> dict[int, dict[int, set[int]]]:
        """By version and length of prefix, the prefixes: thousands of networks are asked as quickly as a few."""
        index: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in self.networks:
            prefix = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
            index[network.version].setdefault(network.prefixlen, set()).add(prefix)
        return index


def parse_networks(texts: Iterable[str], field: str = "ip_allowlist") -> Networks:
    """Networks from `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`, ...; raises `DefinitionError` naming the one wrong."""
    return Networks(tuple(_network(text, f"{field}[{index}]") for index, text in enumerate(texts)))


@dataclass(frozen=True)
class Proxies:
    """The proxies that are believed, and the one header in which they say whom they had before them.

    `certificate_header` (lower case) is where they pass on the client's certificate, None where they do not.
    """

    networks: Networks = Networks()
    header: ProxyHeader = "x-forwarded-for"
    certificate_header: str | None = None


@dataclass(frozen=True)
class Origin:
    """Whence a request comes: the sender's address in its plain form, and whether it came encrypted.

    `ip` is the peer itself where that is no address (a local socket). `local`: the request has not left this machine.
    """

    ip: str
    secure: bool
    local: bool

    @property
    def in_clear(self) -> bool:
        """Whether others on its way could read it."""
        return not (self.secure or self.local)


def origin(peer: str, headers: Sequence[tuple[str, str]], scheme: str, proxies: Proxies) -> Origin:
    """Who sent a request over a connection with `peer`, whose own scheme is `scheme` (`http`, `https`).

    The header of `proxies` is read from the right, as far as each hop that vouches for the next is trusted: what stands
    left of the first untrusted hop is the sender's own claim. The other header is not looked at. An entry that is no
    address (`unknown`, `_hidden`) ends the walk at the hop before. Of the same hops it is believed how they were spoken
    to.
    """
    address = _parse(peer)
    if address is None:
        return Origin(peer, scheme == "https", local=True)
    secure, hidden = scheme == "https", False
    if proxies.networks.networks and proxies.networks.contains(str(address)):
        for hop in hops(headers, proxies.header):
            secure = hop.proto == "https" if hop.proto else secure
            before = _parse(hop.node)
            if before is None:
                hidden = True
                break
            address = before
            if not proxies.networks.contains(str(before)):
                break
    return Origin(str(address), secure, local=address.is_loopback and not hidden)


def passed_certificate(peer: str, headers: Sequence[tuple[str, str]], proxies: Proxies) -> str:
    """What the peer says of the client's certificate; empty where it is no trusted proxy, or says nothing."""
    if proxies.certificate_header is None or not proxies.networks.contains(peer):
        return ""
    # Two of them, of which one may be the client's own, are no certificate together.
    return ",".join(value for name, value in headers if name.lower() == proxies.certificate_header)


def speaks_for_others(peer: str, headers: Sequence[tuple[str, str]], proxies: Proxies) -> bool:
    """Whether the peer seems to be a proxy of ours that nobody named as one: then its address is many senders'.

    That is one with an address of a private network or this machine's, and a header that a proxy writes.
    """
    address = _parse(peer)
    if address is None or address.is_global or proxies.networks.contains(str(address)):
        return False
    return any(name.lower() in _OF_PROXIES for name, _ in headers)


@lru_cache(maxsize=1024)
def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address without its zone; IPv4 written as IPv6 is IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


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
