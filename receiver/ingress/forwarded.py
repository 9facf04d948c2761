"""What proxies say of the hop before them: `X-Forwarded-For` and `-Proto`, or `Forwarded` (RFC 7239). Pure.

Read from the right, where the nearest proxy writes: what a client has put before that, an unclosed quote too, cannot
change how it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

MOST_HOPS = 64
"""Proxies that are walked through; nobody has a longer chain."""
LONGEST_ELEMENT = 1024
"""Characters of one proxy's element; a longer one says nothing."""

ProxyHeader = Literal["x-forwarded-for", "forwarded"]

_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^",;\s]+)[ \t]*(?:;|$)|[ \t]*(?:;|$)')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Hop:
    """Whom a proxy had before it and how that one spoke to it; empty where it does not say."""

    node: str = ""
    proto: str = ""


Headers = Sequence[tuple[str, str]]


def hops(headers: Headers, header: ProxyHeader) -> Iterator[Hop]:
    """What each proxy says, the nearest first, at most `MOST_HOPS`. Ends at the first element that is malformed."""
    return _forwarded(headers) if header == "forwarded" else _x_forwarded(headers)


def _x_forwarded(headers: Headers) -> Iterator[Hop]:
    protos = [each.strip().lower() for each in _from_right(_line(headers, "x-forwarded-proto"))]
    entries = _from_right(_line(headers, "x-forwarded-for")) or (protos[:1] and [""])
    for place, entry in enumerate(entries):
        # Most proxies write one scheme for the whole chain, some one for each hop.
        proto = protos[min(place, len(protos) - 1)] if protos else ""
        yield Hop(_without_port(entry.strip()), proto)


def _forwarded(headers: Headers) -> Iterator[Hop]:
    for element in _elements(_line(headers, "forwarded")):
        pairs = _pairs(element)
        if pairs is None:
            return
        yield Hop(_without_port(pairs.get("for", "")), pairs.get("proto", "").lower())


def _line(headers: Headers, wanted: str) -> str:
    return ",".join(value for name, value in headers if name.lower() == wanted)


def _from_right(line: str) -> list[str]:
    return list(reversed(line.rsplit(",", MOST_HOPS)[-MOST_HOPS:])) if line else []


def _elements(line: str) -> Iterator[str]:
    """The elements between commas that stand outside of quotes, the last first."""
    end = len(line) or -1
    for _ in range(MOST_HOPS):
        if end < 0:
            return
        lowest = max(end - LONGEST_ELEMENT, 0)
        comma, quoted = end, False
        while comma > lowest:
            comma -= 1
            if line[comma] == '"' and not _is_escaped(line, comma):
                quoted = not quoted
            elif line[comma] == "," and not quoted:
                break
        else:
            if quoted or lowest:
                return
            comma = -1
        yield line[comma + 1 : end]
        end = comma


def _is_escaped(line: str, place: int) -> bool:
    before = place
    while before and line[before - 1] == "\\":
        before -= 1
    return (place - before) % 2 == 1


def _pairs(element: str) -> dict[str, str] | None:
    """The pairs of an element by lower-case name; None for one that is malformed or names something twice."""
    pairs: dict[str, str] = {}
    place = 0
    while place < len(element):
        found = _PAIR.match(element, place)
        if found is None:
            return None
        place = found.end()
        if (name := found[1]) is None:
            continue
        if name.lower() in pairs:
            return None
        value = found[2]
        pairs[name.lower()] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return pairs


def _without_port(entry: str) -> str:
    """`192.0.2.7:443`, `[2001:db8::1]:443` and `[2001:db8::1]` without brackets and port; a bare IPv6 as it is."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
