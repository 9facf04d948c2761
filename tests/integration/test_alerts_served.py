"""Real receivers on a disk that is never free enough: it is told once, whoever is killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path

import pytest

from tests.support.http_server import HttpServer
from tests.support.postgres import TestPostgres
from tests.support.serving import Serving, serving
from tests.support.waiting import eventually


async def started(stack: contextlib.ExitStack, home: Path, chat: HttpServer, **more: str) -> Serving:
    home.mkdir(exist_ok=True)
    variables = {"WEBHOOKS_ALERT_URL": f"{chat.url}/hidden", "WEBHOOKS_ALERT_DISK": "1000000000", **more}
    return await asyncio.to_thread(stack.enter_context, serving(home, **variables))


def told(chat: HttpServer) -> list[str]:
    return [alert["rule"] for each in chat.requests for alert in json.loads(each.body)["data"]["alerts"]]


async def is_told(chat: HttpServer) -> None:
    async def asked() -> bool:
        return bool(chat.requests)

    await eventually(asked, timeout=30, what="the chat is told")


async def opened(receiver: Serving) -> list[str]:
    answer = await asyncio.to_thread(receiver.admin.get, "/api/admin/alerts")
    return [each["rule"] for each in answer.json()["items"]]


async def test_a_restart_repeats_nothing_and_no_log_has_the_address(tmp_path: Path):
    async with HttpServer() as chat:
        for ends in (signal.SIGKILL, signal.SIGTERM):
            with contextlib.ExitStack() as stack:
                receiver = await started(stack, tmp_path, chat)
                await is_told(chat)
                assert await opened(receiver) == ["disk_low"]
                await asyncio.to_thread(receiver.stop, ends)
                assert "a warning cannot be told" not in receiver.said() and "hidden" not in receiver.said()
        assert told(chat) == ["disk_low"]


@pytest.mark.long
async def test_two_receivers_on_one_machine_tell_it_once(tmp_path: Path, postgres: TestPostgres):
    database = {"WEBHOOKS_DATABASE_URL": postgres.create_database()}
    async with HttpServer() as chat:
        with contextlib.ExitStack() as stack:
            for name in ("one", "two"):
                receiver = await started(stack, tmp_path / name, chat, **database)
            await is_told(chat)
            assert await opened(receiver) == ["disk_low"]
        assert told(chat) == ["disk_low"]
