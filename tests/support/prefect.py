"""A real Prefect server for a whole test session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from receiver.supervisor.guarded import Command, GuardedProcess
from tests.support.ports import free_port
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from prefect.context import SettingsContext


@dataclass(frozen=True, kw_only=True)
class PrefectServer:
    """Where it is, and the environment with which a subprocess uses it (the whole of it, not only what differs)."""

    api_url: str
    auth_string: str
    home: Path
    log: Path
    env: dict[str, str] = field(repr=False)


def outside_environment() -> dict[str, str]:
    """Our environment without any setting of Prefect's or of this project's."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "WEBHOOKS_"))}


@contextmanager
def running_prefect_server(folder: Path, database_url: str) -> Iterator[PrefectServer]:
    """Start `prefect server start` with its state in `folder`, wait until it answers, stop it at the end."""
    port, auth_string = free_port(), "tests:only-for-this-session"
    client_env = {
        **outside_environment(),
        "PREFECT_HOME": str(folder / "client"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_AUTH_STRING": auth_string,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
    }
    server_env = {
        **client_env,
        "PREFECT_HOME": str(folder / "server"),
        "PREFECT_SERVER_API_AUTH_STRING": auth_string,
        "PREFECT_API_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
    }
    log = folder / "server.log"
    command = Command(
        argv=(sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    )
    with log.open("wb") as output:
        process = GuardedProcess(command, server_env, output)
    server = PrefectServer(
        api_url=client_env["PREFECT_API_URL"], auth_string=auth_string, home=folder, log=log, env=client_env
    )
    try:
        wait_until(lambda: process.poll() is not None or _answers(server), 240, what="Prefect's server is ready")
        assert process.poll() is None, f"Prefect's server ended: {log.read_text()[-3000:]}"
        yield server
    finally:
        process.stop()


def settings_with(updates: dict[Any, Any]) -> SettingsContext:
    """Prefect's settings so changed, to enter a copy of as often as wished: every `temporary_settings` reads the
    environment for each of some hundred settings."""
    from prefect.context import get_settings_context
    from prefect.settings import temporary_settings

    with temporary_settings(updates=updates):
        return get_settings_context().model_copy()


def _answers(server: PrefectServer) -> bool:
    try:
        return httpx.get(f"{server.api_url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
