"""What a newcomer does in the first hours, on real processes: the README's commands, GitHub's push, a crash, a webhook
of their own, the end."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.newcomer import admin, in_second_terminal, project_of, reaches
from tests.support.receiver import github_signature
from tests.support.up import Up, remove_home, started_up
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
EDITED = "    print('the newcomer was here')\n"
BLOCK = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
README = [
    (language, options.strip(), re.sub(rf"(?m)^{indent}", "", text))
    for indent, language, options, text in BLOCK.findall((ROOT / "README.md").read_text())
]


def commands() -> dict[str, str]:
    """Each command of the README with the output that is shown below it, empty where none is."""
    text = "\n".join(text for language, _, text in README if language == "console")
    shown = [part.partition("\n") for part in re.split(r"(?m)^\$ ", text) if part.strip()]
    return {command: output.strip() for command, _, output in shown}


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with tempfile.TemporaryDirectory(prefix="webhooks-first-") as folder:
        project, home = Path(folder, "project"), Path(folder, "home")
        project.mkdir()
        shutil.copy(ROOT / "prefect.yaml", project)
        shutil.copytree(ROOT / "tests" / "payloads", project / "tests" / "payloads")
        with started_up(home, {"WEBHOOKS_PROJECT": str(project)}) as running:
            running.wait_ready()
            yield running
            assert running.end(signal.SIGTERM) == 0
        remove_home(home)


def post(up: Up, key: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(f"{up.base_url}/api/webhooks/{key}", content=body, headers=headers, timeout=120)


def prefect_auth(up: Up) -> httpx.BasicAuth:
    user, _, password = (up.home / "prefect.auth").read_text().strip().partition(":")
    return httpx.BasicAuth(user, password)


def prefect(up: Up, path: str, **body: Any) -> Any:
    answer = httpx.post(f"{up.prefect_api}/{path}", json=body, auth=prefect_auth(up), timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


def secret_of(up: Up, webhook: str) -> str:
    """What somebody reads in Prefect's UI, in the block that the webhook names."""
    reference: str = admin(up, f"webhooks/{webhook}")["verification"]["secret"]
    url = "{}/block_types/slug/{}/block_documents/name/{}".format(
        up.prefect_api, *reference.removeprefix("block:").split("/")
    )
    answer = httpx.get(url, params={"include_secrets": True}, auth=prefect_auth(up), timeout=120)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["current"])


def comes_to_its_end(up: Up, delivery_id: str) -> None:
    """It becomes `completed`; where the request was split, each of its parts does."""
    parts = admin(up, f"deliveries?parent={delivery_id}")["items"]
    for one in parts or [{"id": delivery_id}]:
        reaches(up, one["id"], "completed")


def test_every_command_of_the_readme_works_as_it_stands(up: Up):
    for language, options, text in README:
        if options.startswith("file="):
            file = project_of(up) / options.removeprefix("file=")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif options.startswith("append="):
            with (project_of(up) / options.removeprefix("append=")).open("a") as manifest:
                manifest.write(text)
        assert language in {"python", "console", "yaml", ""}, f"the README has a block nobody runs: {language}"
    later = [command for command in commands() if command != "make up" and "/signup " not in command]
    signup = [command for command in commands() if "/signup " in command]
    assert "webhooks deploy" in later and len(signup) == 1
    for command in [*later, *signup]:
        called = re.search(r"/api/webhooks/([\w-]+)", command)
        key = {"KEY": secret_of(up, called[1])} if called and "$KEY" in command else {}
        done = in_second_terminal(up, command.replace("http://127.0.0.1:8000", up.base_url), **key)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("curl"):
            answer = json.loads(done.stdout)
            if "delivery_id" in answer:
                comes_to_its_end(up, answer["delivery_id"])
            else:
                assert done.stdout.strip() == commands()[command]
    mails = list((up.home / "mail").glob("*.eml"))
    assert any("olena@example.com" in mail.read_text() for mail in mails)


def test_a_signed_push_runs_and_its_task_runs_are_in_prefect(up: Up):
    body = (project_of(up) / "tests/payloads/github/push__main.json").read_bytes()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1", "Content-Type": "application/json"}
    signed = github_signature(secret_of(up, "github-push"), body)
    answer = post(up, "github-push", body, {**headers, **signed})
    assert answer.status_code == 202
    row = reaches(up, answer.json()["delivery_id"], "completed")
    run_id = row["attempts"][-1]["flow_run_id"]
    tasks = prefect(up, "task_runs/filter", task_runs={"flow_run_id": {"any_": [run_id]}})
    assert tasks and {task["state_type"] for task in tasks} == {"COMPLETED"}
    again = post(up, "github-push", body, {**headers, **signed})
    assert again.headers["webhook-duplicate-of"] == row["id"] and again.json()["delivery_id"] == row["id"]


def test_a_wrong_signature_is_refused_recorded_and_runs_nothing(up: Up):
    before = prefect(up, "flow_runs/count")
    body = b'{"ref": "refs/heads/main"}'
    answer = post(up, "github-push", body, {"X-GitHub-Event": "push", **github_signature("wrong", body)})
    assert answer.status_code == 401
    row = admin(up, f"deliveries/{answer.headers['webhook-delivery-id']}")
    assert (row["status"], row["reason"]) == ("rejected", "signature_mismatch")
    assert prefect(up, "flow_runs/count") == before
    assert httpx.get(f"{up.base_url}/api/webhooks/github-push").status_code == 405


def test_kill_9_of_the_receiver_loses_and_doubles_nothing(up: Up):
    taken: list[str] = []
    for number in range(5):
        answer = post(up, "hello", json.dumps({"data": {"message": f"n{number}"}}).encode())
        assert answer.status_code == 202
        taken.append(answer.json()["delivery_id"])
    os.kill(json.loads((up.home / "receiver.json").read_text())["pid"], signal.SIGKILL)
    wait_until(lambda: _accepts(up, taken), 60, what="the receiver is back")
    for delivery_id in taken:
        reaches(up, delivery_id, "completed", 120)
        runs = prefect(up, "flow_runs/filter", flow_runs={"tags": {"all_": [f"delivery:{delivery_id}"]}})
        assert len(runs) == 1


def _accepts(up: Up, taken: list[str]) -> bool:
    try:
        answer = post(up, "hello", b"{}")
    except httpx.TransportError:
        time.sleep(0.1)
        return False
    if answer.status_code == 202:
        taken.append(answer.json()["delivery_id"])
    return answer.status_code == 202


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


def test_by_the_api_a_write_key_makes_replays_and_pauses_and_a_read_key_is_refused(up: Up) -> None:
    writer = as_json(up, "keys create writer --scope write")["key"]
    reader = as_json(up, "keys create reader --scope read")["key"]
    wanted = {"key": "by-api", "deployment": "hello/hello", "verification": {"scheme": "none"}}
    assert _call(up, writer, "POST", "webhooks", json=wanted).status_code == 201
    sent = httpx.post(f"{up.base_url}/api/webhooks/by-api", json={"data": {"message": "by api"}}, timeout=120)
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
    return httpx.request(method, f"{up.base_url}/api/admin/{path}", headers=bearer, timeout=120, **body)


def test_no_secret_is_in_any_log_or_in_the_database(up: Up):
    secrets = [up.admin_key(), secret_of(up, "github-push"), (up.home / "prefect.auth").read_text().strip()]
    files = [*(up.home / "logs").rglob("*"), up.log, *up.home.glob("receiver.db*")]
    for file in files:
        if file.is_file():
            content = file.read_bytes()
            for secret in secrets:
                assert secret.encode() not in content, f"a secret is in {file.name}"
