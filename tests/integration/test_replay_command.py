"""`webhooks replay` and `webhooks discard` against a receiver on a port, in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from receiver.cli import app
from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from tests.support.admin import ServedApi, served_admin_api
from tests.support.prefect import outside_environment

OPEN: dict[str, Any] = {"key": "orders", "deployment": "orders/default", "verification": {"scheme": "none"}}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    with served_admin_api(tmp_path_factory.mktemp("home"), outside_environment()) as served:
        served.call("POST", "/webhooks", json=OPEN)
        yield served


@pytest.fixture
def run(receiver: ServedApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("WEBHOOKS_URL", "WEBHOOKS_API_KEY", "WEBHOOKS_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*words: str, exit_code: int = 0, stdin: str | None = None) -> Result:
        done = CliRunner().invoke(app, words, env={"WEBHOOKS_HOME": receiver.env["WEBHOOKS_HOME"]}, input=stdin)
        assert done.exit_code == exit_code, done.output
        return done

    yield invoke
    state = {"state": "paused"}
    receiver.call("PATCH", "/webhooks/orders", json=state)
    receiver.call("POST", "/webhooks/orders/discard")
    receiver.call("PATCH", "/webhooks/orders", json={"state": "enabled"})


def held(receiver: ServedApi, **fields: Any) -> str:
    return receiver.store(status=Status.HELD, reason=Reason.UNREADABLE, **fields)


def test_one_is_replayed_with_an_edited_body(receiver: ServedApi, run: Any, tmp_path: Path) -> None:
    identity = held(receiver, body=b"{")
    assert "unreadable" in run("replay", identity, exit_code=1).output
    assert "is no JSON" in run("replay", identity, "--data", "{", exit_code=1).output
    done = run("replay", identity, "--data", '{"n": 7}')
    assert f"Attempt 1 of {identity} is queued for orders/default." in done.output
    assert receiver.call("GET", f"/deliveries/{identity}/context")["data"] == {"n": 7}
    other = held(receiver, body=b"{")
    (tmp_path / "body.txt").write_text("hello")
    words = ("--body", str(tmp_path / "body.txt"), "--content-type", "text/plain", "--json")
    assert json.loads(run("replay", other, *words).output)["attempt"] == 1
    assert receiver.call("GET", f"/deliveries/{other}/context")["data"] == "hello"
    assert "409" not in run("replay", other, exit_code=1).output


def test_many_are_counted_first_and_replayed_only_when_that_is_meant(receiver: ServedApi, run: Any) -> None:
    ids = [held(receiver) for _ in range(3)]
    broken = held(receiver, body=b"{")
    words = ("replay", "--webhook", "orders", "--status", "held", "--since", "1h")
    dry = run(*words, "--dry-run")
    assert "3 would be replayed, 1 skipped." in dry.output and broken in dry.output
    assert "3 deliveries are meant. Say --yes" in run(*words, exit_code=1).output
    told = json.loads(run(*words, "--yes", "--json").output)
    assert told["delivery_ids"] == ids and [each["id"] for each in told["skipped"]] == [broken]
    assert "0 replayed, 1 skipped." in run(*words, "--yes", exit_code=1).output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay"], "Say which"),
        (["replay", "--webhook", "orders"], "--all for all of it"),
        (["replay", "--all"], "add --webhook KEY"),
        (["replay", "some", "--status", "failed"], "not both"),
        (["replay", "--status", "failed", "--data", "{}"], "give its ID"),
        (["replay", "--status", "failed", "--since", "yesterday"], "--since"),
        (["discard"], "KEY, or --delivery ID"),
        (["discard", "orders", "--yes"], "pause it first"),
    ],
)
def test_what_was_not_said_is_asked_for(run: Any, words: list[str], says: str) -> None:
    assert says in run(*words, exit_code=1).output


def test_what_waits_is_discarded(receiver: ServedApi, run: Any) -> None:
    waits, unread = receiver.store(), held(receiver)
    receiver.call("PATCH", "/webhooks/orders", json={"state": "paused"})
    assert "1 delivery is meant" in run("discard", "orders", exit_code=1).output
    assert run("discard", "orders", "--yes").output == "1 discarded.\n"
    assert json.loads(run("discard", "--delivery", unread, "--json").output) == {"discarded": 1}
    assert {receiver.call("GET", f"/deliveries/{each}")["reason"] for each in (waits, unread)} == {"discarded"}
