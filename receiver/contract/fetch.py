"""Getting from the receiver what was too big to travel: requests by reference, raw bodies, files.

Where the receiver is and the key to read with come from the Prefect block document `webhooks-receiver/default` (fields
`url`, `key` and `certificate`), which `webhooks up` and `webhooks deploy` write. Prefect and httpx are imported when
they are needed: the contract itself imports nothing heavy.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from receiver.contract.errors import FetchError
from receiver.contract.pinned_tls import trust

if TYPE_CHECKING:
    import ssl

    import httpx

BLOCK_TYPE, BLOCK_NAME = "webhooks-receiver", "default"
PAUSES = (0.2, 1.0, 3.0, 8.0)
"""Seconds before each further try while the receiver cannot be reached or says 502, 503 or 504: it may be starting
again just then."""
AT_HAND: ContextVar[Callable[[str, Mapping[str, str] | None], bytes] | None] = ContextVar("at_hand", default=None)
"""What answers in place of a receiver, by path and query: `receiver.testing` runs flows where no receiver listens."""
_TIMEOUT = 30.0
_PASSING = frozenset({502, 503, 504})


async def fetch(path: str, params: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a receiver's resource, e.g. `/api/admin/deliveries/<id>/body`. Raises FetchError."""
    if (at_hand := AT_HAND.get()) is not None:
        return at_hand(path, params)
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        async with get_client() as prefect:
            block = await prefect.read_block_document_by_name(BLOCK_NAME, BLOCK_TYPE, include_secrets=True)
    except (ObjectNotFound, httpx.HTTPError) as error:
        raise _no_block(error) from None
    url, headers = _access(block.data)
    verify = _trust(block.data)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT, verify=verify) as client:
        for pause in (*PAUSES, None):
            try:
                response = await client.get(path, params=params)
            except httpx.TransportError as error:
                if pause is None:
                    raise _unreachable(url, error) from None
            else:
                if pause is None or response.status_code not in _PASSING:
                    return _content(response, url, path)
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def fetch_blocking(path: str, params: Mapping[str, str] | None = None) -> bytes:
    """The same for a flow that is no coroutine; blocks its thread. Raises FetchError."""
    if (at_hand := AT_HAND.get()) is not None:
        return at_hand(path, params)
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as prefect:
            block = prefect.read_block_document_by_name(BLOCK_NAME, BLOCK_TYPE, include_secrets=True)
    except (ObjectNotFound, httpx.HTTPError) as error:
        raise _no_block(error) from None
    url, headers = _access(block.data)
    with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT, verify=_trust(block.data)) as client:
        for pause in (*PAUSES, None):
            try:
                response = client.get(path, params=params)
            except httpx.TransportError as error:
                if pause is None:
                    raise _unreachable(url, error) from None
            else:
                if pause is None or response.status_code not in _PASSING:
                    return _content(response, url, path)
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _access(data: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    url, key = data.get("url"), data.get("key")
    if not isinstance(url, str) or not url or not isinstance(key, str) or not key:
        raise FetchError(f"the block {BLOCK_TYPE}/{BLOCK_NAME} lacks url or key; `webhooks deploy` writes it again")
    if not _usable(url) or not (key.isascii() and key.isprintable()):
        # An HTTP client would repeat a key it cannot send in its error.
        raise FetchError(
            f"the block {BLOCK_TYPE}/{BLOCK_NAME} has an unusable url or key; `webhooks deploy` writes it again"
        )
    return url.rstrip("/"), {"Authorization": f"Bearer {key}"}


def _trust(data: Mapping[str, Any]) -> ssl.SSLContext | bool:
    try:
        return trust(data.get("certificate") or None)
    except (OSError, ValueError) as error:
        raise FetchError(
            f"the certificate that the block {BLOCK_TYPE}/{BLOCK_NAME} names cannot be read here: {error}"
        ) from None


def _usable(url: str) -> bool:
    import httpx

    try:
        return httpx.URL(url).scheme in {"http", "https"}
    except httpx.InvalidURL:
        return False


def _content(response: httpx.Response, url: str, path: str) -> bytes:
    if response.status_code == 200:
        return response.content
    hint = {
        401: f": the key in the block {BLOCK_TYPE}/{BLOCK_NAME} is not known; `webhooks deploy` writes it again",
        403: f": the key in the block {BLOCK_TYPE}/{BLOCK_NAME} lacks the scope read",
        429: ": too many wrong keys came from this machine's address within a minute, see the receiver's log",
        404: ": the delivery is not there, or its body is no longer kept",
    }.get(response.status_code, "")
    raise FetchError(f"the receiver at {url} answered {response.status_code} to {path}{hint}")


def _no_block(error: Exception) -> FetchError:
    import httpx

    if isinstance(error, httpx.HTTPError):
        return FetchError(
            f"Prefect did not give the block {BLOCK_TYPE}/{BLOCK_NAME} ({type(error).__name__}); is its server running?"
        )
    return FetchError(f"there is no Prefect block {BLOCK_TYPE}/{BLOCK_NAME}; `webhooks deploy` writes it")


def _unreachable(url: str, error: Exception) -> FetchError:
    return FetchError(f"the receiver at {url} cannot be reached ({type(error).__name__}); is `webhooks serve` running?")
