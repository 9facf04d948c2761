"""Who is let in to the admin API, and what is said in the log of who is not: never the key."""

from __future__ import annotations

import asyncio
import logging
import time
from math import ceil

from starlette.requests import Request

from receiver.admin.auth import Principal, authenticate
from receiver.admin.problems import Problem
from receiver.admin.services import AdminServices
from receiver.ingress.client_ip import origin, speaks_for_others
from receiver.ingress.rate import Failures, Rate
from receiver.webhooks.keys import Scope

_LOG = logging.getLogger("webhooks.admin")
WRONG_KEYS = Rate(20, 60)
"""Wrong keys of an address that are looked up: past it none of its keys is, until the first is a minute ago."""
_LOOKUPS = 8
"""Keys that are looked up at a time: as many may be wrong beyond the bound when they come at once."""


class Door:
    """Lets in whoever has a key that is good enough. One for all routes, so that wrong keys are counted together."""

    def __init__(self, services: AdminServices) -> None:
        self._services = services
        self._wrong = Failures(WRONG_KEYS)
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    async def let_in(self, request: Request, scope: Scope, route: str, *, in_a_browser: bool) -> Principal:
        """Whoever sends the request; raises a 401, 403 or 429. `route` stands for the path, which may hold anything."""
        peer, headers = request.client.host if request.client else "", request.headers.items()
        address = origin(peer, headers, request.url.scheme, self._services.proxies).ip
        # Strangers behind a proxy that nobody named must not close the door for flows on the same machine.
        counted = f"{address} by proxy" if speaks_for_others(peer, headers, self._services.proxies) else address
        try:
            principal = await self._recognize(request, address, counted, in_a_browser)
            principal.require(scope)
        except Problem as problem:
            _LOG.warning("%s %s from %s was refused (%d): %s", request.method, route, address, problem.status, problem)
            raise
        return principal

    async def _recognize(self, request: Request, address: str, counted: str, in_a_browser: bool) -> Principal:
        services, authorization = self._services, request.headers.get("authorization")
        self._refuse_too_many(counted)
        async with self._lookups:
            self._refuse_too_many(counted)  # others may have been wrong while this one waited
            try:
                return await authenticate(
                    authorization, services.keys, services.now(), address=address, in_a_browser=in_a_browser
                )
            except Problem:
                if authorization:  # nothing is guessed without one, and a browser's first request has none
                    self._wrong.count(counted, time.monotonic())
                raise

    def _refuse_too_many(self, counted: str) -> None:
        """Also of a good key: to let it through, it would have to be looked up, and that would tell a guesser."""
        if wait := self._wrong.wait(counted, time.monotonic()):
            problem = (
                f"Too many wrong keys came from this address. In {ceil(wait)} s keys are looked at again; until then a "
                "good one is refused too."
            )
            raise Problem(429, problem, headers={"Retry-After": str(ceil(wait))})
