"""Requests of every scheme with secrets that are found again wherever they get to."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from receiver.contract.errors import DefinitionError, Unverified
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Scheme, Secrets, build_scheme
from tests.conformance.schemes import Recording, load_recordings, with_body

_PARTS = ("token", "receive_id", "owner_key", "encrypt_key", "verification_token", "app_secret", "verify_token")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_~.-]{16,}")


@dataclass(frozen=True)
class MarkedSender:
    """A sender of one scheme. `number` tells it from the others of that scheme; its secret is nowhere else."""

    number: int
    recording: Recording
    scheme: Scheme
    secret: str

    @property
    def verification(self) -> dict[str, Any]:
        return dict(self.recording.verification)

    def request(self, url: str, plain: RawRequest | None = None) -> RawRequest:
        """As it would be sent to the webhook at this URL now."""
        plain, now = plain or self.recording.plain, datetime.now(UTC)
        if not plain.body.startswith((b"{", b"<")) and plain.header("content-type") == "application/json":
            plain = with_body(plain, b'{"id": 1}')  # verifiers take any bytes, what comes behind them does not
        url += "/token" if self.scheme.carriers().last_segment else ""
        path = "/api/" + url.partition("/api/")[2]
        query = f"?{plain.query_string}" if plain.query_string else ""
        placed = replace(plain, path=path, url=url + query, received_at=now)
        return self.scheme.sign(placed, Secrets(self.secret), now)

    def secrets(self) -> Iterator[str]:
        """What nobody else may ever read: the secret, and each of its parts that is one."""
        yield self.secret
        if self.secret.startswith("{"):
            yield from (value for name, value in json.loads(self.secret).items() if name != "receive_id")
        yield self.secret.partition(":")[2] or self.secret

    def credentials(self, request: RawRequest) -> Iterator[str]:
        """What a request shows in the places of its scheme's credentials."""
        carriers = self.scheme.carriers()
        found = [value for name, value in request.headers if name in carriers.headers]
        found += [value for name, value in request.query_items() if name in carriers.query]
        with suppress(ValueError):
            body = json.loads(request.body)
            for path in {*carriers.body_paths, *((name,) for name in carriers.body_fields)}:
                found += _at(body, path)
        for value in found:
            yield from _TOKEN.findall(value)
        if carriers.last_segment:
            yield request.path.rpartition("/")[2]

    def spoiled(self, request: RawRequest) -> RawRequest:
        """The request with a letter more in each of its credentials: what somebody sends who mistypes one."""
        headers, query, path, body = list(request.headers), request.query_string, request.path, request.wire_body
        for shown in set(self.credentials(request)):
            headers = [(name, value.replace(shown, shown + "x")) for name, value in headers]
            body = body.replace(shown.encode(), shown.encode() + b"x")
            path = path.replace(shown, shown + "x")
            for spelling in {shown, quote(shown, safe="")}:
                query = query.replace(spelling, spelling + "x")
        return replace(request, headers=tuple(headers), query_string=query, path=path, body=body, wire_body=body)


def marked_senders() -> list[MarkedSender]:
    """One of each scheme that can be signed with a secret of ours, in the way that was recorded first."""
    made: list[MarkedSender] = []
    for number, recording in enumerate(load_recordings()):
        if any(sender.scheme.name == recording.verification["scheme"] for sender in made):
            continue
        scheme = build_scheme({**recording.verification, "secret": "block:webhook-secret/tests"})
        candidates = list(_candidates(number))
        for secret in reversed(candidates) if "{" in scheme.to_enter else candidates:
            sender = MarkedSender(number, recording, scheme, secret)
            with suppress(Unverified, DefinitionError):  # its secrets look otherwise
                request = sender.request(recording.plain.url)
                scheme.verify(request, Secrets(secret), request.received_at)
                made.append(sender)
                break
    return made


def spellings(needle: str) -> set[bytes]:
    """A text as it may stand somewhere: plain, as a part of a URL or of JSON, in Base64."""
    encoded = base64.b64encode(needle.encode()).rstrip(b"=")
    return {needle.encode(), quote(needle, safe="").encode(), json.dumps(needle)[1:-1].encode(), encoded[:-1]}


def _candidates(number: int) -> Iterator[str]:
    mark = hashlib.sha256(f"a marked secret, number {number}".encode()).hexdigest()
    yield f"sender:{mark[:32]}"
    yield mark
    yield "whsec_" + base64.b64encode(bytes.fromhex(mark)).decode()
    yield json.dumps({name: hashlib.sha256(f"{mark} {name}".encode()).hexdigest() for name in ("Key1", "Key2")})
    parts = {name: hashlib.sha256(f"{mark} {name}".encode()).hexdigest()[:32] for name in _PARTS}
    yield json.dumps({**parts, "aes_key": (mark * 2)[:42] + "4"})


def _at(value: Any, path: tuple[str, ...]) -> list[str]:
    if not path:
        return [value] if isinstance(value, str) else []
    if path[0] == "*":
        return [found for item in value if isinstance(value, list) for found in _at(item, path[1:])]
    return _at(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []
