"""What somebody does beside a running `webhooks up`: type into a second terminal, ask the API, wait."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.up import Up
from tests.support.waiting import wait_until


def project_of(up: Up) -> Path:
    return Path(up.env["WEBHOOKS_PROJECT"])


def in_second_terminal(up: Up, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line typed in the project's folder, with the environment activated and `variables` set."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**up.env, "PATH": path, **variables}
    return subprocess.run(line, shell=True, cwd=project_of(up), env=env, capture_output=True, text=True, timeout=600)


def admin(up: Up, path: str) -> dict[str, Any]:
    bearer = {"Authorization": f"Bearer {up.admin_key()}"}
    answer = httpx.get(f"{up.base_url}/api/admin/{path}", headers=bearer, timeout=120)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def reaches(up: Up, delivery_id: str, status: str, timeout: float = 90) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        row = admin(up, f"deliveries/{delivery_id}")
        return row if row["status"] == status else None

    found = wait_until(there, timeout, what=f"{delivery_id} becomes {status}")
    assert found is not None
    return found
