"""Webhooks made, taken over from a file and deleted by commands, against a receiver on a port."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from tests.support.admin import ServedApi, served_admin_api
from tests.support.commands import run_command
from tests.support.prefect import outside_environment

SECRET = "only-the-sender-knows"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    home = tmp_path_factory.mktemp("home")
    with served_admin_api(home, outside_environment()) as served:
        yield served


def webhooks(receiver: ServedApi, *words: str, fails: bool = False, given: str = "") -> str:
    """What the command prints; with `fails` what it says on standard error."""
    done = run_command(receiver.env, *words, given=given, exit_code=1 if fails else 0)
    assert SECRET not in done.stdout + done.stderr
    return done.stderr if fails else done.stdout


def test_a_webhook_is_made_exported_applied_elsewhere_and_deleted(receiver: ServedApi) -> None:
    binding = ("--deployment", "orders/default", "--scheme", "api-key", "--secret-stdin")
    fields = ("--path", "shops/{shop}/orders", "--param", "order={{$context.data}}", "--set", 'max_body="2 MiB"')
    made = webhooks(receiver, "create", "orders", *binding, *fields, "--method", "PUT", given=f"{SECRET}\n")
    assert made.startswith("orders is enabled: ") and "/api/webhooks/shops/{shop}/orders" in made
    (exported,) = yaml.safe_load(webhooks(receiver, "export"))
    assert exported["verification"]["secret"].startswith("block:webhook-secret/orders-")
    assert (exported["methods"], exported["parameters"]) == (["PUT"], {"order": "{{$context.data}}"})
    unchanged = json.loads(webhooks(receiver, "apply", "-f", "-", "--json", given=json.dumps([exported])))
    assert [change["change"] for change in unchanged["changes"]] == ["unchanged"]
    more = [{**exported, "mode": "sync"}, {**exported, "key": "returns", "path": None}]
    planned = webhooks(receiver, "apply", "-f", "-", "--dry-run", given=yaml.safe_dump(more))
    assert [line.split() for line in planned.splitlines()[1:]] == [
        ["orders", "changed", "mode"],
        ["returns", "created"],
    ]
    assert [webhook["key"] for webhook in json.loads(webhooks(receiver, "list", "--json"))] == ["orders"]
    webhooks(receiver, "apply", "-f", "-", given=yaml.safe_dump(more))
    listed = {webhook["key"]: webhook for webhook in json.loads(webhooks(receiver, "list", "--json"))}
    assert listed["orders"]["mode"] == "sync" and "returns" in listed
    assert "Give --yes" in webhooks(receiver, "delete", "returns", fails=True)
    assert webhooks(receiver, "delete", "returns", "--yes") == "returns is deleted.\n"


def test_what_cannot_be_made_is_refused_with_the_next_step(receiver: ServedApi) -> None:
    wanted = ("create", "parcels", "--deployment", "parcels/default")
    assert "--secret-stdin" in webhooks(receiver, *wanted, "--scheme", "api-key", "--secret", "plain", fails=True)
    assert "holds no secret" in webhooks(receiver, *wanted, "--scheme", "api-key", "--secret-stdin", fails=True)
    assert "verification.secret" in webhooks(receiver, *wanted, "--scheme", "api-key", fails=True)
    assert "NAME=VALUE" in webhooks(receiver, *wanted, "--scheme", "none", "--param", "order", fails=True)
    refused = webhooks(receiver, "apply", "-f", "-", fails=True, given="- {key: parcels, methods: [TRACE]}")
    assert refused.startswith("webhooks: Nothing was changed. parcels.")
    told = json.loads(webhooks(receiver, *wanted, "--scheme", "api-key", "--generate-secret", "--json"))
    assert len(told["secret"]) > 30 and told["verification"]["secret"].startswith("block:webhook-secret/parcels-")


def test_a_file_is_applied_whole_or_not_at_all_and_prune_takes_only_what_it_applied(receiver: ServedApi) -> None:
    one = {"key": "one", "deployment": "orders/default", "verification": {"scheme": "none"}}
    two, broken = {**one, "key": "two"}, {**one, "key": "three", "filter": "context.data.("}
    told = webhooks(receiver, "apply", "-f", "-", fails=True, given=json.dumps([one, broken]))
    assert "Nothing was changed" in told and "'three' was refused: filter" in told
    assert "needs --owner" in webhooks(receiver, "apply", "-f", "-", "--prune", fails=True, given=json.dumps([one]))
    receiver.call("PUT", "/webhooks/by-hand", json=one | {"key": "by-hand"})
    webhooks(receiver, "apply", "-f", "-", "--owner", "shop", given=json.dumps([one, two]))
    told = webhooks(receiver, "apply", "-f", "-", "--owner", "crm", fails=True, given=json.dumps([two]))
    assert "Of another owner: 'two' ('shop')" in told
    changed = {**one, "methods": ["PUT"]}
    pruned = webhooks(receiver, "apply", "-f", "-", "--owner", "shop", "--prune", given=json.dumps([changed]))
    assert [line.split() for line in pruned.splitlines()[1:]] == [
        ["one", "changed", "methods"],
        ["two", "vanished", "deleted"],
    ]
    keys = {webhook["key"] for webhook in json.loads(webhooks(receiver, "list", "--json"))}
    assert {"one", "by-hand"} <= keys and "two" not in keys
    shown = webhooks(receiver, "revisions", "one").splitlines()
    assert [line.split()[0] for line in shown] == ["2", "methods:", "1"]
    assert shown[1].strip() == 'methods: ["POST"] -> ["PUT"]' and "admin (api)" in shown[0]


def test_what_code_defines_is_deleted_by_force_only(receiver: ServedApi) -> None:
    content = {"deployment": "orders/default", "verification": {"scheme": "none"}}
    receiver.call("PUT", "/webhooks/coded?origin=code&source=shop", json=content)
    assert "webhooks deploy --prune" in webhooks(receiver, "delete", "coded", "--yes", fails=True)
    assert webhooks(receiver, "delete", "coded", "--yes", "--force") == "coded is deleted.\n"
