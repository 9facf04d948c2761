"""`webhooks up` as a person runs it: Prefect on PostgreSQL, worker, receiver, and nothing left behind."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # no stubs are installed
import pytest

from tests.support.ordinary_user import give_to_ordinary_user
from tests.support.prefect import PrefectServer
from tests.support.up import PROJECT, Up, remove_home, run_up_to_its_end, started_up
from tests.support.waiting import wait_until


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="webhooks-up-") as folder:
        yield Path(folder, "home")
        remove_home(Path(folder, "home"))


def delivery(up: Up, delivery_id: str) -> dict[str, object]:
    answer = httpx.get(
        f"{up.base_url}/api/admin/deliveries/{delivery_id}", headers={"Authorization": f"Bearer {up.admin_key()}"}
    )
    answer.raise_for_status()
    return dict(answer.json())


def paste(up: Up) -> str:
    """Run the line that `up` printed in a shell; the id of the delivery it made."""
    done = subprocess.run(up.pasted(), shell=True, capture_output=True, text=True, check=True)
    return str(json.loads(done.stdout)["delivery_id"])


def completes(up: Up, delivery_id: str) -> None:
    wait_until(
        lambda: delivery(up, delivery_id)["status"] == "completed",
        60,
        what=f"delivery completed; {delivery(up, delivery_id)}\n{up.output()}",
    )


def receiver_pids(up: Up) -> list[int]:
    """The receiver itself, not its guard."""
    return [
        pid for pid, line in up.processes().items() if line.endswith("-m receiver.cli serve") and "guard.py" not in line
    ]


def test_one_command_runs_everything_survives_deaths_and_leaves_nothing_behind(home: Path) -> None:
    with started_up(home) as up:
        up.wait_ready()
        is_private(home)
        tells_where_everything_is_and_no_secret(up)
        first = paste(up)
        completes(up, first)
        prefect_is_closed_and_on_postgres(up)
        a_second_one_is_refused(up)
        a_killed_receiver_comes_back(up)
        assert up.end(signal.SIGTERM) == 0
        assert up.output().rstrip().endswith("everything stopped")
        assert "killed" not in up.output()
    key = (home / "admin.key").read_text()
    with started_up(home) as up:
        up.wait_ready()
        assert (home / "admin.key").read_text() == key
        assert delivery(up, first)["status"] == "completed"
        paste(up)
        up.end(signal.SIGKILL)  # in the middle of things


def is_private(home: Path) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("admin.key", "prefect.auth", "flows.key"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def tells_where_everything_is_and_no_secret(up: Up) -> None:
    text = up.output()
    for expected in (up.base_url, f"http://127.0.0.1:{up.prefect_port}", "webhooks deliveries --follow"):
        assert expected in text
    for part in ("PostgreSQL for Prefect", "Prefect server", "worker", "receiver", "deployments", "webhooks"):
        assert f"✓ {part}  " in text
    secrets = [(up.home / name).read_text().strip() for name in ("admin.key", "prefect.auth", "flows.key")]
    logs = [path.read_text() for path in (up.home / "logs").iterdir()]
    for secret in secrets:
        assert not any(secret in log for log in (text, *logs))
    commands = " ".join(up.processes().values())
    assert not any(secret in commands for secret in secrets)


def prefect_is_closed_and_on_postgres(up: Up) -> None:
    assert httpx.post(f"{up.prefect_api}/block_documents/filter", json={}).status_code == 401
    auth = httpx.BasicAuth(*(up.home / "prefect.auth").read_text().strip().split(":", 1))
    with httpx.Client(base_url=up.prefect_api, auth=auth) as client:
        assert [pool["type"] for pool in client.post("/work_pools/filter", json={}).json()] == ["warm"]
        assert len(client.post("/deployments/filter", json={}).json()) >= 2
        types = {kind["slug"] for kind in client.post("/block_types/filter", json={}).json()}
        assert {"webhook-secret", "webhooks-receiver"} <= types
        for origin, allowed in ((f"http://localhost:{up.prefect_port}", True), ("https://elsewhere.example", False)):
            answer = client.get("/health", headers={"Origin": origin})
            assert (answer.headers.get("access-control-allow-origin") == origin) is allowed
    assert not list(up.home.rglob("prefect.db"))
    assert any(" -D " in line and "listen_addresses=" in line for line in up.processes().values())


def a_second_one_is_refused(up: Up) -> None:
    status, output = run_up_to_its_end(up.home)
    assert status == 1
    assert f"Another `webhooks up` (process {up.process.pid}) runs on {up.home}." in output
    other = up.home.parent / "other"
    for setting, port in (("WEBHOOKS_PORT", up.port), ("WEBHOOKS_PREFECT_PORT", up.prefect_port)):
        status, output = run_up_to_its_end(other, {setting: str(port)})
        assert status == 1
        assert f"Port {port} on 127.0.0.1 is taken by " in output
        assert f"Set {setting} to another port" in output
    assert httpx.get(f"{up.base_url}/health/ready").status_code == 200


def a_killed_receiver_comes_back(up: Up) -> None:
    (pid,) = receiver_pids(up)
    psutil.Process(pid).kill()
    wait_until(lambda: "receiver is ready again" in up.output(), 60, what="the receiver is back")
    assert receiver_pids(up) != [pid]
    completes(up, paste(up))


@pytest.mark.long
def test_an_ordinary_user_has_everything_in_the_home(home: Path) -> None:
    give_to_ordinary_user(str(home.parent))
    with started_up(home, ordinary_user=True) as up:
        up.wait_ready()
        assert (home / "postgres" / "data" / "PG_VERSION").is_file()
        completes(up, paste(up))
        assert up.end(signal.SIGINT) == 0


@pytest.mark.long
def test_a_prefect_named_by_the_environment_is_used_and_none_is_started(
    home: Path, prefect_server: PrefectServer
) -> None:
    settings = {"PREFECT_API_URL": prefect_server.api_url, "PREFECT_API_AUTH_STRING": prefect_server.auth_string}
    with started_up(home, settings) as up:
        up.wait_ready()
        completes(up, paste(up))
        assert not (home / "logs" / "prefect.log").exists()
        assert not (home / "postgres").exists()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", up.prefect_port), 5)
        assert up.end(signal.SIGHUP) == 0


def test_a_prefect_that_does_not_answer_or_does_not_let_us_in_is_told_with_the_next_step(
    home: Path, prefect_server: PrefectServer, free_port: int
) -> None:
    status, output = run_up_to_its_end(home, {"PREFECT_API_URL": f"http://127.0.0.1:{free_port}/api"})
    assert status == 1
    assert f"Prefect does not answer at http://127.0.0.1:{free_port}/api" in output
    assert "PREFECT_API_URL" in output
    wrong = {"PREFECT_API_URL": prefect_server.api_url, "PREFECT_API_AUTH_STRING": "not:it"}
    status, output = run_up_to_its_end(home, wrong)
    assert status == 1
    assert "does not let us in (401)" in output
    assert "PREFECT_API_AUTH_STRING" in output


def test_a_project_that_cannot_work_is_told_with_the_next_step(home: Path) -> None:
    project = home.parent / "project"
    (project / "flows").mkdir(parents=True)
    status, output = run_up_to_its_end(home, {"WEBHOOKS_PROJECT": str(project)})
    assert status == 1
    assert f"There is no prefect.yaml in {project}" in output
    shutil.copy(PROJECT / "prefect.yaml", project)
    (project / "flows" / "__init__.py").touch()
    status, output = run_up_to_its_end(home, {"WEBHOOKS_PROJECT": str(project)})
    assert status == 1
    assert str(project / "flows" / "__init__.py") in output
    assert "rm flows/__init__.py" in output
    assert not home.exists()


def test_an_env_file_beside_it_counts_as_the_environment_does(home: Path, free_port: int) -> None:
    (home.parent / ".env").write_text(f"PREFECT_API_URL=http://127.0.0.1:{free_port}/api\n")
    assert "PREFECT_API_URL" not in os.environ
    status, output = run_up_to_its_end(home)
    assert status == 1
    assert f"Prefect does not answer at http://127.0.0.1:{free_port}/api" in output
