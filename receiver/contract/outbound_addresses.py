"""Which addresses a call to another system may reach: public ones, and networks that somebody opened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IPV6_PUBLIC = IPv6Network("2000::/3")
"""The only part of IPv6 given out for use on the internet."""
_IPV6_PRIVATE = IPv6Network("fc00::/7")
_NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("192.88.99.0/24"),  # relays from IPv6, retired
    IPv6Network("2001::/23"),  # protocols, Teredo among them, which carries an IPv4 address
    IPv6Network("2002::/16"),  # 6to4, which carries one too
    IPv6Network("3fff::/20"),  # documentation
)
_NAT64 = IPv6Network("64:ff9b::/96")


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as `10.1.0.0/16`, `fd00::/8` or one address. Raises ValueError that names what is none.

    >>> read_networks(["10.1.0.0/16", "127.0.0.1"])
    (IPv4Network('10.1.0.0/16'), IPv4Network('127.0.0.1/32'))
    """
    return tuple(ip_network(text.strip()) for text in texts)


def refusal(address: str, allowed: Sequence[Network] = ()) -> str | None:
    """Why that address is not connected to, in a word or two; None when it may be.

    An IPv4 address inside an IPv6 one (mapped, NAT64) is judged as the IPv4 address it leads to.

    >>> refusal("169.254.169.254"), refusal("::ffff:10.0.0.1"), refusal("10.0.0.1", read_networks(["10.0.0.0/8"]))
    ('link-local', 'private', None)
    """
    given = ip_address(address)
    reached = _inside(given)
    if any(one in network for network in allowed for one in (given, reached)):
        return None
    return _kind(reached)


def _inside(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _kind(address: Address) -> str | None:
    if address.is_unspecified:
        return "unspecified"
    if address.is_loopback:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if isinstance(address, IPv4Address) and address in IPv4Network("100.64.0.0/10"):
        return "shared by a provider's customers"
    if isinstance(address, IPv4Address) and address in IPv4Network("240.0.0.0/4"):
        return "reserved"
    if isinstance(address, IPv6Address) and address not in _IPV6_PUBLIC and address not in _IPV6_PRIVATE:
        return "reserved"
    if not address.is_global:
        return "private"
    return "reserved" if any(address in network for network in _NOT_PUBLIC) else None
