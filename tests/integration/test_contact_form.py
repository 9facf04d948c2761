"""The contact form's workflow on a real Prefect server, with its records on SQLite."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from blocks import connections, lookup
from flows.contact_form import CONFIRMATIONS, CONFIRMATIONS_A_DAY, CUSTOMERS, MESSAGES, contact_form
from flows.nodes import query_records
from receiver import Context, Reply

PAYLOADS = Path(__file__).parents[1] / "payloads" / "contact_form"
pytestmark = pytest.mark.usefixtures("runs_in_process")


@pytest.fixture(autouse=True)
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setenv("WEBHOOKS_HOME", str(tmp_path))
    lookup.forget()
    yield tmp_path
    await connections.close()


def request(data: Any, delivery_id: str = "d-1", received_at: str = "2026-03-01T10:00:00+00:00") -> Context:
    return Context.from_document({"data": data, "delivery_id": delivery_id, "received_at": received_at})


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))


def mails(home: Path) -> list[EmailMessage]:
    files = sorted((home / "mail").glob("*.eml")) if (home / "mail").exists() else []
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


async def stored(table: Any) -> list[dict[str, Any]]:
    return await query_records.fn(table, order_by="id")


async def test_a_form_makes_a_customer_with_an_owner_and_confirms(home: Path):
    reply = await contact_form(request(payload("form__whole")))

    assert reply == Reply(status=201, body={"id": 1, "owner": "sales-ua@example.com"})
    [customer] = await stored(CUSTOMERS)
    assert (customer["name"], customer["email"]) == ("Oksana Marchenko", "oksana.marchenko@example.com")
    [message] = await stored(MESSAGES)
    assert (message["customer_id"], message["topic"], message["delivery_id"]) == (1, "Sales", "d-1")
    [mail] = mails(home)
    assert mail["To"] == "oksana.marchenko@example.com"
    assert "lamp" not in mail.as_string() and "Oksana" not in mail.get_content(), "a form carries nobody's words"


@pytest.mark.parametrize("name", ["form__without-address", "form__name-alone"])
async def test_without_an_address_nobody_is_written_to_and_each_form_is_a_customer(home: Path, name: str):
    replies = [await contact_form(request(payload(name), delivery)) for delivery in ("d-1", "d-2", "d-1")]

    assert [reply.body["id"] for reply in replies] == [1, 2, 1]
    assert {customer["email"] for customer in await stored(CUSTOMERS)} == {None}
    assert mails(home) == []


async def test_a_repeated_form_makes_no_second_customer_and_changes_nothing_of_the_first(home: Path):
    first = await contact_form(request(payload("form__whole"), "d-1"))
    other = {"name": "Eve", "email": "OKSANA.marchenko@EXAMPLE.com", "message": "Again", "topic": "billing"}
    second = await contact_form(request(other, "d-2"))

    assert (second.status, second.body) == (201, first.body)
    assert [customer["name"] for customer in await stored(CUSTOMERS)] == ["Oksana Marchenko"]
    assert [message["topic"] for message in await stored(MESSAGES)] == ["Sales", "billing"]


async def test_a_run_that_is_repeated_stores_and_sends_nothing_twice(home: Path):
    first, again = [await contact_form(request(payload("form__whole"))) for _ in range(2)]

    assert first == again
    assert [len(await stored(table)) for table in (CUSTOMERS, MESSAGES, CONFIRMATIONS)] == [1, 1, 1]
    assert len(mails(home)) == 1
    assert (await stored(CONFIRMATIONS))[0]["sent_at"]


async def test_a_mailbox_gets_so_many_e_mails_a_day_however_many_forms_come_at_once(home: Path):
    async def fill_in(number: int, day: str = "2026-03-01") -> Reply:
        data = {"message": "Hello", "email": f"victim+{number}@example.com"}
        return await contact_form(request(data, f"{day}-{number}", f"{day}T23:59:00+00:00"))

    replies = await asyncio.gather(*(fill_in(number) for number in range(CONFIRMATIONS_A_DAY + 3)))

    assert {reply.status for reply in replies} == {201}
    assert len(mails(home)) == CONFIRMATIONS_A_DAY
    await fill_in(0, "2026-03-02")
    assert len(mails(home)) == CONFIRMATIONS_A_DAY + 1
    assert len(await stored(MESSAGES)) == len(replies) + 1


@pytest.mark.parametrize("name", ["refused__malformed-address", "refused__nothing-said"])
async def test_a_form_that_cannot_be_used_is_answered_with_what_is_wrong_and_kept_nowhere(home: Path, name: str):
    reply = await contact_form(request(payload(name)))

    assert reply.status == 422
    assert len(reply.body["problems"]) == 1
    assert not (home / "records.db").exists() and mails(home) == []
