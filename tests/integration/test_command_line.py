"""The commands that speak to a receiver, against a server on a port."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from typer.testing import Result

from receiver.ingress.answers import Answer
from tests.support.admin import ServedApi, served_admin_api
from tests.support.commands import run_command
from tests.support.prefect import outside_environment
from tests.support.waiting import wait_until

OPEN: dict[str, Any] = {"key": "orders", "deployment": "orders/default", "verification": {"scheme": "none"}}
PREFECT = "from prefect import flow"
STAND_IN = """
class flow:  # what the reader of definitions needs of a flow, without the seconds that importing Prefect takes
    def __init__(self, name):
        self.name = name
    def __call__(self, fn):
        self.fn = fn
        return self
"""
FLOW = """
from receiver import Context, webhook

@webhook("{key}", verification={{"scheme": "none"}}{more})
@flow(name="{key}")
async def start(context: Context) -> None: ...
"""


@pytest.fixture
def receiver(tmp_path) -> Iterator[ServedApi]:
    home = tmp_path / "home"
    home.mkdir()
    with served_admin_api(home, outside_environment()) as served:
        yield served


@pytest.fixture
def project(tmp_path) -> Path:
    folder: Path = tmp_path / "project"
    (folder / "flows").mkdir(parents=True)
    return folder


def webhooks(receiver: ServedApi, *words: str, cwd: Path | None = None, fails: bool = False, **env: str) -> Result:
    return run_command({**receiver.env, **env}, *words, cwd=cwd, exit_code=1 if fails else 0)


def as_json(receiver: ServedApi, *words: str, **more: Any) -> Any:
    return json.loads(webhooks(receiver, *words, "--json", **more).stdout)


def define(project: Path, *keys: str, more: str = "", head: str = STAND_IN) -> None:
    lines = ["deployments:"]
    for key in keys:
        (project / "flows" / f"{key}_flow.py").write_text(head + FLOW.format(key=key, more=more))
        lines.append(f"  - {{name: default, entrypoint: flows.{key}_flow.start}}")
    (project / "prefect.yaml").write_text("\n".join(lines) + "\n")


def deploy(receiver: ServedApi, project: Path, *words: str, **more: Any) -> Result:
    return webhooks(receiver, "deploy", "--skip-prefect", *words, cwd=project, **more)


def test_webhooks_are_listed_paused_disabled_and_enabled(receiver):
    assert "No webhook yet" in webhooks(receiver, "list").stdout
    receiver.call("POST", "/webhooks", json=OPEN)
    header, row = webhooks(receiver, "list").stdout.splitlines()
    assert header.split()[:2] == ["KEY", "STATE"]
    assert row.split()[:2] == ["orders", "enabled"] and row.split()[-1].endswith("/api/webhooks/orders")
    assert webhooks(receiver, "pause", "orders").stdout == "orders is paused.\n"
    assert as_json(receiver, "disable", "orders")["state"] == "disabled"
    assert webhooks(receiver, "enable", "orders").stdout == "orders is enabled.\n"
    assert as_json(receiver, "list")[0]["state"] == "enabled"
    assert "There is no webhook 'nobody'" in webhooks(receiver, "pause", "nobody", fails=True).stderr


def test_a_key_is_made_used_and_revoked(receiver):
    made = webhooks(receiver, "keys", "create", "ci", "--scope", "read")
    key = made.stdout.strip()
    assert key.startswith("whk_") and "shown this once" in made.stderr
    assert as_json(receiver, "list", WEBHOOKS_API_KEY=key) == []
    refused = webhooks(receiver, "keys", "list", fails=True, WEBHOOKS_API_KEY=key)
    assert "needs a key of scope 'admin'" in refused.stderr
    known = {each["name"]: each for each in as_json(receiver, "keys", "list")}
    assert key not in webhooks(receiver, "keys", "list").stdout
    webhooks(receiver, "keys", "revoke", known["ci"]["id"])
    assert "Set WEBHOOKS_API_KEY" in webhooks(receiver, "list", fails=True, WEBHOOKS_API_KEY=key).stderr


def test_a_key_that_expires_is_listed_with_its_times_and_says_so_once_it_has(receiver):
    made = as_json(receiver, "keys", "create", "ci", "--expires", "90d")
    lived = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lived == timedelta(days=90)
    as_json(receiver, "list", WEBHOOKS_API_KEY=made["key"])
    known = next(each for each in as_json(receiver, "keys", "list") if each["name"] == "ci")
    assert known["last_used_at"] and known["expires_at"] == made["expires_at"]
    header, *rows = webhooks(receiver, "keys", "list").stdout.splitlines()
    assert header.split("  ")[-1].strip() == "EXPIRES" and "LAST USED" in header
    assert any(made["expires_at"][:10] in row for row in rows)
    assert "is a duration from 1m" in webhooks(receiver, "keys", "create", "x", "--expires", "1s", fails=True).stderr
    over = receiver.expired_key("old")
    refused = webhooks(receiver, "list", fails=True, WEBHOOKS_API_KEY=over).stderr
    assert "'old' expired on" in refused and "webhooks keys create NAME --scope read --expires 90d" in refused


def test_who_changed_what_is_told_as_a_table_and_as_json(receiver):
    receiver.call("POST", "/webhooks", json=OPEN)
    webhooks(receiver, "pause", "orders")
    receiver.call("PATCH", "/webhooks/orders", json={"deployment": "orders/other"})
    webhooks(receiver, "keys", "create", "ci")
    told = as_json(receiver, "audit", "--object", "orders", "--since", "1h")
    assert [each["action"] for each in told] == ["webhook.update", "webhook.state", "webhook.create"]
    assert {(each["key_name"], each["address"], each["origin"]) for each in told} == {("admin", "127.0.0.1", "api")}
    assert as_json(receiver, "audit", "--until", "1h") == []
    header, latest, *rows = webhooks(receiver, "audit", "--limit", "3").stdout.splitlines()
    assert header.split() == ["AT", "WHO", "FROM", "ACTION", "OBJECT", "CHANGES"]
    assert "key.create" in latest and any("webhook.state" in row and '"enabled" -> "paused"' in row for row in rows)
    assert 'deployment: "orders/default" -> "orders/other"' in "\n".join(rows)
    assert "action" in webhooks(receiver, "audit", "--action", "webhook.steal", fails=True).stderr


def test_a_receiver_that_does_not_answer_is_told_with_the_next_step(receiver, free_port):
    nowhere = webhooks(receiver, "list", fails=True, WEBHOOKS_URL=f"http://127.0.0.1:{free_port}")
    assert "webhooks up" in nowhere.stderr and "Traceback" not in nowhere.stderr


def test_a_sample_is_sent_and_the_next_command_named(receiver, tmp_path):
    receiver.call("POST", "/webhooks", json=OPEN)
    file = tmp_path / "push.json"
    file.write_bytes(b'{"a": "\xc3\xa9"}')
    sent = webhooks(receiver, "send", "orders", "--file", str(file), "--header", "X-GitHub-Event: push")
    assert sent.stdout.splitlines() == [
        "202 Accepted",
        "webhook-delivery-id: d-1",
        "",
        '{"status":"queued"}',
        "",
        "Next: webhooks show d-1",
    ]
    webhooks(receiver, "send", "orders", "--data", '{"b":1}', "--method", "put", "--query", "?x=1")
    (_, first), (_, second) = receiver.api.outside.sent
    assert first.body == file.read_bytes()
    assert list(first.headers) == [("X-GitHub-Event", "push"), ("Content-Type", "application/json")]
    assert (second.method, second.query, second.body) == ("PUT", "x=1", b'{"b":1}')


def test_a_refused_sample_is_exit_code_1_and_its_answer_is_printed_harmlessly(receiver):
    receiver.call("POST", "/webhooks", json=OPEN)
    receiver.api.outside.answer = Answer(status=401, headers=[("allow", "\x1b[2J")], body=b"\x1b[31mred\x1b[0m\nline")
    refused = webhooks(receiver, "send", "orders", fails=True)
    assert refused.stdout.splitlines() == ["401 Unauthorized", "allow: \\x1b[2J", "", "\\x1b[31mred\\x1b[0m", "line"]
    receiver.api.outside.answer = Answer(status=500, headers=[], body=b"\xff")
    assert "1 bytes that are not text" in webhooks(receiver, "send", "orders", fails=True).stdout
    asked = webhooks(receiver, "send", "orders", "--json", fails=True)
    assert base64.b64decode(json.loads(asked.stdout)["body_base64"]) == b"\xff"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data", "{}", "--file", "x"], "Give one of"),
        (["--file", "/nothing/there"], "cannot be read: No such file"),
        (["--header", "no colon"], "Name: value"),
    ],
)
def test_options_that_make_no_sample_are_told(receiver, words, told):
    assert told in webhooks(receiver, "send", "orders", *words, fails=True).stderr


def test_deliveries_are_listed_and_shown_harmlessly(receiver):
    assert "No delivery" in webhooks(receiver, "deliveries").stdout
    identity = receiver.store(path="/api/webhooks/orders\x1b[2J\u202e", detail="de\ttail")
    receiver.store(webhook="other")
    header, *rows = webhooks(receiver, "deliveries").stdout.splitlines()
    assert header.split()[0] == "RECEIVED" and len(rows) == 2
    (row,) = webhooks(receiver, "deliveries", "--webhook", "orders").stdout.splitlines()[1:]
    assert identity in row and "\\x1b[2J\\u202e" in row and "\x1b" not in row
    assert [each["id"] for each in as_json(receiver, "deliveries", "--limit", "1", "--webhook", "orders")] == [identity]
    shown = webhooks(receiver, "show", identity).stdout
    assert "orders/main" in shown and "\x1b" not in shown
    assert as_json(receiver, "show", identity)["attempts"][0]["number"] == 1
    assert "query.status" in webhooks(receiver, "deliveries", "--status", "done", fails=True).stderr


def test_follow_prints_what_is_new_and_what_changes(receiver, tmp_path):
    first = receiver.store()
    output = tmp_path / "followed"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "receiver.cli", "deliveries", "--follow", "--json"], env=receiver.env, stdout=file
        )

    def seen() -> list[tuple[str, str]]:
        rows = [json.loads(line) for line in output.read_text().splitlines() if line.endswith("}")]
        return [(row["id"], row["status"]) for row in rows]

    try:
        wait_until(lambda: seen() == [(first, "queued")], what="the one that was there is printed")
        second = receiver.store()
        wait_until(lambda: seen()[1:] == [(second, "queued")], what="a new one is printed")
        receiver.give_up(first)
        wait_until(lambda: seen()[2:] == [(first, "dead")], what="a change is printed")
    finally:
        process.terminate()
        process.wait(240)


def test_deploy_shows_the_difference_and_makes_it_so(receiver, project):
    define(project, "orders", "returns")
    shown = deploy(receiver, project, "--dry-run").stdout
    assert [line.split()[:2] for line in shown.splitlines()[1:]] == [["orders", "created"], ["returns", "created"]]
    assert as_json(receiver, "list") == []
    done = deploy(receiver, project)
    assert "returns: Prefect has no deployment 'returns/default' yet" in done.stderr
    listed = {each["key"]: each for each in as_json(receiver, "list")}
    assert {key: each["deployment"] for key, each in listed.items()} == {
        "orders": "orders/default",
        "returns": "returns/default",
    }
    assert {each["origin"] for each in listed.values()} == {"code"}
    again = json.loads(deploy(receiver, project, "--json").stdout)
    assert {each["change"] for each in again["changes"]} == {"unchanged"}
    assert listed["orders"]["revision"] == as_json(receiver, "list")[0]["revision"]


def test_deploy_changes_what_changed_and_never_undoes_a_pause(receiver, project):
    define(project, "orders")
    deploy(receiver, project)
    webhooks(receiver, "pause", "orders")
    define(project, "orders", more=', methods=["PUT"]')
    assert deploy(receiver, project).stdout.splitlines()[1].split() == ["orders", "changed", "methods"]
    (webhook,) = as_json(receiver, "list")
    assert (webhook["methods"], webhook["state"], webhook["revision"]) == (["PUT"], "paused", 2)


def test_what_vanished_stays_until_prune_and_what_was_made_by_hand_stays_for_ever(receiver, project):
    receiver.call("POST", "/webhooks", json={**OPEN, "key": "by-hand"})
    define(project, "orders", "returns")
    deploy(receiver, project)
    define(project, "orders")
    assert "delete it with --prune" in deploy(receiver, project).stdout
    assert len(as_json(receiver, "list")) == 3
    assert "deleted" in deploy(receiver, project, "--prune").stdout
    assert [each["key"] for each in as_json(receiver, "list")] == ["by-hand", "orders"]


def test_a_key_that_was_made_by_hand_is_not_taken_over(receiver, project):
    receiver.call("POST", "/webhooks", json=OPEN)
    define(project, "orders", "returns")
    assert "Not made by code: 'orders'" in deploy(receiver, project, fails=True).stderr
    assert [each["key"] for each in as_json(receiver, "list")] == ["orders"]


def test_what_keeps_a_project_from_being_deployed_is_told_with_its_place(receiver, project, tmp_path):
    assert "no prefect.yaml" in deploy(receiver, tmp_path, fails=True).stderr
    define(project, "orders")
    (project / "flows" / "__init__.py").touch()
    assert "rm flows/__init__.py" in deploy(receiver, project, fails=True).stderr
    (project / "flows" / "__init__.py").unlink()
    (project / "flows" / "orders_flow.py").write_text("import json\nimport nothing_of_that_name\n")
    assert "flows/orders_flow.py:2: ModuleNotFoundError" in deploy(receiver, project, fails=True).stderr
    define(project, "orders")
    with (project / "prefect.yaml").open("a") as manifest:
        manifest.write("  - {name: nightly, entrypoint: flows.orders_flow.start}\n")
    told = deploy(receiver, project, fails=True).stderr
    assert "'orders/default', 'orders/nightly'" in told
    (project / "prefect.yaml").write_text("deployments: [")
    assert "prefect.yaml: line 1" in deploy(receiver, project, fails=True).stderr
    assert as_json(receiver, "list") == []


def test_deploy_without_a_prefect_says_what_to_set(receiver, project):
    define(project, "orders")
    told = webhooks(receiver, "deploy", cwd=project, fails=True)
    assert "PREFECT_API_URL" in told.stderr and as_json(receiver, "list") == []


def test_deploy_brings_prefect_and_the_way_back_for_flows_up_to_date(receiver, project, prefect_server):
    define(project, "orders", head=PREFECT)
    with (project / "prefect.yaml").open("a") as manifest:
        manifest.write("pull: []\n")
    env = {name: value for name, value in prefect_server.env.items() if name.startswith("PREFECT_")}
    pool = WorkPoolCreate(name="deploy-test", type="process")
    with SyncPrefectClient(prefect_server.api_url, auth_string=prefect_server.auth_string) as client:
        client.create_work_pool(pool, overwrite=True)
    with_pool = (
        (project / "prefect.yaml")
        .read_text()
        .replace("name: default,", "name: default, work_pool: {name: deploy-test},")
    )
    (project / "prefect.yaml").write_text(with_pool)
    deploy_once = [sys.executable, "-m", "receiver.cli", "deploy"]  # Prefect reads its settings once for each process
    subprocess.run(deploy_once, env={**receiver.env, **env}, cwd=project, check=True, timeout=600)
    assert [each["deployment"] for each in as_json(receiver, "list")] == ["orders/default"]
    flows = [each["id"] for each in as_json(receiver, "keys", "list") if each["name"] == "flows"]
    assert len(flows) == 1
    subprocess.run(deploy_once, env={**receiver.env, **env}, cwd=project, check=True, timeout=600)
    assert [each["id"] for each in as_json(receiver, "keys", "list") if each["name"] == "flows"] == flows
