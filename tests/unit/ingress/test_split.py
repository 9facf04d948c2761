"""A request with many events: each is judged as a request of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from receiver.contract.errors import Unusable
from receiver.contract.parse import parse_definition
from receiver.contract.reasons import Reason
from receiver.contract.templates import compile_template
from receiver.deliveries.lifecycle import Status
from receiver.ingress.decide import Judgement, Proven, judge
from receiver.ingress.parts import MOST_PARTS, items_of
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Verified
from receiver.ingress.webhook import compile_webhook

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def judged(data: Any, method: str = "POST", **fields: Any) -> Judgement:
    """What becomes of a request with this body at a webhook with `split`."""
    usual = {"key": "crm", "deployment": "crm/main", "verification": {"scheme": "none"}, "split": "{{$context.data}}"}
    webhook = compile_webhook(parse_definition({**usual, **fields}, by="code"), revision=1, state="enabled")
    body = json.dumps(data).encode()
    request = RawRequest(
        method=method,
        path="/api/webhooks/crm",
        query_string="a=1",
        headers=(("content-type", "application/json"),),
        body=body,
        wire_body=body,
        client_ip="192.0.2.7",
        url="http://127.0.0.1:8000/api/webhooks/crm",
        received_at=NOW,
    )
    proven = Proven(request=request, verified=Verified(scheme="none", secret=None))
    return judge(webhook, proven, params={}, delivery_id="the-request", now=NOW)


def test_each_item_is_a_delivery_that_sees_itself_as_the_body():
    judgement = judged([{"n": 1}, {"n": 2}])
    assert (judgement.status, judgement.detail, judgement.deduplication) == (Status.SPLIT, "into 2", None)
    assert [part.document["data"] for part in judgement.parts] == [{"n": 1}, {"n": 2}]
    assert [json.loads(part.body) for part in judgement.parts] == [{"n": 1}, {"n": 2}]
    assert [part.id for part in judgement.parts] == sorted({part.id for part in judgement.parts})
    assert all(part.document["delivery_id"] == part.id for part in judgement.parts)
    assert all(part.document["query"] == {"a": "1"} for part in judgement.parts)


def test_filter_event_id_and_order_are_of_the_item():
    judgement = judged(
        [{"id": "a", "kind": "new"}, {"id": "b", "kind": "old"}, {"kind": "new"}],
        filter="context.data.kind == 'new'",
        deduplicate={"key": "{{$context.data.id}}"},
        ordering_key="{{$context.data.id | default(null)}}",
    )
    first, second, third = judgement.parts
    assert (first.status, second.status, third.status) == (Status.QUEUED, Status.FILTERED, Status.QUEUED)
    assert first.deduplication is not None and first.deduplication.key == "a"
    assert third.deduplication is None and "no key" in third.notes["deduplication"]
    assert (first.ordering_key, third.ordering_key) == ("a", None)


SCHEMA = {"type": "object", "required": ["n"]}


def test_one_item_that_cannot_be_used_refuses_the_request_or_is_held_alone():
    refused = judged([{"n": 1}, {}], schema=SCHEMA)
    assert (refused.status, refused.reason) == (Status.REJECTED, Reason.SCHEMA_MISMATCH)
    assert refused.detail.startswith("event 2: ") and not refused.parts
    held = judged([{"n": 1}, {}], schema=SCHEMA, on_invalid="hold")
    assert held.status is Status.SPLIT
    assert [(part.status, part.reason) for part in held.parts] == [
        (Status.QUEUED, None),
        (Status.HELD, Reason.SCHEMA_MISMATCH),
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [("text", "gives str, not a list"), (7, "gives int, not a list"), ([0] * (MOST_PARTS + 1), "1001 events")],
)
def test_what_is_no_list_or_too_long_cannot_be_split(data: Any, words: str):
    judgement = judged(data)
    assert (judgement.status, judgement.reason) == (Status.REJECTED, Reason.SPLIT_ERROR)
    assert words in judgement.detail


def test_a_single_object_is_a_list_of_one_and_an_empty_list_has_no_parts():
    assert [part.document["data"] for part in judged({"n": 1}).parts] == [{"n": 1}]
    assert judged([]).parts == ()


def test_a_get_without_a_body_is_one_event_that_its_query_tells():
    [part] = judged(None, method="GET", methods=["GET", "PUT"]).parts
    assert (part.document["data"], part.document["query"], part.body) == (None, {"a": "1"}, b"null")
    assert judged(None).reason is Reason.SPLIT_ERROR


def test_a_missing_list_is_named():
    with pytest.raises(Unusable, match=r"split_error: split: .*events"):
        items_of(compile_template("{{$context.data.events}}", roots=frozenset({"context"})), {"data": {}})
