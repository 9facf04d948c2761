"""A real receiver keeps what its OpenAPI document says, whatever is asked of it; `make fuzz` asks more often.

Nobody listens at its Prefect's address: 503 is the answer where Prefect is needed, and only where the document says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import jsonschema_rs
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    status_code_conformance,
)

from receiver.admin.api import admin_router
from receiver.admin.openapi import openapi_document
from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, serving

EXAMPLES = int(os.environ.get("API_EXAMPLES", "10"))
CHECKS = [content_type_conformance, response_headers_conformance, status_code_conformance]
WEBHOOKS: dict[str, dict[str, Any]] = {
    "orders": {"path": "shops/{shop_id}/orders", "methods": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
    "signed": {"verification": {"scheme": "api-key", "secret": "env:KEY_OF_A_TEST", "query": "key"}},
    "strict": {"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
    "filtered": {"filter": "context.data.run == true", "response": {"status": 201, "body": "{{$context.data}}"}},
    "held": {"on_invalid": "hold", "state": "paused"},
}
KNOWN = [f"known-{number}" for number in range(8)]
"""Webhooks that may be changed and deleted."""


class Api:
    """A receiver with webhooks and deliveries, and its own description."""

    def __init__(self, receiver: Serving, session: requests.Session) -> None:
        self.url = str(receiver.http.base_url)
        self.session = session
        changeable = {key: {"state": "paused", "on_invalid": "hold"} for key in KNOWN}
        with ThreadPoolExecutor() as pool:  # each asks for its deployment, in vain
            list(pool.map(lambda each: receiver.define(each[0], **each[1]), (WEBHOOKS | changeable).items()))
        for key in KNOWN:
            for body in (b'{"id": 7}', b"{", b"a=1&a=2"):
                receiver.http.post(f"/api/webhooks/{key}", content=body, headers={"Content-Type": "application/json"})
        items = self.session.get(f"{self.url}/api/admin/deliveries").json()["items"]
        self.known = {"delivery_id": [item["id"] for item in items], "key": KNOWN, "index": ["0"]}
        document = self.session.get(f"{self.url}/openapi.json").json()
        self.described = schemathesis.openapi.from_dict(document)
        self.document = document

    def operation(self, method: str, path: str) -> Any:
        """An operation as it is described."""
        return self.described[path][method]

    def matches_its_schema(self, answer: requests.Response, method: str, path: str) -> None:
        """The answer's JSON against the document; the library's own check spoils schemas that have `prefixItems`."""
        described = (
            self.document["paths"][path][method]["responses"].get(str(answer.status_code), {}).get("content", {})
        )
        media_type = answer.headers.get("content-type", "").partition(";")[0]
        if "schema" in described.get(media_type, {}):
            steps = ("paths", path, method, "responses", str(answer.status_code), "content", media_type, "schema")
            place = "/".join(step.replace("~", "~0").replace("/", "~1").replace("{", "%7B") for step in steps)
            jsonschema_rs.validate({"$ref": f"#/{place.replace('}', '%7D')}", **self.document}, answer.json())

    def ask(self, case: Case[Any], number: int) -> requests.Response:
        """Send a request; every other one for something that is there."""
        if number % 2:
            for name in case.path_parameters or {}:
                known = self.known.get(name, [])
                case.path_parameters[name] = known[number % len(known)] if known else case.path_parameters[name]
        sent = case.as_transport_kwargs(base_url=self.url)
        # A key of its own would be refused, and nothing but refusals be seen.
        sent["headers"] = {**sent.get("headers", {}), "Authorization": f"Bearer {ADMIN_KEY}"}
        return self.session.request(**{**sent, "timeout": 60, "allow_redirects": False})


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("api"), KEY_OF_A_TEST="k-5f2e") as receiver, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        yield Api(receiver, session)


def operations() -> list[tuple[str, str]]:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(admin_router(cast("Any", None)))
    paths = openapi_document(app, "")["paths"]
    return [(method, path) for path, described in paths.items() for method in described]


def hold(api: Api, method: str, path: str) -> None:
    operation, asked = api.operation(method, path), iter(range(10**6))

    @settings(
        max_examples=EXAMPLES if not path.endswith("/check") else max(2, EXAMPLES // 10),  # it waits for Prefect
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def run(case: Case[Any]) -> None:
        answer = api.ask(case, next(asked))
        assert answer.status_code not in {500, 502, 504}, f"{case.as_curl_command()}\n{answer.text}"
        case.validate_response(answer, checks=CHECKS)
        api.matches_its_schema(answer, method, path)

    run()


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda part: part)
def test_the_admin_api_answers_as_it_says(api: Api, method: str, path: str):
    hold(api, method, path)


def test_what_strangers_have_besides_answers_as_the_document_says(api: Api):
    public = [path for path in api.document["paths"] if not path.startswith(("/api/admin/", "/api/webhooks/"))]
    assert {"/api/deliveries/{delivery_id}", "/api/approvals/{token}", "/health/ready"} <= set(public)
    for path in public:
        for method in api.document["paths"][path]:
            hold(api, method, path)


def test_webhooks_answer_as_the_document_says(api: Api):
    for key, fields in WEBHOOKS.items():
        path = f"/api/webhooks/{fields.get('path', key)}"
        for method in api.document["paths"][path]:
            hold(api, method, path)
