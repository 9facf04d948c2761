"""Guessing keys at the admin API: bounded, told in the log without the key, and not at the database's cost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.admin import AdminApi, admin_api

WRONG = "whk_wrong-0123456789"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


def guesser(api: AdminApi, address: str = "192.0.2.7", key: str = WRONG) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api.app, client=(address, 50000))
    bearer = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=transport, base_url="http://receiver.test", headers=bearer)


async def test_twenty_wrong_keys_are_answered_and_then_none_of_that_address(api: AdminApi) -> None:
    async with guesser(api) as stranger, api.client("read") as other:
        answers = [await stranger.get("/api/admin/webhooks") for _ in range(20)]
        assert {answer.status_code for answer in answers} == {401}
        for path in ("/api/admin/webhooks", "/api/admin/keys", "/docs", "/openapi.json", "/api/admin/nothing"):
            refused = await stranger.get(path)
            assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 60
            assert refused.headers["content-type"] == "application/problem+json"
        good = {"Authorization": f"Bearer {api.keys['admin']}"}
        assert (await stranger.get("/api/admin/webhooks", headers=good)).status_code == 429
        assert (await stranger.get("/docs", auth=("x", api.keys["read"]))).status_code == 429
        assert (await other.get("/webhooks")).status_code == 200


async def test_wrong_passwords_of_a_browser_count_and_its_first_request_does_not(api: AdminApi) -> None:
    async with guesser(api) as browser:
        del browser.headers["Authorization"]
        for _ in range(30):
            assert (await browser.get("/docs")).status_code == 401
        for _ in range(20):
            assert (await browser.get("/docs", auth=("x", WRONG))).status_code == 401
        assert (await browser.get("/docs", auth=("x", WRONG))).status_code == 429


async def test_a_network_of_ipv6_is_one_address(api: AdminApi) -> None:
    for number in range(20):
        async with guesser(api, f"2001:db8::{number:x}") as stranger:
            assert (await stranger.get("/api/admin/webhooks")).status_code == 401
    async with guesser(api, "2001:db8::ffff") as same, guesser(api, "2001:db8:0:1::1") as another:
        assert (await same.get("/api/admin/webhooks")).status_code == 429
        assert (await another.get("/api/admin/webhooks")).status_code == 401


async def test_strangers_behind_a_proxy_that_nobody_named_close_nothing_for_the_machine_it_is_on(api: AdminApi) -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.7"}
    async with guesser(api, "127.0.0.1") as proxy, api.client("read") as flow:
        for _ in range(20):
            assert (await proxy.get("/api/admin/webhooks", headers=forwarded)).status_code == 401
        assert (await proxy.get("/api/admin/webhooks", headers=forwarded)).status_code == 429
        assert (await flow.get("/webhooks")).status_code == 200


async def test_many_at_once_get_no_more_looks_than_the_bound_and_those_under_way(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0
    find = api.services.keys.find

    async def counted(*given):
        nonlocal looked
        looked += 1
        return await find(*given)

    monkeypatch.setattr(api.services.keys, "find", counted)
    async with guesser(api) as stranger:
        answers = await asyncio.gather(*(stranger.get("/api/admin/webhooks") for _ in range(300)))
    assert {answer.status_code for answer in answers} == {401, 429}
    assert 20 <= looked < 28 and looked == sum(answer.status_code == 401 for answer in answers)


async def test_each_refusal_is_a_line_in_the_log_with_its_address_and_without_the_key(
    api: AdminApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with guesser(api) as stranger:
        for _ in range(21):
            await stranger.delete(f"/api/admin/keys/{WRONG}%0d%0aforged")
    async with guesser(api, "192.0.2.8", api.keys["read"]) as reader:
        await reader.get("/api/admin/keys")
    lines = [record.getMessage() for record in caplog.records if record.name == "webhooks.admin"]
    assert len(lines) == 22
    assert lines[0] == (
        "DELETE /api/admin/keys/{key_id} from 192.0.2.7 was refused (401): This API key is not known or was revoked."
    )
    assert "(429)" in lines[20] and "(403)" in lines[21] and "'read'" in lines[21]
    told = "\n".join(lines)
    assert WRONG not in told and api.keys["read"] not in told and "forged" not in told
