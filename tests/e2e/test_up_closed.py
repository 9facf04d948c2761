"""`webhooks up` where the receiver speaks TLS itself, and where its admin API is apart: all parts find each other."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.contract.pinned_tls import trust
from tests.support.certificates import self_signed
from tests.support.ports import free_port
from tests.support.up import Up, remove_home, started_up
from tests.support.waiting import wait_until


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="webhooks-up-") as made:
        yield Path(made)
        remove_home(Path(made, "home"))


def shown(up: Up, delivery_id: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "receiver.cli", "show", delivery_id, "--json"]
    return dict(
        json.loads(subprocess.run(command, env=up.env, cwd=up.home.parent, capture_output=True, check=True).stdout)
    )


@pytest.mark.parametrize("apart", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_large_request_over_tls_reaches_its_flow_by_reference(folder: Path, apart: bool) -> None:
    certificate = self_signed(folder, "hooks.example.com")
    settings = {"WEBHOOKS_TLS_CERTIFICATE": str(certificate)}
    if apart:
        settings["WEBHOOKS_ADMIN_PORT"] = str(free_port())
    with started_up(folder / "home", settings) as up:
        up.wait_ready()
        assert f"https://127.0.0.1:{up.port}" in up.output()
        assert (f"http://127.0.0.1:{settings.get('WEBHOOKS_ADMIN_PORT')}" in up.output()) is apart
        with httpx.Client(base_url=f"https://127.0.0.1:{up.port}", verify=trust(certificate)) as http:
            accepted = http.post("/api/webhooks/hello", json={"text": "x" * 300_000})
            assert http.get("/docs").status_code == (404 if apart else 401)
        assert accepted.status_code == 202, accepted.text
        delivery_id = accepted.json()["delivery_id"]
        wait_until(lambda: shown(up, delivery_id)["status"] in {"completed", "failed"}, 60, what="the run ends")
        assert shown(up, delivery_id)["status"] == "completed", shown(up, delivery_id)
        assert up.end(signal.SIGTERM) == 0
