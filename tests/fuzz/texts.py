"""Short texts that strangers and operators write: tokens, references, rates, lists of networks, browsers' questions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from receiver.contract.approvals import Token
from receiver.contract.errors import DefinitionError, Refused
from receiver.contract.quantities import parse_duration, parse_rate, parse_size
from receiver.contract.reasons import Reason
from receiver.contract.secret_reference import parse_secret_reference
from receiver.deliveries.tickets import Tickets
from receiver.ingress.answers import refused
from receiver.ingress.client_ip import parse_networks
from receiver.ingress.cors import Cors, asked_method, preflight, readable
from receiver.ingress.network_list import check_width, read_list
from receiver.ingress.redact import redact_unknown
from tests.fuzz import Target
from tests.fuzz.wire import any_text, from_bytes, joined, split

_NOW = datetime(2026, 3, 14, tzinfo=UTC)
_TICKETS = Tickets(b"k" * 32)
_CORS = Cors(frozenset({"https://shop.example"}))
_READERS: tuple[Callable[[str], object], ...] = (
    parse_duration,
    parse_size,
    parse_rate,
    lambda text: parse_secret_reference(text, by="code"),
    lambda text: parse_secret_reference(text, by="write"),
)


def _texts(data: bytes) -> None:
    text = any_text(data)
    for read in _READERS:
        with suppress(ValueError):
            read(text)
    redact_unknown(text).encode("utf-8", "surrogateescape")


def _tokens(data: bytes) -> None:
    """A token of ours is good for its delivery; any other text is good for none."""
    text = any_text(data)
    assert not _TICKETS.good("d-2", text, _NOW)
    assert _TICKETS.good("d-1", text, _NOW) is (text == _TICKETS.make("d-1", _NOW))
    if (token := Token.parse(text)) is not None:
        assert str(token) == text


def _network_list(data: bytes) -> None:
    pointer, content = split(data, 2)
    with suppress(ValueError):
        networks = read_list(content, any_text(pointer))
        try:
            parse_networks(networks)
        except DefinitionError as error:
            raise AssertionError("what was read is no list of networks") from error
        check_width(networks)


def _preflight(data: bytes) -> None:
    request = from_bytes(data)
    asked_method(request.method, request.headers)
    answer = refused(Reason.UNKNOWN_PATH, "d-1")
    with suppress(Refused):
        answer = preflight(_CORS, ("POST",), request.headers, "d-1")
    for name, value in readable(_CORS, request.headers, answer).headers:
        assert "\r" not in value and "\n" not in value
        assert name != "access-control-allow-origin" or value == "https://shop.example"


TARGETS = (
    Target(
        name="texts",
        run=_texts,
        seeds=lambda: [b"4d", b"1.5 MiB", b"100/minute", b"block:webhook-secret/a", b"env:A_B", b"file:a/../b"],
        words=(b"block:", b"secret/", b"/hour", b"kib", b"\xc2\xb2"),
        largest=256,
    ),
    Target(
        name="tokens",
        run=_tokens,
        seeds=lambda: [_TICKETS.make("d-1", _NOW).encode(), f"{'0' * 32}.room.{'A' * 43}".encode(), b"ffffffffff."],
        largest=256,
    ),
    Target(
        name="network-list",
        run=_network_list,
        seeds=lambda: [
            joined("", "10.0.0.0/8 # office\n\n2001:db8::1\n"),
            joined("/a/0", '{"a": [["192.0.2.1", {"ip_prefix": "198.51.100.0/24"}]]}'),
            joined("/a~1b", '{"a/b": ["::ffff:192.0.2.0/120", "fe80::1%eth0"]}'),
        ],
        words=(b"/999999", b"~0", b"%25", b"::/0", b'"0.0.0.0/0"'),
    ),
    Target(
        name="preflight",
        run=_preflight,
        seeds=lambda: [
            b"OPTIONS /a?\n\norigin: https://shop.example\naccess-control-request-method: POST\n"
            b"access-control-request-headers: content-type, x-a\n\n",
            b"POST /a?\n\norigin: null\n\n",
        ],
        words=(b"origin: ", b"access-control-request-headers: ", b", "),
        largest=2048,
    ),
)
