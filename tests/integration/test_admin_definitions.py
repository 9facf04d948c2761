"""The life of a definition through the admin API: revisions, conditions, owners, and who may change anything."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.admin import AdminApi, admin_api

PLANTED = "planted-secret-value"
OPEN: dict[str, Any] = {"deployment": "orders/default", "verification": {"scheme": "none"}}
KEYED: dict[str, Any] = {**OPEN, "verification": {"scheme": "api-key", "secret": PLANTED}}
CODE = {"origin": "code", "source": "shop"}


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def test_every_route_that_changes_something_is_closed_to_readers_and_strangers(api):
    async with api.client("read") as reader, api.client(None) as nobody:
        document = (await reader.get("http://receiver.test/openapi.json")).json()
        routes = [(method, path) for path, each in document["paths"].items() for method in each if method != "get"]
        assert len(routes) > 8
        for method, path in routes:
            address = "http://receiver.test" + re.sub(r"\{\w+\}", "orders", path)
            for caller, status in ((nobody, 401), (reader, 403)):
                answer = await caller.request(method.upper(), address, json=OPEN)
                assert answer.status_code == status, f"{method} {path}"


async def test_revisions_tell_who_changed_what_and_outlive_the_webhook(api):
    async with api.client("write") as writer, api.client("read") as reader:
        assert (await reader.get("/webhooks/orders/revisions")).status_code == 404
        await writer.put("/webhooks/orders", json=KEYED)
        await writer.patch("/webhooks/orders", json={"methods": ["PUT"], "filter": "true"})
        await writer.patch("/webhooks/orders", json={"state": "paused"})
        await writer.delete("/webhooks/orders")
        whole = (await reader.get("/webhooks/orders/revisions")).json()["items"]
        latest, first = whole
        assert (latest["revision"], latest["actor"], latest["origin"]) == (2, "write", "api")
        assert latest["changes"] == [
            {"field": "filter", "before": None, "after": "true"},
            {"field": "methods", "before": ["POST"], "after": ["PUT"]},
        ]
        assert (first["revision"], first["changes"], first["definition"]["methods"]) == (1, [], ["POST"])
        page = (await reader.get("/webhooks/orders/revisions", params={"limit": 1})).json()
        rest = (await reader.get("/webhooks/orders/revisions", params={"cursor": page["next_cursor"]})).json()
        assert [*page["items"], *rest["items"]] == whole and rest["next_cursor"] is None


async def test_a_plain_secret_is_nowhere_but_in_its_block(api, caplog):
    caplog.set_level(logging.DEBUG)
    async with api.client("write") as caller:
        answers = [
            await caller.put("/webhooks/orders", json=KEYED, params={"dry_run": True}),
            await caller.put("/webhooks/orders", json=KEYED),
            await caller.put("/webhooks/orders", json={**KEYED, "mode": "later"}),
            await caller.put("/webhooks/orders", json=KEYED, headers={"If-Match": '"7"'}),
            await caller.post("/webhooks", json={**KEYED, "key": "orders"}),
            await caller.get("/webhooks/orders/revisions"),
            await caller.get("http://receiver.test/openapi.json"),
        ]
    assert [answer.status_code for answer in answers] == [200, 201, 422, 412, 409, 200, 200]
    assert list(api.outside.kept.values()) == [PLANTED]
    assert not [answer.url for answer in answers if PLANTED in answer.text + str(answer.headers)]
    assert PLANTED not in caplog.text


async def test_a_change_of_a_revision_that_is_no_longer_in_force_is_412(api):
    async with api.client("write") as caller:
        made = await caller.put("/webhooks/orders", json=OPEN, headers={"If-Match": '"0"'})
        assert made.status_code == 201 and made.headers["etag"] == '"1"'
        changed = await caller.patch("/webhooks/orders", json={"methods": ["PUT"]}, headers={"If-Match": '"1"'})
        assert changed.headers["etag"] == (await caller.get("/webhooks/orders")).headers["etag"] == '"2"'
        for method, content in (("PUT", OPEN), ("PATCH", {"state": "paused"}), ("DELETE", None)):
            late = await caller.request(method, "/webhooks/orders", json=content, headers={"If-Match": '"1"'})
            assert late.status_code == 412 and "revision 2 now" in late.json()["detail"]
        gone = await caller.put("/webhooks/nobody", json=OPEN, headers={"If-Match": '"1"'})
        assert gone.status_code == 412 and "gone" in gone.json()["detail"]
        wrong = await caller.put("/webhooks/orders", json=OPEN, headers={"If-Match": "*"})
        assert wrong.status_code == 422 and wrong.json()["field"] == "If-Match"
        shown = (await caller.get("/webhooks/orders")).json()
    assert (shown["methods"], shown["state"], shown["revision"]) == (["PUT"], "enabled", 2)


async def test_a_dry_run_tells_what_would_be_and_changes_nothing(api):
    async with api.client("write") as caller:
        dry = await caller.put("/webhooks/orders", json={**OPEN, "state": "paused"}, params={"dry_run": True})
        told = dry.json()
        assert (dry.status_code, told["state"], told["methods"], told["revision"]) == (200, "paused", ["POST"], 0)
        assert (await caller.get("/webhooks/orders")).status_code == 404
        await caller.put("/webhooks/orders", json={**OPEN, "state": "paused"})
        again = await caller.put("/webhooks/orders", json={**OPEN, "methods": ["PUT"]}, params={"dry_run": True})
        assert (again.json()["state"], again.json()["methods"], again.json()["revision"]) == ("paused", ["PUT"], 1)
        assert (await caller.get("/webhooks/orders")).json()["methods"] == ["POST"]
        refused = await caller.put("/webhooks/orders", json={**OPEN, "filter": "a.("}, params={"dry_run": True})
        assert refused.status_code == 422
    assert api.outside.kept == {}


async def test_a_project_neither_replaces_nor_deletes_what_is_anothers(api):
    async with api.client() as caller:
        made = await caller.put("/webhooks/orders", json=OPEN, params=CODE)
        assert made.json()["source"] == "shop"
        await caller.put("/webhooks/loose", json=OPEN, params={"origin": "code"})
        other = {**CODE, "source": "crm"}
        refused = await caller.put("/webhooks/orders", json=OPEN, params=other)
        assert refused.status_code == 409 and "belongs to 'shop'" in refused.json()["detail"]
        for key in ("orders", "loose"):
            assert (await caller.delete(f"/webhooks/{key}", params=other)).status_code == 409
        kept = await caller.put("/webhooks/orders", json=OPEN, params={"origin": "code"})
        assert kept.json()["source"] == "shop"
        taken = await caller.put("/webhooks/orders", json=OPEN, params={**other, "take_over": True})
        assert (taken.json()["source"], taken.json()["revision"]) == ("crm", 1)
        assert (await caller.delete("/webhooks/orders", params=other)).status_code == 204
