"""Deployments that no worker serves, and the runs a delivery has: for tests that are the worker themselves."""

from __future__ import annotations

import uuid

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

FLOW = "dispatch-test"


async def make_deployment(prefect: PrefectClient, name: str | None = None) -> str:
    name = name or f"d{uuid.uuid4().hex[:8]}"
    flow_id = await prefect.create_flow_from_name(FLOW)
    await prefect.create_deployment(flow_id=flow_id, name=name, enforce_parameter_schema=False)
    return f"{FLOW}/{name}"


async def runs_of(prefect: PrefectClient, delivery_id: str) -> list[FlowRun]:
    tags = FlowRunFilterTags(all_=[f"delivery:{delivery_id}"])
    return await prefect.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags))
