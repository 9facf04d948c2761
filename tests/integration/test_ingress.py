"""What a sender gets, on the whole receiver: each row of the table of answers."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.prefect import PrefectServer
from tests.support.receiver import RunningReceiver, github_signature, running_receiver, settings_for

SECRET = "the-quick-brown-secret"
PUSH = json.dumps({"ref": "refs/heads/main"}).encode()


@pytest.fixture(scope="module")
async def receiver(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer
) -> AsyncIterator[RunningReceiver]:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    updates = {PREFECT_API_URL: prefect_server.api_url, PREFECT_API_AUTH_STRING: prefect_server.auth_string}
    with pytest.MonkeyPatch.context() as patch, temporary_settings(updates=updates):
        patch.setenv("INGRESS_TEST_SECRET", SECRET)
        home: Path = tmp_path_factory.mktemp("ingress")
        async with running_receiver(settings_for(home)) as running:
            github = {"scheme": "github", "secret": "env:INGRESS_TEST_SECRET"}
            await running.define("open")
            await running.define("github", verification=github)
            await running.define("strict", verification=github, on_invalid="reject", schema={"required": ["name"]})
            await running.define("pushes", verification=github, filter='context.data.ref == "refs/heads/main"')
            await running.define("paused", state="paused")
            await running.define("disabled", state="disabled")
            await running.define("elsewhere", ip_allowlist=["192.0.2.0/24"])
            await running.define("small", max_body=100)
            await running.define("orders", path="shops/{shop_id}/orders/{order_id}", methods=["GET", "PUT"])
            await running.define("keyed", verification={"scheme": "api-key", "secret": "env:INGRESS_TEST_SECRET"})
            await running.define("nosecret", verification={"scheme": "bearer", "secret": "env:INGRESS_TEST_NOTHING"})
            await running.define(
                "shaped",
                response={
                    "status": 201,
                    "headers": {"X-Echo": "{{$context.data.name}}"},
                    "body": {"got": "{{$context.data}}"},
                },
            )
            await running.define("files", verification={"scheme": "dropbox", "secret": "env:INGRESS_TEST_SECRET"})
            await running.define("paused-github", verification=github, state="paused")
            await running.define("events", deduplicate={"key": "{{$context.headers.x-event-id}}"})
            yield running


async def test_an_accepted_request_is_stored_before_its_202_and_names_its_status_url(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/open", json={"a": 1}, headers={"X-Custom": "yes"})
    body = answer.json()
    assert answer.status_code == 202 and body["status"] == "queued"
    assert answer.headers["webhook-delivery-id"] == body["delivery_id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    row = await receiver.delivery(body["delivery_id"])
    assert row["webhook"] == "open" and row["headers"]["x-custom"] == "yes"
    status = await receiver.http.get(body["status_url"].split("8000")[-1])
    assert status.status_code == 200 and status.json()["delivery_id"] == body["delivery_id"]
    forged = await receiver.http.get(f"/api/deliveries/{body['delivery_id']}?token=1.2")
    assert forged.status_code == 404


async def test_a_signed_request_is_accepted_and_its_signature_is_kept_nowhere(receiver: RunningReceiver):
    signed = github_signature(SECRET, PUSH)
    answer = await receiver.http.post("/api/webhooks/github", content=PUSH, headers=signed)
    assert answer.status_code == 202
    row = await receiver.delivery(answer.json()["delivery_id"])
    assert row["verification"] == {"scheme": "github", "secret": "current"}
    assert row["headers"]["x-hub-signature-256"] == "***"
    assert signed["X-Hub-Signature-256"] not in json.dumps(row) + receiver.log.getvalue()


async def test_a_wrong_signature_is_401_without_a_cause_and_a_rejected_row_with_it(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/github", content=PUSH, headers=github_signature("wrong", PUSH))
    assert answer.status_code == 401 and "mismatch" not in answer.text
    row = await receiver.delivery(answer.headers["webhook-delivery-id"])
    assert row["status"] == "rejected" and row["reason"] == "signature_mismatch"
    assert (await receiver.logged())[-1]["reason"] == "signature_mismatch"


async def test_a_method_that_is_not_served_is_405_with_allow(receiver: RunningReceiver):
    answer = await receiver.http.get("/api/webhooks/open")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"


async def test_unknown_and_disabled_get_the_same_bytes(receiver: RunningReceiver):
    unknown = await receiver.http.post("/api/webhooks/nothing-here", json={})
    disabled = await receiver.http.post("/api/webhooks/disabled", json={})
    assert unknown.status_code == disabled.status_code == 404
    assert unknown.content == disabled.content
    names = {name for name in unknown.headers if name != "webhook-delivery-id"}
    assert names == {name for name in disabled.headers if name != "webhook-delivery-id"}


async def test_an_address_that_is_not_allowed_is_403(receiver: RunningReceiver):
    assert (await receiver.http.post("/api/webhooks/elsewhere", json={})).status_code == 403


async def test_a_header_of_a_stranger_does_not_change_its_address(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/elsewhere", json={}, headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.status_code == 403


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413_also_in_chunks(receiver: RunningReceiver, chunked: bool):
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 10

    answer = await receiver.http.post("/api/webhooks/small", content=chunks() if chunked else b"x" * 300)
    assert answer.status_code == 413


async def test_an_inflated_body_over_the_limit_is_413(receiver: RunningReceiver):
    bomb = gzip.compress(b"0" * 100_000)[:100]
    small = gzip.compress(b"0" * 5_000)
    assert len(small) < 100
    answer = await receiver.http.post("/api/webhooks/small", content=small, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 413
    answer = await receiver.http.post("/api/webhooks/small", content=bomb, headers={"Content-Encoding": "br"})
    assert answer.status_code == 415


async def test_a_gzipped_body_is_read(receiver: RunningReceiver):
    answer = await receiver.http.post(
        "/api/webhooks/shaped",
        content=gzip.compress(b'{"name": "Olena"}'),
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert answer.status_code == 201 and answer.headers["x-echo"] == "Olena"
    assert answer.json() == {"got": {"name": "Olena"}}


async def test_a_value_that_would_break_a_header_is_refused_not_sent(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/shaped", json={"name": "a\r\nSet-Cookie: x=1"})
    assert answer.status_code == 422 and "set-cookie" not in answer.headers


async def test_a_request_that_the_flow_cannot_use_is_refused_with_paths_or_held(receiver: RunningReceiver):
    body = b'{"nome": "x"}'
    refused = await receiver.http.post("/api/webhooks/strict", content=body, headers=github_signature(SECRET, body))
    assert refused.status_code == 422 and refused.json()["problems"]
    held = await receiver.http.post(
        "/api/webhooks/github",
        content=b"{not json",
        headers={"Content-Type": "application/json", **github_signature(SECRET, b"{not json")},
    )
    assert held.status_code == 202
    row = await receiver.delivery(held.json()["delivery_id"])
    assert row["status"] == "held" and row["reason"] == "unreadable"


async def test_an_unreadable_body_of_an_open_webhook_is_400(receiver: RunningReceiver):
    answer = await receiver.http.post(
        "/api/webhooks/open", content=b'{"a": NaN}', headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


async def test_what_the_filter_leaves_out_is_filtered_and_stored(receiver: RunningReceiver):
    body = b'{"ref": "refs/heads/other"}'
    answer = await receiver.http.post("/api/webhooks/pushes", content=body, headers=github_signature(SECRET, body))
    assert answer.status_code == 200 and answer.json() == {"status": "filtered"}
    assert (await receiver.delivery(answer.headers["webhook-delivery-id"]))["status"] == "filtered"


async def test_a_paused_webhook_accepts_and_does_not_start(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/paused", json={})
    assert answer.status_code == 202
    row = await receiver.delivery(answer.json()["delivery_id"])
    assert row["status"] == "queued" and row["reason"] == "paused"


async def test_path_parameters_and_methods_reach_the_delivery(receiver: RunningReceiver):
    answer = await receiver.http.put("/api/webhooks/shops/7/orders/%C3%A9?x=1&x=2&y=", json={})
    row = await receiver.delivery(answer.json()["delivery_id"])
    assert row["params"] == {"shop_id": "7", "order_id": "é"}
    assert row["query"] == {"x": ["1", "2"], "y": ""}


async def test_a_secret_that_cannot_be_resolved_is_503_never_401(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/nosecret", json={}, headers={"Authorization": "Bearer x"})
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert (await receiver.logged())[-1]["reason"] == "secret_unavailable"


async def test_an_api_key_is_masked_everywhere(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/keyed", json={"n": 1}, headers={"X-API-Key": SECRET})
    assert answer.status_code == 202
    row = await receiver.delivery(answer.json()["delivery_id"])
    assert SECRET not in json.dumps(row) + receiver.log.getvalue()
    assert (await receiver.http.post("/api/webhooks/keyed", json={}, headers={"X-API-Key": "no"})).status_code == 401


async def test_a_repeated_event_is_a_duplicate_and_another_body_is_a_conflict_that_runs(receiver: RunningReceiver):
    first = await receiver.http.post("/api/webhooks/events", json={"n": 1}, headers={"X-Event-Id": "evt-1"})
    again = await receiver.http.post("/api/webhooks/events", json={"n": 1}, headers={"X-Event-Id": "evt-1"})
    other = await receiver.http.post("/api/webhooks/events", json={"n": 2}, headers={"X-Event-Id": "evt-1"})
    # The deployment does not exist: once the first is dead its duplicate runs again, which is right as well.
    first_row = await receiver.delivery(first.json()["delivery_id"])
    if first_row["status"] != "dead":
        assert again.status_code == 200 and again.json() == {"status": "duplicate"}
        assert again.headers["webhook-duplicate-of"] == first.json()["delivery_id"]
        assert (await receiver.delivery(again.headers["webhook-delivery-id"]))["response_status"] == 200
    assert other.status_code == 202
    assert (await receiver.delivery(other.json()["delivery_id"]))["id_conflict"] is True


async def test_the_same_signed_request_under_another_event_id_is_recorded_and_not_run(receiver: RunningReceiver):
    answers = [
        await receiver.http.post("/api/webhooks/paused-github", content=b"{}", headers={**signed, **event})
        for signed in [github_signature(SECRET, b"{}")]
        for event in ({"X-GitHub-Delivery": "g-1"}, {"X-GitHub-Delivery": "g-2"}, {})
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    first, *replays = [await receiver.delivery(answer.headers["webhook-delivery-id"]) for answer in answers]
    assert first["status"] == "queued" and first["reason"] == "paused"
    for replay in replays:
        assert (replay["status"], replay["reason"], replay["duplicate_of"]) == ("duplicate", "replayed", first["id"])
    assert (await receiver.logged())[-1]["reason"] == "replayed"


async def test_a_check_of_the_url_is_answered_and_makes_no_delivery(receiver: RunningReceiver):
    answer = await receiver.http.get("/api/webhooks/files?challenge=%3Cb%3E")
    assert (answer.status_code, answer.text) == (200, "<b>")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await receiver.logged())[-1]["status"] == "handshake"
    assert (await receiver.http.get("/api/webhooks/files")).status_code == 405
    assert (await receiver.http.get(f"/api/webhooks/files?challenge={'x' * 2000}")).status_code == 401
    assert {row["status"] for row in await receiver.deliveries(webhook="files")} == {"rejected"}


async def test_a_request_without_its_event_id_is_accepted_and_marked(receiver: RunningReceiver):
    answer = await receiver.http.post("/api/webhooks/events", json={"n": 1})
    assert answer.status_code == 202
    assert "no key" in json.dumps((await receiver.delivery(answer.json()["delivery_id"]))["notes"])


async def test_every_request_is_one_json_line_without_query_or_body(receiver: RunningReceiver):
    before = len(await receiver.logged())
    await receiver.http.post("/api/webhooks/open?token=hidden-in-query", json={"p": "hidden-in-body"})
    lines = await receiver.logged()
    assert len(lines) == before + 1
    assert lines[-1]["answered"] == 202 and lines[-1]["webhook"] == "open"
    assert "hidden-in" not in json.dumps(lines[-1])


async def test_clashing_paths_are_refused_when_defined(receiver: RunningReceiver):
    answer = await receiver.admin.post(
        "/api/admin/webhooks",
        json={
            "key": "rival",
            "path": "shops/1/orders/{x}",
            "deployment": "a/b",
            "verification": {"scheme": "none"},
        },
    )
    assert answer.status_code == 422 and "clashes" in answer.text


async def test_health_tells_of_each_part(receiver: RunningReceiver):
    assert (await receiver.http.get("/health/live")).status_code == 200
    ready = await receiver.http.get("/health/ready")
    assert ready.status_code == 200 and set(ready.json()) == {"status", "inbox", "prefect", "behind_seconds"}
    assert ready.json() | {"behind_seconds": 0} == {
        "status": "ready",
        "inbox": True,
        "prefect": True,
        "behind_seconds": 0,
    }
