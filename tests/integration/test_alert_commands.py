"""`webhooks alerts` and `webhooks automation`, against a server on a port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from receiver.alerts.book import Alert
from receiver.alerts.trouble import Rule, Trouble
from tests.support.admin import ServedApi, served_admin_api
from tests.support.commands import run_command
from tests.support.prefect import outside_environment

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ServedApi]:
    with served_admin_api(tmp_path, outside_environment()) as served:
        yield served


def alert(rule: Rule, resolved_at: datetime | None = None) -> Alert:
    trouble = Trouble(rule=rule, subject="orders", summary=f"orders: \x1b[31m{rule}", remedy="webhooks check")
    return Alert(trouble=trouble, raised_at=NOW, told_at=NOW, resolved_at=resolved_at)


def test_alerts_lists_what_is_raised_and_where_it_is_told(receiver: ServedApi):
    told = run_command(receiver.env, "alerts").stdout
    assert "No warning is raised." in told and "url: not used yet" in told
    warnings = receiver.api.outside.alerts
    warnings.raised = [alert(Rule.WEBHOOK_SILENT), alert(Rule.DISK_LOW, resolved_at=NOW)]
    warnings.problem = "it answered 404"
    told = run_command(receiver.env, "alerts").stdout
    assert "webhook_silent  since 2026-11-24" in told and "→ webhooks check" in told and "disk_low" not in told
    assert "url: it answered 404" in told and "\x1b" not in told
    assert "disk_low  since 2026-11-24" in run_command(receiver.env, "alerts", "--over").stdout
    listed = json.loads(run_command(receiver.env, "alerts", "--json").stdout)
    assert [each["resource"] for each in listed["items"]] == ["webhooks.webhook.orders"]


def test_a_test_ends_badly_when_a_channel_does_not_take_it(receiver: ServedApi):
    assert "took the message" in run_command(receiver.env, "alerts", "--test").stdout
    receiver.api.outside.alerts.problem = "it answered 404"
    assert "it answered 404" in run_command(receiver.env, "alerts", "--test", exit_code=1).stdout


def test_automation_is_made_shown_or_refused(receiver: ServedApi):
    block = ("automation", "--notify", "slack-webhook/team")
    assert json.loads(run_command(receiver.env, *block, "--dry-run").stdout) == {"name": "Webhooks: warnings"}
    assert receiver.api.outside.alerts.made == []
    assert "automation a-1" in run_command(receiver.env, *block).stdout
    assert receiver.api.outside.alerts.made == ["slack-webhook/team"]
    refused = run_command(receiver.env, "automation", "--deployment", "tell/people", exit_code=1)
    assert "Prefect has no tell/people" in refused.stderr
    assert "one of both" in run_command(receiver.env, "automation", exit_code=1).stderr
