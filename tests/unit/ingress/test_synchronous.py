"""What a caller that waited gets, for each outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.deliveries.lifecycle import Status
from receiver.ingress import synchronous
from receiver.ingress.answers import Answer
from receiver.ingress.webhook import Webhook, compile_webhook
from receiver.replies.rendezvous import Ended, Outcome, Replied, TimeOver

URL = "http://receiver.test/api/deliveries/first?token=t"


def webhook(**fields: Any) -> Webhook:
    definition = {"key": "w", "mode": "sync", "deployment": "f/d", "verification": {"scheme": "none"}, **fields}
    return compile_webhook(parse_definition(definition, by="code"), revision=1, state="enabled")


def answered(outcome: Outcome, of: Webhook | None = None) -> tuple[Answer, Reason | None]:
    return synchronous.answer(
        outcome,
        of or webhook(),
        {"data": {"n": 7}},
        delivery_id="mine",
        shown_id="first",
        status_url=URL,
        now=datetime(2026, 3, 1, tzinfo=UTC),
        extra=[("webhook-duplicate-of", "first")],
    )


def result(value: Any) -> Replied:
    return Replied({**Reply(body={"result": value}).to_wire(), "status": None})


def test_the_flow_s_reply_is_sent_as_it_is():
    answer, reason = answered(Replied(Reply(status=201, body="héllo", headers={"X-A": "b"}).to_wire()))
    assert (answer.status, answer.body, reason) == (201, "héllo".encode(), None)
    headers = dict(answer.headers)
    assert headers["x-a"] == "b" and headers["webhook-delivery-id"] == "mine"
    assert headers["webhook-duplicate-of"] == "first"


def test_a_plain_result_is_200_or_what_the_response_makes_of_it():
    assert orjson.loads(answered(result([1, None]))[0].body) == [1, None]
    shaped = webhook(response={"status": 203, "body": {"got": "{{$result.sum}}", "n": "{{$context.data.n}}"}})
    answer, _ = answered(result({"sum": 3}), shaped)
    assert answer.status == 203 and orjson.loads(answer.body) == {"got": 3, "n": 7}


WIRES: list[dict[str, Any]] = [
    {"v": 1, "status": 200, "headers": {"Connection": "close"}, "body": None},
    {"v": 1, "status": 200, "headers": ["no", "mapping"], "body": None},
    {"v": 1, "status": 99, "headers": {}, "body": None},
    {"v": 1, "status": "200", "headers": {}, "body": None},
    {"v": 1, "status": 200, "headers": {}, "body": {"json": "{"}},
    {"v": 1, "status": 200, "headers": {}, "body": {"json": "[" * 100_000}},
    {"v": 1, "status": 200, "headers": {}, "body": {"base64": "!"}},
    {"v": 1, "status": 200, "headers": {}, "body": "text"},
    {"v": 1, "status": 200, "headers": {}, "body": 7},
    {"v": 1, "status": 204, "headers": {}, "body": {"text": '"x"'}},
    {"v": 1, "status": 200, "headers": {}, "body": {"text": '"' + "x" * 600_000 + '"'}},
    {"v": 1, "status": None, "headers": {}, "body": 7},
    {},
]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: str(wire)[:60])
def test_whatever_a_run_sends_that_is_no_reply_is_500_with_its_reason_or_an_empty_result(wire: dict[str, Any]):
    answer, reason = answered(Replied(wire))
    if wire:
        assert (answer.status, reason) == (500, Reason.BAD_REPLY)
    else:
        assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Ended(Status.COMPLETED), 200),
        (Ended(Status.FAILED), 500),
        (Ended(Status.CRASHED), 500),
        (Ended(Status.CANCELLED), 500),
        (Ended(Status.DEAD), 503),
        (TimeOver(), 202),
    ],
)
def test_an_end_without_a_reply_names_the_delivery(outcome: Outcome, status: int):
    answer, reason = answered(outcome)
    assert answer.status == status and reason is None
    assert orjson.loads(answer.body)["delivery_id"] == "first"
    assert ("retry-after" in dict(answer.headers)) is (status == 503)


def test_time_over_gives_the_status_url_also_as_504():
    late, _ = answered(TimeOver(), replace(webhook(), on_timeout=504))
    assert late.status == 504 and orjson.loads(late.body)["status_url"] == URL
    assert orjson.loads(answered(TimeOver())[0].body)["status_url"] == URL
