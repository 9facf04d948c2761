"""The pytest plugin comes with the package, and costs nothing where no test asks for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

HEAVY = ("prefect", "fastapi", "sqlalchemy", "sqlmodel", "httpx", "uvicorn", "cel", "jsonschema_rs", "rich")


def test_the_plugin_is_known_to_pytest_and_imports_nothing_heavy():
    [plugin] = [each for each in entry_points(group="pytest11") if each.name == "prefect_webhooks"]
    code = f"import sys, {plugin.value}\nassert not {set(HEAVY)!r} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
