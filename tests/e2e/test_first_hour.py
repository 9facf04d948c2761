"""What a newcomer does in the first hour, on real processes: the README's commands, GitHub's push, a crash, the end."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.newcomer import admin, in_second_terminal, project_of, reaches
from tests.support.receiver import github_signature
from tests.support.up import Up
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
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


def post(up: Up, key: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(f"{up.base_url}/api/webhooks/{key}", content=body, headers=headers, timeout=30)


def prefect_auth(up: Up) -> httpx.BasicAuth:
    user, _, password = (up.home / "prefect.auth").read_text().strip().partition(":")
    return httpx.BasicAuth(user, password)


def prefect(up: Up, path: str, **body: Any) -> Any:
    answer = httpx.post(f"{up.prefect_api}/{path}", json=body, auth=prefect_auth(up), timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def github_secret(up: Up) -> str:
    url = f"{up.prefect_api}/block_types/slug/webhook-secret/block_documents/name/github"
    answer = httpx.get(url, params={"include_secrets": True}, auth=prefect_auth(up), timeout=30)
    return str(answer.json()["data"]["current"])


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
        done = in_second_terminal(up, command.replace("http://127.0.0.1:8000", up.base_url))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if command.startswith("curl"):
            answer = json.loads(done.stdout)
            if "delivery_id" in answer:
                reaches(up, answer["delivery_id"], "completed")
            else:
                assert done.stdout.strip() == commands()[command]
    mails = list((up.home / "mail").glob("*.eml"))
    assert any("olena@example.com" in mail.read_text() for mail in mails)


def test_a_signed_push_runs_and_its_task_runs_are_in_prefect(up: Up):
    body = (project_of(up) / "tests/payloads/github/push__main.json").read_bytes()
    headers = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1", "Content-Type": "application/json"}
    signed = github_signature(github_secret(up), body)
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


def test_no_secret_is_in_any_log_or_in_the_database(up: Up):
    secrets = [up.admin_key(), github_secret(up), (up.home / "prefect.auth").read_text().strip()]
    files = [*(up.home / "logs").rglob("*"), up.log, *up.home.glob("receiver.db*")]
    for file in files:
        if file.is_file():
            content = file.read_bytes()
            for secret in secrets:
                assert secret.encode() not in content, f"a secret is in {file.name}"
