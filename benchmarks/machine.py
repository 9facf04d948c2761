"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import datetime
from importlib.metadata import version
from typing import Any


def describe(now: datetime, command: str) -> dict[str, Any]:
    """Machine, versions and command, nothing that names the machine or its owner."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "at": now.isoformat(timespec="seconds"),
        "command": command,
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "prefect": version("prefect"),
        "fastapi": version("fastapi"),
        "uvicorn": version("uvicorn"),
        "load_at_start": round(load, 1) if load is not None else None,
    }


def in_words(machine: dict[str, Any]) -> str:
    """One line about the machine."""
    return (
        f"{machine['cpus']} CPUs, {machine['system']}, Python {machine['python']}, Prefect {machine['prefect']}, "
        f"FastAPI {machine['fastapi']}; load {machine['load_at_start']} at the start"
    )
