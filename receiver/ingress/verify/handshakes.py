"""Answers to a sender's check of the URL, where the check is a request like any other. Pure: nothing is verified."""

from __future__ import annotations

import orjson

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Handshake

_LARGEST_BODY = 16 * 1024
_LONGEST_CHALLENGE = 1024


def slack_challenge(request: RawRequest) -> Handshake | None:
    """The challenge of Slack's `url_verification` as plain text; None for any other request."""
    if len(request.body) > _LARGEST_BODY or b"url_verification" not in request.body:
        return None
    try:
        data = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict) or data.get("type") != "url_verification":
        return None
    challenge = data.get("challenge")
    if not isinstance(challenge, str) or not 0 < len(challenge) <= _LONGEST_CHALLENGE:
        return None
    return Handshake(body=challenge.encode())
