"""What a check needs to know of Prefect, in one short round of calls: versions, deployments, pools, workers, queues."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

import httpx
import prefect
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

_PAGE = 200
"""Prefect gives no more at once; deployments past it are not looked at."""
_MOST_POOLS = 20
_Listing = Literal[
    "/flows/filter",
    "/deployments/filter",
    "/work_pools/filter",
    "/work_pools/{work_pool_name}/workers/filter",
    "/work_pools/{work_pool_name}/queues/filter",
]


class Access(StrEnum):
    """Whether Prefect answered the survey."""

    OPENED = "opened"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, kw_only=True)
class PoolState:
    """A work pool. `online` workers sent a heartbeat lately; `last_heartbeat` is the latest of any worker's."""

    name: str
    type: str
    paused: bool
    concurrency_limit: int | None
    paused_queues: frozenset[str]
    online: int
    last_heartbeat: datetime | None


@dataclass(frozen=True, kw_only=True)
class DeploymentState:
    """A deployment. `pool` is None for one that a process of its own serves, then `ready` tells whether it does."""

    name: str
    pool: str | None
    queue: str | None
    paused: bool
    ready: bool


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What Prefect told. Only `access`, `url` and `problem` mean something unless `access` is OPENED.

    `looked_for` names the deployments that were looked for: one of them that is not in `deployments` does not exist.
    `clock_ahead` is by how many seconds the server's clock is ahead of ours. `open` tells whether its API answers
    somebody without credentials.
    """

    access: Access
    url: str
    client_version: str = prefect.__version__
    problem: str = ""
    server_version: str = ""
    open: bool = False
    clock_ahead: float = 0.0
    looked_for: frozenset[str] = frozenset()
    deployments: Mapping[str, DeploymentState] = field(default_factory=dict)
    pools: Mapping[str, PoolState] = field(default_factory=dict)


async def survey(deployments: Iterable[str], *, within: float = 5.0) -> Survey:
    """Look at Prefect and at these deployments, `flow/deployment`, the first 200 of them. Never raises for Prefect.

    Ends after `within` seconds, however long Prefect takes.
    """
    wanted = sorted(set(deployments))[:_PAGE]
    try:
        async with asyncio.timeout(within), AsyncExitStack() as stack:
            return await _look(stack, wanted)
    except TimeoutError:
        return _closed(Access.UNREACHABLE, f"it did not answer within {within:g} s")
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return _closed(Access.UNAUTHORIZED, f"it answered {status}")
        return _closed(Access.UNREACHABLE, f"it answered {status}")
    except ObjectNotFound:
        return _closed(Access.UNREACHABLE, "what answers there is not Prefect's API (404)")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _closed(Access.UNREACHABLE, f"it did not answer ({type(error).__name__})")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _closed(Access.UNREACHABLE, f"what answers there is not Prefect's API ({type(error).__name__})")


async def server_version(*, within: float = 5.0) -> str | None:
    """The version of Prefect's server, None when it does not tell."""
    found = await survey((), within=within)
    return found.server_version if found.access is Access.OPENED else None


def _closed(access: Access, problem: str) -> Survey:
    return Survey(access=access, url=_url(), problem=problem)


def _url() -> str:
    """Where Prefect is, without credentials that somebody may have put into the address."""
    try:
        return str(httpx.URL(get_current_settings().api.url or "").copy_with(username=None, password=None))
    except httpx.InvalidURL:
        return "PREFECT_API_URL"


async def _look(stack: AsyncExitStack, wanted: Sequence[str]) -> Survey:
    client = await stack.enter_async_context(get_client())
    before = datetime.now(UTC)
    answer = await client.request("GET", "/admin/version")
    middle = before + (datetime.now(UTC) - before) / 2
    found, whole = await _deployments(client, wanted)
    names = sorted({each.pool for each in found.values() if each.pool})[:_MOST_POOLS]
    pools, is_open = await asyncio.gather(_pools(client, names), _answers_anybody(stack))
    return Survey(
        access=Access.OPENED,
        url=_url(),
        server_version=str(answer.json()),
        open=is_open,
        clock_ahead=_ahead(answer.headers.get("date"), middle),
        looked_for=frozenset(wanted if whole else found),
        deployments=found,
        pools=pools,
    )


def _ahead(date: str | None, ours: datetime) -> float:
    """Seconds; a Date header is cut to whole ones, so the server's clock is half a second further on average."""
    try:
        return (parsedate_to_datetime(date or "") - ours).total_seconds() + 0.5
    except ValueError:
        return 0.0


async def _answers_anybody(stack: AsyncExitStack) -> bool:
    stranger = await stack.enter_async_context(PrefectClient(get_current_settings().api.url or ""))
    try:
        await stranger.request("GET", "/admin/version")
    except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound):
        return False
    return True


async def _page(client: PrefectClient, path: _Listing, *, pool: str = "", **filters: Any) -> list[dict[str, Any]]:
    named = {"work_pool_name": quote(pool, safe="")} if pool else None
    return list((await client.request("POST", path, json={**filters, "limit": _PAGE}, path_params=named)).json())


async def _deployments(client: PrefectClient, wanted: Sequence[str]) -> tuple[dict[str, DeploymentState], bool]:
    """Those of `wanted` that there are, and whether there was room to tell of all."""
    if not wanted:
        return {}, True
    halves = [name.partition("/") for name in wanted]
    flows = {"name": {"any_": sorted({flow for flow, _, _ in halves})}}
    labels = {"name": {"any_": sorted({label for _, _, label in halves})}}
    named, rows = await asyncio.gather(
        _page(client, "/flows/filter", flows=flows),
        _page(client, "/deployments/filter", flows=flows, deployments=labels),
    )
    flow_names = {flow["id"]: flow["name"] for flow in named}
    states = (_deployment(f"{flow_names.get(row['flow_id'])}/{row['name']}", row) for row in rows)
    return {state.name: state for state in states if state.name in wanted}, len(rows) < _PAGE


def _deployment(name: str, row: Mapping[str, Any]) -> DeploymentState:
    return DeploymentState(
        name=name,
        pool=row["work_pool_name"],
        queue=row["work_queue_name"],
        paused=bool(row["paused"]),
        ready=row["status"] == "READY",
    )


async def _pools(client: PrefectClient, names: Sequence[str]) -> dict[str, PoolState]:
    if not names:
        return {}
    rows = await _page(client, "/work_pools/filter", work_pools={"name": {"any_": list(names)}})
    states = await asyncio.gather(*(_pool(client, row) for row in rows))
    return {state.name: state for state in states}


async def _pool(client: PrefectClient, row: Mapping[str, Any]) -> PoolState:
    workers, queues = await asyncio.gather(
        _page(client, "/work_pools/{work_pool_name}/workers/filter", pool=row["name"]),
        _page(client, "/work_pools/{work_pool_name}/queues/filter", pool=row["name"]),
    )
    beats = [datetime.fromisoformat(each["last_heartbeat_time"]) for each in workers if each["last_heartbeat_time"]]
    return PoolState(
        name=row["name"],
        type=row["type"],
        paused=bool(row["is_paused"]),
        concurrency_limit=row["concurrency_limit"],
        paused_queues=frozenset(each["name"] for each in queues if each["is_paused"]),
        online=sum(each["status"] == "ONLINE" for each in workers),
        last_heartbeat=max(beats, default=None),
    )
