"""Flows with parameters of their own, and what is told at import when nothing can fill them."""

from __future__ import annotations

from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ParameterTypeError, SignatureMismatchError
from pydantic import BaseModel

from receiver import Context, Reply, respond, webhook
from receiver.contract.answering import Caller, caller_of_this_run
from receiver.contract.definition import get_definition
from receiver.contract.envelope import encode_envelope, render_parameters
from receiver.contract.errors import DefinitionError

OPEN: dict[str, Any] = {"verification": {"scheme": "none"}}
DOCUMENT = {"v": 1, "data": {"lines": [{"sku": "a", "quantity": "2"}]}, "params": {"shop": "7"}, "mode": "async"}


class Line(BaseModel):
    sku: str
    quantity: int


class Order(BaseModel):
    lines: list[Line]


def typed(order: Order, shop: int, tags: list[str] = []) -> Any:  # noqa: B006 (as authors write it)
    return order, shop, tags


async def typed_later(order: Order, shop: int, context: Context, tags: tuple[str, ...] = ()) -> Any:
    return order, shop, context


FILLED = {"order": "{{$context.data}}", "shop": "{{$context.params.shop}}"}


def rendered(it: Any) -> dict[str, Any]:
    definition = get_definition(it)
    assert definition
    template = definition.parameters_template()
    return render_parameters(template, DOCUMENT, delivery_id="d1", attempt=1, by_reference=False)


def test_prefect_builds_the_models_of_a_flow_that_takes_its_own_parameters():
    it = webhook("orders", parameters=FILLED, **OPEN)(flow(typed))
    given = it.validate_parameters(rendered(it))
    assert it.fn(**given) == (Order(lines=[Line(sku="a", quantity=2)]), 7, [])


async def test_own_parameters_and_the_whole_request_go_together():
    it = webhook("orders", parameters={**FILLED, "context": "{{$context}}"}, **OPEN)(flow(typed_later))
    order, shop, context = await it.fn(**it.validate_parameters(rendered(it)))
    assert (order.lines[0].quantity, shop) == (2, 7)
    assert context.data == DOCUMENT["data"]


def test_what_does_not_fit_is_refused_by_prefect_before_the_first_line():
    it = webhook("orders", parameters=FILLED, **OPEN)(flow(typed))
    with pytest.raises(ParameterTypeError, match="quantity"):
        it.validate_parameters({"order": {"lines": [{"sku": "a", "quantity": "many"}]}, "shop": 1})


@pytest.mark.parametrize(
    ("function", "parameters", "words"),
    [
        (
            typed,
            None,
            r"nothing fills 'order', 'shop' of the flow; write .*\{\{\$context.data.order",
        ),
        (
            typed,
            {"order": "{{$context.data}}"},
            r"fills 'shop'.*\"order\": \"\{\{\$context.data\}\}\", \"shop\": ",
        ),
        (typed_later, FILLED, r"nothing fills 'context'.*\"context\": \"\{\{\$context\}\}\""),
        (typed, {**FILLED, "colour": "red"}, r"the flow has no parameter 'colour'; write parameters=\{\"order\""),
        (
            typed,
            {**FILLED, "tags": "{{$context}}"},
            r"parameters\.tags: .*annotated `Context`; the body is",
        ),
        (typed_later, {**FILLED, "context": "{{$context.data}}"}, r"parameters\.context: is a `Context` in the flow"),
        (
            lambda data: data,
            None,
            r"fills 'data'.* write parameters=\{\"data\": \"\{\{\$context.data\}\}",
        ),
        (lambda **more: more, {"a": "1"}, r"nothing fills 'more' of the flow; write parameters=\{\"more\": \{\}\}"),
    ],
)
def test_templates_that_cannot_fill_the_flow_are_told_at_import(function: Any, parameters: Any, words: str):
    with pytest.raises(DefinitionError, match=words):
        webhook("orders", parameters=parameters, **OPEN)(flow(name="orders")(function))


def test_prefect_hands_further_parameters_over_as_one():
    def many(**more: Any) -> Any:
        return more

    it = webhook("k", parameters={"more": {"a": "{{$context.params.shop}}"}}, **OPEN)(flow(many))
    assert it.validate_parameters(rendered(it)) == {"more": {"a": "7"}}
    with pytest.raises(SignatureMismatchError):
        it.validate_parameters({"a": 1})


# who waits, where no context tells it


def under_way(**run: Any) -> FlowRunContext:
    made: Any = FlowRunContext.model_construct
    context: FlowRunContext = made(flow_run=FlowRun.model_construct(**run))
    return context


GOOD = {"idempotency_key": "d1:2", "tags": ["webhooks", "webhook:orders", "delivery:d1"], "parameters": {}}


def test_a_run_says_itself_whose_reply_it_owes():
    with under_way(**GOOD):
        assert caller_of_this_run("orders") == Caller("d1", 2)
    assert caller_of_this_run("orders") is None


@pytest.mark.parametrize(
    "run",
    [
        {**GOOD, "idempotency_key": None},
        {**GOOD, "idempotency_key": "d1"},
        {**GOOD, "idempotency_key": "d2:1"},
        {**GOOD, "idempotency_key": "d1:x"},
        {**GOOD, "tags": ["delivery:d1", "webhook:another"]},
    ],
)
def test_a_run_that_the_webhook_did_not_start_owes_nobody_a_reply(run: dict[str, Any]):
    with under_way(**run):
        assert caller_of_this_run("orders") is None


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_flow_without_a_context_answers_its_caller(early: bool, mode: str, monkeypatch: pytest.MonkeyPatch):
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr("prefect.events.emit_event", lambda **event: sent.append(event))
    monkeypatch.setattr("prefect.runtime.flow_run.get_id", lambda: "run-1")

    def price(pieces: int) -> Reply:
        if early:
            respond(body=pieces)
        return Reply(body=pieces)

    it = webhook("orders", mode=mode, parameters={"pieces": "{{$context.data}}"}, **OPEN)(flow(price))
    with under_way(**GOOD):
        assert it.fn(3) == Reply(body=3)
    expected = {**Reply(body=3).to_wire(), "attempt": 2, "flow_run_id": "run-1"}
    assert [(event["resource"], event["payload"]) for event in sent] == (
        [({"prefect.resource.id": "webhooks.delivery.d1"}, expected)] if mode == "sync" else []
    )


def test_a_context_that_came_decides_and_the_run_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("prefect.events.emit_event", lambda **_event: pytest.fail("nobody waits"))

    def orders(context: Context) -> Any:
        return context.data

    it: Any = webhook("orders", mode="sync", **OPEN)(flow(orders))
    with under_way(**GOOD):
        assert it.fn(encode_envelope(DOCUMENT, delivery_id="d1", attempt=2)) == DOCUMENT["data"]
