"""What a check learns of Prefect when the server behaves badly: always an answer, always in time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from receiver.checks.at_start import warn_of_version
from receiver.prefect_gateway.survey import Access, survey
from tests.support.http_server import Answer, HttpServer
from tests.support.ports import free_port
from tests.support.prefect import PrefectServer


def talking_to(url: str, auth: str | None = None) -> AbstractContextManager[Any]:
    updates = {PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: auth, PREFECT_CLIENT_MAX_RETRIES: 0}
    return temporary_settings(updates=updates)


async def test_a_server_that_hangs_is_unreachable_in_time():
    async with HttpServer() as server:
        server.answers = [Answer(body='"' + "3" * 1000, trickle=True)]
        with talking_to(f"{server.url}/api"):
            found = await survey(["a/b"], within=1)
    assert found.access is Access.UNREACHABLE
    assert "1 s" in found.problem


async def test_nobody_there_is_unreachable_and_the_address_is_shown_without_its_password():
    with talking_to(f"http://me:hidden@127.0.0.1:{free_port()}/api"):
        found = await survey(["a/b"])
    assert found.access is Access.UNREACHABLE
    assert found.url.startswith("http://127.0.0.1:")
    assert "hidden" not in repr(found)


@pytest.mark.parametrize("answer", [Answer(status=404), Answer(status=500), Answer(body="<html>"), Answer(drop=True)])
async def test_what_is_not_prefect_is_unreachable(answer: Answer):
    async with HttpServer() as server:
        server.answers = [answer]
        with talking_to(server.url):
            assert (await survey([])).access is Access.UNREACHABLE


@pytest.mark.parametrize(("version", "warnings"), [("3.4.0", 1), ("3.8.0", 0), (None, 0)])
async def test_a_version_that_is_not_supported_is_logged_at_start(version: str | None, warnings: int, caplog: Any):
    async with HttpServer() as server:
        server.answers = [Answer(body=f'"{version}"') if version else Answer(status=500)]
        with talking_to(server.url):
            await warn_of_version()
    told = [record for record in caplog.records if "supported is" in record.getMessage()]
    assert len(told) == warnings


async def test_another_password_is_unauthorized(prefect_server: PrefectServer):
    with talking_to(prefect_server.api_url, "tests:wrong"):
        found = await survey([])
    assert (found.access, found.problem) == (Access.UNAUTHORIZED, "it answered 401")


@pytest.mark.parametrize(("status", "is_open"), [(200, True), (401, False)])
async def test_a_server_that_answers_a_stranger_is_open(status: int, is_open: bool):
    date = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    async with HttpServer() as server:
        server.answers = [Answer(body='"3.8.0"', headers={"Date": date}), Answer(status=status)]
        with talking_to(server.url, "user:password"):
            found = await survey([])
        assert "authorization" in server.requests[0].headers
        assert "authorization" not in server.requests[1].headers
    assert (found.open, found.server_version) == (is_open, "3.8.0")
    assert -3610 < found.clock_ahead < -3590
