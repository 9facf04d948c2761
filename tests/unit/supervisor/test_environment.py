import os
from pathlib import Path
from typing import Any

import pytest

from flows.worker.warm_worker import RELOAD_VARIABLE
from receiver.supervisor import environment
from receiver.supervisor.environment import Surroundings

OUTSIDE = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "no_proxy": "internal.example",
    "PREFECT_PROFILE": "cloud",
    "PREFECT_LOGGING_LEVEL": "DEBUG",
    "WEBHOOKS_ADMIN_KEY": "outside-admin",
    "WEBHOOKS_API_KEY": "outside-api",
    "WEBHOOKS_DATABASE_URL": "postgresql://u:outside-password@h/d",
    "WEBHOOKS_RATE_LIMIT_URL": "redis://:outside-password@h/0",
    "WEBHOOKS_ALERT_URL": "https://chat.example/outside-token",
    "WEBHOOKS_ALERT_EMAIL_TO": "outside-ops@example.com",
    "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://u:outside-password@h/p",
}


def around(**changes: Any) -> Surroundings:
    values: dict[str, Any] = {
        "outside": OUTSIDE,
        "home": Path("/state"),
        "project": Path("/project"),
        "host": "127.0.0.1",
        "port": 8123,
        "base_url": "http://127.0.0.1:8123",
        "admin_key": "whk_admin",
        "prefect_url": "http://127.0.0.1:4321/api",
        "prefect_port": 4321,
        "prefect_auth": "webhooks:auth",
    }
    return Surroundings(**{**values, **changes})


CHILDREN = {
    "server": lambda: environment.server(around(), "postgresql+asyncpg://inside"),
    "worker": lambda: environment.worker(around()),
    "receiver": lambda: environment.receiver(around()),
    "command line": lambda: environment.command_line(around()),
}


@pytest.mark.parametrize("child", CHILDREN)
def test_every_child_is_told_explicitly_where_everything_is(child: str) -> None:
    env = CHILDREN[child]()
    assert env["WEBHOOKS_HOME"] == "/state"
    assert env["WEBHOOKS_PORT"] == "8123"
    assert env["PREFECT_HOME"] == "/state/prefect"
    assert env["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert env["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert "PREFECT_PROFILE" not in env


def test_where_the_admin_api_is_apart_commands_and_the_receiver_are_told_so() -> None:
    apart = around(admin_port=9000, admin_url="http://127.0.0.1:9000")
    assert environment.receiver(apart)["WEBHOOKS_ADMIN_PORT"] == "9000"
    assert environment.command_line(apart)["WEBHOOKS_URL"] == "http://127.0.0.1:9000"
    assert "WEBHOOKS_ADMIN_PORT" not in environment.receiver(around())


def test_the_worker_and_its_flows_get_no_secret_but_prefects() -> None:
    env = environment.worker(around())
    assert env["PREFECT_API_AUTH_STRING"] == "webhooks:auth"
    assert env["PREFECT_WORKER_QUERY_SECONDS"] == "1"
    values = " ".join(env.values())
    assert "outside-" not in values
    assert "whk_admin" not in values
    assert "PREFECT_SERVER_API_AUTH_STRING" not in env


def test_the_worker_is_told_to_reload_when_up_is() -> None:
    assert RELOAD_VARIABLE not in environment.worker(around())
    assert environment.worker(around(reload=True))[RELOAD_VARIABLE] == "1"


def test_the_receiver_gets_its_database_and_admin_key_and_leaves_retries_to_the_dispatcher() -> None:
    env = environment.receiver(around())
    assert env["WEBHOOKS_ADMIN_KEY"] == "whk_admin"
    assert env["WEBHOOKS_DATABASE_URL"] == OUTSIDE["WEBHOOKS_DATABASE_URL"]
    assert env["PREFECT_CLIENT_MAX_RETRIES"] == "0"


def test_prefects_server_is_closed_and_keeps_its_files_in_the_home() -> None:
    env = environment.server(around(), "postgresql+asyncpg://inside")
    assert env["PREFECT_SERVER_API_AUTH_STRING"] == "webhooks:auth"
    assert env["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4321,http://localhost:4321"
    assert env["PREFECT_API_DATABASE_CONNECTION_URL"] == "postgresql+asyncpg://inside"
    assert env["PREFECT_SERVER_UI_STATIC_DIRECTORY"].startswith("/state/")
    assert env["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"


def test_a_vacuum_setting_of_the_user_stays() -> None:
    outside = {**OUTSIDE, "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events"}
    assert environment.server(around(outside=outside), "x")["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events"


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine() -> None:
    env = environment.client(around())
    assert env["NO_PROXY"] == env["no_proxy"] == "internal.example,127.0.0.1,localhost,::1"


def test_the_project_is_importable_in_flow_runs_before_what_was_importable_already() -> None:
    env = environment.worker(around(outside={**OUTSIDE, "PYTHONPATH": "/mine"}))
    assert env["PYTHONPATH"].split(os.pathsep) == ["/project", "/mine"]


def test_secrets_do_not_show_when_the_surroundings_are_printed() -> None:
    assert "whk_admin" not in repr(around())
    assert "webhooks:auth" not in repr(around())
    assert "outside-password" not in repr(around())
