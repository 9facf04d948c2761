"""`/docs` for a browser: one page without scripts that loads nothing from anywhere, so that it works in any network."""

from __future__ import annotations

import json
import re
import shlex
from html import escape
from typing import Any

from receiver.admin.openapi import INCOMING
from receiver.security_headers import NO_ICON, page_policy

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}details{margin:.4rem 0;padding:.2rem .6rem;
border:1px solid #d0d7de;border-radius:6px}summary{cursor:pointer}code,pre{font:14px/1.45 ui-monospace,monospace}
pre{overflow:auto;padding:.6rem;background:#f6f8fa}.method{display:inline-block;min-width:4.5rem;font-weight:600}.told{color:#59636e}
table{border-collapse:collapse}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}.told{color:#9198a1}}
"""
_CODE = re.compile("`([^`]+)`")
HEADERS = page_policy(style=_STYLE)
"""Nothing is loaded and no script runs, whatever a definition may hold."""


def page(document: dict[str, Any], base_url: str) -> str:
    """The page of an OpenAPI document; the webhooks come first."""
    tags = sorted(document.get("tags", []), key=lambda tag: bool(tag["name"] != INCOMING))
    body = "".join(_section(document, tag, base_url) for tag in tags)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Webhooks for Prefect</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"{NO_ICON}<style>{_STYLE}</style></head><body><h1>Webhooks for Prefect</h1>"
        f'<p>{_prose(document["info"].get("description", ""))}</p><p><a href="/openapi.json">openapi.json</a></p>'
        f"{body}</body></html>\n"
    )


def _section(document: dict[str, Any], tag: dict[str, str], base_url: str) -> str:
    operations = [
        _operation(document, path, method, operation, base_url)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if tag["name"] in operation.get("tags", [])
    ]
    told = "".join(operations) or '<p class="told">None yet.</p>'
    return f'<section><h2>{escape(tag["name"])}</h2><p class="told">{_prose(tag["description"])}</p>{told}</section>'


def _operation(document: dict[str, Any], path: str, method: str, operation: dict[str, Any], base_url: str) -> str:
    summary = escape(operation.get("summary", ""))
    scope = operation.get("x-required-scope")
    parts = [f"<p>{_prose(operation.get('description', ''))}</p>"]
    if scope:
        parts.append(f'<p class="told">Needs a key of scope {escape(scope)}.</p>')
    media = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if operation.get("tags") == [INCOMING]:
        parts.append(f"<pre>{escape(_curl(path, method, media, base_url))}</pre>")
    if media and media.get("schema"):
        parts.append(f"<p>Body:</p><pre>{escape(_schema_text(document, media['schema']))}</pre>")
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{_prose(answer.get('description', ''))}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
    )
    parts.append(f"<table>{answers}</table>")
    head = (
        f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code> <span class="told">{summary}</span>'
    )
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _prose(text: str) -> str:
    """Text of the document as HTML: what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _curl(path: str, method: str, media: dict[str, Any] | None, base_url: str) -> str:
    line = f"curl -X {method.upper()} {shlex.quote(base_url + path)}"
    if media is None or "example" not in media:
        return line
    return f"{line} -H 'Content-Type: application/json' \\\n  -d {shlex.quote(json.dumps(media['example']))}"


def _schema_text(document: dict[str, Any], schema: dict[str, Any]) -> str:
    name = str(schema.get("$ref", "")).removeprefix("#/components/schemas/")
    return json.dumps(document["components"]["schemas"].get(name, schema), indent=2)
