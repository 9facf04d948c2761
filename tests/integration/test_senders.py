"""Senders with habits of their own, on the whole receiver: a token in the URL, encrypted bodies, answers they need."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from tests.conformance.schemes import make_request
from tests.conformance.schemes.encrypted import DINGTALK_SECRET, dingtalk
from tests.support.receiver import RunningReceiver

TOKEN = "k-5f2e9b07c1d84a36-5f2e9b07c1d84a36"
WRONG = TOKEN[::-1]


async def test_what_is_told_of_such_senders_holds_on_the_whole_receiver(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SENDERS_TEST_TOKEN", TOKEN)
    monkeypatch.setenv("SENDERS_TEST_DINGTALK", DINGTALK_SECRET)
    made = await receiver.define("odoo", verification={"scheme": "url-token", "secret": "env:SENDERS_TEST_TOKEN"})
    await receiver.define("ding", verification={"scheme": "dingtalk", "secret": "env:SENDERS_TEST_DINGTALK"})
    await the_token_in_the_url_opens_the_door_and_is_kept_nowhere(receiver, made["url"])
    await an_encrypted_event_is_stored_as_what_it_says_and_answered_encrypted(receiver)
    python = {"scheme": "python", "function": "any", "secret": "env:SENDERS_TEST_TOKEN"}
    body = {"key": "mine", "deployment": "none/none", "verification": python}
    refused = await receiver.admin.post("/api/admin/webhooks", json=body)
    assert refused.status_code == 422 and "defined in code" in refused.text


async def the_token_in_the_url_opens_the_door_and_is_kept_nowhere(receiver: RunningReceiver, url: str) -> None:
    assert url.endswith("/api/webhooks/odoo/{url_token}")
    accepted = await receiver.http.post(f"/api/webhooks/odoo/{TOKEN}", json={"_id": 7})
    assert accepted.status_code == 202
    row = await receiver.delivery(accepted.json()["delivery_id"])
    assert (row["path"], row["verification"]["secret"]) == ("/api/webhooks/odoo/***", "current")
    sample = {"body_base64": base64.b64encode(b"{}").decode()}
    sent = await receiver.admin.post("/api/admin/webhooks/odoo/send", json=sample)
    assert sent.json()["status"] == 202, sent.text
    unknown = await receiver.http.post(f"/api/webhooks/nothing/{TOKEN}", json={})
    wrong = await receiver.http.post(f"/api/webhooks/odoo/{WRONG}", json={})
    assert (unknown.status_code, unknown.content) == (wrong.status_code, wrong.content) == (404, wrong.content)
    assert unknown.headers.keys() == wrong.headers.keys()
    row = await receiver.delivery(wrong.headers["webhook-delivery-id"])
    assert (row["status"], row["reason"], row["path"]) == ("rejected", "credential_wrong", "/api/webhooks/odoo/***")
    lines = await receiver.logged()
    told = json.dumps(lines) + (await receiver.admin.get("/api/admin/deliveries")).text
    assert TOKEN not in told and WRONG not in told
    assert [line.get("secret") for line in lines] == ["current", "current", None, None]
    clash = {"key": "other", "path": "odoo/events", "deployment": "none/none", "verification": {"scheme": "none"}}
    assert "clashes" in (await receiver.admin.post("/api/admin/webhooks", json=clash)).text


async def an_encrypted_event_is_stored_as_what_it_says_and_answered_encrypted(receiver: RunningReceiver) -> None:
    event = b'{"EventType": "user_add_org", "UserId": ["u1"]}'
    sealed = dingtalk(make_request(event), DINGTALK_SECRET, datetime.now(UTC))
    address = f"/api/webhooks/ding?{sealed.query_string}"
    answer = await receiver.http.post(address, content=sealed.body, headers={"content-type": "application/json"})
    assert answer.status_code == 200 and set(answer.json()) == {"msg_signature", "timeStamp", "nonce", "encrypt"}
    delivery_id = answer.headers["webhook-delivery-id"]
    row = await receiver.delivery(delivery_id)
    assert (row["status"], row["response_status"]) == ("queued", 200)
    assert (await receiver.admin.get(f"/api/admin/deliveries/{delivery_id}/body")).content == event
    check = dingtalk(make_request(b'{"EventType": "check_url"}'), DINGTALK_SECRET, datetime.now(UTC))
    shaken = await receiver.http.post(f"/api/webhooks/ding?{check.query_string}", content=check.body)
    assert shaken.status_code == 200 and "encrypt" in shaken.json()
    assert (await receiver.logged())[-1]["status"] == "handshake"
    assert len(await receiver.deliveries(webhook="ding")) == 1
