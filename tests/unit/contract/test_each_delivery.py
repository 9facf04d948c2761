"""Runs for many deliveries: what Prefect sees of the flow, what the flow gets, and how it tells which failed."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from prefect import flow
from prefect.utilities.callables import parameter_schema

from receiver import Batch, Context, DeliveriesFailed, webhook
from receiver.contract.batching import failed_deliveries
from receiver.contract.definition import get_definition
from receiver.contract.envelope import encode_envelope, render_batch
from receiver.contract.errors import DefinitionError, EnvelopeError
from receiver.contract.templates import compile_template

MANY: dict[str, Any] = {"verification": {"scheme": "none"}, "batch": {}}
IDS = [f"019ca945-0000-7000-8000-{number:012x}" for number in range(3)]
ENVELOPES = [encode_envelope({"v": 1, "data": {"n": n}}, delivery_id=one, attempt=1) for n, one in enumerate(IDS)]
BATCH = render_batch(
    compile_template({"context": "{{$context}}"}, roots=frozenset({"context"})),
    [({"v": 1, "data": {"n": n}}, one, 1, False) for n, one in enumerate(IDS)],
)
PREFIX = "Flow run encountered an exception: "


@webhook("at-once", **MANY)
@flow
async def at_once(context: Batch) -> list[int]:
    return [each.data["n"] for each in context]


@webhook("each", **MANY)
@flow
def each(context: Context) -> None:
    if context.data["n"] == 1:
        raise ValueError("poison")


@pytest.mark.parametrize("it", [at_once, each])
def test_to_prefect_the_flow_takes_an_object_which_a_batch_fits(it: Any):
    source = jsonschema_rs.validator_for(parameter_schema(it).model_dump())  # what `prefect deploy` reads
    assert source.is_valid(BATCH) and not source.is_valid({"context": []})
    seen = it.validate_parameters(BATCH)["context"]
    assert isinstance(seen, Batch) and [one.data["n"] for one in seen] == [0, 1, 2]
    definition = get_definition(it)
    assert definition and definition.batch


async def test_a_flow_with_a_batch_gets_all_of_them():
    function: Any = at_once.fn
    assert await function(**BATCH) == [0, 1, 2]
    assert await function(ENVELOPES[1]) == [1], "one alone, as a test may give it"


@pytest.mark.parametrize("given", [7, [7], {"v": 1}, {"v": 1, "batch": [{"v": 1}]}, {"v": 2, "batch": []}])
async def test_what_is_no_request_is_refused(given: Any):
    with pytest.raises(EnvelopeError):
        function: Any = at_once.fn
        await function(given)


def test_many_need_a_batch():
    with pytest.raises(DefinitionError, match="batch: 'context' takes many requests"):

        @webhook("alone", verification={"scheme": "none"})
        @flow
        def alone(context: Batch) -> None: ...


def test_who_failed_is_told_by_the_message_and_read_from_it():
    error = DeliveriesFailed([IDS[1], Context.from_document({"delivery_id": IDS[2]}), IDS[1]])
    assert error.failed == (IDS[1], IDS[2])
    assert failed_deliveries(f"{PREFIX}DeliveriesFailed: {error}") == frozenset({IDS[1], IDS[2]})
    with pytest.raises(ValueError, match="name the deliveries"):
        DeliveriesFailed([])


@pytest.mark.parametrize(
    "message",
    [
        "",
        f"{PREFIX}ValueError: DeliveriesFailed: 1 failed: {IDS[0]}",
        f"{PREFIX}ValueError: x\n{PREFIX}DeliveriesFailed: 1 failed: {IDS[0]}",
        f"{PREFIX}DeliveriesFailed: 1 failed: {IDS[0]}, and more",
        f"{PREFIX}DeliveriesFailed: 1 failed: ",
    ],
)
def test_no_other_exception_passes_for_it(message: str):
    assert failed_deliveries(message) is None


def test_what_is_too_long_together_travels_by_reference():
    long = {"v": 1, "data": "x" * 200_000}
    template = compile_template({"context": "{{$context}}"}, roots=frozenset({"context"}))
    given = render_batch(template, [(long, one, 1, False) for one in IDS])["context"]
    assert [each["ref"] for each in given["batch"]] == [True, True, True]
    assert (given["delivery_id"], given["attempt"]) == (IDS[0], 1)
