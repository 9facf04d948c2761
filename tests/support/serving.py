"""`webhooks serve` as processes of their own."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.contract.pinned_tls import trust
from tests.support.ports import free_port
from tests.support.postgres import TestPostgres
from tests.support.prefect import PrefectServer, outside_environment
from tests.support.receiver import ADMIN_KEY
from tests.support.waiting import wait_until


@dataclass
class Serving:
    """A started `webhooks serve`: its process, its address, its home. `admin` speaks to its admin port."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    admin: httpx.Client
    port: int
    home: Path

    def define(self, key: str, **fields: Any) -> None:
        body = {"key": key, "deployment": "none/none", "verification": {"scheme": "none"}, **fields}
        answer = self.admin.post("/api/admin/webhooks", json=body)
        assert answer.status_code == 201, answer.text

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(240)

    def said(self) -> str:
        return (self.home / "stderr").read_text()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "stdout").read_text().splitlines()]

    def stored(self, **filters: str) -> list[dict[str, Any]]:
        return list(self.admin.get("/api/admin/deliveries", params=filters).json()["items"])

    def raw(self, head: str, body: bytes = b"") -> bytes:
        """What comes back for these bytes until the receiver closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(head.encode("latin-1") + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nobody listens at this Prefect's address: the receiver serves all the same."""
    return {
        **outside_environment(),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "WEBHOOKS_HOME": str(home),
        "WEBHOOKS_ADMIN_KEY": ADMIN_KEY,
        **more,
    }


@contextlib.contextmanager
def serving(home: Path, **more: str) -> Iterator[Serving]:
    port = free_port()
    with (home / "stdout").open("wb") as out, (home / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "receiver.cli", "serve"],
            env=environment(home, WEBHOOKS_PORT=str(port), **more),
            cwd=home,
            stdout=out,
            stderr=err,
        )
    try:
        # With TLS: the public side shows the certificate, the admin port on loopback needs none.
        certificate, apart = more.get("WEBHOOKS_TLS_CERTIFICATE"), "WEBHOOKS_ADMIN_PORT" in more
        scheme, verify = "https" if certificate else "http", trust(certificate)
        admin_scheme = "http" if apart else scheme
        admin_port, bearer = more.get("WEBHOOKS_ADMIN_PORT", port), {"Authorization": f"Bearer {ADMIN_KEY}"}
        with (
            httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", timeout=120, verify=verify) as http,
            httpx.Client(
                base_url=f"{admin_scheme}://127.0.0.1:{admin_port}", timeout=120, headers=bearer, verify=verify
            ) as admin,
        ):
            started = Serving(process, http, admin, port, home)
            wait_until(lambda: process.poll() is not None or _lives(http), 60, what="the receiver answers")
            assert process.poll() is None, started.said()
            yield started
    finally:
        process.kill()
        process.wait(240)


@contextlib.contextmanager
def two_receivers(
    postgres: TestPostgres, prefect: PrefectServer, folders: pytest.TempPathFactory
) -> Iterator[list[str]]:
    """Where two processes answer that know of each other by the database alone."""
    more = {
        "WEBHOOKS_DATABASE_URL": postgres.create_database(),
        "PREFECT_API_URL": prefect.api_url,
        "PREFECT_API_AUTH_STRING": prefect.auth_string,
    }

    def start(_number: int) -> Serving:
        return stack.enter_context(serving(folders.mktemp("receiver"), **more))

    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            started = list(pool.map(start, range(2)))
        yield [f"http://127.0.0.1:{each.port}" for each in started]


def _lives(http: httpx.Client) -> bool:
    try:
        return http.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False
