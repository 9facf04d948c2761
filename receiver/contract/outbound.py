"""Calling another system: the one HTTP client for addresses that a request, an answer or a user can influence.

It looks a host name up once, refuses addresses that are not public unless their network was opened, and connects to
exactly an address it has checked, on every redirect again: an answer of DNS that changes in between (rebinding) changes
nothing. TLS verifies the host name, not the address. Proxies and certificates of the environment are not used: a proxy
would look the name up by itself. A call is bounded in time, size and redirects.

Importing this module imports httpx; nothing in the contract imports it by itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from ipaddress import ip_address

import httpx

from receiver.contract.errors import AddressRefused, AnswerTooLarge, RedirectRefused
from receiver.contract.outbound_addresses import Network, refusal

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, best first. Raises OSError."""

MAX_ADDRESSES = 4
"""How many addresses of one host are tried."""

_TRAVELS_ON = frozenset(
    {"accept", "accept-encoding", "accept-language", "content-length", "content-type", "host", "user-agent"}
)
"""Headers that follow a redirect to another origin. All others could be credentials of the first."""


async def exchange(
    request: httpx.Request,
    *,
    allow: Sequence[Network] = (),
    tls: ssl.SSLContext | None = None,
    seconds: float = 30.0,
    max_bytes: int = 1024 * 1024,
    redirects: int = 0,
    resolve: Resolve | None = None,
) -> tuple[httpx.Response, bytes]:
    """Send a request; the answer and its body, decoded from gzip and the like.

    `allow` are networks that may be reached besides public addresses; `tls` replaces the system's certificates;
    `redirects` is how many are followed, each checked like the first.

    Raises AddressRefused before anything is sent to the address, RedirectRefused, AnswerTooLarge, TimeoutError when
    the whole takes longer than `seconds`, and httpx's own exceptions for the rest.
    """
    transport = PinnedTransport(allow=allow, tls=tls, resolve=resolve or look_up)
    request.headers.setdefault("User-Agent", "prefect-webhooks")
    request.headers.setdefault("Accept", "*/*")
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(transport=transport, trust_env=False, timeout=seconds) as client,
    ):
        for followed in range(redirects + 1):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                if not redirects or response.next_request is None:
                    return response, await _body(response, request.url.host, max_bytes)
            finally:
                await response.aclose()
            if followed < redirects:
                request = _following(request, response.next_request)
    raise httpx.TooManyRedirects(f"more than {redirects} redirects", request=request)


class PinnedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that connects to addresses it has looked up and checked itself, and to no other."""

    def __init__(
        self, *, allow: Sequence[Network] = (), tls: ssl.SSLContext | None = None, resolve: Resolve | None = None
    ) -> None:
        # A connection is kept by its address, where another host name may live too: so none is kept.
        self._inner = httpx.AsyncHTTPTransport(
            verify=tls or system_tls(), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self._allow = tuple(allow)
        self._resolve = resolve or look_up

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises AddressRefused, and httpx's own exceptions."""
        host = request.url.raw_host.decode("ascii")
        addresses = await self._permitted(host, request)
        # Headers are kept, so Host still names the host; TLS asks for and verifies that name.
        extensions = {**request.extensions, "sni_hostname": host, "timeout": _share(request, len(addresses))}
        for last, address in _marking_last(addresses):
            pinned = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing has been sent
                if last:
                    raise
        raise AssertionError("the last address answers or raises")

    async def aclose(self) -> None:
        """Close what is open."""
        await self._inner.aclose()

    async def _permitted(self, host: str, request: httpx.Request) -> list[str]:
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("connect")):
                found = [host] if _is_address(host) else list(await self._resolve(host, port))
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"looking up {host} took too long", request=request) from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} is not found: {error}", request=request) from error
        refused = {address: refusal(address, self._allow) for address in found}
        permitted = [address for address, why in refused.items() if why is None][:MAX_ADDRESSES]
        if not permitted:
            for address, why in refused.items():
                raise AddressRefused(host, address, str(why))
            raise httpx.ConnectError(f"{host} has no address", request=request)
        return permitted


async def look_up(host: str, port: int) -> Sequence[str]:
    """The addresses of a host name as the system gives them, without repeats."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


@cache
def system_tls() -> ssl.SSLContext:
    """The system's certificates, verified; one for the process, for reading them takes about 30 ms."""
    return ssl.create_default_context()


async def _body(response: httpx.Response, host: str, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise AnswerTooLarge(f"the answer of {host} is over {max_bytes} bytes")
    return bytes(body)


def _following(request: httpx.Request, following: httpx.Request | None) -> httpx.Request:
    assert following is not None
    if request.url.scheme == "https" and following.url.scheme != "https":
        raise RedirectRefused(f"{request.url.host} redirects to {following.url.host} without encryption")
    if following.url.scheme not in {"http", "https"} or not following.url.host:
        raise RedirectRefused(f"{request.url.host} redirects to what is no address")
    if _origin(request.url) != _origin(following.url):
        for name in [name for name in following.headers if name.lower() not in _TRAVELS_ON]:
            del following.headers[name]
    return following


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _share(request: httpx.Request, addresses: int) -> dict[str, float | None]:
    """The time to connect, shared among the addresses, so that a silent one leaves some for the next."""
    timeout: dict[str, float | None] = dict(request.extensions.get("timeout", {}))
    if (connect := timeout.get("connect")) is not None:
        timeout["connect"] = connect / addresses
    return timeout


def _marking_last(addresses: Sequence[str]) -> list[tuple[bool, str]]:
    return [(number == len(addresses), address) for number, address in enumerate(addresses, start=1)]
