"""Upkeep through the admin API: a person's data is gone from the files too, what came of age gives back its disk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import NewDelivery
from tests.support.admin import AdminApi, admin_api
from tests.support.inbox import ended, later, new_delivery, new_replay

PERSON = "ada.lovelace@example.com"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


@pytest.fixture
async def admin(api: AdminApi) -> AsyncIterator[httpx.AsyncClient]:
    async with api.client() as client:
        yield client


def everywhere(home: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(home.glob("receiver.db*")))


async def erase(admin: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await admin.post("/deliveries/erase", json={"match": PERSON, **asked})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def store_of_a_person(api: AdminApi) -> dict[str, str]:
    """Deliveries that hold the person's address, each in another place; their ids by the place."""
    store = api.services.deliveries
    refused: dict[str, Any] = {"status": Status.REJECTED, "deployment": ""}
    places: dict[str, NewDelivery] = {
        "body": new_delivery(body=f'{{"mail": "{PERSON}", "pad": "{"x" * 9000}"}}'.encode(), **refused),
        "escaped": new_delivery(body=rb'{"mail": "ada.\u006covelace@EXAMPLE.com"}', **refused),
        "form": new_delivery(body=b"mail=ada.lovelace%40example.com", **refused),
        "header": new_delivery(headers={"x-from": PERSON}, **refused),
        "query": new_delivery(query={"mail": [PERSON, "b"]}, **refused),
        "params": new_delivery(params={"who": PERSON}, **refused),
        "path": new_delivery(path="/api/webhooks/of/ada.lovelace%40example.com", **refused),
        "event id": new_delivery(event=f"of {PERSON}", status=Status.FILTERED, deployment=""),
        "detail": new_delivery(detail=f"not for {PERSON}", **refused),
    }
    for new in places.values():
        await store.accept(new, new.received_at)
    replied = await ended(store, Status.COMPLETED, "00000000-0000-4000-8000-000000000001")
    await store.record_reply(replied, 1, {"v": 1, "status": 200, "headers": {}, "body": PERSON}, later(2))
    edited = await ended(store, Status.FAILED, "00000000-0000-4000-8000-000000000002")
    again = new_replay(edited, after=1, body=PERSON.encode(), content_type="text/plain")
    assert await store.replay([again], (await _by(api)), later(3)) == [2]
    (claim,) = await store.claim(10, 60, later(4), "tests")
    await store.handed_over(claim, "00000000-0000-4000-8000-000000000003", later(4))
    return {**{place: new.id for place, new in places.items()}, "reply": replied, "edited": edited}


async def _by(api: AdminApi) -> Any:
    from tests.support.inbox import BY

    return BY


async def test_a_persons_data_is_found_wherever_it_stands_and_is_gone_from_the_files(
    api: AdminApi, admin: httpx.AsyncClient, tmp_path: Path
) -> None:
    mine = await store_of_a_person(api)
    other = new_delivery(body=b'{"mail": "grace@example.com"}', status=Status.FILTERED, deployment="")
    await api.services.deliveries.accept(other, other.received_at)
    assert PERSON.encode() in everywhere(tmp_path)

    would = await erase(admin)
    assert set(would["delivery_ids"]) == set(mine.values())
    assert (await admin.get(f"/deliveries/{mine['body']}/body")).status_code == 200  # nothing is erased yet

    done = await erase(admin, dry_run=False)
    assert set(done["delivery_ids"]) == set(mine.values()) - {mine["edited"]}
    assert [each["id"] for each in done["left"]] == [mine["edited"]]  # its replay is under way
    from tests.support.inbox import run_state

    ended_now = run_state("00000000-0000-4000-8000-000000000003", Status.COMPLETED, later(5))
    await api.services.deliveries.follow(ended_now, "event", later(5))
    assert (await erase(admin, dry_run=False))["delivery_ids"] == [mine["edited"]]

    kept = everywhere(tmp_path)
    for form in (PERSON, "ada.lovelace%40", "covelace@EXAMPLE", "not for"):
        assert form.encode() not in kept, form
    assert b"grace@example.com" in kept
    assert api.outside.deleted_runs == [f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3)]

    delivery = (await admin.get(f"/deliveries/{mine['body']}")).json()
    assert (delivery["status"], delivery["webhook"], delivery["path"], delivery["headers"]) == (
        "rejected",
        "orders",
        "",
        {},
    )
    assert datetime.fromisoformat(delivery["notes"]["erased"]) <= datetime.now(UTC)
    assert (await admin.get(f"/deliveries/{mine['body']}/body")).status_code == 410
    audit = (await admin.get("/audit", params={"action": "delivery.erase"})).json()["items"]
    assert {each["object"] for each in audit} == set(mine.values())
    assert PERSON not in json.dumps(audit)


async def test_only_an_admin_erases_and_a_short_or_misspelt_wish_is_refused(api: AdminApi) -> None:
    async with api.client("write") as writer, api.client() as admin:
        assert (await writer.post("/deliveries/erase", json={"match": PERSON})).status_code == 403
        assert (await writer.post("/vacuum", json={})).status_code == 403
        for wrong in ({"match": "ada"}, {"match": "    a"}, {"match": PERSON, "dryrun": False}, {}):
            answer = await admin.post("/deliveries/erase", json=wrong)
            assert answer.status_code == 422 and PERSON not in answer.text


async def test_runs_of_what_is_erased_wait_for_prefect(api: AdminApi, admin: httpx.AsyncClient) -> None:
    run = "00000000-0000-4000-8000-000000000009"
    await ended(api.services.deliveries, Status.COMPLETED, run, body=PERSON.encode())
    api.outside.prefect_answers = False
    assert (await erase(admin, dry_run=False))["runs_left"] is True
    api.outside.prefect_answers = True
    assert (await admin.post("/purge")).json()["runs_left"] is False
    assert api.outside.deleted_runs == [run]


async def test_what_came_of_age_gives_back_its_disk_while_requests_are_stored(
    api: AdminApi, admin: httpx.AsyncClient, tmp_path: Path
) -> None:
    old = datetime.now(UTC) - timedelta(days=500)
    store = api.services.deliveries
    secret = "of-somebody-long-ago"
    for _ in range(300):
        body = (secret + "y" * 20_000).encode()
        new = new_delivery(received_at=old, status=Status.FILTERED, deployment="", body=body)
        await store.accept(new, old)
    before = (await admin.get("/size")).json()
    assert before["total"] > 6_000_000

    purged = (await admin.post("/purge")).json()
    assert (purged["rows"], purged["more"]) == (300, False)
    following, steps = None, 0
    while True:
        answer = (await admin.post("/vacuum", json={"part": following})).json()
        now = new_delivery(received_at=datetime.now(UTC))
        assert (await store.accept(now, now.received_at)).status is Status.QUEUED
        steps += 1
        following = answer["next"]
        if following is None:
            break
    assert steps > 1  # a part of the file at a time
    assert (tmp_path / "receiver.db").stat().st_size < 1_500_000
    assert answer["total"] < before["total"] / 4
    assert secret.encode() not in everywhere(tmp_path)
    full = await admin.post("/vacuum", json={"full": True})
    assert full.json()["next"] is None and full.json()["free"] == 0
    assert (await admin.post("/vacuum", json={"part": "elsewhere"})).status_code == 422
