"""Webhooks through the admin API: made, changed, deleted; secrets kept apart; code and operators kept apart."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from receiver.deliveries.lifecycle import Status
from receiver.ingress.answers import Answer
from tests.support.admin import AdminApi, admin_api
from tests.support.inbox import NOW, new_delivery

PLANTED = "planted-secret-value"
OPEN: dict[str, Any] = {"key": "orders", "deployment": "orders/default", "verification": {"scheme": "none"}}
KEYED: dict[str, Any] = {**OPEN, "verification": {"scheme": "api-key", "secret": PLANTED}}


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def test_a_webhook_is_made_read_listed_and_deleted(api):
    async with api.client("write") as caller:
        made = await caller.post("/webhooks", json=OPEN)
        assert made.status_code == 201
        assert made.headers["location"] == "/api/admin/webhooks/orders"
        webhook = made.json()
        assert webhook["url"] == "http://receiver.test/api/webhooks/orders"
        assert (webhook["origin"], webhook["revision"], webhook["state"]) == ("api", 1, "enabled")
        assert webhook["methods"] == ["POST"] and webhook["warnings"] == []
        assert webhook["created_at"].endswith("Z")
        assert api.outside.refreshed == 1
        shown = (await caller.get(made.headers["location"].removeprefix("/api/admin"))).json()
        assert shown == {**webhook, "stats": {"total": 0, "by_status": {}}}
        assert (await caller.get("/webhooks")).json() == {"items": [webhook], "next_cursor": None}
        assert (await caller.delete("/webhooks/orders")).status_code == 204
        assert (await caller.get("/webhooks/orders")).status_code == 404
        assert (await caller.delete("/webhooks/orders")).status_code == 404


async def test_stats_count_deliveries_by_status(api):
    for status in (Status.QUEUED, Status.QUEUED, Status.FILTERED):
        await api.services.deliveries.accept(new_delivery(status=status), NOW)
    async with api.client("write") as caller:
        await caller.post("/webhooks", json=OPEN)
        stats = (await caller.get("/webhooks/orders")).json()["stats"]
    assert stats == {"total": 3, "by_status": {"filtered": 1, "queued": 2}}


@pytest.mark.parametrize("key", [None, "left out"])
async def test_a_key_that_is_left_out_is_one_nobody_can_guess(api, key):
    given = {**OPEN, "key": None} if key is None else {name: OPEN[name] for name in OPEN if name != "key"}
    async with api.client("write") as caller:
        keys = {(await caller.post("/webhooks", json=given)).json()["key"] for _ in range(2)}
        assert len(keys) == 2 and all(re.fullmatch("[a-z0-9]{24}", each) for each in keys)
        for each in keys:
            assert (await caller.get(f"/webhooks/{each}")).json()["url"].endswith(f"/{each}")


async def test_a_key_that_is_taken_is_409(api):
    async with api.client("write") as caller:
        await caller.post("/webhooks", json=OPEN)
        assert (await caller.post("/webhooks", json=OPEN)).status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"key": "Not A Slug"}, "key"),
        ({"key": 5}, "key"),
        ({"deployment": None}, "deployment"),
        ({"verification": None}, "verification"),
        ({"verification": {"scheme": "api-key", "secret": ""}}, "verification.secret"),
        ({"metods": ["POST"]}, "metods"),
        ({"mode": "later"}, "mode"),
        ({"retention": "1d"}, "retention"),
        ({"path": "taken/{id}"}, "path"),
        ({"filter": "context.data.("}, "filter"),
        ({"parameters": {"context": "{{$nothing}}"}}, "parameters"),
    ],
)
async def test_a_definition_that_cannot_be_used_names_the_field(api, change, field):
    async with api.client("write") as caller:
        taken = await caller.post("/webhooks", json={**OPEN, "key": "other", "path": "taken/{number}"})
        assert taken.status_code == 201
        answer = await caller.post("/webhooks", json={**OPEN, **change})
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert problem["field"].startswith(field), problem
        assert problem["problems"][0]["problem"]
        assert (await caller.get("/webhooks/orders")).status_code == 404


async def test_a_plain_secret_goes_into_a_block_and_no_answer_ever_holds_it(api):
    texts = []

    async def call(caller: httpx.AsyncClient, method: str, path: str, content: Any = None) -> Any:
        answer = await caller.request(method, path, json=content)
        assert answer.status_code < 400, answer.text
        texts.append(answer.text + str(answer.headers))
        return answer.json() if answer.content else None

    async with api.client("write") as caller:
        made = await call(caller, "POST", "/webhooks", KEYED)
        reference = made["verification"]["secret"]
        assert re.fullmatch("block:webhook-secret/orders-[0-9a-f]{8}", reference)
        name = reference.removeprefix("block:webhook-secret/")
        assert api.outside.kept == {name: PLANTED}
        await call(caller, "GET", "/webhooks/orders")
        await call(caller, "GET", "/webhooks")
        rotated = await call(
            caller, "PATCH", "/webhooks/orders", {"verification": {**KEYED["verification"], "secret": PLANTED * 2}}
        )
        assert rotated["verification"]["secret"] == reference
        assert api.outside.kept == {name: PLANTED * 2}
        kept = await call(caller, "PUT", "/webhooks/orders", made)
        assert kept["verification"]["secret"] == reference
        other = await call(caller, "POST", "/webhooks", {**KEYED, "key": "other", "verification": made["verification"]})
        assert other["verification"]["secret"] == reference
        # Shared now: the block of the other one is not to be overwritten.
        moved = await call(caller, "PUT", "/webhooks/orders", KEYED)
        assert moved["verification"]["secret"] != reference
        await call(caller, "DELETE", "/webhooks/orders")
    assert not [text for text in texts if PLANTED in text]
    revisions = [await api.services.definitions.revision("orders", number) for number in (1, 2)]
    assert PLANTED not in repr(revisions)


@pytest.mark.parametrize("trouble", ["prefect_answers", "block_type_exists"])
async def test_a_secret_that_cannot_be_kept_changes_nothing(api, trouble):
    setattr(api.outside, trouble, False)
    async with api.client("write") as caller:
        answer = await caller.post("/webhooks", json=KEYED)
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert (await caller.get("/webhooks/orders")).status_code == 404


async def test_a_secret_is_not_kept_for_a_definition_that_is_refused(api):
    async with api.client("write") as caller:
        assert (await caller.post("/webhooks", json={**KEYED, "mode": "later"})).status_code == 422
    assert api.outside.kept == {}


async def test_references_to_the_machine_are_for_administrators(api):
    keyed = {**OPEN, "verification": {"scheme": "api-key", "secret": "env:ORDERS_KEY"}}
    async with api.client("write") as writer, api.client("admin") as admin:
        refused = await writer.post("/webhooks", json=keyed)
        assert refused.status_code == 422 and refused.json()["field"] == "verification.secret"
        assert (await admin.post("/webhooks", json=keyed)).status_code == 201
        # What an administrator set stays when somebody else changes another field.
        assert (await writer.patch("/webhooks/orders", json={"methods": ["PUT"]})).status_code == 200
        moved = {"verification": {"scheme": "api-key", "secret": "env:OTHER_KEY"}}
        assert (await writer.patch("/webhooks/orders", json=moved)).status_code == 422
        for forbidden in ("env:WEBHOOKS_ADMIN_KEY", "env:PREFECT_API_AUTH_STRING", "file:../x", "file:/etc/passwd"):
            answer = await admin.patch(
                "/webhooks/orders", json={"verification": {"scheme": "api-key", "secret": forbidden}}
            )
            assert answer.status_code == 422, forbidden


async def test_put_replaces_and_says_whether_it_made(api):
    async with api.client("write") as caller:
        made = await caller.put("/webhooks/orders", json={**OPEN, "filter": "true"})
        assert made.status_code == 201 and made.headers["location"] == "/api/admin/webhooks/orders"
        replaced = await caller.put("/webhooks/orders", json={name: OPEN[name] for name in OPEN if name != "key"})
        assert replaced.status_code == 200
        assert "filter" not in replaced.json() and replaced.json()["revision"] == 2
        assert (await caller.put("/webhooks/orders", json=replaced.json())).json()["revision"] == 2
        elsewhere = await caller.put("/webhooks/orders", json={**OPEN, "key": "other"})
        assert elsewhere.status_code == 422 and elsewhere.json()["field"] == "key"


async def test_patch_replaces_fields_and_takes_away_what_is_null(api):
    async with api.client("write") as caller:
        await caller.post("/webhooks", json={**OPEN, "filter": "true", "max_body": "2MiB"})
        changed = (await caller.patch("/webhooks/orders", json={"filter": None, "methods": ["PUT"]})).json()
        assert "filter" not in changed
        assert (changed["methods"], changed["max_body"]) == (["PUT"], 2 * 1024 * 1024)
        for wrong in ({"key": "other"}, {"state": None}, {"state": "off"}, {"state": 3}, {"deployment": None}):
            assert (await caller.patch("/webhooks/orders", json=wrong)).status_code == 422, wrong
        assert (await caller.patch("/webhooks/nobody", json={"state": "paused"})).status_code == 404


async def test_a_pause_stays_until_somebody_speaks_of_the_state(api):
    async with api.client("write") as caller:
        await caller.post("/webhooks", json=OPEN)
        assert (await caller.patch("/webhooks/orders", json={"state": "paused"})).json()["state"] == "paused"
        assert (await caller.patch("/webhooks/orders", json={"methods": ["PUT"]})).json()["state"] == "paused"
        assert (await caller.put("/webhooks/orders", json=OPEN)).json()["state"] == "paused"
        assert (await caller.put("/webhooks/orders", json={**OPEN, "state": "enabled"})).json()["state"] == "enabled"


async def test_what_code_owns_is_changed_by_code_alone_but_for_its_state(api):
    async with api.client() as caller:
        made = await caller.put("/webhooks/orders", params={"origin": "code"}, json=OPEN)
        assert made.status_code == 201 and made.json()["origin"] == "code"
        for method, content in (("PUT", OPEN), ("PATCH", {"methods": ["PUT"]}), ("DELETE", None)):
            refused = await caller.request(method, "/webhooks/orders", json=content)
            assert refused.status_code == 409
            assert "webhooks deploy" in refused.json()["detail"]
        assert (await caller.patch("/webhooks/orders", json={"state": "paused"})).json()["state"] == "paused"
        again = await caller.put("/webhooks/orders", params={"origin": "code"}, json={**OPEN, "state": "enabled"})
        assert again.status_code == 200
        assert (again.json()["state"], again.json()["revision"]) == ("paused", 1)
        assert (await caller.delete("/webhooks/orders", params={"origin": "code"})).status_code == 204


async def test_code_does_not_take_over_what_was_made_by_hand(api):
    async with api.client() as caller:
        await caller.post("/webhooks", json=OPEN)
        assert (await caller.put("/webhooks/orders", params={"origin": "code"}, json=OPEN)).status_code == 409
        assert (await caller.delete("/webhooks/orders", params={"origin": "code"})).status_code == 409


async def test_a_deployment_that_is_not_there_yet_is_a_warning(api):
    async with api.client("write") as caller:
        missing = (await caller.post("/webhooks", json={**OPEN, "deployment": "new/one"})).json()
        assert "no deployment 'new/one' yet" in missing["warnings"][0]
        api.outside.prefect_answers = False
        unknown = (await caller.put("/webhooks/orders", json=OPEN)).json()
        assert "Prefect does not answer" in unknown["warnings"][0]


async def test_a_sample_is_sent_and_its_answer_told(api):
    async with api.client("write") as caller:
        await caller.post("/webhooks", json=OPEN)
        content = {"method": "put", "headers": [["X-A", "1"]], "params": {"id": "7"}, "query": "a=1"}
        content["body_base64"] = "eyJhIjoxfQ=="
        answer = (await caller.post("/webhooks/orders/send", json=content)).json()
        assert answer == {
            "status": 202,
            "headers": [["webhook-delivery-id", "d-1"]],
            "body": '{"status":"queued"}',
            "body_base64": None,
            "delivery_id": "d-1",
        }
        api.outside.answer = Answer(status=200, headers=[], body=b"\xff\xfe")
        binary = (await caller.post("/webhooks/orders/send", json={})).json()
        assert (binary["body"], binary["body_base64"], binary["delivery_id"]) == (None, "//4=", None)
        for wrong in ({"body_base64": "not base64!"}, {"method": "GET /"}, {"spare": 1}):
            assert (await caller.post("/webhooks/orders/send", json=wrong)).status_code == 422, wrong
        assert (await caller.post("/webhooks/nobody/send", json={})).status_code == 404
    (key, sample), (_, second) = api.outside.sent
    assert (key, sample.method, sample.headers, sample.params, sample.query, sample.body) == (
        "orders",
        "PUT",
        [("X-A", "1")],
        {"id": "7"},
        "a=1",
        b'{"a":1}',
    )
    assert second.body is None
