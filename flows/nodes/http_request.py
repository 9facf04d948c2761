"""Call another system over HTTP."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import httpx

from blocks import HttpService
from blocks.errors import InvalidInput
from flows.nodes._http_calls import Conditions, address, find, perform
from flows.nodes._mask import masked_text
from flows.nodes._node import node

File = bytes | tuple[str, bytes] | tuple[str, bytes, str]
"""A file to send: its bytes, or its name and bytes, or those and its media type."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REPEATABLE = METHODS - {"POST", "PATCH"}
"""Methods that mean the same when they arrive twice."""

SUCCESS = range(200, 300)
DEFAULT_TIMEOUT, MAX_TIMEOUT = 30.0, 300.0
MAX_RESPONSE = 1024 * 1024


def plan(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    files: Mapping[str, File] | None = None,
    content: str | bytes | None = None,
) -> httpx.Request:
    """The request that will be sent.

    >>> request = plan("get", "https://api.example.com/items?page=1", query={"q": "a b"})
    >>> request.method, str(request.url)
    ('GET', 'https://api.example.com/items?page=1&q=a+b')
    """
    if method.upper() not in METHODS:
        raise InvalidInput(f"method: {method!r} is none of {', '.join(sorted(METHODS))}")
    if sum(body is not None for body in (json, form if files is None else files, content)) > 1:
        raise InvalidInput("give one of json, form and content; files go with a form or alone")
    try:
        request = httpx.Request(
            method.upper(),
            httpx.URL(url).copy_merge_params(dict(query or {})),
            headers=dict(headers or {}),
            json=json,
            data=form and dict(form),
            files=files and dict(files),
            content=content,
        )
        if any("\r" in value or "\n" in value or "\0" in value for value in request.headers.values()):
            raise InvalidInput("headers: a value holds a line break")
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise InvalidInput(f"the request cannot be made: {error}") from error
    if request.url.scheme not in {"http", "https"} or not request.url.host:
        raise InvalidInput(f"url: {masked_text(url)[:200]!r} does not begin with http:// or https:// and a host")
    return request


@node("{method} {url}", timeout=MAX_TIMEOUT + 30)
async def http_request(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    *,
    json: Any = None,
    form: Mapping[str, Any] | None = None,
    files: Mapping[str, File] | None = None,
    content: str | bytes | None = None,
    service: str | HttpService | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 (the word its callers know; the whole exchange is bounded by it)
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
        url: Begins with http:// or https://. With a `service`, what is added to its address.
        headers: By name. Credentials belong into a `service`; what is named like one is hidden in Prefect's log.
        query: Added to those that `url` has.
        json: The body as JSON. Give one of `json`, `form`, `content`.
        form: The body as a URL-encoded form; with `files` the other fields of a multipart form.
        files: The body as a multipart form, by field: bytes, or `(file name, bytes)`, or with a media type third.
        content: The body as it is.
        service: The block `http-service/<service>`, or the block itself: address, credentials, certificates, and the
            networks it may be in. Without one only public addresses are reached.
        timeout: Seconds for the whole exchange, at most 300. By default the service's, else 30.
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
        NotConfigured: No such service, or the host is in a private network that nobody opened. Nothing was sent.
        Failed: Another status, a body that is too large, or a connection lost when it was not `repeatable`.
        TryAgain: No good answer after the last retry.
    """
    block = await find(service)
    terms = conditions(
        method,
        seconds=timeout if timeout is not None else block.timeout if block else DEFAULT_TIMEOUT,
        expect=expect,
        repeatable=repeatable,
        follow_redirects=follow_redirects,
        max_bytes=max_bytes,
    )
    request = plan(method, address(block, url), headers, query, json=json, form=form, files=files, content=content)
    return await perform(request, block, terms)


def conditions(
    method: str,
    *,
    seconds: float,
    expect: Container[int],
    repeatable: bool | None,
    follow_redirects: bool,
    max_bytes: int,
) -> Conditions:
    """How a request of that method is sent. Raises `InvalidInput` for a time out of bounds."""
    if not 0 < seconds <= MAX_TIMEOUT:
        raise InvalidInput(f"timeout is over 0 and at most {MAX_TIMEOUT:.0f} seconds, not {seconds}")
    return Conditions(
        seconds=seconds,
        expect=expect,
        repeatable=method.upper() in REPEATABLE if repeatable is None else repeatable,
        follow_redirects=follow_redirects,
        max_bytes=max_bytes,
    )
