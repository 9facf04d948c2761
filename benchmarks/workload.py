"""The flows that are measured: one node, and when the flow's first and last line were reached, in the answer."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow, task

from receiver import Batch, Context, webhook


@task
async def node(data: Any) -> int:
    """Hardly any work: what is measured is everything around it."""
    return len(data) if isinstance(data, dict) else 0


@webhook("one-node", mode="sync", verification={"scheme": "none"})
@flow
async def one_node(context: Context) -> dict[str, float]:
    """`{"began", "fields", "ended"}`: moments in Unix seconds, and what the node counted."""
    began = time.time()
    return {"began": began, "fields": await node(context.data), "ended": time.time()}


@webhook("many-at-once", batch={}, parameters={"batch": "{{$context}}"}, verification={"scheme": "none"})
@flow
async def many_at_once(batch: Batch) -> None:
    """One node for all deliveries of a batch."""
    await node({context.delivery_id: context.data for context in batch})


@flow
async def one_node_alone(data: dict[str, Any]) -> dict[str, float]:
    """The same without a webhook: what Prefect's engine needs for it in a process that is there already."""
    began = time.time()
    return {"began": began, "fields": await node(data), "ended": time.time()}
