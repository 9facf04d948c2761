"""Deliveries through the admin API: listed, shown, and their bytes given back so that nothing acts on them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from receiver.contract.reasons import Reason
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import RunState
from tests.support.admin import AdminApi, admin_api
from tests.support.inbox import NOW, later, new_delivery

BOUNDARY = "multipart/form-data; boundary=xyz"
FORM = (
    b'--xyz\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="page"; filename="evil\xc3\xa9.html"\r\n'
    b"Content-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n--xyz--\r\n"
)


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


async def stored(api: AdminApi, **fields) -> str:
    return (await api.services.deliveries.accept(new_delivery(**fields), NOW)).id


async def listed(api: AdminApi, **filters) -> list[str]:
    async with api.client("read") as caller:
        answer = await caller.get("/deliveries", params=filters)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_deliveries_are_listed_the_latest_first_and_in_pages(api):
    ids = [await stored(api, received_at=later(number)) for number in range(5)]
    async with api.client("read") as caller:
        found, cursor = [], None
        while True:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = (await caller.get("/deliveries", params=params)).json()
            assert page.keys() == {"items", "next_cursor"}
            found += [item["id"] for item in page["items"]]
            if not (cursor := page["next_cursor"]):
                break
    assert found == ids[::-1]


async def test_each_filter_narrows_the_list(api):
    plain = await stored(api, received_at=NOW)
    other = await stored(api, webhook="other", received_at=later(60), path="/api/webhooks/special")
    held = await stored(api, status=Status.HELD, reason=Reason.UNREADABLE, received_at=later(120))
    event = await stored(api, event="evt_1", received_at=later(180))
    assert await listed(api, webhook="other") == [other]
    assert await listed(api, status="held") == [held]
    assert await listed(api, reason="unreadable") == [held]
    assert await listed(api, event_id="evt_1") == [event]
    assert await listed(api, q="special") == [other]
    assert await listed(api, since=later(120).isoformat()) == [event, held]
    assert await listed(api, until="2026-03-01T12:01:00Z") == [plain]
    assert await listed(api, webhook="nobody") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "done"},
        {"reason": "because"},
        {"since": "yesterday"},
        {"since": "2026-03-01T12:00:00"},
        {"until": "9999-12-31T23:59:59Z"},
        {"limit": "0"},
        {"limit": "1000"},
        {"statuss": "failed"},
    ],
)
async def test_a_parameter_that_says_nothing_is_refused_and_not_ignored(api, wrong):
    async with api.client("read") as caller:
        answer = await caller.get("/deliveries", params=wrong)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["path"] == f"query.{next(iter(wrong))}"


async def test_a_delivery_is_shown_whole_with_its_runs_linked(api):
    identity = await stored(api, notes={"deduplication": "no key"}, headers={"x-api-key": "***", "accept": ["a", "b"]})
    store = api.services.deliveries
    (claim,) = await store.claim(1, 60, later(1), "test")
    await store.bind(claim, "deployment-id", "flow-id")
    await store.handed_over(claim, "run-1", later(2))
    ended = RunState(
        flow_run_id="run-1", status=Status.COMPLETED, state_name="Completed", at=later(4), started_at=later(3)
    )
    await store.follow(ended, "event", later(4))
    async with api.client("read") as caller:
        row = (await caller.get(f"/deliveries/{identity}")).json()
    assert (row["status"], row["attempt"], row["flow_run_id"]) == ("completed", 1, "run-1")
    assert row["received_at"] == "2026-03-01T12:00:00Z"
    assert row["headers"] == {"x-api-key": "***", "accept": ["a", "b"]}
    assert row["verification"] == {"scheme": "hmac", "secret": "current"}
    assert row["notes"] == {"deduplication": "no key"}
    (attempt,) = row["attempts"]
    assert attempt["flow_run_url"] == "http://prefect.test/runs/flow-run/run-1"
    assert (attempt["deployment_id"], attempt["run_ms"]) == ("deployment-id", 1000)
    changes = [(change["from"], change["to"], change["source"]) for change in row["status_changes"]]
    assert changes[-1][1:] == ("completed", "event")
    assert "body" not in row and "lease_owner" not in attempt


async def test_what_a_sender_sent_in_no_known_encoding_is_shown(api):
    identity = await stored(api, query={"a": "\udcff"}, headers={"x-odd": "\udc80\x00"}, path="/api/webhooks/%FF")
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["query"] == {"a": "\ufffd"}
        assert answer.json()["headers"] == {"x-odd": "\ufffd\x00"}
        assert (await caller.get(f"/deliveries/{identity}/context")).status_code == 200
        assert (await caller.get("/deliveries")).status_code == 200


async def test_a_body_is_a_download_that_no_browser_acts_on(api):
    html = b"<script>alert(1)</script>\xff\x00"
    identity = await stored(api, body=html, content_type="text/html; charset=utf-8")
    as_json = await stored(api, body=b'{"a":1}', content_type="application/json; charset=utf-8")
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}/body")
        known = await caller.get(f"/deliveries/{as_json}/body")
    assert answer.content == html
    assert answer.headers["content-type"] == "application/octet-stream"
    assert known.headers["content-type"] == "application/json; charset=utf-8"
    for each in (answer, known):
        assert each.headers["content-disposition"].startswith("attachment; filename=")
        assert each.headers["content-security-policy"].startswith("sandbox")
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["cache-control"] == "no-store"


async def test_a_file_is_a_download_by_its_position(api):
    identity = await stored(api, body=FORM, content_type=BOUNDARY)
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}/files/0")
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "filename*=UTF-8''evil%C3%A9.html" in answer.headers["content-disposition"]
        for index in ("1", "-1", "x", "999999999"):
            assert (await caller.get(f"/deliveries/{identity}/files/{index}")).status_code in {404, 422}
        broken = await stored(api, body=b"--xyz\r\nbroken", content_type=BOUNDARY)
        assert (await caller.get(f"/deliveries/{broken}/files/0")).status_code == 404


async def test_the_context_is_what_the_flow_gets(api):
    identity = await stored(api)
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}/context", params={"attempt": 1})
        assert answer.headers["content-type"] == "application/json"
        document = json.loads(answer.content)
        assert (document["data"], document["attempt"], document["delivery_id"]) == ({"n": 1}, 1, identity)
        assert (await caller.get(f"/deliveries/{identity}/context")).json() == document
        for attempt, status in ((2, 404), (0, 422)):
            answer = await caller.get(f"/deliveries/{identity}/context", params={"attempt": attempt})
            assert answer.status_code == status


async def test_a_body_that_cannot_be_read_has_no_context_but_its_bytes(api):
    identity = await stored(api, body=b"{", status=Status.HELD, reason=Reason.UNREADABLE)
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}/context")
        assert answer.status_code == 409 and "/body" in answer.json()["detail"]
        assert (await caller.get(f"/deliveries/{identity}/body")).content == b"{"


@pytest.mark.parametrize("rest", ["", "/body", "/files/0", "/context"])
@pytest.mark.parametrize("identity", ["00000000-0000-7000-8000-000000000000", "%00", "x" * 90, "%ED%A0%80"])
async def test_a_delivery_that_is_not_there_is_404(api, identity, rest):
    async with api.client("read") as caller:
        answer = await caller.get(f"/deliveries/{identity}{rest}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_list_never_reaches_past_its_moments(api):
    await stored(api, received_at=NOW)
    assert await listed(api, since=(NOW + timedelta(microseconds=1)).isoformat()) == []
    assert await listed(api, until=NOW.isoformat()) == []
