"""The OpenAPI document: the admin API, and each webhook as its sender has to call it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from receiver.admin.example import example_of
from receiver.admin.problems import ProblemModel
from receiver.contract.definition import WebhookDefinition, parse_definition
from receiver.contract.errors import DefinitionError
from receiver.contract.paths import shown_path
from receiver.contract.plain import size_up_to
from receiver.ingress.verify import build_scheme
from receiver.ingress.verify.base import Carriers
from receiver.prefect_gateway import DeploymentRef
from receiver.webhooks.definitions import DefinitionRow

MOST_WEBHOOKS = 500
MOST_OF_SCHEMAS = 2 * 1024 * 1024
"""About the characters of all webhooks' schemas together; the rest of them are left out."""
INCOMING = "incoming"

_DESCRIPTION = """Webhooks, the deliveries they took, and the keys of this API.

Send a key with each request: `Authorization: Bearer whk_...`. Scopes are `read`, `write` and `admin`; each includes
the ones before it. Every error is `application/problem+json` (RFC 9457). Times are ISO 8601 in UTC. Lists are answered
in pages: pass `next_cursor` as `cursor` until it is null. No answer ever holds a secret.
"""
_TAGS = [
    {"name": "webhooks", "description": "What may be called, how it is verified and which deployment it runs."},
    {"name": "deliveries", "description": "Every request that came, refused ones too, and what became of it."},
    {"name": "keys", "description": "The keys of this API."},
    {"name": "audit", "description": "Who changed what, when, from where."},
    {"name": "check", "description": "What would not work, and what mends it."},
    {"name": "metrics", "description": "Figures for Prometheus."},
]
_WHOLE_BODY = re.compile(r"\s*\{\{\s*\$context\.(?:data|body)\s*\}\}\s*")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def openapi_document(app: FastAPI, version: str) -> dict[str, Any]:
    """The OpenAPI description of the app's routes."""
    document = get_openapi(
        title="Webhooks for Prefect", version=version, description=_DESCRIPTION, routes=app.routes, tags=_TAGS
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components["Problem"] = ProblemModel.model_json_schema()
    for operation in [each for item in document["paths"].values() for each in item.values()]:
        if "requestBody" in operation:
            refused = {"400": "The body cannot be read.", "413": "The body is too large."}
            told = {status: {"description": words, "content": _PROBLEM} for status, words in refused.items()}
            operation["responses"] = dict(sorted((told | operation["responses"]).items()))
    return document


def add_webhooks(
    document: dict[str, Any], rows: Iterable[DefinitionRow], known: Callable[[str], DeploymentRef | None]
) -> dict[str, Any]:
    """The document with each webhook that is not disabled, by key, at most 500. `known` never asks Prefect."""
    served = sorted((row for row in rows if row.state != "disabled"), key=lambda row: row.key)
    more = f" {len(served) - MOST_WEBHOOKS} more are not shown here." if len(served) > MOST_WEBHOOKS else ""
    tag = {"name": INCOMING, "description": f"The webhooks, as their senders call them.{more}"}
    document["tags"] = [*document.get("tags", []), tag]
    components, left = document["components"], MOST_OF_SCHEMAS
    for row in served[:MOST_WEBHOOKS]:
        try:
            definition = parse_definition(row.definition, by="code")
            carriers = build_scheme(definition.verification).carriers()
        except DefinitionError:
            continue  # it is not served either
        schema = body_schema(definition, known(definition.deployment or ""))
        size = size_up_to(schema, left)
        described = schema if schema is not None and size <= left else None
        if described is not None:
            left -= size
            components["schemas"][_component(definition)] = _moved(described, _component(definition))
        security = _security(definition, carriers, components.setdefault("securitySchemes", {}))
        item = document["paths"].setdefault(f"/api/webhooks/{_path(definition)}", {})
        for method in definition.methods:
            item[method.lower()] = _operation(definition, method, described, carriers, security)
    return document


def body_schema(definition: WebhookDefinition, deployment: DeploymentRef | None) -> dict[str, Any] | None:
    """What the body has to be: the webhook's `schema`, else that of the parameter that takes the whole body."""
    if definition.body_schema is not None:
        return definition.body_schema
    whole = deployment.parameter_schema if deployment else None
    properties = whole.get("properties") if whole else None
    if whole is None or not isinstance(properties, Mapping):
        return None
    for name, template in definition.parameters.items():
        if isinstance(template, str) and _WHOLE_BODY.fullmatch(template) and isinstance(properties.get(name), dict):
            shared = {key: whole[key] for key in ("definitions", "$defs") if whole.get(key)}
            return {**{key: part for key, part in properties[name].items() if key != "position"}, **shared}
    return None


def _component(definition: WebhookDefinition) -> str:
    return f"webhook.{definition.key}"


def _moved(schema: Any, name: str) -> Any:
    """The schema with its references where it stands now, among the document's components."""
    if isinstance(schema, list):
        return [_moved(each, name) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"#/components/schemas/{name}{value[1:]}"
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, name)
        for key, value in schema.items()
    }


def _operation(
    definition: WebhookDefinition,
    method: str,
    schema: dict[str, Any] | None,
    carriers: Carriers,
    security: list[dict[str, list[str]]],
) -> dict[str, Any]:
    path = _path(definition)
    operation: dict[str, Any] = {
        "tags": [INCOMING],
        "summary": f"Webhook {definition.key}",
        "description": _words(definition, carriers),
        "operationId": f"webhook-{definition.key}-{method.lower()}",
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", path)
        ],
        "security": security,
        "responses": _answers(definition),
    }
    if method in _WITH_BODY:
        media: dict[str, Any] = {"schema": {}}
        if schema is not None:
            media = {"schema": {"$ref": f"#/components/schemas/{_component(definition)}"}}
            try:
                media["example"] = example_of(schema)
            except LookupError:
                media["schema"] = {**media["schema"], "description": "No example could be made of it."}
        operation["requestBody"] = {"required": schema is not None, "content": {"application/json": media}}
    return operation


def _path(definition: WebhookDefinition) -> str:
    return shown_path(definition.served_path or definition.key)


def _words(definition: WebhookDefinition, carriers: Carriers) -> str:
    words = [f"Starts `{definition.deployment}`." if definition.deployment else "Starts no deployment yet."]
    places = [f"header `{name}`" for name in sorted(carriers.headers)] + [
        f"query parameter `{name}`" for name in sorted(carriers.query)
    ]
    if definition.scheme == "none":
        words.append("Anybody may call it.")
    else:
        words.append(f"Verified by scheme `{definition.scheme}`{': ' + ', '.join(places) if places else ''}.")
    if definition.ip_allowlist:
        words.append("Certain addresses only.")
    if definition.rate_limit:
        words.append(f"At most {definition.rate_limit}.")
    if definition.cors:
        words.append(
            "Pages of any origin may call it." if "*" in definition.cors else "Pages of some origins may call it."
        )
    if definition.filter:
        words.append("Requests that its filter leaves out are answered 200 and start nothing.")
    if definition.state == "paused":
        words.append("Paused: requests are stored and wait.")
    return " ".join(words)


def _security(definition: WebhookDefinition, carriers: Carriers, schemes: dict[str, Any]) -> list[dict[str, list[str]]]:
    if definition.scheme in {"bearer", "basic"}:
        name = f"webhooks by {definition.scheme}"
        schemes[name] = {"type": "http", "scheme": definition.scheme, "description": "A webhook's own secret."}
        return [{name: []}]
    found: list[dict[str, list[str]]] = []
    for place, names in (("header", carriers.headers), ("query", carriers.query)):
        for each in sorted(names):
            name = f"{definition.scheme} by {place} {each}"
            words = "A signature or key that the sender makes or knows."
            schemes[name] = {"type": "apiKey", "in": place, "name": each, "description": words}
            found.append({name: []})  # any one of them: gitlab has two ways
    return found


def _answers(definition: WebhookDefinition) -> dict[str, Any]:
    waits = definition.mode == "sync"
    success = definition.response.status if definition.response else 200 if waits else 202
    words = "What the flow replies; this, if it says no other status." if waits else "Stored; the flow runs after it."
    answers: dict[str, Any] = {str(success): {"description": words}}
    answers.setdefault("200", {"description": "A duplicate, or left out by the filter."})
    refused = {"413": "Body too large.", "415": "Unknown Content-Encoding.", "503": "Try again later."}
    if waits and definition.on_timeout == 504:
        refused["504"] = "The flow takes longer; it goes on."
    elif waits:
        answers.setdefault("202", {"description": "The flow takes longer; `status_url` tells its reply later."})
    if definition.scheme != "none":
        refused["401"] = "Not verified."
    if definition.scheme != "none" or definition.ip_allowlist:
        refused["403"] = "Address not allowed, or a secret that came by plain HTTP."
    if definition.scheme != "none" or definition.rate_limit:
        refused["429"] = "Too many requests: send again after the seconds in Retry-After."
    if waits:
        refused["500"] = "The flow failed."
    if definition.on_invalid != "hold":
        refused |= {"400": "Not what its Content-Type says.", "422": "Breaks the schema or the flow's parameters."}
    for status, told in refused.items():
        answers[status] = {"description": told, "content": _PROBLEM}
    return dict(sorted(answers.items()))
