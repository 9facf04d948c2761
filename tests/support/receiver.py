"""The whole receiver in the test's own process: real database, real Prefect, requests without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from receiver.app import create_app
from receiver.settings import DispatchSettings, HomeSettings, HttpSettings, Settings, SupervisorSettings

ADMIN_KEY = "whk_only-for-this-test-0123456789abcdefghijklmnop"


@dataclass
class RunningReceiver:
    """A running receiver: `http` is a stranger, `admin` has the admin key, `log` is what it logged of requests."""

    http: httpx.AsyncClient
    admin: httpx.AsyncClient
    log: io.StringIO

    async def define(self, key: str, **fields: Any) -> dict[str, Any]:
        """Create a webhook through the admin API."""
        body = {"key": key, "deployment": "none/none", "verification": {"scheme": "none"}, **fields}
        answer = await self.admin.post("/api/admin/webhooks", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def deliveries(self, **filters: Any) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        answer = await self.admin.get("/api/admin/deliveries", params=filters)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        """One delivery, whole."""
        answer = await self.admin.get(f"/api/admin/deliveries/{delivery_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def logged(self) -> list[dict[str, Any]]:
        """The lines of the request log, which are written at the end of the event loop's round."""
        await asyncio.sleep(0)
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def settings_for(home: Path, *, database_url: str | None = None, **http: Any) -> Settings:
    """Settings of a receiver of a test's own."""
    return Settings(
        state=HomeSettings(home=home, database_url=SecretStr(database_url) if database_url else None),
        http=HttpSettings(admin_key=SecretStr(ADMIN_KEY), **http),
        dispatch=DispatchSettings(poll_seconds=2),
        supervisor=SupervisorSettings(project=home),
    )


@contextlib.asynccontextmanager
async def running_receiver(settings: Settings, *, client: str = "127.0.0.1") -> AsyncIterator[RunningReceiver]:
    """Open a receiver, close it at the end. Prefect is the one of `prefect_settings`."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        app = create_app(settings)
        async with LifespanManager(app, startup_timeout=300, shutdown_timeout=300):
            transport = httpx.ASGITransport(app, client=(client, 50000))
            base_url = "http://receiver.test"
            bearer = {"Authorization": f"Bearer {ADMIN_KEY}"}
            async with (
                httpx.AsyncClient(transport=transport, base_url=base_url) as http,
                httpx.AsyncClient(transport=transport, base_url=base_url, headers=bearer) as admin,
            ):
                yield RunningReceiver(http, admin, log)


def github_signature(secret: str, body: bytes) -> dict[str, str]:
    """The header GitHub signs a body with."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}
