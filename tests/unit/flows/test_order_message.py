"""An order, read."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.order_message import MOST_LINES, Order
from flows.order_sync import order_sync
from flows.request_body import problems_of, unprocessable
from receiver.contract.definition import get_definition
from receiver.contract.errors import Unusable
from receiver.ingress.schema import BodySchema, compile_schema

PAYLOADS = Path(__file__).parents[2] / "payloads" / "order_sync"


def payload(name: str, **changes: Any) -> dict[str, Any]:
    return {**json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8")), **changes}


def schema() -> BodySchema:
    definition = get_definition(order_sync)
    assert definition is not None and definition.body_schema is not None
    return compile_schema(definition.body_schema)


def problems(data: Any) -> list[dict[str, str]]:
    with pytest.raises(ValidationError) as caught:
        Order.model_validate(data)
    return problems_of(caught.value)


@pytest.mark.parametrize(
    ("name", "revision", "lines"),
    [
        ("order__first", 1_772_352_000_000_000, 3),
        ("order__changed", 1_772_357_400_000_000, 2),
        ("order__erp-numbers", 12, 1),
        ("order__cancelled-without-lines", 1_772_438_400_000_000, 0),
    ],
)
def test_every_shape_of_an_order_is_read(name, revision, lines):
    schema().check(payload(name))
    order = Order.model_validate(payload(name))

    assert (order.revision, len(order.lines)) == (revision, lines)


def test_amounts_are_exact_and_numbers_may_be_names():
    first, second = Order.model_validate(payload("order__first")).lines[:2]
    erp = Order.model_validate(payload("order__erp-numbers"))

    assert (first.price, second.price, second.quantity) == (Decimal("19.90"), Decimal("0.1"), Decimal(10))
    assert (erp.number, erp.lines[0].sku, erp.customer_name) == ("4500017", "730015", None)


def test_a_version_counts_before_a_time():
    assert Order.model_validate(payload("order__first", version=3)).revision == 3


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            payload("refused__two-lines-with-one-number"),
            [{"path": "/lines", "problem": "two lines have the same number"}],
        ),
        (
            payload("refused__no-age"),
            [
                {
                    "path": "",
                    "problem": "give updated_at or version, which say whether this is newer than what is stored",
                }
            ],
        ),
    ],
)
def test_what_only_the_flow_can_tell_is_told_with_its_place(data, expected):
    schema().check(data)
    assert problems(data) == expected


LINE = {"number": 1, "sku": "a", "quantity": 1, "price": 1}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"updated_at": "2026-03-01T10:00:00"}, "/updated_at"),
        ({"updated_at": "yesterday"}, "/updated_at"),
        ({"source": "  "}, "/source"),
        ({"number": "1\x00"}, "/number"),
        ({"lines": [{**LINE, "price": "much"}]}, "/lines/0/price"),
        ({"lines": [LINE, {**LINE, "number": 2, "price": "1.23456"}]}, "/lines/1/price"),
        ({"lines": [{**LINE, "price": "NaN"}]}, "/lines/0/price"),
        ({"lines": [{**LINE, "price": 10**20}]}, "/lines/0/price"),
    ],
)
def test_values_that_cannot_be_kept_exactly_are_refused(changes, path):
    assert [problem["path"] for problem in problems(payload("order__first", **changes))] == [path]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"lines": None}, "/lines"),
        ({"currency": "eur"}, "/currency"),
        ({"version": -1}, "/version"),
        ({"lines": [{**LINE, "number": 0}]}, "/lines/0/number"),
        ({"lines": [{**LINE, "sku": None}]}, "/lines/0/sku"),
        ({"lines": [{"number": 1, "sku": "a", "quantity": 1}]}, "/lines/0"),
        ({"lines": [{**LINE, "number": number} for number in range(1, MOST_LINES + 2)]}, "/lines"),
    ],
)
def test_the_schema_turns_a_wrong_shape_away_before_a_run_is_made(changes, path):
    data = payload("order__first", **changes)

    with pytest.raises(Unusable) as caught:
        schema().check(data)
    assert [problem["path"] for problem in caught.value.problems] == [path]
    assert problems(data)


def test_the_answer_names_places_and_shows_no_value():
    with pytest.raises(ValidationError) as caught:
        Order.model_validate(payload("order__first", currency="s3cret", updated_at="s3cret"))
    reply = unprocessable(caught.value)

    assert reply.status == 422
    assert [problem["path"] for problem in reply.body["problems"]] == ["/updated_at", "/currency"]
    assert "s3cret" not in json.dumps(reply.body)
