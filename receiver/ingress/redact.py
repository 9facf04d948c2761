"""Credentials masked before a request leaves ingress: database, log, pages and flows see what is left. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from urllib.parse import parse_qsl

from receiver.ingress.redact_body import mask_body
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers

MASK = "***"
_LONGEST_PATH, _TOKEN_LENGTH = 200, 20

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
# fmt: off
_WORDS = frozenset({
    "auth", "authorization", "cookie", "cookies", "credential", "credentials", "hmac", "jwt", "passphrase", "passwd",
    "password", "pwd", "secret", "secrets", "sig", "signature", "signatures", "token", "tokens",
})
_ENDINGS = ("accesskey", "apikey", "authorization", "passwd", "password", "secret", "secretkey", "signature", "token")
_KEYS = frozenset({
    "access", "account", "api", "app", "auth", "client", "encryption", "function", "functions", "hub", "integrity",
    "master", "private", "secret", "security", "shared", "signing", "subscription", "webhook",
})
"""Words that make `key` behind them a credential; `Idempotency-Key` and `X-Event-Key` are none."""
_ABOUT = frozenset({"alg", "algorithm", "expires", "method", "timestamp", "type", "version"})
# fmt: on
"""Last words of names that tell something about a credential, and hold none: `X-Signature-Timestamp`."""

_ADDRESSES = frozenset(
    {"referer", "forwarded-path", "x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"}
    | {"x-forwarded-path", "x-envoy-original-path"}
)
"""Headers that repeat the request's address, query and all."""


@dataclass(frozen=True, kw_only=True)
class Redacted:
    """What may be kept of a request. Names of headers are lower-case; a name that came more than once has a list.

    `path` is the raw path, `body` the same object where nothing in it had to be masked.
    """

    headers: dict[str, str | list[str]]
    query: dict[str, str | list[str]]
    path: str
    body: bytes


def redact(request: RawRequest, carriers: Carriers) -> Redacted:
    """The request with every credential as `***`: the scheme's (`carriers`), and whatever is named like one.

    Query values are decoded, with U+FFFD for what is no UTF-8.
    """
    headers: dict[str, str | list[str]] = {}
    for name, value in request.headers:
        key = name.lower()
        hidden = key in carriers.headers or is_credential_name(key) or (carriers.last_segment and key in _ADDRESSES)
        _add(headers, _text(key), MASK if hidden else _without_query(key, _text(value)))
    query: dict[str, str | list[str]] = {}
    if request.query_string:
        for name, value in parse_qsl(request.query_string, keep_blank_values=True, errors="replace"):
            hidden = name in carriers.query or is_credential_name(name)
            _add(query, _text(name), MASK if hidden else _text(value))
    content_type = request.header("content-type")
    body = mask_body(content_type, request.body, carriers.body_fields, MASK, carriers.body_paths)
    path = f"{request.path.rpartition('/')[0]}/{MASK}" if carriers.last_segment else request.path
    return Redacted(headers=headers, query=query, path=_text(path), body=body)


def redact_unknown(path: str) -> str:
    """A path that is no webhook's: a segment long enough for a key or a token is cut, for it may be one mistyped."""
    segments = path[:_LONGEST_PATH].split("/")
    return "/".join(f"{each[:4]}{MASK}" if len(each) >= _TOKEN_LENGTH else each for each in segments)


@lru_cache(maxsize=4096)
def is_credential_name(name: str) -> bool:
    """Whether a header or query parameter of this name is taken for a credential: `X-Auth-Token`, `apiKey`, `sig`."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    if not words or (len(words) > 1 and words[-1] in _ABOUT):
        return False
    if any(word in _WORDS or word.endswith(_ENDINGS) for word in words):
        return True
    return any(second in {"key", "keys"} and first in _KEYS for first, second in pairwise(words))


def _add(target: dict[str, str | list[str]], name: str, value: str) -> None:
    present = target.get(name)
    if present is None:
        target[name] = value
    elif isinstance(present, list):
        present.append(value)
    else:
        target[name] = [present, value]


def _without_query(name: str, value: str) -> str:
    if name not in _ADDRESSES or "?" not in value:
        return value
    return f"{value.partition('?')[0]}?{MASK}"


def _text(value: str) -> str:
    """The text without lone surrogates, which neither JSON nor a database can hold."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
