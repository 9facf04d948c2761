"""The few HTTP calls of `up` itself: is it there, is the work pool there, a key for flows. No Prefect import."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from receiver.contract.pinned_tls import trust
from receiver.supervisor.failures import CannotRun
from receiver.supervisor.parts import Probe

POOL = "webhooks"
POOL_TYPE = "warm"


def answers_at(url: str, certificate: Path | None = None) -> Probe:
    """A probe: does a GET of `url` answer 200? With `certificate`, what shows that one."""

    async def probe() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5, verify=trust(certificate)) as client:
                return (await client.get(url)).status_code == HTTPStatus.OK
        except (httpx.HTTPError, OSError, ValueError):
            return False

    return probe


class PrefectApi:
    """Prefect's API at `url` (ends in `/api`). `trust_env`: the environment's proxy applies, for servers elsewhere."""

    def __init__(self, url: str, auth_string: str | None, *, bearer: str | None = None, trust_env: bool) -> None:
        self._url = url.rstrip("/")
        self._headers: dict[str, str] = {}
        if auth_string:
            self._headers["Authorization"] = f"Basic {base64.b64encode(auth_string.encode()).decode()}"
        elif bearer:
            self._headers["Authorization"] = f"Bearer {bearer}"
        self._trust_env = trust_env

    async def require(self) -> None:
        """Raise CannotRun unless it answers and lets us in."""
        try:
            answer = await self._call("POST", "/work_pools/filter", {"limit": 1})
        except httpx.HTTPError as error:
            raise CannotRun(
                f"Prefect does not answer at {self._url} ({type(error).__name__}).",
                "Start that server, mend PREFECT_API_URL, or unset it: `webhooks up` then starts a server of its own.",
            ) from None
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise CannotRun(
                f"Prefect at {self._url} does not let us in ({answer.status_code}).",
                "Set PREFECT_API_AUTH_STRING to that server's PREFECT_SERVER_API_AUTH_STRING.",
            )
        if answer.status_code != HTTPStatus.OK:
            raise CannotRun(
                f"What answers at {self._url} is not Prefect's API ({answer.status_code}).",
                "PREFECT_API_URL ends in /api, for example http://127.0.0.1:4200/api.",
            )

    async def ensure_pool(self) -> None:
        """Make the work pool unless there is one of that name. Raises CannotRun, also for one of another type."""
        try:
            known = await self._call("GET", f"/work_pools/{POOL}")
            if known.status_code != HTTPStatus.OK:
                # The worker fills in the template of its type at its first look.
                pool = {"name": POOL, "type": POOL_TYPE, "base_job_template": {}}
                known = await self._call("POST", "/work_pools/", pool)
                if known.status_code == HTTPStatus.CONFLICT:
                    known = await self._call("GET", f"/work_pools/{POOL}")
            found = known.raise_for_status().json()["type"]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise CannotRun(
                f"The work pool {POOL!r} could not be made at {self._url}: {error}",
                f"Make it by hand: prefect work-pool create {POOL} --type {POOL_TYPE}",
            ) from None
        if found != POOL_TYPE:
            raise CannotRun(
                f"The work pool {POOL!r} at {self._url} is of type {found!r}, and a pool's type cannot be changed.",
                f"Delete it with `prefect work-pool delete {POOL}` when nothing of it runs, and start `up` again: the "
                f"deployments move to the new pool of type {POOL_TYPE!r}.",
            )

    async def _call(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(headers=self._headers, trust_env=self._trust_env, timeout=20) as client:
            return await client.request(method, self._url + path, json=content)


class ReceiverApi:
    """The receiver's admin API on this machine; `certificate` is what it shows, where it speaks TLS."""

    def __init__(self, base_url: str, key: str, certificate: Path | None = None) -> None:
        self._url = f"{base_url}/api/admin"
        self._certificate = certificate
        self._key = key

    async def key_works(self, key: str) -> bool:
        """Whether the receiver takes `key` for reading."""
        return (await self._call("GET", "/deliveries?limit=1", key=key)).status_code == HTTPStatus.OK

    async def make_read_key(self, name: str) -> str:
        """A new API key with scope `read`. Raises httpx.HTTPError."""
        made = await self._call("POST", "/keys", content={"name": name, "scope": "read"})
        return str(made.raise_for_status().json()["key"])

    async def webhooks(self) -> list[dict[str, Any]]:
        """The webhooks there are (the first hundred); none when the receiver does not say."""
        try:
            return list((await self._call("GET", "/webhooks?limit=100")).raise_for_status().json()["items"])
        except (httpx.HTTPError, KeyError, ValueError):
            return []

    async def behind_seconds(self) -> float:
        """How far the hand-over to Prefect is behind; 0 when the receiver does not say."""
        try:
            return float((await self._call("GET", "/queue")).raise_for_status().json()["behind_seconds"])
        except (httpx.HTTPError, KeyError, ValueError):
            return 0.0

    async def warnings(self) -> int:
        """How many warnings are raised; none when the receiver does not say."""
        try:
            return len((await self._call("GET", "/alerts")).raise_for_status().json()["items"])
        except (httpx.HTTPError, KeyError, ValueError):
            return 0

    async def _call(
        self, method: str, path: str, *, content: Mapping[str, Any] | None = None, key: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self._key}"}
        verify = trust(self._certificate)
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=20, verify=verify) as client:
            return await client.request(method, self._url + path, json=content)
