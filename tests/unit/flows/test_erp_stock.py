"""What the stock is asked, and what its answer means for an order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flows.erp_order import read_order
from flows.erp_stock import allocate, question, read_answer, state_of, unchecked

PAYLOADS = Path(__file__).parents[2] / "payloads" / "erp_orders"
ORDER = read_order(json.loads((PAYLOADS / "odoo__with-a-section.json").read_text(encoding="utf-8")))
"""Three lamps in one line and one in another."""


def test_each_sku_is_asked_for_once():
    assert question(ORDER.lines) == {"items": [{"sku": "lamp-7", "quantity": 4.0}]}


@pytest.mark.parametrize(
    ("lamps", "available", "stocks", "state"),
    [
        (4, ["3", "1"], ["in_stock", "in_stock"], "accepted"),
        (3, ["3", "0"], ["in_stock", "short"], "backordered"),
        (0.5, ["0.5", "0"], ["short", "short"], "backordered"),
    ],
)
def test_two_lines_of_one_sku_share_its_pieces(lamps, available, stocks, state):
    lines = allocate(ORDER, read_answer({"items": [{"sku": "lamp-7", "available": lamps}]}))

    assert [line.told()["available"] for line in lines] == available
    assert [line.stock for line in lines] == stocks
    assert state_of(ORDER, lines) == state


def test_what_the_stock_does_not_name_is_not_there():
    assert {line.stock for line in allocate(ORDER, {})} == {"short"}


def test_before_it_is_asked_nobody_knows_and_a_cancelled_order_needs_nothing():
    lines = unchecked(ORDER)

    assert [line.told()["available"] for line in lines] == [None, None]
    assert state_of(ORDER, lines) == "unchecked"
    assert state_of(replace(ORDER, cancelled=True), lines) == "cancelled"


@pytest.mark.parametrize(
    "body", [None, {}, {"items": {}}, {"items": [{"sku": "lamp-7"}]}, {"items": [{"sku": "a", "available": -1}]}]
)
def test_an_answer_that_cannot_be_read_is_an_error_that_shows_nothing_of_it(body):
    with pytest.raises(ValueError, match=r"^the stock's answer cannot be read: (its body|/items)"):
        read_answer(body)
