"""Orders of three ERPs on a real Prefect server, with a stock service that answers, is down, or cannot be read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from pydantic import SecretStr

from blocks import HttpService, WebhookSecret
from flows.erp_orders import ORDER_LINES, ORDERS, erp_orders
from flows.nodes import Failed, query_records
from receiver import Context, Reply
from tests.integration.test_typed_flows import deploy, run_next
from tests.support.http_server import Answer, HttpServer
from tests.support.receiver import RunningReceiver

PAYLOADS = Path(__file__).parents[1] / "payloads" / "erp_orders"
ERPNEXT, ODOO, WOOCOMMERCE = "erpnext__two-lines", "odoo__with-a-section", "woocommerce__processing"
ON_BOTH = pytest.mark.parametrize("default_records", ["sqlite", "postgresql"], indirect=True)
pytestmark = pytest.mark.usefixtures("default_records")


@pytest.fixture
async def stock(default_records: Path) -> AsyncIterator[HttpServer]:
    """The stock service of the block `http-service/stock`."""
    async with HttpServer() as server:
        await HttpService(base_url=server.url, allow_networks=["127.0.0.0/8"]).asave("stock", overwrite=True)
        yield server
    await HttpService.adelete("stock")


def payload(name: str, /, **changes: Any) -> dict[str, Any]:
    return {**json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8")), **changes}


def has(**pieces: float) -> Answer:
    items = [{"sku": sku.replace("_", "-"), "available": count} for sku, count in pieces.items()]
    return Answer(body=json.dumps({"items": items}))


async def order(data: Any, webhook: str = "erp-orders") -> Reply:
    context = Context.from_document({"data": data, "delivery_id": "d", "webhook": webhook})
    return await erp_orders(context, patience=60)


async def stored() -> list[tuple[Any, ...]]:
    orders = await query_records.fn(ORDERS, order_by="id")
    lines = await query_records.fn(ORDER_LINES, order_by=["order_id", "number"])
    return [
        (one["system"], one["state"], *(line["stock"] for line in lines if line["order_id"] == one["id"]))
        for one in orders
    ]


@ON_BOTH
async def test_an_order_is_answered_line_by_line_and_kept_as_its_newest_version(stock: HttpServer):
    newer = payload(ERPNEXT, modified="2026-03-01 11:00:00", items=payload(ERPNEXT)["items"][:1])
    stock.answers = [has(lamp_7=5, bulb_e27=4), has(lamp_7=2)]
    created, updated, stale = await order(payload(ERPNEXT)), await order(newer), await order(payload(ERPNEXT))

    assert (created.status, created.body["state"], created.body["outcome"]) == (201, "backordered", "created")
    assert created.body["lines"] == [
        {"number": 1, "sku": "lamp-7", "quantity": "2", "available": "2", "stock": "in_stock"},
        {"number": 2, "sku": "bulb-e27", "quantity": "10", "available": "4", "stock": "short"},
    ]
    assert (updated.status, updated.body["state"], len(updated.body["lines"])) == (200, "accepted", 1)
    assert stale == Reply(status=200, body={**updated.body, "outcome": "stale", "lines": []})
    assert await stored() == [("erpnext", "accepted", "in_stock")]
    assert [json.loads(asked.body)["items"] for asked in stock.requests] == [
        [{"sku": "lamp-7", "quantity": 2.0}, {"sku": "bulb-e27", "quantity": 10.0}],
        [{"sku": "lamp-7", "quantity": 2.0}],
    ]


async def test_each_system_and_each_shop_has_orders_of_its_own_and_a_cancelled_one_asks_nobody(stock: HttpServer):
    stock.answers = [has(lamp_7=3), has(lamp_7=2), has()]
    await order(payload(ODOO), "odoo")
    await order(payload(WOOCOMMERCE), "shop-1")
    await order(payload(WOOCOMMERCE), "shop-2")
    cancelled = await order(payload(WOOCOMMERCE, status="cancelled"), "shop-1")

    assert (cancelled.status, cancelled.body["state"], len(stock.requests)) == (200, "cancelled", 3)
    assert await stored() == [
        ("odoo", "backordered", "in_stock", "short"),
        ("woocommerce", "cancelled", "unchecked"),
        ("woocommerce", "backordered", "short"),
    ]


async def test_an_order_that_cannot_be_used_is_answered_with_what_is_wrong_and_nothing_is_stored(stock: HttpServer):
    reply = await order(payload(ERPNEXT, currency="euro", status=None))

    assert (reply.status, [problem["path"] for problem in reply.body["problems"]]) == (422, ["/status", "/currency"])
    assert (await stored(), stock.requests) == ([], [])


async def test_while_the_stock_says_nothing_of_use_the_order_is_safe_and_the_run_fails(stock: HttpServer):
    stock.answers = [Answer(503), Answer(404, "lamp-7 is unknown")]
    with pytest.raises(Failed, match="404"):
        await order(payload(ERPNEXT))
    assert await stored() == [("erpnext", "unchecked", "unchecked", "unchecked")]

    stock.answers = [Answer(body='{"pieces": 7}'), has(lamp_7=2, bulb_e27=10)]
    assert (await order(payload(ERPNEXT))).body["state"] == "accepted", (
        "it is asked again when the delivery is replayed"
    )


async def test_a_second_webhook_of_the_flow_is_answered_at_once_and_checked_when_the_stock_is_back(
    receiver: RunningReceiver, prefect: PrefectClient, stock: HttpServer
):
    await WebhookSecret(current=SecretStr("for-odoo-alone")).asave("erp-odoo", overwrite=True)
    deployment = await deploy(prefect, erp_orders)
    proof = {"scheme": "api-key", "query": "key", "secret": "block:webhook-secret/erp-odoo"}
    await receiver.define("erp-odoo", deployment=deployment, mode="sync", timeout=60, verification=proof)
    stock.answers = [Answer(503), has(lamp_7=4)]

    async with asyncio.TaskGroup() as group:
        call = receiver.http.post("/api/webhooks/erp-odoo?key=for-odoo-alone", json=payload(ODOO), timeout=90)
        answer = group.create_task(call)
        group.create_task(run_next(receiver, prefect, "erp-odoo", erp_orders))
    response: httpx.Response = answer.result()

    assert (response.status_code, response.json()["state"]) == (202, "unchecked"), response.text
    assert {line["stock"] for line in response.json()["lines"]} == {"unchecked"}
    assert await stored() == [("odoo", "accepted", "in_stock", "in_stock")]
