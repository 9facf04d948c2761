"""The webhooks in the OpenAPI document and on its page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from receiver.admin import openapi
from receiver.admin.docs_page import HEADERS, page
from receiver.admin.openapi import add_webhooks
from receiver.prefect_gateway import DeploymentRef
from receiver.webhooks.definitions import DefinitionRow

NOW = datetime(2026, 11, 24, tzinfo=UTC)
LINE = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}
ORDERS = DeploymentRef(
    name="orders/orders",
    id="1",
    flow_id="2",
    parameter_schema={
        "type": "object",
        "properties": {"order": {"$ref": "#/definitions/Order", "position": 0}},
        "definitions": {
            "Order": {
                "type": "object",
                "properties": {"lines": {"type": "array", "items": {"$ref": "#/definitions/Line"}}},
            },
            "Line": LINE,
        },
    },
)


def row(key: str = "orders", state: str = "enabled", **fields: Any) -> DefinitionRow:
    definition = {"key": key, "deployment": "orders/orders", "verification": {"scheme": "none"}, **fields}
    return DefinitionRow(
        key=key,
        definition={**definition, "state": state},
        revision=1,
        origin="api",
        state=state,
        state_by_operator=False,
        created_at=NOW,
        updated_at=NOW,
    )


def described(*rows: DefinitionRow) -> dict[str, Any]:
    empty: dict[str, Any] = {"info": {}, "paths": {}, "components": {"schemas": {}}, "tags": []}
    return add_webhooks(empty, rows, {"orders/orders": ORDERS}.get)


def test_a_webhook_is_shown_with_its_path_methods_schema_and_example():
    document = described(row(path="shops/{shop_id}/orders", methods=["GET", "POST"], schema=LINE))
    item = document["paths"]["/api/webhooks/shops/{shop_id}/orders"]
    assert set(item) == {"get", "post"} and "requestBody" not in item["get"]
    assert [each["name"] for each in item["post"]["parameters"]] == ["shop_id"]
    body = item["post"]["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"] == {
        "schema": {"$ref": "#/components/schemas/webhook.orders"},
        "example": {"sku": "text"},
    }
    assert document["components"]["schemas"]["webhook.orders"] == LINE


def test_a_body_that_a_parameter_takes_whole_has_that_parameters_schema():
    document = described(row(parameters={"order": "{{ $context.data }}"}))
    media = document["paths"]["/api/webhooks/orders"]["post"]["requestBody"]["content"]["application/json"]
    assert media["example"] == {"lines": [{"sku": "text"}]}
    moved = document["components"]["schemas"]["webhook.orders"]
    assert moved["$ref"] == "#/components/schemas/webhook.orders/definitions/Order"
    assert "position" not in moved


def test_without_a_schema_any_body_is_taken():
    operation = described(row())["paths"]["/api/webhooks/orders"]["post"]
    assert operation["requestBody"] == {"required": False, "content": {"application/json": {"schema": {}}}}
    assert operation["security"] == [] and "Anybody" in operation["description"]


@pytest.mark.parametrize(
    ("verification", "words", "scheme"),
    [
        (
            {"scheme": "github", "secret": "block:webhook-secret/hidden"},
            "header `x-hub-signature-256`",
            {"type": "apiKey", "in": "header", "name": "x-hub-signature-256"},
        ),
        ({"scheme": "bearer", "secret": "env:HIDDEN"}, "scheme `bearer`", {"type": "http", "scheme": "bearer"}),
        (
            {"scheme": "api-key", "secret": "env:HIDDEN", "query": "key"},
            "query parameter `key`",
            {"type": "apiKey", "in": "query", "name": "key"},
        ),
    ],
)
def test_how_a_request_is_verified_is_told_and_where_the_secret_is_is_not(
    verification: dict[str, str], words: str, scheme: dict[str, str]
):
    document = described(row(verification=verification))
    operation = document["paths"]["/api/webhooks/orders"]["post"]
    assert words in operation["description"]
    [[name]] = operation["security"]
    assert scheme.items() <= document["components"]["securitySchemes"][name].items()
    assert "hidden" not in str(document).lower()
    assert {"401", "403", "429"} <= set(operation["responses"])


def test_the_answers_are_those_of_its_mode():
    waits = row("waits", mode="sync", on_timeout=504, on_invalid="hold")
    paths = described(row(), waits)["paths"]
    assert set(paths["/api/webhooks/orders"]["post"]["responses"]) == {"200", "202", "400", "413", "415", "422", "503"}
    assert set(paths["/api/webhooks/waits"]["post"]["responses"]) == {"200", "413", "415", "500", "503", "504"}


def test_what_is_disabled_or_cannot_be_served_is_not_shown():
    document = described(row("off", state="disabled"), row("broken", filter=5), row("waiting", state="paused"))
    assert list(document["paths"]) == ["/api/webhooks/waiting"]


def test_a_great_many_webhooks_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(openapi, "MOST_WEBHOOKS", 2)
    monkeypatch.setattr(openapi, "MOST_OF_SCHEMAS", 200)
    document = described(*(row(f"k{number}", schema={**LINE, "title": "x" * 80}) for number in range(5)))
    assert list(document["paths"]) == ["/api/webhooks/k0", "/api/webhooks/k1"]
    assert list(document["components"]["schemas"]) == ["webhook.k0"]
    assert "3 more are not shown" in document["tags"][-1]["description"]


def test_the_page_shows_a_line_to_try_and_escapes_what_a_definition_holds():
    schema = {"type": "object", "properties": {"a": {"type": "string", "examples": ["it's </pre><script>x</script>"]}}}
    text = page(described(row(schema=schema)), "https://hooks.example.com")
    assert "curl -X POST https://hooks.example.com/api/webhooks/orders" in text
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
    assert "http" not in text.replace("https://hooks.example.com", "")


def test_what_a_description_has_between_backticks_is_code_on_the_page_and_nothing_else_of_it_is_html() -> None:
    document = described(row(schema={"type": "object"}))
    document["info"]["description"] = "`a<b>` and <i>"
    text = page(document, "https://hooks.example.com")
    assert "<code>a&lt;b&gt;</code> and &lt;i&gt;" in text
