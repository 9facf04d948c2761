"""`webhooks serve` as a process: how it starts, refuses to start, answers over a socket, and stops."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.support.prefect import outside_environment
from tests.support.receiver import ADMIN_KEY
from tests.support.waiting import wait_until


@dataclass
class Serving:
    """A started `webhooks serve`: its process, its address, its home."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    port: int
    home: Path

    def define(self, key: str, **fields: Any) -> None:
        body = {"key": key, "deployment": "none/none", "verification": {"scheme": "none"}, **fields}
        answer = self.http.post("/api/admin/webhooks", json=body, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        assert answer.status_code == 201, answer.text

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)

    def said(self) -> str:
        return (self.home / "stderr").read_text()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "stdout").read_text().splitlines()]

    def raw(self, head: str, body: bytes = b"") -> bytes:
        """What comes back for these bytes until the receiver closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(head.encode("latin-1") + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nobody listens at this Prefect's address: the receiver serves all the same."""
    return {
        **outside_environment(),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "WEBHOOKS_HOME": str(home),
        "WEBHOOKS_ADMIN_KEY": ADMIN_KEY,
        **more,
    }


@contextlib.contextmanager
def serving(home: Path, **more: str) -> Iterator[Serving]:
    port = free_port()
    with (home / "stdout").open("wb") as out, (home / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "receiver.cli", "serve"],
            env=environment(home, WEBHOOKS_PORT=str(port), **more),
            cwd=home,
            stdout=out,
            stderr=err,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            started = Serving(process, http, port, home)
            wait_until(lambda: process.poll() is not None or _lives(http), 60, what="the receiver answers")
            assert process.poll() is None, started.said()
            yield started
    finally:
        process.kill()
        process.wait(20)


def _lives(http: httpx.Client) -> bool:
    try:
        return http.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def refused(home: Path, **more: str) -> str:
    """What a receiver that cannot start says; it ends by itself with an exit code that is not 0."""
    env = {name: value for name, value in environment(home, **more).items() if value}
    ended = subprocess.run(
        [sys.executable, "-m", "receiver.cli", "serve"], env=env, cwd=home, capture_output=True, timeout=60
    )
    said = ended.stderr.decode()
    assert ended.returncode == 1 and "Traceback" not in said, (ended.returncode, said)
    return said.splitlines()[-1]


def test_without_an_address_of_prefect_it_ends_with_one_line_that_names_the_setting(tmp_path: Path):
    said = refused(tmp_path, PREFECT_API_URL="", WEBHOOKS_PORT=str(free_port()))
    assert said.startswith("webhooks: PREFECT_API_URL is not set") and "webhooks up" in said


def test_a_database_that_cannot_be_opened_ends_it_with_the_next_step(tmp_path: Path):
    said = refused(tmp_path, WEBHOOKS_DATABASE_URL="mysql://user:hidden@host/name", WEBHOOKS_PORT=str(free_port()))
    assert said.startswith("webhooks: WEBHOOKS_DATABASE_URL names 'mysql'") and "hidden" not in said


def test_a_taken_port_ends_it_with_the_setting_to_change(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = refused(tmp_path, WEBHOOKS_PORT=str(taken.getsockname()[1]))
    assert "WEBHOOKS_PORT" in said


def test_a_second_receiver_of_a_home_is_refused_and_leaves_the_address_of_the_first(tmp_path: Path):
    with serving(tmp_path) as first:
        address = (tmp_path / "receiver.json").read_text()
        said = refused(tmp_path, WEBHOOKS_PORT=str(free_port()))
        assert "another receiver" in said and "WEBHOOKS_DATABASE_URL" in said
        assert (tmp_path / "receiver.json").read_text() == address and str(first.port) in address


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals):
    with serving(tmp_path) as running:
        assert (tmp_path / "receiver.json").exists()
        assert running.stop(number) == 0, running.said()
        assert "Traceback" not in running.said()
        assert not (tmp_path / "receiver.json").exists()
