"""Recordings of requests, one for each way a scheme works, made with signers of the tests' own.

A module here that defines `RECORDINGS` is found by `load_recordings`; `test_schemes.py` runs its suite over every one,
and fails for a registered scheme that has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pkgutil import iter_modules
from typing import Any
from urllib.parse import quote

from receiver.ingress.request import RawRequest

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
Place = tuple[str, str]
"""Where a text travels: `("header", lower-case name)`, `("query", name)`, `("body", path in JSON)`, `("xml", tag)`,
`("path", "last segment")`."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One way of one scheme. `signer` writes credential or signature without anything of ours.

    `proof` is where the credential or signature travels; case does not matter in its first `ignored_start` characters.
    `moment`: it signs when it was sent, for `tolerance` seconds. `signed_headers`: other headers it signs, a
    timestamp's last; `signed_places`: what it signs elsewhere. `timed_in_body`: the timestamp stands there.
    `signs_url`: method-independent, the URL too.
    `bad_secrets` are values that are no secret for this scheme, besides empty ones. `varies`: two signatures of one
    request need not be alike. `sender_alone_signs`: the secret is a public key.
    """

    id: str
    verification: Mapping[str, Any]
    secret: str
    other_secret: str
    plain: RawRequest
    signer: Callable[[RawRequest, str, datetime], RawRequest]
    proof: Place
    ignored_start: int = 0
    signs_body: bool = False
    signs_url: bool = False
    moment: bool = False
    tolerance: int = 300
    timed_in_body: bool = False
    refuses_future: bool = False
    signed_headers: tuple[str, ...] = ()
    signed_places: tuple[Place, ...] = ()
    handshake: RawRequest | None = None
    handshake_answer: bytes = b""
    bad_secrets: tuple[str, ...] = ()
    varies: bool = False
    sender_alone_signs: bool = False

    def signed(self, secret: str | None = None, *, at: datetime = NOW, plain: RawRequest | None = None) -> RawRequest:
        """The request as the sender sends it."""
        return self.signer(plain or self.plain, self.secret if secret is None else secret, at)

    def proof_text(self, request: RawRequest) -> str:
        """The credential or signature in a request."""
        return value_at(request, self.proof)

    def with_proof(self, request: RawRequest, *values: str) -> RawRequest:
        """The request with other values in the proof's place, or with none."""
        return with_values(request, self.proof, *values)


def value_at(request: RawRequest, place: Place) -> str:
    """What a request holds in a place."""
    kind, name = place
    match kind:
        case "body":
            data = json.loads(request.body)
            for step in name.split("."):
                data = data[int(step) if step.isdigit() else step]
            return str(data)
        case "xml":
            found = re.search(f"<{name}>([^<]*)</{name}>".encode(), request.body)
            assert found is not None
            return found[1].decode()
        case "path":
            return request.path.rpartition("/")[2]
    values = request.headers if kind == "header" else tuple(request.query_items())
    return next(value for key, value in values if key == name)


def with_values(request: RawRequest, place: Place, *values: str) -> RawRequest:
    """The request with exactly these values in a place; in JSON the last of them counts."""
    kind, name = place
    if kind == "body":
        return with_body(request, _with_field(request.body, name.split("."), values))
    if kind == "xml":
        elements = b"".join(b"<%s>%s</%s>" % (name.encode(), _escaped(value), name.encode()) for value in values)
        return with_body(request, re.sub(f"<{name}>[^<]*</{name}>".encode(), lambda _: elements, request.body))
    if kind == "path":
        return replace(request, path="/".join([request.path.rpartition("/")[0], *(values or ("",))]))
    if kind == "header":
        kept = [(key, value) for key, value in request.headers if key != name]
        return replace(request, headers=(*kept, *((name, value) for value in values)))
    items = [(key, value) for key, value in request.query_items() if key != name]
    items += [(name, value) for value in values]
    query_string = "&".join(f"{quote(key)}={quote(value, errors='surrogateescape')}" for key, value in items)
    return replace(request, query_string=query_string)


def _with_field(body: bytes, path: Sequence[str], values: Sequence[str]) -> bytes:
    whole = data = json.loads(body)
    for step in path[:-1]:
        data = data[int(step)] if step.isdigit() else data.setdefault(step, {})
    data.pop(path[-1], None)
    for value in values:
        data[path[-1]] = value
    return json.dumps(whole, separators=(",", ":")).encode()


def _escaped(value: str) -> bytes:
    """As text of an element; control characters, which XML cannot hold, as `?`."""
    plain = (character if character.isalnum() else f"&#{max(ord(character), 63)};" for character in value)
    return "".join(plain).encode()


def with_body(request: RawRequest, body: bytes) -> RawRequest:
    """The request with another body."""
    return replace(request, body=body, wire_body=body)


def make_request(body: bytes = b"", *, headers: Mapping[str, str] | None = None, query: str = "") -> RawRequest:
    """A POST as it arrives, with JSON unless `headers` say otherwise."""
    named = {"content-type": "application/json", "user-agent": "sender/1", **(headers or {})}
    return RawRequest(
        method="POST",
        path="/api/webhooks/orders",
        query_string=query,
        headers=tuple(named.items()),
        body=body,
        wire_body=body,
        client_ip="192.0.2.1",
        url="https://hooks.example.com/api/webhooks/orders" + (f"?{query}" if query else ""),
        received_at=NOW,
    )


def load_recordings() -> list[Recording]:
    """Every recording of this package's modules."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return [recording for module in modules for recording in getattr(module, "RECORDINGS", ())]
