"""Documents that a scheme needs of its sender: certificates and lists of keys, fetched by https and remembered.

Which URLs these are is the schemes' affair, and they check the host. Here each fetch is bounded in time, size and
number, goes to public addresses only, follows no redirect, and is made once however many requests wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx

from receiver.contract.errors import OutboundRefused, Refused
from receiver.contract.outbound import exchange
from receiver.contract.reasons import Reason

log = logging.getLogger(__name__)

FRESH_SECONDS, KEPT_SECONDS = 600.0, 3600.0
"""Younger documents are used as they are; older ones, up to the second age, only while a newer cannot be had."""
FAILED_SECONDS = 10.0
"""A document that could not be had is not asked for again so soon."""
RENEWED_SECONDS = 30.0
"""A document younger than this is not fetched again because a request found it outdated."""
MOST_BYTES, MOST_SECONDS = 256 * 1024, 5.0
MOST_KEPT, MOST_AT_ONCE = 256, 8


class Fetch(Protocol):
    """How an https address is asked; `receiver.contract.outbound.exchange` in earnest."""

    async def __call__(
        self, request: httpx.Request, *, seconds: float, max_bytes: int
    ) -> tuple[httpx.Response, bytes]: ...


@dataclass
class _Entry:
    content: bytes | None = None
    fetched: float = float("-inf")
    failed: float = float("-inf")
    problem: str = ""
    fetching: asyncio.Task[None] | None = None


class RemoteDocuments:
    """Fetches what schemes ask for. One per receiver; `fetch` is for tests, which have no servers with public names."""

    def __init__(self, fetch: Fetch = exchange) -> None:
        self._fetch = fetch
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def get(self, urls: Iterable[str], *, renew: bool = False) -> Mapping[str, bytes]:
        """The documents by their URL; `renew` asks for newer ones than those of the last moments.

        Raises `Refused` (`document_unavailable`).
        """
        return {url: await self._one(url, RENEWED_SECONDS if renew else FRESH_SECONDS) for url in urls}

    async def confirm(self, url: str) -> None:
        """Ask an address once and forget what it says. Raises `Refused` when it does not answer with 2xx."""
        await self._ask(url)

    async def _one(self, url: str, fresh: float) -> bytes:
        entry = self._entry(url)
        now = time.monotonic()
        if now - entry.fetched > fresh and now - entry.failed > FAILED_SECONDS and entry.fetching is None:
            entry.fetching = asyncio.create_task(self._renew(url, entry), name="remote document")
        if entry.fetching is not None:
            # Shielded: a sender that hangs up must not end the fetch that others wait for.
            await asyncio.shield(entry.fetching)
        if entry.content is None or time.monotonic() - entry.fetched > KEPT_SECONDS:
            raise Refused(Reason.DOCUMENT_UNAVAILABLE, entry.problem)
        return entry.content

    def _entry(self, url: str) -> _Entry:
        entry = self._entries.setdefault(url, _Entry())
        self._entries.move_to_end(url)
        if len(self._entries) > MOST_KEPT:
            # What failed goes first: whoever makes up addresses displaces nothing that is of use.
            useless = (name for name, each in self._entries.items() if each.content is None and name != url)
            del self._entries[next(useless, next(iter(self._entries)))]
        return entry

    async def _renew(self, url: str, entry: _Entry) -> None:
        try:
            entry.content = await self._ask(url)
            entry.fetched = time.monotonic()
        except Refused as error:
            entry.failed, entry.problem = time.monotonic(), error.detail
            log.warning("a document for verification cannot be had: %s", error.detail)
        finally:
            entry.fetching = None

    async def _ask(self, url: str) -> bytes:
        """The 200s' body at an https address; raises `Refused`, whatever goes wrong."""
        if self._places.locked():
            raise Refused(Reason.DOCUMENT_UNAVAILABLE, f"{MOST_AT_ONCE} fetches are under way already")
        async with self._places:
            try:
                request = httpx.Request("GET", url)
                host = request.url.host
                if request.url.scheme != "https" or not host:
                    raise Refused(Reason.DOCUMENT_UNAVAILABLE, "is no https address")
                response, body = await self._fetch(request, seconds=MOST_SECONDS, max_bytes=MOST_BYTES)
            except (httpx.HTTPError, httpx.InvalidURL, OutboundRefused, TimeoutError, ssl.SSLError) as error:
                words = str(error) if isinstance(error, OutboundRefused) else type(error).__name__
                raise Refused(Reason.DOCUMENT_UNAVAILABLE, f"not fetched: {words}") from None
        if not response.is_success:
            raise Refused(Reason.DOCUMENT_UNAVAILABLE, f"{host} answered {response.status_code}")
        return body
