"""Pages that may call a webhook from a browser: the question before the call, and what the answers say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from receiver.contract.errors import Refused
from receiver.contract.reasons import Reason
from receiver.ingress.answers import Answer, Header, empty

ANY = "*"
_MAX_AGE_SECONDS = 600
_LONGEST_HEADERS = 1024
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_SHOWN = "webhook-delivery-id, webhook-duplicate-of, retry-after"


@dataclass(frozen=True)
class Cors:
    """The origins whose pages may call, or `*` for any. What a browser adds by itself (cookies) is never asked for."""

    origins: frozenset[str]

    def allowed(self, origin: str | None) -> str | None:
        """What `Access-Control-Allow-Origin` says to a page of this origin; None where it may not call."""
        if ANY in self.origins:
            return ANY
        return origin if origin in self.origins else None


def asked_method(method: str, headers: Iterable[tuple[str, str]]) -> str | None:
    """The method that a browser asks for before it calls (a preflight); None for any other request."""
    if method != "OPTIONS":
        return None
    given = dict(headers)
    return given.get("access-control-request-method") if "origin" in given else None


def preflight(cors: Cors, methods: Sequence[str], headers: Iterable[tuple[str, str]], delivery_id: str) -> Answer:
    """The answer to a page that may call; raises `Refused` for another."""
    given = dict(headers)
    origin = given.get("origin")
    allowed = cors.allowed(origin)
    if allowed is None:
        raise Refused(Reason.ORIGIN_NOT_ALLOWED, f"{(origin or '')[:200]!r} is not in cors")
    said: list[Header] = [
        ("access-control-allow-origin", allowed),
        ("access-control-allow-methods", ", ".join(methods)),
        ("access-control-max-age", str(_MAX_AGE_SECONDS)),
        ("vary", "origin, access-control-request-method, access-control-request-headers"),
    ]
    # Whichever headers: what a page may set is no secret, and verification judges them.
    wanted = given.get("access-control-request-headers", "").strip()
    if wanted and len(wanted) <= _LONGEST_HEADERS and _HEADER_NAMES.fullmatch(wanted):
        said.append(("access-control-allow-headers", wanted))
    return empty(204, delivery_id, said)


def readable(cors: Cors, headers: Iterable[tuple[str, str]], answer: Answer) -> Answer:
    """The answer, which a page that may call is allowed to read. Where the webhook itself says who may, that stays."""
    if any(name.lower() == "access-control-allow-origin" for name, _ in answer.headers):
        return answer
    said: list[Header] = [("vary", "origin")]
    allowed = cors.allowed(dict(headers).get("origin"))
    if allowed is not None:
        said += [("access-control-allow-origin", allowed), ("access-control-expose-headers", _SHOWN)]
    return replace(answer, headers=[*answer.headers, *said])
