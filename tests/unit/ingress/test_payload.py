"""`payload: reference`: Prefect is given the delivery's id, and nothing of the request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from receiver.contract.envelope import decode_batch, decode_envelope
from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.deliveries.store import DeliveryStore
from receiver.ingress.parameters import StoredContexts
from receiver.storage import Database
from receiver.webhooks.definitions import ABSENT, DefinitionStore
from tests.support.inbox import BY, NOW, claim_one, later, new_delivery

BODY = b'{"name": "a very private name"}'


def definition(**fields: Any) -> dict[str, Any]:
    return {"key": "orders", "deployment": "f/d", "verification": {"scheme": "none"}, **fields}


async def dispatched(home: Path, bodies: int = 1, **fields: Any) -> dict[str, Any]:
    """The parameters of the run for so many requests with the same private body, as the dispatcher asks for them."""
    database = Database.open(None, home)
    try:
        deliveries, definitions = DeliveryStore(database), DefinitionStore(database)
        parsed = parse_definition(definition(**fields), by="code")
        await definitions.put(parsed.to_json(), key="orders", origin="api", source=None, by=BY, now=NOW, expect=ABSENT)
        sharing = {"sharing": _sharing(parsed)} if parsed.batch else {}
        for _ in range(bodies):
            await deliveries.accept(new_delivery(body=BODY, revision=1, **sharing), NOW)
        claim = await claim_one(deliveries, later(60))
        return await StoredContexts(deliveries, definitions).parameters(claim)
    finally:
        await database.close()


def _sharing(parsed: Any) -> Any:
    from receiver.deliveries.records import Sharing

    return Sharing(max_size=parsed.batch.max_size, max_wait=parsed.batch.max_wait)


async def test_by_default_a_small_request_is_in_the_runs_parameters(tmp_path: Path):
    assert "private" in json.dumps(await dispatched(tmp_path))


async def test_by_reference_the_runs_parameters_name_the_delivery_and_nothing_of_the_request(tmp_path: Path):
    parameters = await dispatched(tmp_path, payload="reference")
    assert decode_envelope(parameters["context"]).by_reference
    assert set(parameters["context"]) == {"v", "delivery_id", "attempt", "ref"}
    assert "private" not in json.dumps(parameters)


async def test_what_is_mapped_of_the_rest_of_the_request_is_still_rendered(tmp_path: Path):
    mapped = {"context": "{{$context}}", "shop": "{{$context.params.shop}}", "kind": "x"}
    parameters = await dispatched(tmp_path, payload="reference", parameters=mapped)
    assert (parameters["shop"], parameters["kind"]) == ("7", "x") and "private" not in json.dumps(parameters)


async def test_a_run_for_many_gets_as_many_ids(tmp_path: Path):
    batch = {"max_size": 2, "max_wait": "1s"}
    parameters = await dispatched(tmp_path, bodies=2, payload="reference", batch=batch)
    assert [each.by_reference for each in decode_batch(parameters["context"])] == [True, True]
    assert "private" not in json.dumps(parameters)


@pytest.mark.parametrize(
    "template",
    [
        "{{$context.data}}",
        "{{$context.data.name}}",
        "{{$context.body.name}}",
        '{{$context["data"].name}}',
        "{{$context.files[0].filename}}",
        "for {{$context.data.name | upper}}",
        "all: {{$context}}",
        "{{$context | json}}",
        {"deep": ["in", {"here": "{{$context.data.name}}"}]},
    ],
)
def test_parameters_that_copy_the_body_to_prefect_are_refused_beside_it(template: Any):
    mapped = {"context": "{{$context}}", "name": template}
    assert parse_definition(definition(parameters=mapped), by="write").payload == "value"
    with pytest.raises(DefinitionError, match=r"parameters\.name copies it") as refused:
        parse_definition(definition(parameters=mapped, payload="reference"), by="write")
    assert refused.value.field == "payload"


def test_there_are_two_ways_and_no_third():
    with pytest.raises(DefinitionError, match="payload"):
        parse_definition(definition(payload="encrypted"), by="write")


def test_a_test_of_a_flow_gets_the_id_alone_too():
    from receiver.ingress.parameter_rules import ParameterRules
    from receiver.ingress.request import RawRequest
    from receiver.ingress.webhook import compile_webhook
    from receiver.testing.door import LetIn, knock

    moment = datetime(2026, 3, 1, tzinfo=UTC)
    webhook = compile_webhook(parse_definition(definition(payload="reference"), by="code"), revision=1, state="enabled")
    request = RawRequest(
        method="POST",
        path="/api/webhooks/orders",
        query_string="",
        headers=(("content-type", "application/json"),),
        body=BODY,
        wire_body=BODY,
        client_ip="127.0.0.1",
        url="https://hooks.example.com/api/webhooks/orders",
        received_at=moment,
    )
    rules = ParameterRules(schema=None, names=None)
    let_in = knock(webhook, request, rules, signed=False, delivery_id="some-id", now=moment)
    assert isinstance(let_in, LetIn)
    assert let_in.parameters(1) == {"context": {"v": 1, "delivery_id": "some-id", "attempt": 1, "ref": True}}
