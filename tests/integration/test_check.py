"""`webhooks check` against a real Prefect: pool, worker and deployment missing, then there; and when nothing runs."""

from __future__ import annotations

import json
import socket
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from sqlalchemy import Connection, select, update
from typer.testing import CliRunner

from receiver.checks.finding import Code, Finding, Level
from receiver.cli import app
from receiver.storage import Database, StoreUnusable
from receiver.storage.condition import look_at, read_condition
from receiver.storage.tables import VERSION_TABLE, webhook
from receiver.webhooks.definitions import DefinitionStore
from tests.support.admin import ServedApi, admin_api, served_admin_api
from tests.support.commands import run_command
from tests.support.inbox import BY
from tests.support.ports import free_port
from tests.support.postgres import TestPostgres
from tests.support.prefect import outside_environment
from tests.support.receiver import RunningReceiver, running_receiver, settings_for

OPEN: dict[str, Any] = {"scheme": "none"}
FLOW = """
from receiver import Context, webhook

class flow:  # what the reader of definitions needs of one, without the seconds that importing Prefect takes
    def __init__(self, name):
        self.name = name
    def __call__(self, fn):
        self.fn = fn
        return self

@webhook("orders", verification={"scheme": "none"})
@flow(name="orders")
async def orders(context: Context) -> None: ...

@flow(name="nightly")
async def nightly() -> None: ...
"""
Found = dict[str, dict[str, str]]


async def check(receiver: RunningReceiver, webhook: str | None = None) -> Found:
    """The findings by code, those apart that say that something is in order."""
    answer = await receiver.admin.get("/api/admin/check", params={"webhook": webhook} if webhook else {})
    assert answer.status_code == 200, answer.text
    found = [each for each in answer.json()["findings"] if each["code"] != Code.NOTHING_WRONG]
    return {each["code"]: each for each in found}


async def test_pool_worker_and_deployment_are_missed_until_they_are_there(
    receiver: RunningReceiver, prefect: PrefectClient
) -> None:
    pool, flow = f"pool-{uuid.uuid4().hex[:8]}", f"orders-{uuid.uuid4().hex[:8]}"
    await receiver.define("orders", deployment=f"{flow}/main", mode="sync")
    assert set(await check(receiver)) == {Code.DEPLOYMENT_MISSING}

    await prefect.create_work_pool(WorkPoolCreate(name=pool, type="process", concurrency_limit=0))
    flow_id = await prefect.create_flow_from_name(flow)
    deployment = await prefect.create_deployment(flow_id=flow_id, name="main", work_pool_name=pool)
    found = await check(receiver)
    assert set(found) == {Code.NO_WORKER, Code.POOL_LIMIT_ZERO, Code.SYNC_ON_SLOW_POOL}
    assert found[Code.NO_WORKER]["remedy"].startswith(f"prefect worker start --pool {pool} --type process")

    await prefect.send_worker_heartbeat(pool, "tests", heartbeat_interval_seconds=30)
    await prefect.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=1, is_paused=True))
    await prefect.update_work_queue((await prefect.read_work_queue_by_name("default", pool)).id, is_paused=True)
    await prefect.pause_deployment(deployment)
    assert set(await check(receiver, "orders")) == {
        *(Code.POOL_PAUSED, Code.QUEUE_PAUSED, Code.DEPLOYMENT_PAUSED, Code.SYNC_ON_SLOW_POOL)
    }
    assert set(await check(receiver, "odrers")) == {Code.WEBHOOK_UNKNOWN}

    needs = {"type": "object", "properties": {"customer": {"type": "string"}}, "required": ["customer"]}
    await prefect.create_deployment(flow_id=flow_id, name="typed", parameter_openapi_schema=needs)
    await receiver.define("typed", deployment=f"{flow}/typed")
    found = await check(receiver, "typed")
    assert set(found) == {Code.PARAMETERS_INVALID, Code.DEPLOYMENT_UNSERVED}
    assert "customer" in found[Code.PARAMETERS_INVALID]["problem"]


def _write_by_hand(connection: Connection, definitions: dict[str, dict[str, Any]]) -> None:
    """Give the stored webhooks fields that no release accepts side by side, as a merged backup may hold them."""
    for key, fields in definitions.items():
        stored = connection.execute(select(webhook.c.definition).where(webhook.c.key == key)).scalar_one()
        changed = json.dumps({**json.loads(stored), **fields})
        connection.execute(update(webhook).where(webhook.c.key == key).values(definition=changed))


async def test_what_is_wrong_with_stored_definitions_and_their_secrets_is_told(tmp_path: Path, prefect: PrefectClient):
    database = Database.open(None, tmp_path)
    definitions: dict[str, dict[str, Any]] = {
        "broken": {"filter": "no such thing ((("},
        "first": {"path": "same/path"},
        "second": {"path": "same/path"},
        "left": {"path": "shops/{shop}"},
        "right": {"path": "{any}/orders"},
        "secret": {"verification": {"scheme": "bearer", "secret": "env:NOT_THERE_AT_ALL"}},
    }
    store = DefinitionStore(database)
    for key in definitions:
        whole = {"key": key, "deployment": "none/none", "verification": OPEN, "state": "disabled"}
        await store.put(whole, key=key, origin="api", by=BY, now=datetime.now(UTC))
    await database.write(lambda connection: _write_by_hand(connection, definitions))
    await database.close()
    async with running_receiver(settings_for(tmp_path, public_url="http://hooks.example.com")) as receiver:
        answer = await receiver.admin.get("/api/admin/check")
    told = {(each["subject"], each["code"]): each["problem"] for each in answer.json()["findings"]}
    assert "filter" in told["webhook broken", Code.DEFINITION_BROKEN]
    assert "'second'" in told["webhook first", Code.NEVER_MATCHES]
    assert "'right'" in told["webhook left", Code.PATH_CLASH]
    assert "'left'" in told["webhook right", Code.PATH_CLASH]
    assert "env:NOT_THERE_AT_ALL" in told["webhook secret", Code.SECRET_UNAVAILABLE]
    assert ("receiver", Code.ADMIN_NOT_APART) in told
    assert ("receiver", Code.PUBLIC_URL_PLAIN) in told


async def test_secrets_that_lack_a_part_signed_urls_and_keys_that_expire_are_told(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHECK_TEST_SECRET", '{"token": "of-nobody-else", "app_secret": "of-nobody-else"}')
    for key, scheme in (("ding", "dingtalk"), ("page", "meta"), ("call", "twilio")):
        await receiver.define(key, verification={"scheme": scheme, "secret": "env:CHECK_TEST_SECRET"})
    for name, life in (("ci", "13d"), ("later", "90d")):
        made = await receiver.admin.post("/api/admin/keys", json={"name": name, "expires": life})
        assert made.status_code == 201, made.text
    found = await check(receiver)
    told = {(code, found[code]["subject"]) for code in found if code != Code.DEPLOYMENT_MISSING}
    assert told == {
        (Code.SECRET_UNUSABLE, "webhook ding"),
        (Code.SECRET_INCOMPLETE, "webhook page"),
        (Code.URL_UNKNOWN, "webhook call"),
        (Code.KEY_EXPIRES, "key ci"),
    }
    assert "it has no 'aes_key'" in found[Code.SECRET_UNUSABLE]["problem"]
    assert "of-nobody-else" not in str(found)
    assert set(await check(receiver, "call")) == {Code.DEPLOYMENT_MISSING, Code.URL_UNKNOWN}


async def test_the_check_needs_a_key_that_may_read(tmp_path: Path) -> None:
    async with admin_api(tmp_path) as api:
        api.outside.findings = [
            Finding(code=Code.NO_WORKER, level=Level.ERROR, subject="webhook a", problem="none", remedy="start one")
        ]
        async with api.client("read") as reader, api.client(None) as stranger:
            assert (await reader.get("/check")).json() == {
                "findings": [
                    {
                        "code": "no_worker",
                        "level": "error",
                        "subject": "webhook a",
                        "problem": "none",
                        "remedy": "start one",
                    }
                ]
            }
            assert (await reader.get("/check", params={"webhook": "b"})).json() == {"findings": []}
            assert (await stranger.get("/check")).status_code == 401


# the command


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a shell in an empty folder, on ports of its own."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("WEBHOOKS_HOME", str(home))
    monkeypatch.setenv("WEBHOOKS_PORT", str(free_port()))
    monkeypatch.setenv("WEBHOOKS_PREFECT_PORT", str(free_port()))
    return home


@pytest.fixture
def served(shell: Path) -> Iterator[ServedApi]:
    with served_admin_api(shell, outside_environment()) as served:
        yield served


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["check", *words])
    assert not done.exception or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def codes(*words: str) -> dict[str, str]:
    """The level of each finding by its code."""
    return {each["code"]: each["level"] for each in json.loads(run(*words, "--json")[1])["findings"]}


def test_the_exit_code_follows_the_worst_finding(served: ServedApi) -> None:
    assert run()[0] == 0
    assert "Nothing found that would not work." in run()[1]
    warning = Finding(code=Code.PREFECT_OPEN, level=Level.WARNING, subject="Prefect", problem="open", remedy="close it")
    served.api.outside.findings = [warning]
    assert (run()[0], run("--strict")[0]) == (0, 1)
    hostile = "webhook \x1b[2J\u202e"
    served.api.outside.findings.append(
        Finding(code=Code.NO_WORKER, level=Level.ERROR, subject=hostile, problem="no \x1b[31mworker", remedy="start it")
    )
    code, shown = run()
    assert code == 1
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "✗  no \\x1b[31mworker\n" in shown
    assert "→ start it" in shown
    assert "1 error, 1 warning." in shown
    told = json.loads(run("--json")[1])
    assert (told["good"], told["errors"], told["warnings"]) == (False, 1, 1)


def test_a_key_that_the_receiver_does_not_take_is_told(served: ServedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_API_KEY", "whk_wrong")
    code, shown = run()
    assert code == 1
    assert "Set WEBHOOKS_API_KEY to one of its keys." in shown
    assert Code.RECEIVER_REFUSES in codes()


def test_what_has_taken_a_port_is_named(shell: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        monkeypatch.setenv("WEBHOOKS_PORT", number)
        found = json.loads(run("--json")[1])["findings"]
    [port] = [each for each in found if each["code"] == Code.PORT_TAKEN]
    assert f"Port {number} " in port["problem"]
    assert "WEBHOOKS_PORT" in port["remedy"]


def test_a_certificate_that_cannot_be_used_is_told_with_its_setting(
    shell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOKS_TLS_CERTIFICATE", str(shell / "absent.pem"))
    found = json.loads(run("--json")[1])["findings"]
    [tls] = [each for each in found if each["code"] == Code.SETTINGS_INVALID]
    assert tls["problem"].startswith("WEBHOOKS_TLS_CERTIFICATE ") and tls["level"] == Level.ERROR
    assert Code.RECEIVER_ABSENT in {each["code"] for each in found}


def test_a_home_that_others_may_read_and_settings_that_do_not_parse(
    shell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.chmod(0o755)
    assert codes()[Code.HOME_OPEN] == Level.WARNING
    monkeypatch.setenv("WEBHOOKS_PORT", "no port")
    assert codes() == {Code.SETTINGS_INVALID: Level.ERROR, Code.NOT_LOOKED_AT: Level.WARNING}


def test_a_project_whose_flows_are_hidden_or_broken(shell: Path) -> None:
    project = shell.parent
    (project / "prefect.yaml").write_text("deployments: [")
    assert codes()[Code.PROJECT_BROKEN] == Level.ERROR
    (project / "flows").mkdir()
    (project / "flows" / "__init__.py").touch()
    assert codes()[Code.FLOWS_HIDDEN] == Level.ERROR


def test_what_the_code_defines_and_the_receiver_does_not_have_is_told(served: ServedApi, shell: Path) -> None:
    project = shell.parent
    (project / "flows").mkdir()
    (project / "flows" / "orders_flow.py").write_text(FLOW)
    entries = [{"name": name, "entrypoint": f"flows.orders_flow.{name}"} for name in ("orders", "nightly")]
    (project / "prefect.yaml").write_text(json.dumps({"deployments": entries}))
    told = json.loads(run("--json")[1])["findings"]
    assert {(each["code"], each["subject"], each["remedy"]) for each in told} >= {
        (Code.NOT_DEPLOYED, "webhook orders", "webhooks deploy")
    }
    assert Code.ENTRY_WITHOUT_WEBHOOK in {each["code"] for each in told}


def test_a_database_that_no_receiver_has_open_is_looked_at_and_left_alone(shell: Path) -> None:
    assert Code.DATABASE_BEHIND not in codes()
    assert list(shell.iterdir()) == []
    with closing(sqlite3.connect(shell / "receiver.db", isolation_level=None)) as connection:
        connection.execute(f"CREATE TABLE {VERSION_TABLE} (version_num TEXT)")
        connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('0001')")
    assert codes()[Code.DATABASE_BEHIND] == Level.WARNING
    with closing(sqlite3.connect(shell / "receiver.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    assert codes()[Code.DATABASE_NEWER] == Level.ERROR
    (shell / "receiver.db").write_bytes(b"not a database" * 100)
    assert codes()[Code.INBOX_UNAVAILABLE] == Level.ERROR


async def test_the_condition_of_a_database_on_postgres_has_its_clock(postgres: TestPostgres, tmp_path: Path) -> None:
    url = postgres.create_database()
    empty = look_at(url, tmp_path)
    assert empty is not None
    assert (empty.revision, empty.known) == (None, True)
    database = Database.open(url, tmp_path)
    condition = await database.read(read_condition)
    await database.close()
    assert condition.revision == condition.head == empty.head
    assert condition.clock is not None
    assert abs((condition.clock - datetime.now(UTC)).total_seconds()) < 60
    with pytest.raises(StoreUnusable, match="cannot be read"):
        look_at(f"postgresql://nobody@127.0.0.1:{free_port()}/none", tmp_path)


def test_when_nothing_runs_the_command_says_what_to_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ports = {"WEBHOOKS_PORT": str(free_port()), "WEBHOOKS_PREFECT_PORT": str(free_port())}
    environment = {**outside_environment(), **ports, "WEBHOOKS_HOME": str(home)}
    done = run_command(environment, "check", "orders", cwd=tmp_path, exit_code=1)
    assert done.stderr == ""
    assert "Start the receiver with `webhooks up`" in done.stdout
    assert "webhooks, Prefect and its workers  !  were not looked at" in done.stdout
    assert not home.exists(), "a check changes nothing"
