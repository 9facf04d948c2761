"""The environment each child gets: Prefect's settings named explicitly, a secret only where it is used. Pure."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SECRETS = (
    "PREFECT_API_AUTH_STRING",
    "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "WEBHOOKS_ADMIN_KEY",
    "WEBHOOKS_API_KEY",
    "WEBHOOKS_RECEIVER_KEY",
)
_OF_THE_RECEIVER = ("WEBHOOKS_ALERT_", "WEBHOOKS_DATABASE_URL", "WEBHOOKS_RATE_LIMIT_URL")
"""What only the receiver gets: passwords, a chat's address, and what belongs to them."""
_NOT_INHERITED = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH")  # profiles of another PREFECT_HOME


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the parts are told about each other. `outside` is the environment of `up`, what `.env` names included."""

    outside: Mapping[str, str] = field(repr=False)
    home: Path
    project: Path
    host: str
    port: int
    base_url: str
    """Where the receiver answers on this machine."""

    admin_host: str = "127.0.0.1"
    admin_port: int | None = None
    """The port of the admin API alone, None when it shares the other."""

    admin_url: str | None = None
    """Where the admin API answers on this machine when it has a port of its own."""

    admin_key: str = field(repr=False)
    prefect_url: str
    """Prefect's API, ending in `/api`."""

    prefect_port: int | None
    """The port of the server that `up` starts, None when it uses another."""

    prefect_auth: str | None = field(repr=False)
    reload: bool = False
    """Whether the worker imports flows again when their code changes."""

    certificate: Path | None = None
    """What `control_url` shows, where it speaks TLS."""

    tls_files: Mapping[str, str] = field(default_factory=dict)
    """The settings that name the files for TLS, whole paths."""

    @property
    def control_url(self) -> str:
        """Where we, commands and flows speak to the receiver."""
        return self.admin_url or self.base_url


def common(around: Surroundings) -> dict[str, str]:
    """For every child: who is where, no secret."""
    kept_back = {*_SECRETS, *_NOT_INHERITED, *_for_the_receiver(around)}
    env = {name: value for name, value in around.outside.items() if name not in kept_back}
    hosts = [host for host in (env.get("no_proxy") or env.get("NO_PROXY") or "").split(",") if host]
    direct = ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost", "::1"]))
    return env | {
        "PATH": os.pathsep.join(dict.fromkeys([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])),
        "PYTHONUNBUFFERED": "1",
        "TYPER_STANDARD_TRACEBACK": "1",  # lines of a log, not boxes
        "COLUMNS": "200",  # Prefect wraps its lines at the width of a terminal, which the pipe to us is not
        "NO_PROXY": direct,
        "no_proxy": direct,
        "WEBHOOKS_HOME": str(around.home),
        "WEBHOOKS_PROJECT": str(around.project),
        "WEBHOOKS_HOST": around.host,
        "WEBHOOKS_PORT": str(around.port),
        "WEBHOOKS_URL": around.control_url,
        **around.tls_files,
        **({"WEBHOOKS_ADMIN_HOST": around.admin_host} if around.admin_port is not None else {}),
        **({"WEBHOOKS_ADMIN_PORT": str(around.admin_port)} if around.admin_port is not None else {}),
        "PREFECT_HOME": str(around.home / "prefect"),
        "PREFECT_API_URL": around.prefect_url,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # A new client asks for a token first, which a server without CSRF protection has not.
        **({} if around.prefect_port is None else {"PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false"}),
        "PREFECT_LOGGING_COLORS": "false",
    }


def client(around: Surroundings) -> dict[str, str]:
    """For a child that speaks to Prefect."""
    return common(around) | ({"PREFECT_API_AUTH_STRING": around.prefect_auth} if around.prefect_auth else {})


def server(around: Surroundings, database_url: str) -> dict[str, str]:
    """For Prefect's server: closed to whoever has not the auth string, and to other web pages."""
    port = around.prefect_port
    assert around.prefect_auth
    env = common(around)
    return env | {
        "PREFECT_SERVER_API_AUTH_STRING": around.prefect_auth,
        "PREFECT_API_DATABASE_CONNECTION_URL": database_url,
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port},http://localhost:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_API_URL": around.prefect_url,
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(around.home / "prefect" / "ui"),  # the installed one may be read-only
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Replies travel as events, and no route deletes them: said here, so that another default keeps them no longer.
        "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": env.get("PREFECT_SERVER_EVENTS_RETENTION_PERIOD", "P7D"),
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": env.get(
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED", "events,flow_runs"
        ),
    }


def worker(around: Surroundings) -> dict[str, str]:
    """For the worker and the flow runs it starts: the project importable from wherever they run."""
    path = around.outside.get("PYTHONPATH")
    return client(around) | {
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # the net: a lost event must not cost a caller its deadline
        "PYTHONPATH": os.pathsep.join([str(around.project), *([path] if path else [])]),
        **({"WEBHOOKS_WARM_RELOAD": "1"} if around.reload else {}),
    }


def receiver(around: Surroundings) -> dict[str, str]:
    """For the receiver: what is its alone, and a Prefect client that leaves retries to the dispatcher."""
    return client(around) | {
        "WEBHOOKS_ADMIN_KEY": around.admin_key,
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        **_for_the_receiver(around),
    }


def command_line(around: Surroundings) -> dict[str, str]:
    """For our own commands, which speak to the receiver's admin API."""
    return worker(around) | {"WEBHOOKS_API_KEY": around.admin_key}


def _for_the_receiver(around: Surroundings) -> dict[str, str]:
    return {name: value for name, value in around.outside.items() if name.startswith(_OF_THE_RECEIVER)}
