"""The receiver as a process: uvicorn set up for strangers, its address written where the command line finds it."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from receiver.app import create_app
from receiver.contract.errors import WebhooksError
from receiver.http_protocol import BoundedHttp, Front
from receiver.settings import Settings
from receiver.sides import AdminSide, PublicSide
from receiver.tls import ServerTls

log = logging.getLogger(__name__)

_OTHER_FILES = 256
"""What a receiver opens beside its connections, at most."""
_KEEP_ALIVE_SECONDS = 75
_PATIENCE_SECONDS, _STOP_SECONDS = 4, 10
"""Together with the dispatcher's last hand-overs less than the 20 s that `up` gives."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status. What cannot work is said in words, with the next step."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it names each URL at INFO
    try:
        settings.state.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        http = settings.http
        tls = ServerTls(http.tls_certificate, http.tls_key, http.tls_min_version) if http.tls_certificate else None
        sockets = {"port": _listen(http.host, http.port, "WEBHOOKS_PORT")}
        if http.admin_port is not None:
            sockets["admin_port"] = _listen(http.admin_host, http.admin_port, "WEBHOOKS_ADMIN_PORT")
        settings = _with_ports(settings, {name: each.getsockname()[1] for name, each in sockets.items()})
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises a signal that stopped it once more at its end, which is to be this function's end instead.
            signal.signal(number, _stopped)
        _Server(create_app(settings), settings, tls).run(sockets=list(sockets.values()))
    except (OSError, WebhooksError) as error:
        print(f"webhooks: {error}", file=sys.stderr)  # noqa: T201 (the command's answer)
        return 1
    return 0


class _Server(uvicorn.Server):
    """uvicorn, which opens and closes the app itself: what goes wrong then is an exception of `run`."""

    def __init__(self, app: FastAPI, settings: Settings, tls: ServerTls | None) -> None:
        apart = settings.http.admin_port is not None
        https = settings.http.base_url.startswith("https://")
        sides: list[ASGIApp] = [PublicSide(app, https=https), AdminSide(app, https=https)] if apart else [app]
        self._sides = [_config(side) for side in sides]
        super().__init__(self._sides[0])
        self._app = app
        self._settings = settings
        self._tls = tls
        self._opened = AsyncExitStack()
        self._possible = _connections_possible(settings.limits.max_connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the app, then take connections and say where."""
        await self._opened.enter_async_context(self._app.router.lifespan_context(self._app))
        await self.lifespan.startup()
        loop, limits = asyncio.get_running_loop(), self._settings.limits
        self.servers = []
        encrypted = [self._tls, self._tls if self._settings.http.admin_certificate else None]
        for listening, config, tls in zip(sockets or [], self._sides, encrypted, strict=False):
            front = Front(
                head_seconds=limits.head_seconds,
                body_seconds=limits.body_seconds,
                max_connections=self._possible,
                log=self._app.state.request_log,
            )
            uvicorns = {"config": config, "server_state": self.server_state, "app_state": {}, "_loop": loop}
            speak = partial(BoundedHttp, front, **uvicorns)
            how: dict[str, Any] = {"ssl": tls.context, "ssl_handshake_timeout": limits.head_seconds} if tls else {}
            self.servers.append(await loop.create_server(speak, sock=listening, backlog=config.backlog, **how))
        self.started = True
        # Not earlier: another receiver of this home, whose address it is, may be why ours could not open.
        self._opened.enter_context(_announced(self._settings))
        # What is here now stays: a full collection that walks all of it again holds every request up for 0.2 s.
        gc.collect()
        gc.freeze()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: each second connections are looked at, and every two the certificate."""
        if counter % 20 == 0 and self._tls is not None:
            self._tls.look()
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                assert isinstance(connection, BoundedHttp)
                connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is in flight, then close the app."""
        # Who waits for a flow gets it in this time or its status URL, before what is under way is cut off.
        asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._app.state.let_go)
        try:
            await super().shutdown(sockets)
        finally:
            await self._opened.aclose()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # our own line per request holds no query, which may be a secret
        proxy_headers=False,  # the client's address is taken through WEBHOOKS_TRUSTED_PROXIES only
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        backlog=2048,
    )


def _connections_possible(wanted: int) -> int:
    """As many connections as files may be opened for, after the process's bound was raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    possible = wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, (soft - _OTHER_FILES) // 2))
    if possible < wanted:
        log.warning("%d connections at most: the process may open %d files (ulimit -n)", possible, soft)
    return possible


def _stopped(number: int, frame: FrameType | None) -> None:
    """A signal that has had its effect already."""


def _with_ports(settings: Settings, ports: Mapping[str, int]) -> Settings:
    """The settings with the ports that were found where 0 asked for any free one."""
    return settings.model_copy(update={"http": settings.http.model_copy(update=dict(ports))})


def _listen(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise WebhooksError(
            f"cannot listen on {host}:{port}: {error.strerror}. "
            f"Set {setting} or {setting.replace('PORT', 'HOST')} to a free one."
        ) from None
    listening.set_inheritable(True)
    return listening


@contextmanager
def _announced(settings: Settings) -> Iterator[None]:
    """`{"url", "certificate", "pid", "prefect_api_url"}` in the home, for `webhooks deliveries` and other commands."""
    text = json.dumps(
        {
            "url": settings.http.admin_url,
            "certificate": str(settings.http.admin_certificate) if settings.http.admin_certificate else None,
            "pid": os.getpid(),
            "prefect_api_url": os.environ.get("PREFECT_API_URL"),
        }
    )
    file = settings.state.home / "receiver.json"
    file.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            if file.read_text(encoding="utf-8") == text:  # else it is another receiver's by now
                file.unlink()
