"""Every change that the admin API makes is in its audit log, with who made it and from where, and without a secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.admin.api import admin_router
from receiver.deliveries.lifecycle import Status
from receiver.ingress.client_ip import Proxies, parse_networks
from tests.support.admin import AdminApi, admin_api
from tests.support.inbox import BY, NOW, new_delivery

OPEN: dict[str, Any] = {"deployment": "orders/default", "verification": {"scheme": "none"}}
PLAIN = "a-plain-secret-of-somebody"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def entries(api: AdminApi, **which: Any) -> list[dict[str, Any]]:
    """The oldest first, but for the keys that the test itself was given."""
    async with api.client() as caller:
        answer = await caller.get("/audit", params=which)
    assert answer.status_code == 200, answer.text
    return [each for each in answer.json()["items"][::-1] if each["key_name"] != BY.name]


async def test_every_route_that_changes_something_is_entered_and_no_other(api: AdminApi) -> None:
    held, filtered, third = [
        new_delivery(webhook="shop", status=status) for status in (Status.HELD, *[Status.FILTERED] * 2)
    ]
    for each in (held, filtered, third):
        await api.services.deliveries.accept(each, NOW)
    secured = {**OPEN, "verification": {"scheme": "api-key", "secret": PLAIN}}
    async with api.client("write") as writer, api.client() as admin:
        calls = [
            await writer.put("/webhooks/shop", json=OPEN),
            await writer.put("/webhooks/shop", json={**secured, "filter": "true"}, params={"dry_run": True}),
            await writer.put("/webhooks/shop", json=secured),
            await writer.put("/webhooks/shop", json=secured),  # the secret anew, the definition as it was
            await writer.patch("/webhooks/shop", json={"state": "paused"}),
            await writer.post("/webhooks/shop/send", json={}),
            await writer.post(f"/deliveries/{filtered.id}/replay"),
            await writer.post("/deliveries/replay", json={"ids": [third.id]}),
            await writer.post(f"/deliveries/{held.id}/discard"),
            await writer.post("/webhooks/shop/discard"),
            await writer.delete("/webhooks/shop"),
            await admin.put("/webhooks/coded", json=OPEN, params={"origin": "code"}),
            await writer.post("/alerts/test"),
            await admin.put("/alerts/automation", json={"notify": "slack-webhook/team", "dry_run": True}),
            await admin.put("/alerts/automation", json={"notify": "slack-webhook/team"}),
            await admin.post("/keys", json={"name": "ci", "expires": "1d"}),
        ]
        made = calls[-1].json()
        calls.append(await admin.delete(f"/keys/{made['id']}"))
        for path in ("/webhooks", "/webhooks/coded", "/deliveries", f"/deliveries/{held.id}/body", "/keys", "/audit"):
            calls.append(await admin.get(path))
    assert all(answer.is_success for answer in calls), [answer.text for answer in calls if not answer.is_success]

    found = await entries(api)
    assert [(each["action"], each["object"], each["key_name"], each["origin"]) for each in found] == [
        ("webhook.create", "shop", "write", "api"),
        ("webhook.secret", "shop", "write", "api"),
        ("webhook.update", "shop", "write", "api"),
        ("webhook.secret", "shop", "write", "api"),
        ("webhook.state", "shop", "write", "api"),
        ("webhook.send", "shop", "write", "api"),
        ("delivery.replay", filtered.id, "write", "api"),
        ("delivery.replay", third.id, "write", "api"),
        ("delivery.discard", held.id, "write", "api"),
        ("delivery.discard", "shop", "write", "api"),
        ("webhook.delete", "shop", "write", "api"),
        ("webhook.create", "coded", "admin", "code"),
        ("alert.test", "", "write", "api"),
        ("alert.automation", "a-1", "admin", "api"),
        ("key.create", made["id"], "admin", "api"),
        ("key.revoke", made["id"], "admin", "api"),
    ]
    assert {each["key_id"] for each in found} == {
        row.id for row in await api.services.keys.list() if row.name != "read"
    }
    update = {each["field"]: each["after"] for each in found[2]["changes"]}
    assert update["verification.secret"].startswith("block:webhook-secret/shop-") and "filter" not in update
    assert found[9]["changes"] == [{"field": "discarded", "before": None, "after": 2}]
    everything = json.dumps(found)
    assert PLAIN not in everything and made["key"][8:] not in everything


async def test_what_was_refused_is_not_entered(api: AdminApi) -> None:
    async with api.client("read") as reader, api.client("write") as writer, api.client() as admin:
        assert (await reader.put("/webhooks/shop", json=OPEN)).status_code == 403
        assert (await writer.put("/webhooks/shop", json={"deployment": "a/b"})).status_code == 422
        assert (await admin.post("/keys", json={})).status_code == 422
        assert (await writer.post("/deliveries/nobody/replay")).status_code == 404
    api.outside.prefect_answers = False
    async with api.client("write") as writer:
        secured = {**OPEN, "verification": {"scheme": "api-key", "secret": PLAIN}}
        assert (await writer.put("/webhooks/shop", json=secured)).status_code == 503
    assert await entries(api) == []


async def test_the_address_is_the_callers_behind_proxies_that_are_trusted(api: AdminApi) -> None:
    app = httpx.ASGITransport(_behind(api, "10.0.0.0/8"), client=("10.0.0.1", 1))
    claims = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7", "Authorization": f"Bearer {api.keys['write']}"}
    async with httpx.AsyncClient(transport=app, base_url="http://receiver.test", headers=claims) as proxied:
        await proxied.put("/api/admin/webhooks/shop", json=OPEN)
    async with api.client("write") as direct:
        await direct.patch("/webhooks/shop", json={"state": "paused"}, headers={"X-Forwarded-For": "6.6.6.6"})
    assert [each["address"] for each in await entries(api, object="shop")] == ["192.0.2.7", "127.0.0.1"]


def _behind(api: AdminApi, proxies: str) -> Any:
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(admin_router(replace(api.services, proxies=Proxies(parse_networks([proxies])))))
    return app


async def test_entries_are_asked_for_page_by_page_and_unknown_questions_are_refused(api: AdminApi) -> None:
    async with api.client() as admin:
        for number in range(5):
            await admin.put(f"/webhooks/w{number}", json=OPEN)
        which: dict[str, Any] = {"limit": 3, "action": "webhook.create"}
        first = (await admin.get("/audit", params=which)).json()
        second = (await admin.get("/audit", params={**which, "cursor": first["next_cursor"]})).json()
        assert [each["object"] for page in (first, second) for each in page["items"]] == ["w4", "w3", "w2", "w1", "w0"]
        assert second["next_cursor"] is None
        for wrong in ({"actor": "x"}, {"action": "x"}, {"limit": 201}, {"cursor": "x"}, {"since": "yesterday"}):
            assert (await admin.get("/audit", params=wrong)).status_code == 422, wrong
