"""The admin API's door: keys and scopes, problems for every error, and its description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.admin import AdminApi, admin_api

ROUTES = [
    ("GET", "/webhooks", "read"),
    ("POST", "/webhooks", "write"),
    ("GET", "/webhooks/orders", "read"),
    ("PUT", "/webhooks/orders", "write"),
    ("PUT", "/webhooks/orders?origin=code", "admin"),
    ("PATCH", "/webhooks/orders", "write"),
    ("DELETE", "/webhooks/orders", "write"),
    ("POST", "/webhooks/orders/send", "write"),
    ("GET", "/deliveries", "read"),
    ("GET", "/deliveries/some", "read"),
    ("GET", "/deliveries/some/body", "read"),
    ("GET", "/deliveries/some/files/0", "read"),
    ("GET", "/deliveries/some/context", "read"),
    ("POST", "/deliveries/some/replay", "write"),
    ("POST", "/deliveries/replay", "write"),
    ("POST", "/deliveries/some/discard", "write"),
    ("POST", "/webhooks/orders/discard", "write"),
    ("GET", "/keys", "admin"),
    ("POST", "/keys", "admin"),
    ("DELETE", "/keys/some", "admin"),
    ("GET", "/audit", "admin"),
]
ORDER = ["read", "write", "admin"]


@pytest.fixture
async def api(tmp_path) -> AsyncIterator[AdminApi]:
    async with admin_api(tmp_path) as opened:
        yield opened


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"] and problem["detail"]
    return problem


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_each_route_asks_for_its_scope_and_no_more(api, method, path, scope):
    content = {"verification": {"scheme": "none"}, "deployment": "a/b"} if method in {"POST", "PUT", "PATCH"} else None
    async with api.client(None) as nobody:
        answer = await nobody.request(method, path, json=content)
        is_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for each in ORDER:
        async with api.client(each) as caller:
            answer = await caller.request(method, path, json=content)
        if ORDER.index(each) < ORDER.index(scope):
            assert "needs a key of scope" in is_problem(answer, 403)["detail"]
        else:
            assert answer.status_code not in {401, 403}, answer.text


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer whk_unknown", "Basic d2hrOng=", "whk_unknown", "Bearer " + "x" * 500]
)
async def test_whatever_is_no_key_is_401(api, header):
    async with api.client(None) as caller:
        is_problem(await caller.get("/webhooks", headers={"Authorization": header}), 401)


async def test_a_body_is_not_even_read_before_the_key_is_known(api):
    async with api.client(None) as caller:
        is_problem(await caller.post("/webhooks", content=b"{not json"), 401)


async def test_a_key_in_the_query_is_no_key(api):
    async with api.client(None) as caller:
        is_problem(await caller.get("/webhooks", params={"key": api.keys["admin"], "token": api.keys["admin"]}), 401)


async def test_a_body_over_the_bound_is_413(api):
    async with api.client() as caller:
        is_problem(await caller.post("/webhooks", content=b"x" * (36 * 1024 * 1024 + 1)), 413)


async def test_routes_that_do_not_exist_and_methods_that_do_not_fit_are_problems(api):
    async with api.client("read") as caller:
        is_problem(await caller.get("/nothing/here"), 404)
        answer = await caller.patch("/keys")
        is_problem(answer, 405)
        assert answer.headers["allow"] == "GET, POST"
    async with api.client(None) as nobody:
        is_problem(await nobody.get("/nothing/here"), 401)


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"{", "body.1"),
        (b'{"name": "", "scope": "read"}', "body.name"),
        (b'{"name": "x", "scope": "root"}', "body.scope"),
        (b'{"name": "x", "spare": 1}', "body.spare"),
        *((b'{"name": "x", "expires": "%s"}' % life, "body.expires") for life in (b"", b"soon", b"59s", b"999999999d")),
        (b'{"name": "x", "\\ud800": 1}', "body"),
    ],
)
async def test_a_body_that_is_wrong_names_the_place(api, content, path):
    async with api.client() as caller:
        answer = await caller.post("/keys", content=content, headers={"Content-Type": "application/json"})
    assert is_problem(answer, 422)["problems"][0]["path"] == path


async def test_a_problem_never_repeats_a_value_that_was_sent(api):
    planted = "planted-secret-value"
    bodies = [
        ("/keys", {"name": ["planted-secret-value"], "scope": planted}),
        ("/webhooks", [planted]),
        ("/webhooks", {"deployment": "a/b", "verification": planted}),
        ("/webhooks", {"deployment": "a/b", "verification": {"scheme": "api-key", "secret": {"value": planted}}}),
        ("/webhooks", {"deployment": "a/b", "verification": {"scheme": "api-key", "secret": f"block:{planted}"}}),
        ("/webhooks", {"deployment": "a/b", "verification": {"scheme": "api-key", "secret": f"env:1{planted}"}}),
        ("/webhooks", {"deployment": "a/b", "verification": {"scheme": "api-key", "secret": "s", "token": planted}}),
        ("/webhooks/orders/send", {"headers": planted, "body_base64": planted}),
    ]
    async with api.client() as caller:
        for path, content in bodies:
            answer = await caller.post(path, json=content)
            is_problem(answer, 422)
            assert planted not in answer.text, path


async def test_what_nobody_expected_is_a_problem_without_a_word_of_it(api, monkeypatch, caplog):
    async def fail():
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(api.services.definitions, "all", fail)
    async with api.client() as caller:
        answer = await caller.get("/webhooks")
    assert "hunter2" not in json.dumps(is_problem(answer, 500))
    assert "The admin API failed" in caplog.text


async def test_a_key_is_shown_once_and_is_good_until_it_is_revoked(api):
    async with api.client() as caller:
        made = await caller.post("/keys", json={"name": "  ci  ", "scope": "write"})
        assert made.status_code == 201
        key = made.json()
        assert key["name"] == "ci" and key["key"].startswith("whk_")
        listed = await caller.get("/keys")
        assert key["key"] not in listed.text
        assert [each["name"] for each in listed.json()["items"]] == ["read", "write", "admin", "ci"]
        async with api.client(key=key["key"]) as ci:
            assert (await ci.get("/webhooks")).status_code == 200
            assert (await caller.delete(f"/keys/{key['id']}")).status_code == 204
            is_problem(await ci.get("/webhooks"), 401)
        is_problem(await caller.delete(f"/keys/{key['id']}"), 404)


async def test_nobody_revokes_the_key_they_are_using(api):
    async with api.client() as caller:
        mine = next(each for each in (await caller.get("/keys")).json()["items"] if each["scope"] == "admin")
        is_problem(await caller.delete(f"/keys/{mine['id']}"), 409)
        assert (await caller.get("/keys")).status_code == 200


async def test_lists_are_answered_in_pages(api):
    async with api.client() as caller:
        first = (await caller.get("/keys", params={"limit": 2})).json()
        second = (await caller.get("/keys", params={"limit": 2, "cursor": first["next_cursor"]})).json()
        names = [item["name"] for page in (first, second) for item in page["items"]]
        assert names == ["read", "write", "admin"] and second["next_cursor"] is None
        for limit in (0, 201, "many"):
            is_problem(await caller.get("/keys", params={"limit": limit}), 422)


async def test_the_description_is_behind_a_key_and_complete(api):
    async with api.client(None) as nobody:
        for path in ("/openapi.json", "/docs"):
            is_problem(await nobody.get(f"http://receiver.test{path}"), 401)
    async with api.client("read") as caller:
        document = (await caller.get("http://receiver.test/openapi.json")).json()
        outline = (await caller.get("http://receiver.test/docs")).text
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"] and operation["tags"], path
            assert operation["x-required-scope"] in ORDER, path
            assert operation["security"] == [{"API key": []}], path
            assert {"401", "403", "422"} <= operation["responses"].keys(), path
            line = next(line for line in outline.splitlines() if line.split()[:2] == [method.upper(), path])
            assert operation["summary"] in line
    for name, component in document["components"]["schemas"].items():
        for field, schema in component.get("properties", {}).items():
            assert schema.get("description") or "$ref" in schema, f"{name}.{field} has no description"
    references = {part.split('"')[0] for part in json.dumps(document).split('"#/components/schemas/')[1:]}
    assert references <= document["components"]["schemas"].keys()
    body = document["paths"]["/api/admin/webhooks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "verification" in json.dumps(document["components"]["schemas"].get("WebhookDefinition", body))


async def test_a_browser_reads_the_page_with_the_key_as_a_password_and_can_do_nothing_else_with_it(api):
    page, basic = "http://receiver.test/docs", httpx.BasicAuth("anything", api.keys["read"])
    async with api.client("admin") as admin, api.client(None) as browser:
        asked = await browser.get(page, headers={"Accept": "text/html"})
        assert asked.status_code == 401 and asked.headers["www-authenticate"].startswith("Basic ")
        assert (await browser.get(page, auth=("anything", "whk_wrong"))).status_code == 401
        assert (await browser.get(page, headers={"Authorization": "Basic ***"})).status_code == 401
        assert (await browser.get("/webhooks", auth=basic)).status_code == 401

        schema = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}
        body = {"deployment": "orders/default", "verification": {"scheme": "none"}, "schema": schema}
        assert (await admin.put("/webhooks/shop", json=body)).status_code == 201
        shown = await browser.get(page, headers={"Accept": "text/html"}, auth=basic)
        assert shown.headers["content-security-policy"].startswith("default-src 'none'")
        assert "curl -X POST http://receiver.test/api/webhooks/shop" in shown.text

        await admin.delete("/webhooks/shop")
        document = (await browser.get("http://receiver.test/openapi.json", auth=basic)).json()
        assert "/api/webhooks/shop" not in document["paths"]
