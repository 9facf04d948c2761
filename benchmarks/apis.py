"""What the benchmark asks of the receiver's admin API and of Prefect's API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx

_PAGE = 200


class _Api:
    def __init__(self, url: str, headers: Mapping[str, str], auth: tuple[str, str] | None = None) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=headers, auth=auth, timeout=60, trust_env=False)

    async def __aenter__(self) -> Self:
        """Open it."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close it."""
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer; raises httpx.HTTPStatusError for one that is no success."""
        answer = await self._http.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def _answers(self, path: str) -> bool:
        try:
            return (await self._http.get(path)).is_success
        except httpx.TransportError:
            return False


class Receiver(_Api):
    """The receiver, with its admin key."""

    def __init__(self, url: str, admin_key: str) -> None:
        super().__init__(url, {"Authorization": f"Bearer {admin_key}"})
        self._url = url

    async def answers(self) -> bool:
        """Whether it is ready for requests."""
        return await self._answers("/health/ready")

    async def define(self, key: str, deployment: str, **fields: Any) -> str:
        """Make a webhook; its URL."""
        await self.call("POST", "/api/admin/webhooks", {"key": key, "deployment": deployment, **fields})
        return f"{self._url}/api/webhooks/{key}"

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        """A delivery, whole."""
        return dict(await self.call("GET", f"/api/admin/deliveries/{delivery_id}"))

    async def wait_for_stored(self, webhook: str, count: int, seconds: float) -> int:
        """Wait until a webhook has so many deliveries (at most 200), at most so many seconds; how many it has."""
        deadline = time.monotonic() + seconds
        while True:
            stored = len((await self.call("GET", f"/api/admin/deliveries?webhook={webhook}&limit={_PAGE}"))["items"])
            if stored >= count or time.monotonic() > deadline:
                return stored
            await asyncio.sleep(0.1)

    async def behind_seconds(self) -> float:
        """How far the hand-over to Prefect is behind."""
        return float((await self.call("GET", "/api/admin/queue"))["behind_seconds"])

    async def completed(self, webhook: str) -> int:
        """How many of a webhook's deliveries have completed."""
        told = (await self.call("GET", f"/api/admin/stats?webhook={webhook}"))["webhooks"]
        return sum(int(each["by_status"].get("completed", 0)) for each in told)

    async def wait_until_all_ended(self, webhook: str, seconds: float) -> None:
        """Wait until none of a webhook's deliveries waits or runs, at most so many seconds."""
        deadline = time.monotonic() + seconds
        left = ["queued", "dispatched", "running"]  # in the order in which a delivery has them
        while left and time.monotonic() < deadline:
            path = f"/api/admin/deliveries?webhook={webhook}&status={left[0]}&limit=1"
            if (await self.call("GET", path))["items"]:
                await asyncio.sleep(0.05)
            else:
                left.pop(0)

    async def wait_for(self, delivery_id: str, status: str, seconds: float) -> None:
        """Wait until a delivery has come to a status, at most so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            if (await self.delivery(delivery_id))["status"] == status or time.monotonic() > deadline:
                return
            await asyncio.sleep(0.05)


class PrefectServer(_Api):
    """Prefect's API."""

    def __init__(self, url: str, auth: str) -> None:
        user, _, password = auth.partition(":")
        super().__init__(url, {}, (user, password))

    async def answers(self) -> bool:
        """Whether the server is ready."""
        return await self._answers("/health")

    async def deploy(self, flow: str, name: str, entrypoint: str, pool: str | None) -> str:
        """Make a deployment of a flow in a pool, or in none, whose runs nobody takes; its full name."""
        flow_id = (await self.call("POST", "/flows/", {"name": flow}))["id"]
        body = {"name": name, "flow_id": flow_id, "entrypoint": entrypoint, "work_pool_name": pool}
        await self.call("POST", "/deployments/", body)
        return f"{flow}/{name}"

    async def runs(self, tag: str) -> list[dict[str, Any]]:
        """Every flow run with a tag."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self.call(
                "POST",
                "/flow_runs/filter",
                {"flow_runs": {"tags": {"all_": [tag]}}, "limit": _PAGE, "offset": len(found), "sort": "ID_DESC"},
            )
            found += page
            if len(page) < _PAGE:
                return found

    async def wait_for(self, tag: str, count: int, seconds: float) -> int:
        """Wait until so many runs with a tag have completed, at most so many seconds; how many have."""
        deadline = time.monotonic() + seconds
        states = {"type": {"any_": ["COMPLETED"]}}
        while True:
            body = {"flow_runs": {"tags": {"all_": [tag]}, "state": states}}
            done = int(await self.call("POST", "/flow_runs/count", body))
            if done >= count or time.monotonic() > deadline:
                return done
            await asyncio.sleep(0.5)

    async def states(self, flow_run_id: str) -> list[dict[str, Any]]:
        """A run's states, the first one first."""
        found = await self.call("GET", f"/flow_run_states/?flow_run_id={flow_run_id}")
        return sorted(found, key=lambda state: str(state["timestamp"]))

    async def log_lines(self, flow_run_id: str) -> list[dict[str, Any]]:
        """A run's log lines."""
        wanted = {"flow_run_id": {"any_": [flow_run_id]}}
        return list(await self.call("POST", "/logs/filter", {"logs": wanted, "sort": "TIMESTAMP_ASC"}))

    async def events(self, name: str, resources: Sequence[str]) -> list[dict[str, Any]]:
        """Events of a name about these resources, up to 50."""
        body = {"filter": {"event": {"name": [name]}, "resource": {"id": list(resources)}}, "limit": 50}
        return list((await self.call("POST", "/events/filter", body))["events"])
