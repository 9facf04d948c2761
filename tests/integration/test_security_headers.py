"""Every answer of the receiver but the webhooks' own carries what browsers are to be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.receiver import RunningReceiver, running_receiver, settings_for

TOLD = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
PATHS = [
    *("/api/admin/webhooks", "/api/admin/audit", "/api/admin/nothing", "/docs", "/openapi.json", "/", "/nothing"),
    *("/health/live", "/health/ready", "/api/deliveries/x", "/api/approvals/x", "/api/approvals/x/y", "/api/webhooks"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_each_path_is_safe_for_whoever_asks_and_however(receiver: RunningReceiver, path: str) -> None:
    for caller in (receiver.http, receiver.admin):
        for method in ("GET", "POST", "OPTIONS"):
            for accept in ("text/html", "*/*"):
                answer = await caller.request(method, path, headers={"Accept": accept})
                assert {name: answer.headers.get(name) for name in TOLD} == TOLD
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy and "strict-transport-security" not in answer.headers
                assert ("sandbox" in policy) == (not answer.headers.get("content-type", "").startswith("text/html"))
                assert len(answer.headers.get_list("content-security-policy")) == 1


async def test_a_receiver_whose_public_address_is_https_says_so(tmp_path: Path, prefect_settings: object) -> None:
    del prefect_settings
    settings = settings_for(tmp_path, public_url="https://hooks.example.com")
    async with running_receiver(settings) as receiver:
        for path in ("/health/live", "/api/admin/webhooks", "/docs"):
            assert (await receiver.http.get(path)).headers["strict-transport-security"] == "max-age=31536000"
