"""Orders of ERPNext, Odoo and WooCommerce, read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.erp_order import ErpLine, read_order
from flows.request_body import problems_of

PAYLOADS = Path(__file__).parents[2] / "payloads" / "erp_orders"
ERPNEXT, ODOO, WOOCOMMERCE = "erpnext__two-lines", "odoo__with-a-section", "woocommerce__processing"
LINES = {ERPNEXT: "items", ODOO: "order_line", WOOCOMMERCE: "line_items"}


def payload(name: str, /, **changes: Any) -> dict[str, Any]:
    return {**json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8")), **changes}


def with_line(name: str, index: int, /, **changes: Any) -> dict[str, Any]:
    data = payload(name)
    data[LINES[name]][index].update(changes)
    return data


def problems(data: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        read_order(data)
    return {problem["path"]: problem["problem"] for problem in problems_of(caught.value)}


def test_an_order_of_erpnext_is_read():
    order = read_order(payload(ERPNEXT))

    assert (order.system, order.external_id, order.number) == ("erpnext", "SAL-ORD-2026-00017", "SAL-ORD-2026-00017")
    assert (order.status, order.currency, order.customer) == ("To Deliver and Bill", "EUR", "Lantern House")
    assert order.changed_at == datetime(2026, 3, 1, 10, microsecond=251342, tzinfo=UTC)
    assert order.lines[0] == ErpLine(
        number=1, sku="lamp-7", name="Lamp, green", quantity=Decimal(2), total=Decimal("39.8")
    )
    assert len(order.lines) == 2 and not order.cancelled


def test_an_order_of_odoo_is_read_without_its_headings():
    order = read_order(payload(ODOO))

    assert (order.system, order.external_id, order.number) == ("odoo", "42", "S00042")
    assert (order.currency, order.customer, order.changed_at.tzinfo) == ("EUR", "Oksana Marchenko", UTC)
    assert [(line.number, line.sku, line.name) for line in order.lines] == [
        (102, "lamp-7", "Lamp, green"),
        (103, "lamp-7", "Lamp, green"),
    ]


def test_an_order_of_woocommerce_is_read():
    order = read_order(payload(WOOCOMMERCE))

    assert (order.system, order.external_id, order.customer) == ("woocommerce", "727", "Oksana Marchenko")
    assert [(line.sku, line.total) for line in order.lines] == [("lamp-7", Decimal("39.80"))]
    assert read_order(payload(WOOCOMMERCE, billing={})).customer is None


@pytest.mark.parametrize(
    "data", [payload(ERPNEXT, docstatus=2), payload(ODOO, state="cancel"), payload(WOOCOMMERCE, status="refunded")]
)
def test_each_of_them_cancels_in_its_own_words(data):
    assert read_order(data).cancelled


def test_every_problem_is_told_at_its_place_in_the_senders_words():
    assert set(problems(with_line(ERPNEXT, 1, item_code="", qty=-1, amount="much") | {"currency": "euro"})) == {
        "/currency",
        "/items/1/item_code",
        "/items/1/qty",
        "/items/1/amount",
    }
    assert set(problems(with_line(ODOO, 1, product_id=[33, "Lamp without a reference"]) | {"name": None})) == {
        "/name",
        "/order_line/1/product_id",
    }
    assert set(problems(with_line(WOOCOMMERCE, 0, sku="") | {"date_modified_gmt": "soon"})) == {
        "/line_items/0/sku",
        "/date_modified_gmt",
    }


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        (payload(ODOO, order_line=[102]), "/order_line/0", "not its id alone"),
        (with_line(ODOO, 1, product_id=False), "/order_line/1", "has no product_id"),
        (with_line(ERPNEXT, 1, idx=1), "/items", "two lines have the same number"),
        (payload(ERPNEXT, doctype="Sales Invoice"), "/doctype", "Sales Order"),
        (payload(ERPNEXT, modified="0001-01-01T00:00:00+14:00"), "/modified", "out of range"),
        (payload(ERPNEXT, name="1\x00"), "/name", "NUL"),
        (with_line(WOOCOMMERCE, 0, quantity="1.23456"), "/line_items/0/quantity", "4 decimal places"),
        ({"id": 727}, "", "ERPNext's (doctype), Odoo's (_model) or WooCommerce's (line_items)"),
        ([], "", "is no order"),
        (None, "", "is no order"),
    ],
)
def test_what_is_no_order_says_what_to_do(data, path, words):
    found = problems(data)
    assert list(found) == [path] and words in found[path]
