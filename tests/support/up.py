"""`webhooks up` as a user starts it: in a project folder, with an empty home, on free ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.ports import free_port
from tests.support.prefect import outside_environment
from tests.support.waiting import wait_until

WEBHOOKS = str(Path(sys.executable).with_name("webhooks"))


@dataclass
class Up:
    """A running `webhooks up`."""

    process: subprocess.Popen[bytes]
    project: Path
    home: Path
    env: dict[str, str]
    url: str
    api_url: str
    log: Path

    @property
    def admin_key(self) -> str:
        """The key of the first start."""
        return (self.home / "admin.key").read_text().strip()

    def admin(self, path: str, **params: Any) -> Any:
        """A GET of the admin API."""
        bearer = {"Authorization": f"Bearer {self.admin_key}"}
        answer = httpx.get(f"{self.url}/api/admin/{path}", params=params, headers=bearer, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command as in a second terminal in the project folder."""
        return subprocess.run(command, cwd=self.project, env=self.env, capture_output=True, text=True, timeout=180)

    def reaches(self, delivery_id: str, status: str, timeout: float = 60) -> dict[str, Any]:
        """The delivery once it has this status."""

        def there() -> dict[str, Any] | None:
            row: dict[str, Any] = self.admin(f"deliveries/{delivery_id}")
            return row if row["status"] == status else None

        found = wait_until(there, timeout, what=f"{delivery_id} becomes {status}")
        assert found is not None
        return found

    def pid_of(self, part: str) -> int:
        """The process id of the receiver, from the address it wrote down."""
        assert part == "receiver"
        return int(json.loads((self.home / "receiver.json").read_text())["pid"])


@contextmanager
def running_up(project: Path, home: Path) -> Iterator[Up]:
    """Start `up` and wait until its webhooks are live; stop it with SIGTERM at the end."""
    port, prefect_port = free_port(), free_port()
    env = {
        **outside_environment(),
        "PATH": f"{Path(WEBHOOKS).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home.parent / "empty-home"),
        "WEBHOOKS_HOME": str(home),
        "WEBHOOKS_PORT": str(port),
        "WEBHOOKS_PREFECT_PORT": str(prefect_port),
    }
    Path(env["HOME"]).mkdir(exist_ok=True)
    log = home.parent / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen([WEBHOOKS, "up"], cwd=project, env=env, stdout=output, stderr=subprocess.STDOUT)
    up = Up(process, project, home, env, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{prefect_port}/api", log)
    try:
        wait_until(lambda: process.poll() is not None or _is_live(up), 180, what=f"up is ready; see {log}")
        assert process.poll() is None, f"up ended: {log.read_text()[-5000:]}"
        yield up
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)


def _is_live(up: Up) -> bool:
    try:
        return {hook["key"] for hook in up.admin("webhooks")["items"]} >= {"hello", "github-push"}
    except (httpx.TransportError, FileNotFoundError, AssertionError):
        return False


def processes_of(home: Path) -> list[int]:
    """Processes whose environment names this home: everything `up` started, its grandchildren too."""
    marker = f"WEBHOOKS_HOME={home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker in environment.split(b"\0"):
                found.append(int(entry.name))
    return found
