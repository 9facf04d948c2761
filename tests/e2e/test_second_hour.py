"""What somebody does who has a webhook of their own: written, deployed, sent to, looked at, run again, paused, resumed.

Once by the command line and once by the API, on the `up` of the first hour.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.support.newcomer import in_second_terminal, project_of, reaches
from tests.support.up import Up
from tests.support.waiting import wait_until

EDITED = "    print('the newcomer was here')\n"


def webhooks(up: Up, words: str) -> subprocess.CompletedProcess[str]:
    done = in_second_terminal(up, f"webhooks {words}")
    assert done.returncode == 0, f"webhooks {words}\n{done.stdout}{done.stderr}"
    return done


def as_json(up: Up, words: str) -> Any:
    return json.loads(webhooks(up, f"{words} --json").stdout)


def edit(file: Path) -> None:
    """Put a line of the newcomer's at the beginning of the flow's body."""
    lines = file.read_text().splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("async def "))
    end = next(number for number in range(start, len(lines)) if lines[number].rstrip().endswith(":"))
    file.write_text("".join([*lines[: end + 1], EDITED, *lines[end + 1 :]]))


def latest(up: Up, key: str) -> dict[str, Any]:
    return dict(as_json(up, f"deliveries --webhook {key} --limit 1")[0])


def test_a_webhook_is_written_deployed_sent_shown_run_again_paused_and_resumed(up: Up) -> None:
    made = webhooks(up, "new parcels")
    assert "webhooks deploy" in made.stdout
    edit(project_of(up) / "flows" / "parcels.py")
    webhooks(up, "deploy")
    assert "parcels" in {webhook["key"] for webhook in as_json(up, "list")}
    webhooks(up, "send parcels --data " + shlex.quote('{"text": "the first"}'))
    first = latest(up, "parcels")
    reaches(up, first["id"], "completed")
    shown = wait_until(
        lambda: _shown_with(up, first["id"], "the newcomer was here"), 30, what="the flow's line is shown"
    )
    assert shown is not None and "completed" in shown
    webhooks(up, f"replay {first['id']}")
    again = wait_until(lambda: _attempt(up, first["id"], 2, "completed"), 60, what="the replay completed")
    assert again is not None and again["attempts"][1]["flow_run_id"] != again["attempts"][0]["flow_run_id"]
    webhooks(up, "pause parcels")
    webhooks(up, "send parcels --data " + shlex.quote('{"text": "the second"}'))
    waiting = latest(up, "parcels")
    assert (waiting["status"], waiting["flow_run_id"]) == ("queued", None)
    webhooks(up, "resume parcels")
    reaches(up, waiting["id"], "completed")


def _shown_with(up: Up, delivery_id: str, text: str) -> str | None:
    shown = webhooks(up, f"show {delivery_id}").stdout
    return shown if text in shown else None


def _attempt(up: Up, delivery_id: str, number: int, status: str) -> dict[str, Any] | None:
    delivery = as_json(up, f"show {delivery_id}")
    attempts = delivery["attempts"]
    return delivery if len(attempts) >= number and attempts[number - 1]["status"] == status else None


def test_the_same_is_done_by_the_api_with_a_key_that_may_write_and_refused_to_one_that_may_only_read(up: Up) -> None:
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
