"""`prefect.yaml` deploys with Prefect's own command, and a stock worker started anywhere runs what it deployed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists

from blocks import WebhookSecret, WebhooksReceiver, lookup
from blocks.bootstrap import EXAMPLE_SECRETS
from receiver.contract.envelope import encode_envelope
from receiver.supervisor.guarded import Command, GuardedProcess
from tests.support.prefect import PrefectServer
from tests.support.waiting import eventually
from tests.support.workers import client_of

PROJECT = Path(__file__).parents[2]
DEPLOYMENTS = (
    "chat-expiry/chat-expiry",
    "chat-message/chat-message",
    "contact-form/contact-form",
    "crm-reconcile/crm-reconcile",
    "crm-sync/crm-sync",
    "deploy-site/deploy-site",
    "erp-orders/erp-orders",
    "github-push/github-push",
    "gitlab-pipeline/gitlab-pipeline",
    "hello/hello",
    "iot-telemetry/iot-telemetry",
    "order-sync/order-sync",
)


def run(arguments: list[str], server: PrefectServer, folder: Path = PROJECT, **extra: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**server.env, "COLUMNS": "200", **extra},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
async def deployed(prefect_server: PrefectServer) -> PrefectServer:
    async with client_of(prefect_server) as client:
        with suppress(ObjectAlreadyExists):  # another test made it on the server they share
            await client.create_work_pool(WorkPoolCreate(name="webhooks", type="process"))
    run(["prefect", "--no-prompt", "deploy", "--all"], prefect_server)
    return prefect_server


@pytest.fixture
def worker(deployed: PrefectServer, tmp_path: Path) -> Iterator[GuardedProcess]:
    """A stock process worker, started in a folder that has nothing to do with the project."""
    argv = (sys.executable, "-m", "prefect", "worker", "start", "--pool", "webhooks", "--type", "process")
    env = {**deployed.env, "PREFECT_WORKER_QUERY_SECONDS": "1", "WEBHOOKS_HOME": str(tmp_path / "home")}
    (tmp_path / "elsewhere").mkdir()
    with (tmp_path / "worker.log").open("wb") as output:
        process = GuardedProcess(Command(argv=argv, cwd=tmp_path / "elsewhere"), env, output)
    yield process
    process.stop()


async def test_every_deployment_is_made(deployed: PrefectServer):
    async with client_of(deployed) as client:
        for name in DEPLOYMENTS:
            deployment = await client.read_deployment_by_name(name)
            flow, _, _ = name.replace("-", "_").partition("/")
            assert deployment.entrypoint == f"flows.{flow}.{flow}"
            assert not deployment.pull_steps
            assert deployment.work_pool_name == "webhooks"


async def test_a_worker_started_in_another_folder_runs_them(
    deployed: PrefectServer, worker: GuardedProcess, tmp_path: Path
):
    async with client_of(deployed) as client:

        async def start(name: str, parameters: dict[str, object]) -> UUID:
            deployment = await client.read_deployment_by_name(name)
            return (await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)).id

        runs = [
            await start("hello/hello", {"context": encode_envelope({"v": 1, "data": {}}, delivery_id="d", attempt=1)}),
            await start("deploy-site/deploy-site", {"repository": "lantern-works/site", "commit": "abc"}),
        ]

        async def ended() -> list[str | None]:
            states = [(await client.read_flow_run(run)).state for run in runs]
            final = [state.name for state in states if state and state.is_final()]
            return final if len(final) == len(runs) else []

        log = tmp_path / "worker.log"
        names = await eventually(ended, 120, what="both runs ended")
        assert names == ["Completed", "Completed"], log.read_text(errors="replace")[-3000:]
    assert (tmp_path / "home" / "records.db").exists()


async def test_bootstrap_makes_what_is_missing_and_prefects_command_registers_too(prefect_settings: PrefectServer):
    await WebhookSecret.aregister_type_and_schema()
    for name in EXAMPLE_SECRETS:
        with suppress(ValueError):  # an earlier test of the session may have made it
            await WebhookSecret.adelete(name)
    lookup.forget()

    said = run(
        ["blocks.bootstrap", "--receiver-url", "http://127.0.0.1:8123"], prefect_settings, WEBHOOKS_RECEIVER_KEY="k"
    )
    again = run(["blocks.bootstrap"], prefect_settings)
    registered = run(["prefect", "block", "register", "-m", "blocks"], prefect_settings)

    assert "webhook-secret" in said
    for name in EXAMPLE_SECRETS:
        assert f"secret made: webhook-secret/{name}\n" in said
    assert "secret made" not in again
    assert "Webhook Secret" in registered
    secret = (await lookup.get(WebhookSecret, "github")).current.get_secret_value()
    assert len(secret) >= 40
    assert secret not in said + again
    assert (await lookup.get(WebhooksReceiver, "default")).url == "http://127.0.0.1:8123"
