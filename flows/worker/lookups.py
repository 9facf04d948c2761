"""Deployments, flows and job configurations, read once and kept for some seconds instead of at every run."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse

from flows.worker.configuration import WarmJobConfiguration
from flows.worker.engine import run_environment
from flows.worker.pool import refusal

T = TypeVar("T")
_KEEP_SECONDS = 5.0
_PAGE = 200


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a child needs besides the run: where its flow is and how to run it; or why it cannot be run here."""

    configuration: WarmJobConfiguration
    entrypoint: str
    refused: str | None


class Lookups:
    """Of one client. Raises ObjectNotFound for a deployment that is gone."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client
        self._kept: dict[tuple[str, UUID], tuple[float, Any]] = {}

    async def _keep(self, kind: str, key: UUID, read: Callable[[UUID], Awaitable[T]]) -> T:
        until, value = self._kept.get((kind, key), (0.0, None))
        if until < time.monotonic():
            value = await read(key)
            self._kept[kind, key] = (time.monotonic() + _KEEP_SECONDS, value)
        found: T = value
        return found

    async def job(self, run: FlowRun, pool: WorkPool, worker: str, worker_id: UUID | None) -> Job:
        """The run's variables over the deployment's over the pool's, as every Prefect worker puts them together."""
        deployment: DeploymentResponse | None = None
        if run.deployment_id:
            deployment = await self._keep("deployment", run.deployment_id, self._client.read_deployment)
        flow: Flow = await self._keep("flow", run.flow_id, self._client.read_flow)
        values = merged(deployment.job_variables if deployment else {}, run.job_variables or {})
        configuration: WarmJobConfiguration = await WarmJobConfiguration.from_template_and_values(
            base_job_template=pool.base_job_template, values=values, client=self._client
        )
        configuration.env = {**run_environment(run, deployment, flow, worker, worker_id), **configuration.env}
        entrypoint = deployment.entrypoint if deployment else None
        refused = refusal(entrypoint, deployment and deployment.pull_steps, values.get("image"), values.get("command"))
        return Job(configuration=configuration, entrypoint=entrypoint or "", refused=refused)

    async def entrypoints(self, pool_name: str) -> list[str]:
        """Of all deployments of the pool that can run in it."""
        found: set[str] = set()
        offset = 0
        while True:
            page = await self._client.read_deployments(
                work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool_name])), limit=_PAGE, offset=offset
            )
            found |= {one.entrypoint for one in page if one.entrypoint and not _refused(one)}
            if len(page) < _PAGE:
                return sorted(found)
            offset += _PAGE


def _refused(deployment: DeploymentResponse) -> bool:
    return bool(refusal(deployment.entrypoint, deployment.pull_steps, None, None))


def merged(deployment: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Job variables of a run over its deployment's; `env` entry by entry. Neither is changed."""
    values = copy.deepcopy({**deployment, **run})
    if isinstance(deployment.get("env"), Mapping) and isinstance(run.get("env"), Mapping):
        values["env"] = {**deployment["env"], **run["env"]}
    return values


def overlay(env: Mapping[str, str | None], base: Mapping[str, str]) -> dict[str, str]:
    """What of a run's environment differs from the one its child has anyway."""
    return {name: value for name, value in env.items() if value is not None and base.get(name) != value}


def needs_a_child_of_its_own(changes: Mapping[str, str]) -> bool:
    """Prefect reads its settings once a process: a run that brings its own cannot share one."""
    return any(name.startswith("PREFECT_") and not name.startswith("PREFECT__") for name in changes)


def zygote_environment(settings: Mapping[str, str], name: str) -> dict[str, str]:
    """Our environment with Prefect's settings as this worker has them, wherever they came from."""
    # A server whose database is away for a moment answers 500, which the client does not take for a passing fault.
    again_after = {"PREFECT_CLIENT_RETRY_EXTRA_CODES": "500"}
    env = {**again_after, **os.environ, **settings, "PREFECT__WORKER_NAME": name}
    env.pop("PREFECT__FLOW_RUN_ID", None)
    return env
