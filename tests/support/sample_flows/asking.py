"""A flow that waits for a person."""

from __future__ import annotations

import json
import os

from prefect import flow

from flows.nodes import approval
from receiver.contract.fetch import AT_HAND
from tests.support.sample_flows.ordinary import note


@flow
async def refund(path: str) -> None:
    """Notes its process, the question's address, and what was decided."""
    AT_HAND.set(lambda _path, _params: json.dumps({"url": ""}).encode())  # the receiver's public address

    async def tell(url: str) -> None:
        note(path, f"asked {url}")

    note(path, f"begun {os.getpid()}")
    decision = await approval("Refund 120 EUR?", tell)
    note(path, f"decided {decision.approved} {decision.comment}")
