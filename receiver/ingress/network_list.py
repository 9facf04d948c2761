"""What a set of networks says: lines of a text, or texts somewhere in JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import unquote

import orjson

from receiver.ingress.client_ip import parse_networks

MOST_NETWORKS = 20_000
WIDEST = {4: 8, 6: 19}
"""The shortest prefixes that are taken of what comes over the network: whole providers fit in, half the world not."""


def read_list(content: bytes, pointer: str) -> tuple[str, ...]:
    """The networks in a document, in canonical form. Raises `ValueError` whose message says what is wrong.

    `pointer` is a JSON pointer (RFC 6901) to a list, of texts or of objects that hold them as values (`ip_prefix`);
    where the document is JSON without a pointer, it is that list. Else it is text, a network a line, `#` for remarks.
    """
    if pointer or content.lstrip()[:1] in {b"[", b"{"}:
        found = dict.fromkeys(_of_json(content, pointer))
    else:
        found = dict.fromkeys(_of_text(content))
    if len(found) > MOST_NETWORKS:
        raise ValueError(f"has more than {MOST_NETWORKS} networks")
    return tuple(found)


def check_width(networks: tuple[str, ...]) -> None:
    """Raise `ValueError` for a network so wide that it would let in strangers."""
    for network in parse_networks(networks).networks:  # so that all of IPv4, written as IPv6, is what it is
        if network.prefixlen < WIDEST[network.version]:
            raise ValueError(f"has {network}, wider than /{WIDEST[network.version]}")


def _of_text(content: bytes) -> Iterator[str]:
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError("is no text") from None
    for line in lines:
        if entry := line.partition("#")[0].strip():
            yield str(_network(entry))


def _of_json(content: bytes, pointer: str) -> Iterator[str]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise ValueError("is no JSON") from None
    for step in _steps(pointer):
        value = _below(value, step, pointer)
    if not isinstance(value, list):
        raise ValueError(f"has no list at {pointer or 'its top'}")  # noqa: TRY004 (one exception for whatever it says)
    for entry in value:
        if isinstance(entry, str):
            yield str(_network(entry))
            continue
        inside = [str(network) for network in _values(entry)]
        if not inside:
            raise ValueError(f"has an entry without a network at {pointer or 'its top'}")
        yield from inside


def _values(entry: Any) -> Iterator[IPv4Network | IPv6Network]:
    if isinstance(entry, dict):
        for value in entry.values():
            if isinstance(value, str):
                try:
                    yield ip_network(value.strip())
                except ValueError:
                    continue


def _steps(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"'{pointer}' is no JSON pointer; write e.g. /hooks")
    return [unquote(step).replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _below(value: Any, step: str, pointer: str) -> Any:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 7 and int(step) < len(value):
        return value[int(step)]
    raise ValueError(f"has nothing at {pointer}")


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry.strip(), strict=False)
    except ValueError:
        raise ValueError(f"has {entry[:60]!r}, which is no network") from None
