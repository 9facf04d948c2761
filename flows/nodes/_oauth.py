"""OAuth2 client credentials: a token for a service, kept in the process until shortly before it expires."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from blocks import HttpService
from blocks.errors import Failed

DEFAULT_LIFE = 300.0
"""Seconds a token is believed whose life nobody told."""
_MARGIN = 30.0
"""Seconds before its end at which a token is replaced; for short lives a tenth of them."""
_MOST_KEPT = 100


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token and the moment from which it is not used any more, in the seconds of the caller's clock."""

    value: str
    until: float


_tokens: dict[str, Token] = {}


def kept(service: HttpService, *, now: float) -> str | None:
    """The token that this process has for the service, if it is still good."""
    token = _tokens.get(_place(service))
    return token.value if token and now < token.until else None


def keep(service: HttpService, token: Token) -> None:
    """Remember a token; the oldest of a hundred is forgotten."""
    while len(_tokens) >= _MOST_KEPT:
        del _tokens[next(iter(_tokens))]
    _tokens[_place(service)] = token


def forget(service: HttpService) -> None:
    """Forget the service's token: it was refused."""
    _tokens.pop(_place(service), None)


def question(service: HttpService) -> httpx.Request:
    """The request that fetches a token (RFC 6749, 4.4)."""
    name, secret = _credentials(service)
    form = {"grant_type": "client_credentials"}
    if service.scope:
        form["scope"] = service.scope
    headers = {"Accept": "application/json"}
    if service.credentials_in == "body":
        form |= {"client_id": name, "client_secret": secret}
    else:
        pair = f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return httpx.Request("POST", service.token_url or "", data=form, headers=headers)


def read(answer: bytes, *, now: float) -> Token:
    """The token in the answer. Raises `Failed` without repeating the answer, which may hold a credential.

    >>> read(b'{"access_token": "t", "expires_in": 3600}', now=0.0)
    Token(value='t', until=3570.0)
    """
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    value = told.get("access_token") if isinstance(told, dict) else None
    if not isinstance(value, str) or not value or not (value.isascii() and value.isprintable()):
        raise Failed("the token's address answered without a usable access_token")
    life = told.get("expires_in")
    try:
        seconds = DEFAULT_LIFE if life is None else max(0.0, float(life))
    except (TypeError, ValueError):
        seconds = DEFAULT_LIFE
    return Token(value=value, until=now + seconds - min(_MARGIN, seconds / 10))


def _credentials(service: HttpService) -> tuple[str, str]:
    return service.username or "", service.secret.get_secret_value() if service.secret else ""


def _place(service: HttpService) -> str:
    parts = [service.token_url, service.scope, *_credentials(service)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
