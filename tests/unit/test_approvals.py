"""What is sent to decide a question: anything, from anybody who has heard of the route."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from receiver.approvals import approvals_router


class Asked:
    """No question is kept here; nothing else is to be asked."""

    async def read(self, flow_run_id: str, name: str) -> str | None:
        return None

    async def claim(self, flow_run_id: str, name: str, text: str) -> bool:
        raise AssertionError("there is nothing to decide")

    async def resume(self, flow_run_id: str) -> None:
        raise AssertionError("there is nothing to go on with")


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"{",
            b"[]",
            b"\xff",
            b'{"decision": []}',
            b'{"decision": {"a": 1}}',
            b'{"decision": null}',
            b"[" * 9000,
        ),
        *(b"decision", b"decision=maybe", b"&" * 20, b'{"decision": "approve", "comment": [1]}', b"a" * 40_000),
    ],
)
async def test_what_is_no_decision_is_told_so(media_type: str, body: bytes):
    app = FastAPI()
    app.include_router(approvals_router(Asked(), lambda: datetime.now(UTC)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://receiver.test") as http:
        answer = await http.post("/api/approvals/x", content=body, headers={"content-type": media_type})
    assert (answer.status_code, answer.json()["status"]) == (400, "not understood")
