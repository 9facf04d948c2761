"""Sending a request to a service: its address, credentials and signature, and what went wrong in a node's words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx

from blocks import HttpService
from blocks.errors import Failed, InvalidInput, NotConfigured, TryAgain
from flows.nodes import _oauth
from flows.nodes._http_answers import judge, parsed
from receiver.contract.errors import AddressRefused, OutboundRefused
from receiver.contract.outbound import exchange
from receiver.contract.outbound_addresses import read_networks

MAX_REDIRECTS = 5
_SHORTEST_SECRET = 8
"""A shorter header's value is no credential, and hiding it would tear holes into messages."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How a request is sent, and which answers are a success."""

    seconds: float
    expect: Container[int]
    repeatable: bool
    follow_redirects: bool
    max_bytes: int


def address(service: HttpService | None, url: str) -> str:
    """The whole address: with a service, `url` is added to its `base_url`. Raises `InvalidInput` for another origin.

    >>> address(None, "https://example.com/a")
    'https://example.com/a'
    >>> address(HttpService(base_url="https://erp.example.com/api/"), "/orders?open=1")
    'https://erp.example.com/api/orders?open=1'
    """
    if service is None:
        return url
    base = httpx.URL(service.base_url)
    try:
        given = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput(f"the request cannot be made: {error}") from error
    if given.is_absolute_url or given.host:
        if _origin(given) != _origin(base):
            raise InvalidInput(
                f"url: {given.host or url[:80]!r} is not where the service is ({base.host}); its credentials stay there"
            )
        return url
    if ".." in unquote(url.partition("?")[0]).split("/"):
        raise InvalidInput("url: '..' would leave the service's base_url")
    return f"{service.base_url.rstrip('/')}/{url.lstrip('/')}" if url else service.base_url


async def find(service: str | HttpService | None) -> HttpService | None:
    """The block of that name, the given block, or None. Raises `NotConfigured` when nobody has saved one."""
    return await HttpService.named(service) if isinstance(service, str) else service


async def perform(request: httpx.Request, service: HttpService | None, terms: Conditions) -> dict[str, Any]:
    """Send the request; `{"status", "headers", "json", "text"}`. Raises as `http_request` does."""
    request.read()  # its bytes are signed, and sent again after a token was refused
    response, body = await _sent(request, service, terms)
    if response.status_code == 401 and service is not None and service.auth == "oauth2":
        _oauth.forget(service)
        response, body = await _sent(request, service, terms)
    text = body.decode(response.encoding or "utf-8", "replace")
    secrets = _secrets(service)
    if problem := judge(request, response, terms.expect, body=text, now=datetime.now(UTC), secrets=secrets):
        raise problem
    return {"status": response.status_code, "headers": dict(response.headers), **parsed(text)}


def signature(service: HttpService, body: bytes) -> str:
    """What the signature's header holds: HMAC-SHA256 over the bytes of the body."""
    secret = service.signing_secret.get_secret_value() if service.signing_secret else ""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    written = base64.b64encode(digest).decode() if service.signature_encoding == "base64" else digest.hex()
    return f"{service.signature_prefix}{written}"


async def _sent(request: httpx.Request, service: HttpService | None, terms: Conditions) -> tuple[httpx.Response, bytes]:
    if service is not None:
        await _log_in(request, service, terms)
    return await _asked(request, service, terms)


async def _log_in(request: httpx.Request, service: HttpService, terms: Conditions) -> None:
    request.headers.update(service.headers.get_secret_value())
    secret = service.secret.get_secret_value() if service.secret else ""
    if service.auth == "basic":
        pair = f"{service.username}:{secret}".encode()
        request.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    elif service.auth == "bearer":
        request.headers["Authorization"] = f"Bearer {secret}"
    elif service.auth == "oauth2":
        request.headers["Authorization"] = f"Bearer {await _token(service, terms.seconds)}"
    if service.signing_secret is not None:
        request.headers[service.signature_header] = signature(service, request.content)


async def _token(service: HttpService, seconds: float) -> str:
    if (known := _oauth.kept(service, now=time.monotonic())) is not None:
        return known
    question = _oauth.question(service)
    terms = Conditions(seconds=seconds, expect={200}, repeatable=True, follow_redirects=False, max_bytes=64 * 1024)
    response, body = await _asked(question, service, terms)
    if problem := judge(question, response, terms.expect, body="", now=datetime.now(UTC)):
        raise problem
    token = _oauth.read(body, now=time.monotonic())
    _oauth.keep(service, token)
    return token.value


async def _asked(
    request: httpx.Request, service: HttpService | None, terms: Conditions
) -> tuple[httpx.Response, bytes]:
    if service is None:
        return await exchanged(request, terms)
    return await exchanged(request, terms, allow_networks=service.allow_networks, ca_file=service.ca_file)


async def exchanged(
    request: httpx.Request,
    terms: Conditions,
    *,
    allow_networks: Sequence[str] | None = None,
    ca_file: str | None = None,
) -> tuple[httpx.Response, bytes]:
    """The answer, whatever its status, and its body. `allow_networks` is the block's, None where there is no block.

    Raises `NotConfigured` for a host in a network that nobody opened, `Failed` and `TryAgain`.
    """
    host = request.url.host
    try:
        return await exchange(
            request,
            allow=read_networks(allow_networks or ()),
            tls=_trust(ca_file) if ca_file else None,
            seconds=terms.seconds,
            max_bytes=terms.max_bytes,
            redirects=MAX_REDIRECTS if terms.follow_redirects else 0,
        )
    except AddressRefused as error:
        raise _not_opened(error, request.url, has_block=allow_networks is not None) from error
    except OutboundRefused as error:
        raise Failed(str(error)) from error
    except httpx.LocalProtocolError:  # its text repeats the header, which may be a credential
        raise InvalidInput("headers: a name or a value holds a character that no header may hold") from None
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise TryAgain(f"{host} cannot be reached: {error}") from error
    except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.DecodingError) as error:
        raise Failed(f"{host} answered unusably: {error}") from error
    except (httpx.TransportError, TimeoutError) as error:
        trouble = f"no complete answer from {host} ({type(error).__name__}, {terms.seconds:g} s allowed)"
        if terms.repeatable:
            raise TryAgain(trouble) from error
        raise Failed(f"{trouble}; it may have done what was asked, so it is not asked again by itself") from error


def _not_opened(error: AddressRefused, url: httpx.URL, *, has_block: bool) -> NotConfigured | Failed:
    if error.host != url.raw_host.decode("ascii"):
        return Failed(f"{url.host} redirects to another system that is not called: {error}")
    if has_block:
        return NotConfigured(f"{error}. Add {error.address} or its network to the block's allow_networks")
    base = f"{url.scheme}://{url.netloc.decode('ascii').rpartition('@')[2]}"
    return NotConfigured(
        f"{error}. A system in your own network is called through a block that opens it: save one once with "
        f'`HttpService(base_url="{base}", allow_networks=["{error.address}"]).save("my-system")` '
        '(from blocks import HttpService), and give the node service="my-system"'
    )


def _secrets(service: HttpService | None) -> list[str]:
    """What is never repeated from an answer, whatever the service echoes."""
    if service is None:
        return []
    fixed = [secret.get_secret_value() for secret in (service.secret, service.signing_secret) if secret]
    pairs = [base64.b64encode(f"{service.username}:{secret}".encode()).decode() for secret in fixed]
    token = _oauth.kept(service, now=float("-inf"))
    headers = [value for value in service.headers.get_secret_value().values() if len(value) >= _SHORTEST_SECRET]
    return [*fixed, *pairs, *headers, *([token] if token else [])]


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also ssl.SSLError
        raise NotConfigured(f"the block's ca_file {ca_file!r} cannot be used: {error}") from error
