"""Deleting runs in Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

_BULK: Any = "/flow_runs/bulk_delete"  # its client's own list of routes has not got this one
_NOT_THERE = {404, 405}
"""A server of before it could delete several at once."""


async def delete_runs(client: PrefectClient, flow_run_ids: Sequence[str]) -> None:
    """Delete up to 50 runs; with each go its task runs, its states, and a moment later its log lines."""
    ids = list(_ids(flow_run_ids))
    if not ids:
        return
    wanted = {"flow_runs": {"id": {"any_": [str(each) for each in ids]}}, "limit": len(ids)}
    try:
        await client.request("POST", _BULK, json=wanted)
    except ObjectNotFound:
        await _one_by_one(client, ids)
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in _NOT_THERE:
            raise
        await _one_by_one(client, ids)


async def _one_by_one(client: PrefectClient, ids: Sequence[UUID]) -> None:
    for each in ids:
        try:
            await client.delete_flow_run(each)
        except ObjectNotFound:
            continue


def _ids(flow_run_ids: Sequence[str]) -> Iterator[UUID]:
    for each in flow_run_ids:
        try:
            yield UUID(each)
        except ValueError:  # none of Prefect's
            continue
