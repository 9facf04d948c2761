"""`receiver.testing`: a request delivered to a flow in the test's process, with the answer its sender would get."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from prefect import flow, task

from flows.contact_form import contact_form
from receiver import Context, Reply, respond, webhook
from receiver.contract.errors import BadReply
from receiver.testing import Server, TaskState, deliver, deliver_now
from receiver.testing.server import home_of_a_test
from tests.support.prefect import PrefectServer

KEY = {"scheme": "api-key", "secret": "block:webhook-secret/x"}
OPEN = {"scheme": "none"}


@pytest.fixture(autouse=True)
def server(runs_in_process: PrefectServer, tmp_path):
    with home_of_a_test(runs_in_process.api_url, tmp_path / "home") as server:
        yield server


@task(task_run_name="double {number}")
def double(number: int) -> int:
    return number * 2


@task
def break_down() -> None:
    raise RuntimeError("the shelf fell")


@webhook(
    "doubling",
    path="shops/{shop_id}/numbers",
    mode="sync",
    verification=KEY,
    filter="context.data.number != 0",
    schema={"properties": {"number": {"type": "integer"}}},
    parameters={"number": "{{$context.data.number}}", "shop": "{{$context.params.shop_id}}"},
    response={"status": 201, "body": {"doubled": "{{$result}}", "shop": "{{$context.params.shop_id}}"}},
)
@flow
async def doubling(number: int, shop: str) -> int:
    return double(number)


@webhook("late", verification=OPEN, response={"status": 200, "body": "{{$context.data.challenge}}"})
@flow
def late(context: Context) -> dict[str, Any]:
    if context.data.get("break"):
        break_down()
    return {"query": context.query, "method": context.method, "key": context.headers.get("x-api-key")}


@webhook("echo", methods=["PUT", "POST"], mode="sync", verification=KEY, ip_allowlist=["192.0.2.0/24"])
@flow
async def echo(context: Context) -> Any:
    read = [(await file.read()).decode() for file in context.files]
    raw = len(await context.raw())
    body = {"data": context.data, "files": read, "raw": raw, "key": context.headers.get("x-api-key")}
    return Reply(body=body, headers={"X-From": context.client_ip})


@webhook("answers", mode="sync", verification=OPEN)
@flow
async def answers(context: Context) -> Any:
    match context.data:
        case "early":
            respond(202, {"early": True})
            raise RuntimeError("after the answer")
        case "raises":
            raise ValueError("no such order")
        case "unsendable":
            return datetime.now(UTC)
    return {"said": context.data}


async def test_a_request_passes_every_rule_and_its_answer_is_the_senders():
    delivered = await deliver(doubling, data={"number": 4}, params={"shop_id": "a/b"})
    assert (delivered.reply.status, delivered.reply.body) == (201, {"doubled": 8, "shop": "a/b"})
    assert delivered.reply.headers["webhook-delivery-id"] == delivered.delivery_id
    assert (delivered.status, delivered.result, delivered.error) == ("completed", 8, None)
    assert delivered.task_runs == (TaskState("double 4", "Completed"),)
    assert delivered.flow_run_id and delivered.state and delivered.state.is_completed()


@pytest.mark.parametrize(
    ("request_", "status", "became", "reason"),
    [
        ({"data": {"number": 0}}, 200, "filtered", "filtered"),
        ({"data": {"number": "x"}}, 422, "rejected", "schema_mismatch"),
        ({"data": {}}, 422, "rejected", "filter_error"),
        ({"raw": b"{", "headers": {"Content-Type": "application/json"}}, 400, "rejected", "unreadable"),
        ({"data": {"number": 1}, "signed": False}, 401, "rejected", "credential_missing"),
        ({"data": {"number": 1}, "method": "put"}, 405, "rejected", "method_not_allowed"),
        ({"data": {"number": 1}, "path": "shops/7"}, 404, "rejected", "unknown_path"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_the_rules_turn_away_starts_no_run(request_, status, became, reason):
    where: dict[str, Any] = {} if "path" in request_ else {"params": {"shop_id": "1"}}
    delivered = await deliver(doubling, **where, **request_)
    assert (delivered.reply.status, delivered.status, delivered.reason) == (status, became, reason)
    assert (delivered.flow_run_id, delivered.state, delivered.task_runs) == (None, None, ())


async def test_an_asynchronous_webhook_answers_before_its_flow_whatever_becomes_of_that():
    fine = await deliver(late, data={"challenge": "c"}, query={"a": ["1", "2"]}, headers={"X-Api-Key": "k"})
    assert (fine.reply.status, fine.reply.body) == (200, "c")
    assert fine.result == {"query": {"a": ["1", "2"]}, "method": "POST", "key": "***"}, "credentials are masked"
    broken = await deliver(late, data={"challenge": "c", "break": True})
    assert (broken.reply.status, broken.status, broken.result) == (200, "failed", None)
    assert isinstance(broken.error, RuntimeError) and broken.task_runs == (
        TaskState(broken.task_runs[0].name, "Failed"),
    )


@webhook("typed", verification=OPEN, parameters={"amount": "{{$context.data.amount}}"})
@flow
async def typed(amount: int, note: str = "none") -> str:
    return f"{amount} {note}"


async def test_a_flow_with_parameters_of_its_own_gets_them_or_the_sender_is_told():
    assert (await deliver(typed, data={"amount": 3})).result == "3 none"
    wrong = await deliver(typed, data={"amount": "three"})
    assert (wrong.reply.status, wrong.reason, wrong.flow_run_id) == (422, "parameters_invalid", None)
    assert wrong.reply.body["problems"][0]["path"] == "amount"


async def test_files_and_what_is_too_large_for_a_parameter_are_at_hand():
    sent = await deliver(echo, data={"note": "n"}, files={"a": ("a.txt", b"first"), "b": ("b.txt", b"second")})
    assert (sent.reply.body["files"], sent.reply.body["data"]["note"]) == (["first", "second"], "n")
    large = await deliver(echo, data={"text": "x" * 300_000}, method="POST")
    assert large.reply.body["data"] == {"text": "x" * 300_000} and large.reply.body["raw"] > 300_000
    assert large.reply.headers["x-from"] == "192.0.2.0", "the sender's address is one that is let in"
    assert (await deliver(echo, client_ip="198.51.100.1")).reply.status == 403


async def test_the_answer_of_a_flow_that_answers_early_fails_or_returns_what_cannot_be_sent():
    said = await deliver(answers, data={"$ref": "blocks"})
    assert said.reply.body == {"said": {"$ref": "blocks"}}, "nothing that was sent is evaluated"
    early = await deliver(answers, data="early")
    assert (early.reply.status, early.reply.body, early.status) == (202, {"early": True}, "failed")
    failed = await deliver(answers, data="raises")
    assert (failed.reply.status, failed.status, str(failed.error)) == (500, "failed", "no such order")
    assert "no such order" not in str(failed.reply.body)
    unsendable = await deliver(answers, data="unsendable")
    assert (unsendable.reply.status, unsendable.status) == (500, "failed") and isinstance(unsendable.error, BadReply)


async def test_two_requests_at_once_keep_their_own_replies_and_runs():
    both = await asyncio.gather(*(deliver(doubling, data={"number": n}, params={"shop_id": "1"}) for n in (3, 5)))
    assert [each.reply.body["doubled"] for each in both] == [6, 10]
    assert [[run.name for run in each.task_runs] for each in both] == [["double 3"], ["double 5"]]


def test_mail_and_records_of_a_test_are_its_own(server: Server):
    assert server.mails() == [] and server.records("contact_customers") == []
    form = {"name": "Olena", "email": "olena@example.com"}
    delivered = deliver_now(contact_form, data=form)
    assert delivered.reply.status == 201
    assert [mail["To"] for mail in server.mails()] == ["olena@example.com"]
    [customer] = server.records("contact_customers")
    assert (customer["id"], customer["name"]) == (delivered.reply.body["id"], "Olena")
    assert [run.state for run in delivered.task_runs] == ["Completed"] * len(delivered.task_runs) != []
    again = deliver_now(contact_form, data=form, delivery_id=delivered.delivery_id)
    assert again.reply.body == delivered.reply.body and len(server.mails()) == 1
    assert again.flow_run_id != delivered.flow_run_id


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"data": {"number": 1}}, r"needs a value for \{shop_id\}"),
        ({"params": {"shop_id": "1", "other": "2"}}, "has no {other}"),
        ({"raw": b"x", "data": 1}, "leave out data and files"),
    ],
)
async def test_a_request_that_cannot_be_made_is_told(request_, told):
    with pytest.raises(ValueError, match=told):
        await deliver(doubling, **request_)


async def test_a_flow_without_a_webhook_and_data_that_is_no_json_are_told():
    @flow
    def plain() -> None: ...

    with pytest.raises(ValueError, match="put @webhook"):
        await deliver(plain)
    with pytest.raises(TypeError, match="datetime"):
        await deliver(late, data={"at": datetime.now(UTC)})
