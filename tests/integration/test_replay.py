"""Replays and discards through the admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from tests.support.admin import AdminApi, admin_api
from tests.support.inbox import BY, NOW, ended, later, new_delivery

ORDERS = {"deployment": "orders/default", "verification": {"scheme": "none"}, "max_body": 100}
NEEDS_N = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def define(api: AdminApi, key: str = "orders", **fields: Any) -> None:
    definition = {**ORDERS, "state": "enabled", **fields}
    await api.services.definitions.put(definition, key=key, origin="api", by=BY, now=NOW)


async def stored(api: AdminApi, **fields: Any) -> str:
    return (await api.services.deliveries.accept(new_delivery(**fields), NOW)).id


async def refused(api: AdminApi, **fields: Any) -> str:
    new = new_delivery(status=Status.REJECTED, **{"verification": {}, "reason": Reason.SIGNATURE_MISMATCH, **fields})
    await api.services.deliveries.record_refusal(new)
    return new.id


async def post(api: AdminApi, path: str, scope: str = "write", **body: Any) -> httpx.Response:
    async with api.client(scope) as caller:
        return await caller.post(path, json=body)


async def get(api: AdminApi, path: str) -> httpx.Response:
    async with api.client("read") as caller:
        return await caller.get(path)


async def says(api: AdminApi, path: str, status: int, words: str, scope: str = "write", **body: Any) -> None:
    answer = await post(api, path, scope, **body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


async def test_a_failed_delivery_is_replayed_by_the_definition_in_force_now(api):
    await define(api, filter="false")
    await define(api, filter="false", schema=NEEDS_N)
    identity = await ended(api.services.deliveries, Status.FAILED, "run-1")
    answer = await post(api, f"/deliveries/{identity}/replay")
    assert answer.status_code == 202
    assert answer.json() == {
        "delivery_id": identity,
        "attempt": 2,
        "status": "queued",
        "revision": 2,
        "deployment": "orders/default",
        "warnings": [],
    }
    row = (await get(api, f"/deliveries/{identity}")).json()
    first, second = row["attempts"]
    assert (first["cause"], first["actor"], first["revision"]) == ("request", None, 1)
    assert (second["cause"], second["actor"], second["edited"], second["revision"]) == ("replay", "write", False, 2)
    assert (second["deployment"], second["deployment_id"]) == ("orders/default", "1")
    await says(api, f"/deliveries/{identity}/replay", 409, "under way (queued)")


async def test_a_held_delivery_is_refused_with_paths_until_its_cause_is_mended(api):
    await define(api, schema=NEEDS_N, parameters={"name": "{{$context.data.name}}"})
    identity = await stored(api, status=Status.HELD, reason=Reason.SCHEMA_MISMATCH, body=b'{"n": "one"}')
    answer = await post(api, f"/deliveries/{identity}/replay")
    assert answer.status_code == 422 and answer.json()["problems"][0]["path"] == "/n"
    await define(api, parameters={"name": "{{$context.data.name}}"})
    await says(api, f"/deliveries/{identity}/replay", 422, "template_error")
    assert (await get(api, f"/deliveries/{identity}")).json()["status"] == "held"
    await define(api)
    assert (await post(api, f"/deliveries/{identity}/replay")).status_code == 202


async def test_an_edited_body_is_given_to_its_attempt_alone(api):
    await define(api)
    identity = await stored(api, status=Status.HELD, reason=Reason.UNREADABLE, body=b"{")
    at = f"/deliveries/{identity}"
    await says(api, f"{at}/replay", 422, "unreadable")
    answer = await post(api, f"{at}/replay", data={"name": "Олена"})
    assert answer.json()["attempt"] == 1
    context = (await get(api, f"{at}/context?attempt=1")).json()
    assert (context["data"], context["attempt"]) == ({"name": "Олена"}, 1)
    assert (await get(api, f"{at}/body")).content == '{"name":"Олена"}'.encode()
    assert (await get(api, f"{at}/body?attempt=2")).status_code == 404
    assert (await get(api, at)).json()["attempts"][0]["edited"] is True
    (claim,) = await api.services.deliveries.claim(1, 60, datetime.now(UTC), "tests")
    await api.services.deliveries.give_up(claim, Reason.HANDOVER_REFUSED, "refused", NOW)
    await says(api, f"{at}/replay", 422, "unreadable")  # what came, not what it was edited to


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"body": "{}", "data": {}}, "one of body and data"),
        ({"content_type": "text/plain"}, "goes with body"),
        ({"body": "x" * 101}, "max_body is 100"),
        ({"body": "{"}, "unreadable"),
        ({"deployment": "orders"}, "flow-name/deployment-name"),
        ({"deployment": "orders/other"}, "no deployment 'orders/other'"),
        ({"bodyy": "{}"}, "bodyy"),
    ],
)
async def test_what_cannot_be_used_is_refused_and_nothing_changed(api, body, words):
    await define(api)
    identity = await ended(api.services.deliveries, Status.COMPLETED, "run-1")
    await says(api, f"/deliveries/{identity}/replay", 422, words, **body)
    assert (await get(api, f"/deliveries/{identity}")).json()["attempt"] == 1


async def test_an_edited_body_in_another_charset_says_its_type(api):
    await define(api)
    identity = await ended(api.services.deliveries, Status.FAILED, "run-1", content_type="text/plain; charset=latin-1")
    await says(api, f"/deliveries/{identity}/replay", 422, "another charset", body="é")
    answer = await post(api, f"/deliveries/{identity}/replay", body="é", content_type="text/plain")
    assert answer.status_code == 202


async def test_another_deployment_is_run_when_prefect_has_it_or_does_not_answer(api):
    await define(api)
    api.outside.deployments.add("orders/other")
    identity = await ended(api.services.deliveries, Status.FAILED, "run-1")
    answer = await post(api, f"/deliveries/{identity}/replay", deployment="orders/other")
    assert answer.json()["deployment"] == "orders/other"
    another = await ended_later(api, "run-2")
    api.outside.prefect_answers = False
    answer = await post(api, f"/deliveries/{another}/replay", deployment="orders/nobody")
    assert answer.status_code == 202 and "does not answer" in answer.json()["warnings"][0]


async def ended_later(api: AdminApi, run: str) -> str:
    store = api.services.deliveries
    for claim in await store.claim(10, 60, datetime.now(UTC), "tests"):
        await store.handed_over(claim, f"of-{claim.delivery_id}", NOW)
    return await ended(store, Status.FAILED, run)


async def test_what_is_under_way_unknown_or_no_longer_kept_is_refused(api):
    await define(api)
    assert (await post(api, "/deliveries/nobody/replay")).status_code == 404
    waits = await stored(api)
    await says(api, f"/deliveries/{waits}/replay", 409, "waits for its hand-over")
    gone = await stored(api, webhook="gone", status=Status.HELD, reason=Reason.UNREADABLE)
    await says(api, f"/deliveries/{gone}/replay", 409, "'gone' and its revision 1 are gone")


async def test_a_deleted_webhooks_delivery_is_judged_by_the_revision_it_came_under(api):
    await define(api)
    await api.services.definitions.delete("orders", BY, NOW)
    identity = await ended(api.services.deliveries, Status.FAILED, "run-1")
    assert (await post(api, f"/deliveries/{identity}/replay")).json()["revision"] == 1


async def test_a_refused_request_needs_an_administrator_and_is_marked_unverified(api):
    await define(api, verification={"scheme": "github", "secret": "block:webhook-secret/x"})
    identity = await refused(api)
    at = f"/deliveries/{identity}"
    await says(api, f"{at}/replay", 403, "scope 'admin'")
    assert (await post(api, f"{at}/replay", "admin")).status_code == 202
    context = (await get(api, f"{at}/context")).json()
    assert context["verification"] == {"scheme": "github", "secret": None, "unverified": True}
    cut = await refused(api, body=b"{" * 100, body_size=20_000)
    await says(api, f"/deliveries/{cut}/replay", 409, "are kept", "admin")
    unread = await refused(api, reason=Reason.BODY_TOO_LARGE, body=b"")
    await says(api, f"/deliveries/{unread}/replay", 409, "before its body was read", "admin")
    assert (await post(api, f"/deliveries/{unread}/replay", "admin", data={})).status_code == 202
    packed = await refused(api, headers={"content-encoding": "gzip"})
    await says(api, f"/deliveries/{packed}/replay", 409, "compressed", "admin")


async def test_a_call_that_is_repeated_makes_no_second_attempt(api):
    await define(api)
    store = api.services.deliveries
    identity = await ended(store, Status.FAILED, "run-1")
    assert (await post(api, f"/deliveries/{identity}/replay", latest_attempt=1)).status_code == 202
    (claim,) = await store.claim(1, 60, datetime.now(UTC), "tests")
    await store.give_up(claim, Reason.HANDOVER_REFUSED, "refused", NOW)
    await says(api, f"/deliveries/{identity}/replay", 409, "latest attempt is 2", latest_attempt=1)


async def test_many_are_replayed_in_pages_the_oldest_first_and_one_after_the_other(api):
    await define(api)
    ids = [await ended(api.services.deliveries, Status.FAILED, f"run-{n}") for n in range(5)]
    asked: dict[str, Any] = {"status": "failed", "per_second": 0.02, "limit": 3}
    dry = (await post(api, "/deliveries/replay", **asked, dry_run=True)).json()
    assert (dry["replayed"], dry["skipped"]) == (3, [])
    first = (await post(api, "/deliveries/replay", **asked)).json()
    assert first["delivery_ids"] == ids[:3]
    last = (await post(api, "/deliveries/replay", **asked, cursor=first["next_cursor"])).json()
    assert (last["delivery_ids"], last["next_cursor"]) == (ids[3:], None)
    rows = [(await api.services.deliveries.get(each)) for each in ids]
    turns = [row.attempts[-1].due_at for row in rows if row and row.attempts[-1].due_at]
    steps = {after - before for before, after in pairwise(turns)}
    assert steps == {timedelta(seconds=50)}


async def test_of_many_only_what_may_be_replayed_is_and_the_rest_says_why(api):
    await define(api)
    failed = await ended(api.services.deliveries, Status.FAILED, "run-1")
    filtered = await stored(api, status=Status.FILTERED, reason=Reason.FILTERED)
    unverified = await refused(api)
    unreadable = await stored(api, status=Status.HELD, reason=Reason.UNREADABLE, body=b"{")
    waits = await stored(api)
    answer = (await post(api, "/deliveries/replay", webhook="orders")).json()
    assert answer["delivery_ids"] == [failed]
    why = {each["id"]: each["why"] for each in answer["skipped"]}
    assert "asked for by that status" in why[filtered] and "asked for by that status" in why[unverified]
    assert "unreadable" in why[unreadable] and "under way" in why[waits]
    by_name = (await post(api, "/deliveries/replay", reason="filtered")).json()
    assert by_name["delivery_ids"] == [filtered]
    (left,) = (await post(api, "/deliveries/replay", status="rejected")).json()["skipped"]
    assert "scope 'admin'" in left["why"]
    answer = await post(api, "/deliveries/replay", "admin", ids=[unverified])
    assert answer.json()["delivery_ids"] == [unverified]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "say which"),
        ({"limit": 10}, "say which"),
        ({"webhook": "orders", "per_second": 0}, "per_second"),
        ({"webhook": "orders", "limit": 1001}, "limit"),
        ({"webhook": "orders", "cursor": "x"}, "next_cursor"),
        ({"webhook": "orders", "cursor": "1.99999999999999999.x"}, "cursor"),
        ({"webhook": "orders", "cursor": f"1.{10**40}.x"}, "cursor"),
        ({"statuss": "failed"}, "statuss"),
    ],
)
async def test_many_have_to_be_named_and_bounded(api, body, words):
    await says(api, "/deliveries/replay", 422, words, **body)


async def test_what_waits_at_a_paused_webhook_is_discarded_and_can_still_be_replayed(api):
    await says(api, "/webhooks/orders/discard", 404, "no webhook 'orders'")
    await define(api)
    await says(api, "/webhooks/orders/discard", 409, "is enabled")
    await define(api, state="paused")
    waits, held = await stored(api), await stored(api, status=Status.HELD, reason=Reason.UNREADABLE)
    assert (await post(api, "/webhooks/orders/discard")).json() == {"discarded": 1, "more": False}
    assert (await post(api, f"/deliveries/{held}/discard")).json()["discarded"] == 1
    await says(api, f"/deliveries/{held}/discard", 409, "waits for nothing")
    row = (await get(api, f"/deliveries/{waits}")).json()
    assert (row["status"], row["reason"], row["detail"]) == ("cancelled", "discarded", "by write")
    answer = (await post(api, f"/deliveries/{waits}/replay")).json()
    assert "is paused" in answer["warnings"][0]
    assert (await api.services.deliveries.backlog(later(0))).waiting == 0
