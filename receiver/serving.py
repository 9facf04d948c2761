"""The receiver as a process: uvicorn set up for strangers, its address written where the command line finds it."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from receiver.app import create_app
from receiver.contract.errors import WebhooksError
from receiver.settings import Settings

_KEEP_ALIVE_SECONDS = 75
_STOP_SECONDS = 20


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; the exit status. What cannot work is said in words, with the next step."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it names each URL at INFO
    try:
        home = settings.state.home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        listening = _listen(settings.http.host, settings.http.port)
    except (OSError, WebhooksError) as error:
        print(f"webhooks: {error}", file=sys.stderr)  # noqa: T201 (the command's answer)
        return 1
    server = _Server(
        uvicorn.Config(
            create_app(settings),
            log_config=None,
            access_log=False,  # our own line per request holds no query, which may be a secret
            proxy_headers=False,  # the client's address is taken through WEBHOOKS_TRUSTED_PROXIES only
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
            backlog=2048,
        )
    )
    address = home / "receiver.json"
    _write_address(address, settings)
    try:
        server.run(sockets=[listening])
    finally:
        address.unlink(missing_ok=True)
    return 0 if server.started_well else 1


class _Server(uvicorn.Server):
    """uvicorn, with the cause of a failed start said in words instead of a traceback."""

    started_well = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the app; a failure was logged by the lifespan and ends the process."""
        await super().startup(sockets)
        self.started_well = self.started and not self.should_exit
        # What is here now stays: a full collection that walks all of it again holds every request up for 0.2 s.
        gc.collect()
        gc.freeze()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise WebhooksError(
            f"cannot listen on {host}:{port}: {error.strerror}. Set WEBHOOKS_PORT or WEBHOOKS_HOST to a free one."
        ) from None
    listening.set_inheritable(True)
    return listening


def _write_address(file: Path, settings: Settings) -> None:
    """`{"url", "pid", "prefect_api_url"}`, for `webhooks deliveries`, `deploy` and the like on this machine."""
    host = "127.0.0.1" if settings.http.host in {"0.0.0.0", "::"} else settings.http.host  # noqa: S104 (compared)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.http.port}"
    file.write_text(
        json.dumps({"url": url, "pid": os.getpid(), "prefect_api_url": os.environ.get("PREFECT_API_URL")}),
        encoding="utf-8",
    )
