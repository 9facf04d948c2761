"""Call another system over HTTP."""

from __future__ import annotations

import asyncio
import json as json_module
import ssl
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from blocks.errors import Failed, InvalidInput, TryAgain
from flows.nodes._mask import masked_text
from flows.nodes._node import LONGEST_WAIT, node

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REPEATABLE = METHODS - {"POST", "PATCH"}
"""Methods that mean the same when they arrive twice."""

SUCCESS = range(200, 300)
MAX_TIMEOUT = 300.0
MAX_RESPONSE = 1024 * 1024


def plan(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    content: str | bytes | None = None,
) -> httpx.Request:
    """The request that will be sent.

    >>> request = plan("get", "https://api.example.com/items?page=1", query={"q": "a b"})
    >>> request.method, str(request.url)
    ('GET', 'https://api.example.com/items?page=1&q=a+b')
    """
    if method.upper() not in METHODS:
        raise InvalidInput(f"method: {method!r} is none of {', '.join(sorted(METHODS))}")
    if sum(body is not None for body in (json, form, content)) > 1:
        raise InvalidInput("give one of json, form and content")
    try:
        address = httpx.URL(url).copy_merge_params(dict(query or {}))
        request = httpx.Request(
            method.upper(), address, headers=dict(headers or {}), json=json, data=form and dict(form), content=content
        )
        if any("\r" in value or "\n" in value or "\0" in value for value in request.headers.values()):
            raise InvalidInput("headers: a value holds a line break")
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise InvalidInput(f"the request cannot be made: {error}") from error
    if address.scheme not in {"http", "https"} or not address.host:
        raise InvalidInput(f"url: {masked_text(url)[:200]!r} does not begin with http:// or https:// and a host")
    return request


def judge(
    request: httpx.Request, response: httpx.Response, expect: Container[int], *, body: str, now: datetime
) -> Failed | TryAgain | None:
    """What the answer means: fine (None), not now, or no. 429 and 5xx are "not now" unless expected.

    `Retry-After` is honoured; a wait over two minutes is "no".
    """
    if response.status_code in expect:
        return None
    said = f": {masked_text(body[:500])}" if body else ""
    message = f"{request.method} {masked_text(str(request.url))} answered {response.status_code}{said}"
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


@node("{method} {url}", timeout=MAX_TIMEOUT + 30)
async def http_request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    content: str | bytes | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 (the word its callers know; the whole exchange is bounded by it)
    expect: Container[int] = SUCCESS,
    repeatable: bool | None = None,
    follow_redirects: bool = False,
    max_bytes: int = MAX_RESPONSE,
) -> dict[str, Any]:
    """Call an address and give back its answer.

    ```python
    answer = await http_request("POST", "https://crm.example.com/contacts", json={"name": "Ada"}, expect={201})
    ```

    Args:
        method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
        url: Begins with http:// or https://.
        headers: By name. Credentials are hidden in Prefect's log.
        query: Added to those that `url` has.
        json: The body as JSON. Give one of `json`, `form`, `content`.
        form: The body as a URL-encoded form.
        content: The body as it is.
        timeout: Seconds for the whole exchange, at most 300.
        expect: The statuses that are a success. Another one is an error.
        repeatable: Whether arriving twice equals arriving once. By default all but POST and PATCH: for those, a
            connection lost after sending is an error that is not retried. A refused connection, 429 and 5xx are
            retried for all, after as long as `Retry-After` asks (at most two minutes).
        follow_redirects: Follow up to 5. Otherwise a redirect is an answer like any other.
        max_bytes: The largest body taken, 1 MiB by default.

    Returns:
        `{"status": 201, "headers": {...}, "json": ..., "text": ...}`: `json` is the parsed body and `text` is None
        where the answer is JSON, else the other way round. Header names are lower-case.

    Raises:
        InvalidInput: The request cannot be made. Nothing was sent.
        Failed: Another status, a body that is too large, or a connection lost when it was not `repeatable`.
        TryAgain: No good answer after the last retry.
    """
    if not 0 < timeout <= MAX_TIMEOUT:
        raise InvalidInput(f"timeout is over 0 and at most {MAX_TIMEOUT:.0f} seconds, not {timeout}")
    request = plan(method, url, headers, query, json=json, form=form, content=content)
    safe = request.method in REPEATABLE if repeatable is None else repeatable
    try:
        async with asyncio.timeout(timeout):
            response, body = await _exchange(request, follow_redirects, max_bytes, timeout)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise TryAgain(f"{request.url.host} cannot be reached: {error}") from error
    except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.DecodingError) as error:
        raise Failed(f"{request.url.host} answered unusably: {error}") from error
    except (httpx.TransportError, TimeoutError) as error:
        trouble = f"no complete answer from {request.url.host} ({type(error).__name__}, {timeout:g} s allowed)"
        if safe:
            raise TryAgain(trouble) from error
        raise Failed(f"{trouble}; it may have done what was asked, so it is not asked again by itself") from error
    text = body.decode(response.encoding or "utf-8", "replace")
    if problem := judge(request, response, expect, body=text, now=datetime.now(UTC)):
        raise problem
    return {"status": response.status_code, "headers": dict(response.headers), **_parsed(text)}


async def _exchange(
    request: httpx.Request, follow_redirects: bool, max_bytes: int, seconds: float
) -> tuple[httpx.Response, bytes]:
    async with httpx.AsyncClient(verify=_tls(), timeout=seconds, max_redirects=5) as client:
        request.headers.setdefault("User-Agent", "prefect-webhooks")
        request.headers.setdefault("Accept", "*/*")
        response = await client.send(request, stream=True, follow_redirects=follow_redirects)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > max_bytes:
                    raise Failed(f"the answer of {request.url.host} is over {max_bytes} bytes")
        finally:
            await response.aclose()
    return response, bytes(body)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return {"json": json_module.loads(text, parse_constant=_refuse), "text": None}
    except (ValueError, RecursionError):
        return {"json": None, "text": text}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: reading the system's certificates takes about 30 ms."""
    return ssl.create_default_context()
