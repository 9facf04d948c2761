from pathlib import Path
from typing import Any

import pytest

from receiver.supervisor.panel import Running, next_steps, try_line, whereabouts

OPEN = {"key": "hello", "methods": ["POST"], "state": "enabled", "verification": {"scheme": "none"}}
SIGNED = {"key": "github-push", "methods": ["POST"], "state": "enabled", "verification": {"scheme": "github"}}
BASE = "http://127.0.0.1:8123"


def test_the_line_to_paste_is_a_curl_for_the_open_webhook_on_the_port_that_runs() -> None:
    assert try_line([SIGNED, {**OPEN, "key": "a"}, OPEN], BASE) == (
        "curl -X POST http://127.0.0.1:8123/api/webhooks/hello -H 'Content-Type: application/json' "
        """-d '{"event":"test","data":{"message":"Hello"}}'"""
    )


@pytest.mark.parametrize(
    "webhooks",
    [
        [SIGNED],
        [SIGNED, {**OPEN, "state": "disabled"}],
        [SIGNED, {**OPEN, "path": "a/{b}", "key": "z"}],
        [SIGNED, {**OPEN, "methods": ["GET"]}],
    ],
)
def test_without_a_usable_open_webhook_the_line_signs_for_another(webhooks: list[dict[str, Any]]) -> None:
    assert try_line(webhooks, BASE).startswith("webhooks send ")


def test_with_tls_the_line_is_one_that_knows_the_certificate() -> None:
    assert try_line([OPEN], "https://127.0.0.1:8000").startswith("webhooks send ")


def test_without_any_webhook_the_line_says_how_to_define_one() -> None:
    assert "webhooks deploy" in try_line([], BASE)


def running(**changes: Any) -> Running:
    values: dict[str, Any] = {
        "base_url": BASE,
        "prefect_ui": "http://127.0.0.1:4321",
        "auth_file": Path("/home/prefect.auth"),
        "admin_key_file": Path("/home/admin.key"),
        "new_admin_key": None,
        "logs": Path("/home/logs"),
        "webhooks": [OPEN],
        "cwd": Path("/home/project"),
    }
    return Running(**{**values, **changes})


def test_the_panel_names_addresses_and_files() -> None:
    text = whereabouts(running()).plain
    for expected in (BASE, "http://127.0.0.1:4321", "/home/prefect.auth", "/home/admin.key", "/home/logs/"):
        assert expected in text
    assert "in state/admin.key" in whereabouts(running(admin_key_file=Path("/home/project/state/admin.key"))).plain


def test_the_panel_tells_when_deliveries_of_before_still_wait() -> None:
    assert "Queue" not in whereabouts(running(behind_seconds=1.0)).plain
    assert "behind by 300 s" in whereabouts(running(behind_seconds=300.4)).plain


def test_an_admin_api_with_a_port_of_its_own_is_named() -> None:
    assert "http://127.0.0.1:9000" in whereabouts(running(admin_url="http://127.0.0.1:9000")).plain


def test_warnings_that_are_raised_are_counted() -> None:
    assert "2 are raised: webhooks alerts" in whereabouts(running(warnings=2)).plain
    assert "Warnings" not in whereabouts(running()).plain


def test_what_is_to_be_pasted_stands_alone_on_its_line() -> None:
    lines = next_steps(running()).plain.splitlines()
    assert try_line([OPEN], BASE) in lines
    assert lines[-1] == "webhooks deliveries --follow"


def test_a_new_admin_key_is_shown_and_one_from_the_environment_names_no_file() -> None:
    assert "whk_new" in next_steps(running(new_admin_key="whk_new")).plain.splitlines()
    assert "Admin key" not in next_steps(running()).plain
    assert "Admin key" not in whereabouts(running(admin_key_file=None)).plain
    assert "password" not in whereabouts(running(auth_file=None)).plain
