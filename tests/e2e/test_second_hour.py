"""What somebody does by the API who has a webhook of their own, on the `up` of the first hour."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import httpx

from tests.support.newcomer import in_second_terminal, reaches
from tests.support.up import Up


def webhooks(up: Up, words: str) -> subprocess.CompletedProcess[str]:
    done = in_second_terminal(up, f"webhooks {words}")
    assert done.returncode == 0, f"webhooks {words}\n{done.stdout}{done.stderr}"
    return done


def as_json(up: Up, words: str) -> Any:
    return json.loads(webhooks(up, f"{words} --json").stdout)


def test_by_the_api_a_write_key_makes_replays_and_pauses_and_a_read_key_is_refused(
    up: Up,
) -> None:
    writer = as_json(up, "keys create writer --scope write")["key"]
    reader = as_json(up, "keys create reader --scope read")["key"]
    wanted = {"key": "by-api", "deployment": "hello/hello", "verification": {"scheme": "none"}}
    assert _call(up, writer, "POST", "webhooks", json=wanted).status_code == 201
    sent = httpx.post(f"{up.base_url}/api/webhooks/by-api", json={"data": {"message": "by api"}}, timeout=30)
    delivery_id = sent.json()["delivery_id"]
    reaches(up, delivery_id, "completed")
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "webhooks", {"json": {**wanted, "key": "another"}}),
        ("PUT", "webhooks/by-api", {"json": wanted}),
        ("PATCH", "webhooks/by-api", {"json": {"state": "paused"}}),
        ("POST", f"deliveries/{delivery_id}/replay", {"json": {}}),
        ("POST", "deliveries/replay", {"json": {"webhook": "by-api"}}),
        ("DELETE", "webhooks/by-api", {}),
    ]
    for method, path, body in changes:
        assert _call(up, reader, method, path, **body).status_code == 403, (method, path)
    assert _call(up, writer, "POST", f"deliveries/{delivery_id}/replay", json={}).status_code == 202
    reaches(up, delivery_id, "completed")
    assert _call(up, writer, "PATCH", "webhooks/by-api", json={"state": "paused"}).json()["state"] == "paused"
    assert _call(up, writer, "PATCH", "webhooks/by-api", json={"state": "enabled"}).json()["state"] == "enabled"
    assert _call(up, writer, "DELETE", "webhooks/by-api").status_code == 204


def _call(up: Up, key: str, method: str, path: str, **body: Any) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {key}"}
    return httpx.request(method, f"{up.base_url}/api/admin/{path}", headers=bearer, timeout=30, **body)
