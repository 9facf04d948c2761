"""An admin port of its own: what each of both ports serves, who uses which, and how both end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_serving import refused
from tests.support.ports import free_port, free_ports
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, environment, serving

BEARER = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("apart"), WEBHOOKS_ADMIN_PORT=str(free_port())) as running:
        running.define("open")
        yield running


@pytest.mark.parametrize(
    "path",
    [
        *("/api/admin/webhooks", "/api/admin/keys", "/docs", "/openapi.json", "/metrics", "/", "/api/webhooks"),
        *(
            "/api/admin%2Fwebhooks",
            "/%61pi/admin/webhooks",
            "//api/admin/webhooks",
            "/health/live/",
            "/health/ready/../x",
        ),
        *(
            "/api/webhooks/../admin/webhooks",
            "/api/deliveries/../admin/webhooks",
            "/api/deliveries/%2e%2e/admin/webhooks",
        ),
    ],
)
def test_the_public_port_knows_nothing_of_the_admin_api_even_with_a_key(receiver: Serving, path: str):
    answers = [receiver.raw(_get(each, **BEARER)) for each in (path, "/no/such/page")]
    assert {answer.split(b" ", 2)[1] for answer in answers} == {b"404"}
    if not path.startswith(("/api/webhooks/", "/api/deliveries/")):
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
        assert bodies[0] == bodies[1]
        assert [line.split(b":")[0] for line in answers[0].split(b"\r\n")] == [
            line.split(b":")[0] for line in answers[1].split(b"\r\n")
        ]


def _get(path: str, **headers: str) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"


def test_the_public_port_serves_webhooks_status_and_health(receiver: Serving):
    accepted = receiver.http.post("/api/webhooks/open", json={})
    assert accepted.status_code == 202
    status_url = accepted.json()["status_url"]
    assert status_url.startswith(f"http://127.0.0.1:{receiver.port}/api/deliveries/")
    assert receiver.http.get(status_url).json()["status"] == "queued"
    assert receiver.http.get("/health/live").status_code == receiver.http.get("/health/ready").status_code == 200


def test_the_admin_port_serves_everything_but_webhooks(receiver: Serving):
    for path in ("/api/admin/webhooks", "/docs", "/openapi.json", "/health/live", "/health/ready"):
        assert receiver.admin.get(path).status_code == 200, path
    before = len(receiver.stored())
    assert receiver.admin.post("/api/webhooks/open", json={}).status_code == 404
    assert len(receiver.stored()) == before


def test_commands_on_the_same_machine_find_the_admin_port(receiver: Serving):
    command = [sys.executable, "-m", "receiver.cli", "list", "--json"]
    env = environment(receiver.home)
    listed = subprocess.run(command, env=env, cwd=receiver.home, capture_output=True, timeout=120, check=True)
    assert [each["key"] for each in json.loads(listed.stdout)] == ["open"]


def test_a_taken_admin_port_ends_it_with_the_setting_to_change(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"WEBHOOKS_PORT": str(free_port()), "WEBHOOKS_ADMIN_PORT": str(taken.getsockname()[1])}
        assert "WEBHOOKS_ADMIN_PORT or WEBHOOKS_ADMIN_HOST" in refused(tmp_path, **ports)


def test_both_ports_end_in_good_order(tmp_path: Path):
    [admin_port] = free_ports(1)
    with serving(tmp_path, WEBHOOKS_ADMIN_PORT=str(admin_port)) as running:
        assert json.loads((tmp_path / "receiver.json").read_text())["url"] == f"http://127.0.0.1:{admin_port}"
        assert running.admin.get("/health/ready").status_code == 200
        assert running.stop() == 0, running.said()
        assert "Traceback" not in running.said()
        for port in (running.port, admin_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 5)
