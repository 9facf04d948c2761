"""Schemes that show a fixed credential."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_values
from tests.conformance.schemes.signing import Signer

_PLAIN = make_request(b'{"order": 17}', query="page=2&note=a%20b")
_KEY, _OTHER = "k-5f2e9b07c1d84a36", "k-0c77d2a1b94e6f58"
_LOGIN, _OTHER_LOGIN = "hooks:tr0ub4dor & ß", "hooks:correct horse"


def _in_header(name: str, before: str = "") -> Signer:
    def signer(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
        return with_values(request, ("header", name), before + secret)

    return signer


def _basic(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    return with_values(request, ("header", "authorization"), "Basic " + base64.b64encode(secret.encode()).decode())


def _in_query(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    return with_values(request, ("query", "code"), secret)


def _in_path(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    if len(secret) < 20:
        raise ValueError("too short for a token")
    return replace(request, path=f"{request.path.rpartition('/')[0]}/{secret}")


RECORDINGS = (
    Recording(
        id="url-token",
        verification={"scheme": "url-token"},
        secret="k-5f2e9b07c1d84a36-5f2e9b07c1d84a36",
        other_secret="k-0c77d2a1b94e6f58-0c77d2a1b94e6f58",
        plain=replace(_PLAIN, path="/api/webhooks/orders/{}"),
        signer=_in_path,
        proof=("path", "last segment"),
        bad_secrets=("too short", "long enough but with a blank in it", "long enough but with a/slash"),
    ),
    Recording(
        id="api-key in its usual header",
        verification={"scheme": "api-key"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=_PLAIN,
        signer=_in_header("x-api-key"),
        proof=("header", "x-api-key"),
    ),
    Recording(
        id="api-key in a header of the sender's",
        verification={"scheme": "api-key", "header": "X-Partner"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=_PLAIN,
        signer=_in_header("x-partner"),
        proof=("header", "x-partner"),
    ),
    Recording(
        id="api-key in the query",
        verification={"scheme": "api-key", "query": "code"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=_PLAIN,
        signer=_in_query,
        proof=("query", "code"),
    ),
    Recording(
        id="bearer",
        verification={"scheme": "bearer"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=_PLAIN,
        signer=_in_header("authorization", "Bearer "),
        proof=("header", "authorization"),
        ignored_start=len("Bearer"),
    ),
    Recording(
        id="basic",
        verification={"scheme": "basic"},
        secret=_LOGIN,
        other_secret=_OTHER_LOGIN,
        plain=_PLAIN,
        signer=_basic,
        proof=("header", "authorization"),
        ignored_start=len("Basic"),
        bad_secrets=("no colon", ":", "user:"),
    ),
    Recording(
        id="pipedrive",
        verification={"scheme": "pipedrive"},
        secret=_LOGIN,
        other_secret=_OTHER_LOGIN,
        plain=_PLAIN,
        signer=_basic,
        proof=("header", "authorization"),
        ignored_start=len("Basic"),
        bad_secrets=("no colon", ":", "user:"),
    ),
    Recording(
        id="gitlab secret token",
        verification={"scheme": "gitlab"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=make_request(b'{"object_kind": "push"}', headers={"x-gitlab-event": "Push Hook", "idempotency-key": "5"}),
        signer=_in_header("x-gitlab-token"),
        proof=("header", "x-gitlab-token"),
    ),
)
