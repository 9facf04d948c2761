"""A flow that notes when it begins and ends, so that a test sees what ran beside what."""

from __future__ import annotations

from prefect import flow

from tests.support.sample_flows.ordinary import note


@flow
async def step(notes: str, key: str, number: int) -> None:
    note(notes, f"{key} {number} begins")
    note(notes, f"{key} {number} ends")
