"""What an operator writes and a request fills: templates, filters, schemas, networks, paths, definitions, envelopes."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from receiver.contract.envelope import decode_batch, decode_envelope, encode_envelope
from receiver.contract.errors import BadReply, DefinitionError, EnvelopeError, ReplyTooLarge, TemplateError, Unusable
from receiver.contract.parse import parse_definition
from receiver.contract.paths import check_path
from receiver.contract.plain import find_flaw
from receiver.contract.reply import Reply
from receiver.contract.templates import Template, compile_template
from receiver.ingress.client_ip import Proxies, origin, parse_networks
from receiver.ingress.filter import Filter, compile_filter
from receiver.ingress.schema import BodySchema, compile_schema
from receiver.ingress.verify import build_scheme
from receiver.ingress.webhook import compile_webhook
from receiver.replies.render import as_http
from receiver.webhooks.catalog import Routes
from tests.fuzz import Target
from tests.fuzz.wire import any_json, any_text, joined, split

_DOCUMENT = '{"data": {"items": [{"price": 1.5}, null], "ref": "refs/heads/main"}, "headers": {"x-a": ["b", "c"]}}'
_TEMPLATES = (
    '"{{$context.data.items[0].price | default(7) | json}} and {{$context.headers.X-A | join(\\",\\") | upper}}"',
    '{"a": ["{{$context.body.ref}}", "{{$now | date(\\"%Y\\") | int}}"], "b": "{{\\"{{\\"}}"}',
    '"{{$context.data.items.0[\\"price\\"] | float | length | first}}"',
)
_FILTERS = (
    'context.data.ref == "refs/heads/main" && has(context.data.items)',
    "context.data.items.exists(item, item != null && item.price > 1.0)",
    "context.data.ref.matches('^refs/(heads|tags)/[a-z]{1,9}$') || size(context.data.items.map(i, i)) > 2",
    'timestamp("2026-01-01T00:00:00Z").getFullYear() == 2026 && duration("1h") > duration("1s")',
)
_SCHEMAS = (
    '{"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/i"}}}, '
    '"required": ["items"], "$defs": {"i": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/p"}]}, '
    '"p": {"type": "object", "properties": {"price": {"type": "number", "multipleOf": 0.5}}}}}',
    '{"$ref": "#/allOf/0", "allOf": [{"type": "string", "format": "date-time"}], "pattern": "^(a|b)+$"}',
    '{"patternProperties": {"^x-": {"not": {"enum": [1, null]}}}, "if": {"minProperties": 2}, "then": false}',
)
_DEFINITION = {
    "key": "orders",
    "deployment": "orders/default",
    "path": "shops/{shop_id}/orders",
    "methods": ["POST", "PUT"],
    "verification": {"scheme": "hmac", "secret": "block:webhook-secret/orders", "header": "X-Sign", "signed": "{body}"},
    "ip_allowlist": ["192.0.2.0/24", "2001:db8::/32"],
    "filter": "has(context.data.id)",
    "deduplicate": {"key": "{{$context.data.id}}", "window": "4d"},
    "response": {"status": 201, "headers": {"X-Id": "{{$context.delivery_id}}"}, "body": {"ok": True}},
    "max_body": "2MiB",
    "schema": {"type": "object"},
}
_ROOTS = frozenset({"context", "now"})
_VALUES = (b"{{", b"}}", b"$context", b"$now", b" | default(", b" | json", b"[99999]", b'["', b".0", b"\\ud800")


class _Served:
    def __init__(self, key: str, path: str | None) -> None:
        self.key, self.path = key, path


_ROUTES = Routes([_Served("orders", None), _Served("s", "shops/{shop_id}/orders"), _Served("odoo", "odoo/{}")])
_TRUSTED = parse_networks(["10.0.0.0/8", "2001:db8::/32"])
_PROXIES = {"X-Forwarded-For": Proxies(_TRUSTED), "Forwarded": Proxies(_TRUSTED, "forwarded")}


@lru_cache(maxsize=64)
def _template(source: bytes) -> Template | None:
    with suppress(TemplateError):
        return compile_template(any_json(source), roots=_ROOTS)
    return None


@lru_cache(maxsize=64)
def _filter(expression: bytes) -> Filter | None:
    with suppress(DefinitionError):
        return compile_filter(any_text(expression))
    return None


@lru_cache(maxsize=64)
def _schema(source: bytes) -> BodySchema | None:
    with suppress(DefinitionError):
        return compile_schema(any_json(source))
    return None


def _run_template(data: bytes) -> None:
    source, document = split(data, 2)
    if (template := _template(source)) is not None:
        with suppress(TemplateError):
            template.render({"context": any_json(document), "now": "2026-03-14T15:09:26Z"})


def _run_filter(data: bytes) -> None:
    expression, document = split(data, 2)
    if (compiled := _filter(expression)) is not None:
        value = any_json(document)
        with suppress(Unusable):
            compiled.matches(value if isinstance(value, dict) else {"data": value})


def _run_schema(data: bytes) -> None:
    source, document = split(data, 2)
    if (compiled := _schema(source)) is not None:
        try:
            compiled.check(any_json(document))
        except Unusable as error:
            assert 0 < len(error.problems) <= 20


def _run_client_ip(data: bytes) -> None:
    peer, *lines = data.decode("latin-1").split("\n")
    for header, proxies in _PROXIES.items():
        came = origin(peer, [(header, line) for line in lines], "http", proxies)
        if came.ip != peer:
            ip_address(came.ip)
    with suppress(DefinitionError):
        assert not parse_networks([peer, *lines]).contains("no address")


def _run_paths(data: bytes) -> None:
    raw = data.decode("latin-1")
    found = _ROUTES.find(raw)
    if found is not None:
        json.dumps(dict(found.params))
    try:
        path = check_path(any_text(data))
    except ValueError:
        return
    assert Routes([_Served("new", path)]).find(path.replace("{", "").replace("}", "")) is not None


def _run_envelope(data: bytes) -> None:
    value = any_json(data)
    with suppress(EnvelopeError):
        decode_envelope(value)
    with suppress(EnvelopeError):
        for context in decode_batch(value):
            assert context.delivery_id and context.attempt >= 1


def _run_definition(data: bytes) -> None:
    value = any_json(data)
    try:
        definition = parse_definition(value, by="write")
        compile_webhook(definition, revision=1, state=definition.state)
    except DefinitionError as error:
        assert error.field and error.problem
    with suppress(DefinitionError):
        build_scheme(value if isinstance(value, dict) else {"scheme": value})


def _run_reply(data: bytes) -> None:
    value = any_json(data)
    if isinstance(value, dict):
        with suppress(BadReply, ReplyTooLarge):
            status, headers, _body, media_type = as_http(Reply.from_wire(value))
            assert 200 <= status < 600
            assert not [text for pair in headers for text in (*pair, media_type) if "\n" in text or "\r" in text]
    find_flaw(value)


def _filled(*sources: str) -> list[bytes]:
    return [joined(source, _DOCUMENT) for source in sources]


def _envelopes() -> list[bytes]:
    context: dict[str, Any] = {
        "v": 1,
        "data": None,
        "headers": {},
        "webhook": "orders",
        "received_at": "2026-03-14T15:09:26+00:00",
    }
    envelope = encode_envelope(context, delivery_id="d-1", attempt=1)
    found = [envelope, {**envelope, "attempt": True}, {"v": 1, "batch": [envelope]}]
    return [json.dumps(each).encode() for each in (*found, {"v": 1, "delivery_id": "d", "attempt": 1, "ref": True})]


def _definitions() -> list[bytes]:
    senders = [
        {**_DEFINITION, "verification": {"scheme": name, "secret": "block:secret/x"}} for name in ("jwt", "slack")
    ]
    changed = {**_DEFINITION, "mode": "sync", "timeout": "20s", "path": None, "split": "{{$context.data.items}}"}
    return [json.dumps(each).encode() for each in (_DEFINITION, changed, *senders)]


TARGETS = (
    Target(name="template", run=_run_template, seeds=lambda: _filled(*_TEMPLATES), words=_VALUES),
    Target(
        name="filter",
        run=_run_filter,
        seeds=lambda: _filled(*_FILTERS),
        words=(
            b"context.data",
            b".all(x, ",
            b".matches('",
            b"{1,99}",
            b" in ",
            b" ? 1 : ",
            b"!!",
            b"--",
            b"((((",
            b"b'\\x",
        ),
    ),
    Target(
        name="schema",
        run=_run_schema,
        seeds=lambda: _filled(*_SCHEMAS),
        words=(b'"$ref": "#/', b'"allOf": [', b'"pattern": "', b'"$schema": "', b'"format": "', b'"multipleOf": 0.1'),
    ),
    Target(
        name="client-ip",
        run=_run_client_ip,
        seeds=lambda: [
            b"10.0.0.1\n192.0.2.7, 10.0.0.2:443\n[2001:db8::1]:80",
            b"::ffff:10.0.0.1\nfe80::1%eth0, 203.0.113.9",
            b'10.0.0.1\nfor="[2001:db9::1]:47011";proto=https;by=_x, for=10.0.0.2;host="a\\",b"',
            b"10.0.0.0/8\n::ffff:192.0.2.0/120\n2001:db8::/129",
        ],
        words=(b"::ffff:", b"%25", b"[::1]", b",,", b"10.0.0.1", b"/0", b"\xb2", b"for=", b";proto=", b'"', b"\\"),
        largest=2048,
    ),
    Target(
        name="path",
        run=_run_paths,
        seeds=lambda: [b"shops/%E2%82%AC/orders", b"orders", b"odoo/t%2Foken", b"a/{b}/{c_1}", b"{" * 30, b"a/" * 30],
        words=(b"%2F", b"%FF", b"..", b"{x}", b"//", b"\x00"),
        largest=512,
    ),
    Target(
        name="envelope",
        run=_run_envelope,
        seeds=_envelopes,
        words=(b'"ref": true', b'"batch": [', b'"json": "', b"1e0"),
    ),
    Target(
        name="definition",
        run=_run_definition,
        seeds=_definitions,
        words=(
            b'"scheme": "',
            b'"none"',
            b'"env:A"',
            b'"file:../x"',
            b'"4d"',
            b"1e99",
            b'"max_body": ',
            b'"cors": ',
            b"null",
        ),
    ),
    Target(
        name="reply",
        run=_run_reply,
        seeds=lambda: [
            json.dumps(reply.to_wire()).encode()
            for reply in (
                Reply(status=201, headers={"X-A": "b"}, body={"a": [1]}),
                Reply(body=b"\xff"),
                Reply.text("t"),
            )
        ],
        words=(b'"status": 204', b'"headers": {"', b"\\r\\n", b'"base64": "', b'"json": "'),
    ),
)
