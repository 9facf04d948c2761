"""Answers to a sender's check of the URL. Pure: nothing is verified here."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Handshake
from receiver.ingress.verify.wire import one_query_value

_LARGEST_BODY = 16 * 1024
_LONGEST_CHALLENGE = 1024
_WOOCOMMERCE_PING = re.compile(rb"webhook_id=[0-9]{1,20}")


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """How a sender checks a URL. `answer` gives the answer to a complete check, None for any other request.

    It gets the key with which the request was signed; where `signed`, nothing of the answer is used before that is
    proven. `methods` are those of the check besides the webhook's own.
    """

    about: str
    answer: Callable[[RawRequest, bytes], Handshake | None]
    signed: bool = True
    methods: frozenset[str] = frozenset()


def slack_challenge(request: RawRequest, _key: bytes = b"") -> Handshake | None:
    """The challenge of Slack's `url_verification` as plain text."""
    data = _small_object(request, b"url_verification")
    challenge = data.get("challenge")
    if data.get("type") != "url_verification" or not _is_challenge(challenge):
        return None
    return Handshake(body=challenge.encode())


def zoom_validation(request: RawRequest, key: bytes) -> Handshake | None:
    """Zoom's `endpoint.url_validation`: its token, and the same signed with the secret token."""
    data = _small_object(request, b"endpoint.url_validation")
    payload = data.get("payload")
    token = payload.get("plainToken") if isinstance(payload, dict) else None
    if data.get("event") != "endpoint.url_validation" or not _is_challenge(token):
        return None
    signed = hmac.digest(key, token.encode(), "sha256").hex()
    return Handshake(
        body=orjson.dumps({"plainToken": token, "encryptedToken": signed}), content_type="application/json"
    )


def query_challenge(request: RawRequest, name: str) -> Handshake | None:
    """The query parameter `name` as plain text; None where there is none. Raises `Unverified` for an absurd one."""
    if not any(key == name for key, _ in request.query_items()):
        return None
    malformed = Reason.CREDENTIAL_MALFORMED
    challenge = one_query_value(request, name, missing=malformed, malformed=malformed)
    if len(challenge) > _LONGEST_CHALLENGE:
        raise Unverified(malformed, f"the challenge is longer than {_LONGEST_CHALLENGE} bytes")
    return Handshake(body=challenge)


def dropbox_challenge(request: RawRequest, _key: bytes) -> Handshake | None:
    """Dropbox asks by GET for its `challenge`."""
    return query_challenge(request, "challenge") if request.method == "GET" else None


def head_probe(request: RawRequest, _key: bytes) -> Handshake | None:
    """A HEAD request, which asks no more than whether there is anything at this URL."""
    return Handshake() if request.method == "HEAD" else None


def woocommerce_ping(request: RawRequest, _key: bytes) -> Handshake | None:
    """What WooCommerce sends, unsigned, when a webhook is made: exactly the form `webhook_id=<number>`."""
    is_ping = request.method == "POST" and _WOOCOMMERCE_PING.fullmatch(request.body) is not None
    return Handshake() if is_ping else None


def _small_object(request: RawRequest, word: bytes) -> dict[str, Any]:
    """The JSON object of a small body that holds `word`; an empty one for any other."""
    if len(request.body) > _LARGEST_BODY or word not in request.body:
        return {}
    try:
        data = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _is_challenge(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_CHALLENGE
