"""Which answer an accepted request gets: the webhook's response, else its scheme's, else the plain one."""

from __future__ import annotations

from typing import Any

import pytest

from receiver.contract.parse import parse_definition
from receiver.contract.reply import Reply
from receiver.deliveries.lifecycle import Status
from receiver.ingress import synchronous
from receiver.ingress.decide import Judgement, Proven, judge, verify
from receiver.ingress.verify import Secrets
from receiver.ingress.webhook import Webhook, compile_webhook
from receiver.replies.rendezvous import Ended, Outcome, Replied, TimeOver
from tests.conformance.schemes import NOW
from tests.conformance.schemes.encrypted import WECOM_SECRET, XML, wecom

RESPONSE = {"status": 201, "body": {"id": "{{$context.data.xml.MsgId}}"}}


def webhook(**fields: Any) -> Webhook:
    usual = {"key": "w", "deployment": "f/d", "verification": {"scheme": "wecom", "secret": "block:webhook-secret/w"}}
    return compile_webhook(parse_definition({**usual, **fields}, by="code"), revision=1, state="enabled")


def judged(of: Webhook) -> Judgement:
    """What becomes of an encrypted message."""
    proven = verify(of, wecom(XML, WECOM_SECRET, NOW), Secrets(WECOM_SECRET), NOW)
    assert isinstance(proven, Proven)
    return judge(of, proven, params={}, delivery_id="d", now=NOW)


def test_filter_event_id_and_row_see_the_decrypted_message():
    judgement = judged(webhook(filter='context.data.xml.MsgId == "71"'))
    assert (judgement.status, judgement.redacted.body) == (Status.QUEUED, XML.body)
    assert judgement.document["data"] == {"xml": {"MsgId": "71", "Content": "你"}}
    assert judgement.redacted.headers["content-type"] == "text/xml; charset=utf-8"
    assert judgement.deduplication is not None and judgement.deduplication.key == "71"


@pytest.mark.parametrize(
    ("fields", "status", "reply"),
    [
        ({}, Status.QUEUED, Reply(status=200)),
        ({"filter": "false"}, Status.FILTERED, Reply(status=200)),
        ({"schema": {"type": "array"}}, Status.HELD, Reply(status=200)),
        ({"response": RESPONSE}, Status.QUEUED, Reply(status=201, headers={}, body={"id": "71"})),
        ({"response": {"body": "{{$context.data.none}}"}}, Status.HELD, Reply(status=200)),
        ({"mode": "sync", "response": RESPONSE, "filter": "false"}, Status.FILTERED, Reply(status=200)),
    ],
)
def test_what_a_sender_needs_to_hear_it_hears_whatever_becomes_of_the_request(
    fields: dict[str, Any], status: Status, reply: Reply
):
    judgement = judged(webhook(**fields))
    assert (judgement.status, judgement.reply) == (status, reply)


@pytest.mark.parametrize(
    ("outcome", "fields", "status"),
    [
        (Replied(Reply(status=203, body="mine").to_wire()), {}, 203),
        (Replied({**Reply(body={"result": 7}).to_wire(), "status": None}), {}, 200),
        (Replied({**Reply(body={"result": 7}).to_wire(), "status": None}), {"response": RESPONSE}, 201),
        (Ended(Status.COMPLETED), {}, 200),
        (TimeOver(), {}, 200),
        (TimeOver(), {"on_timeout": 504}, 504),
        (Ended(Status.FAILED), {}, 500),
    ],
)
def test_who_waits_hears_the_flow_first(outcome: Outcome, fields: dict[str, Any], status: int):
    of = webhook(mode="sync", **fields)
    judgement = judged(of)
    answer, _ = synchronous.answer(
        outcome,
        of,
        judgement.document,
        delivery_id="d",
        shown_id="d",
        status_url="u",
        now=NOW,
        needed=judgement.reply,
    )
    assert answer.status == status
    if status == 200:
        assert answer.body == b""
