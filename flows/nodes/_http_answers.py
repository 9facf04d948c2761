"""What another system's answer means: fine, not now, or no. No I/O."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from blocks.errors import Failed, TryAgain
from flows.nodes._mask import HIDDEN, masked_text
from flows.nodes._node import LONGEST_WAIT


def judge(
    request: httpx.Request,
    response: httpx.Response,
    expect: Container[int],
    *,
    body: str,
    now: datetime,
    secrets: Iterable[str] = (),
) -> Failed | TryAgain | None:
    """What the answer means: fine (None), not now, or no. 429 and 5xx are "not now" unless expected.

    `Retry-After` is honoured; a wait over two minutes is "no". `secrets` are not repeated from the body.
    """
    if response.status_code in expect:
        return None
    said = f": {masked_text(without(body, secrets)[:500])}" if body else ""
    message = f"{request.method} {masked_text(str(request.url))} answered {response.status_code}{said}"
    return verdict(message, response, now=now)


def verdict(message: str, response: httpx.Response, *, now: datetime) -> Failed | TryAgain:
    """An answer that is no success: 429 and 5xx are "not now", the others "no"."""
    if response.status_code != 429 and response.status_code < 500:
        return Failed(message)
    after = retry_after(response.headers.get("Retry-After"), now)
    if after > LONGEST_WAIT:
        return Failed(f"{message} (asks to wait {after:.0f} s, which is longer than a run is held for)")
    return TryAgain(message, after=after)


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds a `Retry-After` header asks to wait, in either of its forms; 0 when it says nothing readable."""
    if value is None:
        return 0.0
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret hidden, the longest first."""
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def parsed(text: str) -> dict[str, Any]:
    """`{"json", "text"}` of a body: one of them is None."""
    try:
        return {"json": json.loads(text, parse_constant=_refuse), "text": None}
    except (ValueError, RecursionError):
        return {"json": None, "text": text}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
