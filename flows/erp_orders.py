"""Orders of ERPNext, Odoo and WooCommerce: kept with their lines, and answered with what is in stock.

The webhook `erp-orders` is ERPNext's: it signs the body with the secret of the block `webhook-secret/erp-orders` into
`X-Frappe-Webhook-Signature`. Each other sender gets a webhook of its own for the same deployment, `webhooks create
--deployment erp-orders/erp-orders`, since each proves itself in its own way; the README has the commands. An order is
known by its webhook and its sender's id.

The stock is the block `http-service/stock`. It is asked once for all lines, `POST /availability` with
`{"items": [{"sku": "lamp-7", "quantity": 3.0}]}`, and answers `{"items": [{"sku": "lamp-7", "available": 2}]}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow
from pydantic import ValidationError
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, MetaData, String, Table, UniqueConstraint

from flows.erp_order import ErpOrder, read_order
from flows.erp_stock import CheckedLine, allocate, question, read_answer, state_of, unchecked
from flows.exact_decimal import Exact
from flows.nodes import Failed, ServiceError, http_request, upsert_with_lines
from flows.request_body import unprocessable
from receiver import Context, Reply, respond, webhook

_TABLES = MetaData()

ORDERS = Table(
    "erp_orders",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("source", String(100), nullable=False),  # the webhook's key: two shops have two webhooks
    Column("external_id", String(140), nullable=False),
    Column("system", String(20), nullable=False),
    Column("number", String(140), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("status", String(140), nullable=False),  # in the sender's words
    Column("state", String(20), nullable=False),  # in ours: accepted, backordered, cancelled, unchecked
    Column("currency", String(3), nullable=False),
    Column("customer", String(1001)),
    UniqueConstraint("source", "external_id"),
)
ORDER_LINES = Table(
    "erp_order_lines",
    _TABLES,
    Column("order_id", Integer, ForeignKey("erp_orders.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("sku", String(140), nullable=False),
    Column("name", String(500)),
    Column("quantity", Exact, nullable=False),
    Column("total", Exact, nullable=False),
    Column("available", Exact),
    Column("stock", String(20), nullable=False),
)


@webhook(
    "erp-orders",
    mode="sync",
    verification={
        "scheme": "hmac",
        "secret": "block:webhook-secret/erp-orders",
        "header": "X-Frappe-Webhook-Signature",
        "encoding": "base64",
    },
)
@flow(log_prints=True)
async def erp_orders(context: Context, patience: float = 3.0) -> Reply:
    """Store the order as `unchecked`, ask the stock for all of its lines, store and answer what came of it.

    Answers `{"id", "number", "outcome", "state", "lines"}`: 201 `created` or 200 `updated`, with the state `accepted`
    or `backordered`, or `cancelled`, for which nobody asks; 200 `stale` where a newer version is stored already. When
    the stock does not answer within `patience` seconds it is 202 `unchecked`: the order is safe, the run goes on and
    asks again, and fails where that is in vain, so that a replay asks once more.
    """
    try:
        order = read_order(context.data)
    except ValidationError as error:
        return unprocessable(error)
    source, lines = context.webhook, unchecked(order)
    first = await store(order, lines, source)
    if first["stale"] or order.cancelled or not lines:
        return _answer(order, first, lines, created=first["created"])
    try:
        lines = await ask(order, patience)
    except ServiceError as error:
        print(f"order {order.number} is unchecked, the stock is asked again: {error}")  # noqa: T201 (log_prints)
        respond(202, _body(order, first, lines, created=first["created"]))
        lines = await ask(order)
    return _answer(order, await store(order, lines, source), lines, created=first["created"])


async def ask(order: ErpOrder, patience: float | None = None) -> tuple[CheckedLine, ...]:
    """The lines with what the stock has. With `patience` it is asked once, for somebody waits. Raises ServiceError."""
    stock = http_request if patience is None else http_request.with_options(retries=0)
    told = await stock(
        "POST", "/availability", json=question(order.lines), service="stock", timeout=patience, repeatable=True
    )
    try:
        return allocate(order, read_answer(told["json"]))
    except ValueError as error:
        raise Failed(str(error)) from None


async def store(order: ErpOrder, lines: Sequence[CheckedLine], source: str) -> dict[str, Any]:
    """The order and its lines as they are in this version, unless a newer one is stored; what the node tells."""
    values = {name: value for name, value in vars(order).items() if name not in {"cancelled", "lines"}}
    return await upsert_with_lines(
        ORDERS,
        {**values, "source": source, "state": state_of(order, lines)},
        ORDER_LINES,
        [line.row() for line in lines],
        key=["source", "external_id"],
        line_key=["number"],
        link={"order_id": "id"},
        version="changed_at",
    )


def _answer(order: ErpOrder, stored: dict[str, Any], lines: Sequence[CheckedLine], *, created: bool) -> Reply:
    body = _body(order, stored, lines, created=created)
    print(f"order {order.number}: {body['outcome']}, {body['state']}")  # noqa: T201 (log_prints)
    return Reply(status=201 if body["outcome"] == "created" else 200, body=body)


def _body(order: ErpOrder, stored: dict[str, Any], lines: Sequence[CheckedLine], *, created: bool) -> dict[str, Any]:
    return {
        "id": stored["record"]["id"],
        "number": order.number,
        "outcome": "stale" if stored["stale"] else "created" if created else "updated",
        "state": stored["record"]["state"],
        "lines": [] if stored["stale"] else [line.told() for line in lines],
    }
