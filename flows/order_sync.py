"""An order from a shop or an ERP, kept with its lines in our database as its newest version says.

The sender signs the body with the secret of the block `webhook-secret/order-sync`: HMAC with SHA-256, in hex, in the
header `X-Signature-256: sha256=...`. It may send in any order and as often as it likes:

    {"source": "shop", "number": "1001", "updated_at": "2026-03-01T10:00:00Z", "currency": "EUR",
     "lines": [{"number": 1, "sku": "lamp-7", "quantity": 2, "price": "19.90"}]}
"""

from __future__ import annotations

from prefect import flow
from pydantic import ValidationError
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, MetaData, String, Table, UniqueConstraint

from flows.exact_decimal import Exact
from flows.nodes import upsert_with_lines
from flows.order_message import Order
from flows.request_body import json_schema, unprocessable
from receiver import Context, Reply, webhook

_TABLES = MetaData()

ORDERS = Table(
    "synced_orders",
    _TABLES,
    Column("id", Integer, primary_key=True),
    Column("source", String(100), nullable=False),
    Column("number", String(100), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True)),
    Column("status", String(50)),
    Column("currency", String(3), nullable=False),
    Column("customer_name", String(200)),
    Column("customer_email", String(254)),
    UniqueConstraint("source", "number"),
)
ORDER_LINES = Table(
    "synced_order_lines",
    _TABLES,
    Column("order_id", Integer, ForeignKey("synced_orders.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("sku", String(100), nullable=False),
    Column("name", String(500)),
    Column("quantity", Exact, nullable=False),
    Column("price", Exact, nullable=False),
)


@webhook(
    "order-sync",
    mode="sync",
    verification={
        "scheme": "hmac",
        "secret": "block:webhook-secret/order-sync",
        "header": "X-Signature-256",
        "prefix": "sha256=",
    },
    schema=json_schema(Order),
)
@flow(log_prints=True)
async def order_sync(context: Context) -> Reply:
    """Store the order and its lines as they are in this version, unless a newer one is stored already.

    Answers `{"id", "lines", "outcome"}`: 201 `created`, 200 `updated`, or 200 `stale`, for which nothing was changed.
    `lines` is how many are stored now. The same version again is an update that changes nothing.
    """
    try:
        order = Order.model_validate(context.data)
    except ValidationError as error:
        return unprocessable(error)
    stored = await upsert_with_lines(
        ORDERS,
        order.row(),
        ORDER_LINES,
        [line.row() for line in order.lines],
        key=["source", "number"],
        line_key=["number"],
        link={"order_id": "id"},
        version="revision",
    )
    outcome = "stale" if stored["stale"] else "created" if stored["created"] else "updated"
    print(f"order {order.number} of {order.source}: {outcome}, {stored['lines']} lines")  # noqa: T201 (log_prints)
    body = {"id": stored["record"]["id"], "lines": stored["lines"], "outcome": outcome}
    return Reply(status=201 if outcome == "created" else 200, body=body)
