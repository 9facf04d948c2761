from datetime import timedelta
from typing import Any

import pytest

from receiver.contract.definition import BatchRule, parse_definition
from receiver.contract.errors import DefinitionError
from receiver.contract.model import Retention, WebhookDefinition

MINIMAL: dict[str, Any] = {"key": "k", "verification": {"scheme": "none"}}
SYNC = {"timeout": {"mode": "sync"}, "on_timeout": {"mode": "sync"}}
EVENT = "{{$context.headers.x-event-id}}"

GOOD: list[tuple[str, Any, Any]] = [
    ("key", "a", "a"),
    ("key", "a-b_c9", "a-b_c9"),
    ("key", "9" * 64, "9" * 64),
    ("path", "/shops/{shop_id}/", "shops/{shop_id}"),
    ("methods", "post", ("POST",)),
    ("methods", ["delete", "GET", "get"], ("GET", "DELETE")),
    ("methods", {"PUT", "PATCH"}, ("PUT", "PATCH")),
    ("methods", ("POST",), ("POST",)),
    ("mode", "async", "async"),
    ("mode", "sync", "sync"),
    ("timeout", 120, 120.0),
    ("timeout", 0.5, 0.5),
    ("timeout", "2m", 120.0),
    ("on_timeout", 504, 504),
    ("deployment", "my flow/prod, eu", "my flow/prod, eu"),
    ("deployment", "f/d", "f/d"),
    ("parameters", {}, {}),
    ("parameters", {"n": "{{$context.data.n}}", "x": 5}, {"n": "{{$context.data.n}}", "x": 5}),
    ("payload", "reference", "reference"),
    ("state", "disabled", "disabled"),
    ("verification", {"scheme": "github", "secret": "block:webhook-secret/g"}, None),
    ("ip_allowlist", ["192.0.2.7"], ("192.0.2.7/32",)),
    ("ip_allowlist", ("192.0.2.7/24", "192.0.2.0/24", "2001:DB8::/32"), ("192.0.2.0/24", "2001:db8::/32")),
    ("ip_allowlist", ["set:github-hooks", "192.0.2.7"], ("set:github-hooks", "192.0.2.7/32")),
    ("filter", "context.data.n > 5", "context.data.n > 5"),
    ("deduplicate", False, False),
    ("split", "{{$context.data.events}}", "{{$context.data.events}}"),
    ("ordering_key", "{{$context.data.customer_id}}", "{{$context.data.customer_id}}"),
    ("batch", {"max_size": 50, "max_wait": "5s"}, BatchRule(max_size=50, max_wait=timedelta(seconds=5))),
    ("batch", {}, BatchRule(max_size=100, max_wait=timedelta(seconds=2))),
    ("retention", {"body": "2h", "row": "3650d"}, Retention(body=timedelta(hours=2), row=timedelta(days=3650))),
    ("retention", {"row": "30d"}, Retention(body=timedelta(days=30), row=timedelta(days=30))),
    ("deduplicate", {"key": EVENT}, None),
    ("response", {"status": 204}, None),
    ("response", {"headers": {"X-N": "{{$context.data.имя}}"}}, None),
    ("on_invalid", "reject", "reject"),
    ("on_crash", "fail", "fail"),
    ("on_crash", "retry", "retry"),
    ("expires", "90s", timedelta(seconds=90)),
    ("max_body", "1MiB", 1024 * 1024),
    ("max_body", "25 MiB", 25 * 1024 * 1024),
    ("max_body", 1, 1),
    ("rate_limit", " 100 / minute ", "100/minute"),
    ("rate_limit", "10000/day", "10000/day"),
    ("cors", ["https://Shop.example/", "https://shop.example:443"], ("https://shop.example",)),
    ("cors", ["http://localhost:3000", "http://[::1]:80"], ("http://localhost:3000", "http://[::1]")),
    ("cors", "*", ("*",)),
    ("schema", {}, {}),
]

BAD: list[tuple[str, Any, str, str]] = [
    *(
        ("key", key, "key", "1-64 lower-case letters")
        for key in ("", "A", "a b", "-a", "a-", "a" * 65, "é", "a\n", "a/b", 5)
    ),
    ("path", "", "path", "is a path such as"),
    ("path", 5, "path", "is a path such as"),
    ("path", "a//b", "path", "cannot be a segment"),
    ("methods", [], "methods", "is a list of methods"),
    ("methods", 5, "methods", "is a list of methods"),
    (
        "methods",
        ["POST", "HEAD"],
        "methods",
        "HEAD cannot be a webhook's method; take of GET, POST, PUT, PATCH, DELETE",
    ),
    ("methods", {1, "POST"}, "methods", "1 cannot be a webhook's method"),
    ("mode", "later", "mode", "should be 'async' or 'sync'"),
    *(("timeout", value, "timeout", "is a number of seconds, at most 120") for value in (0, -1, 121, True, "3m")),
    ("timeout", [], "timeout", "is a number of seconds, at most 120"),
    ("timeout", "soon", "timeout", "'soon' is no duration"),
    ("timeout", float("nan"), "timeout", "is NaN or infinite"),
    ("on_timeout", 200, "on_timeout", "202 or 504"),
    ("on_timeout", "504", "on_timeout", "202 or 504"),
    *(
        ("deployment", name, "deployment", "flow-name/deployment-name")
        for name in ("f", "f/", "/d", "f/d/e", " f/d", "f/d ", "f /d", "a\nb/c", "f/" + "d" * 511, 5)
    ),
    ("parameters", [], "parameters", "by name to templates"),
    ("parameters", {"not a name": 1}, "parameters", "'not a name' cannot be the name of a flow's parameter"),
    ("parameters", {"a": "{{$result.id}}"}, "parameters", "'$result' is not known here; there is $context, $now"),
    ("parameters", {"a": "{{$context"}, "parameters", "ends with '}}'"),
    ("parameters", {"a": {"$ref": 1}}, "parameters", "a.$ref: the key '$ref' is reserved"),
    ("parameters", {"__class__": 1}, "parameters", "the key '__class__' is reserved"),
    ("payload", "inline", "payload", "should be 'value' or 'reference'"),
    ("state", "off", "state", "'enabled', 'paused' or 'disabled'"),
    ("ip_allowlist", [], "ip_allowlist", "leave it out to allow any address"),
    ("ip_allowlist", "192.0.2.0/24", "ip_allowlist", "is a list of addresses or CIDRs"),
    ("ip_allowlist", ["localhost"], "ip_allowlist", "'localhost' is neither an address nor a CIDR"),
    ("ip_allowlist", ["192.0.2.0/33"], "ip_allowlist", "'192.0.2.0/33' is neither"),
    ("ip_allowlist", [1], "ip_allowlist", "1 is neither"),
    *(
        ("ip_allowlist", [name], "ip_allowlist", "names no set of networks")
        for name in ("set:", "set:A", "set:a b", "set:-a", "set:../a")
    ),
    ("filter", "", "filter", "at least 1 character"),
    ("filter", "a" * 2001, "filter", "at most 2000 characters"),
    ("filter", 5, "filter", "is text"),
    ("split", "", "split", "is a template of the list of events"),
    ("split", "events", "split", "is a template of the list of events"),
    ("split", ["{{$context.data}}"], "split", "is a template of the list of events"),
    ("split", "{{$now}}", "split", "'$now' is not known here; there is $context"),
    ("ordering_key", "", "ordering_key", "is a template of what keeps its order"),
    ("ordering_key", 7, "ordering_key", "is a template of what keeps its order"),
    ("batch", 100, "batch", "is an object of fields"),
    ("retention", "30d", "retention", "is an object of fields"),
    ("retention", {"body": "10m"}, "retention.body", "is a duration from 1h to 3650d"),
    ("retention", {"row": "29d"}, "retention", "keeps a body longer than its row"),
    ("retention", {"rows": "29d"}, "retention.rows", "there is no such field"),
    ("batch", {"max_size": 1}, "batch.max_size", "greater than or equal to 2"),
    ("batch", {"max_size": 1001}, "batch.max_size", "less than or equal to 1000"),
    ("batch", {"max_wait": "0s"}, "batch.max_wait", "is a duration from 1s to 1h"),
    ("batch", {"max_wait": "2h"}, "batch.max_wait", "is a duration from 1s to 1h"),
    ("batch", {"size": 5}, "batch.size", "there is no such field"),
    ("deduplicate", True, "deduplicate", "names the event id: {'key': '{{$context.headers.x-event-id}}'"),
    ("deduplicate", "id", "deduplicate", "is an object of fields"),
    ("deduplicate", {}, "deduplicate.key", "is required"),
    ("deduplicate", {"key": "fixed"}, "deduplicate.key", "is the same for every request"),
    ("deduplicate", {"key": ""}, "deduplicate.key", "is a template of the sender's event id"),
    ("deduplicate", {"key": 5}, "deduplicate.key", "is a template of the sender's event id"),
    ("deduplicate", {"key": "{{$now}}"}, "deduplicate.key", "'$now' is not known here; there is $context"),
    ("deduplicate", {"key": EVENT, "window": "4 days"}, "deduplicate.window", "'4 days' is no duration"),
    ("deduplicate", {"key": EVENT, "window": "0s"}, "deduplicate.window", "is a duration from 1s to 400d"),
    ("deduplicate", {"key": EVENT, "window": "401d"}, "deduplicate.window", "is a duration from 1s to 400d"),
    ("deduplicate", {"key": EVENT, "window": 5}, "deduplicate.window", "is a duration from 1s to 400d"),
    ("deduplicate", {"key": EVENT, "windw": "4d"}, "deduplicate.windw", "there is no such field"),
    ("response", "ok", "response", "is an object of fields"),
    ("response", {"status": 199}, "response.status", "greater than or equal to 200"),
    ("response", {"status": 600}, "response.status", "less than or equal to 599"),
    ("response", {"status": "201"}, "response.status", "valid integer"),
    ("response", {"status": 204, "body": "x"}, "response", "status 204 has no body"),
    ("response", {"headers": []}, "response.headers", "maps names of headers to templates"),
    ("response", {"headers": {"Connection": "close"}}, "response.headers", "belongs to the connection"),
    ("response", {"headers": {"X": "a\r\nSet-Cookie: b"}}, "response.headers", "line break"),
    ("response", {"headers": {"X\n": "{{$context.data}}"}}, "response.headers", "cannot be the name of a header"),
    ("response", {"headers": {"X": 5}}, "response.headers", "is text, not int"),
    ("response", {"headers": {"X": "{{$outcome.id}}"}}, "response.headers", "'$outcome' is not known here"),
    ("response", {"body": {"a": ["{{context}}"]}}, "response.body", "begins with one of $context, $now, $result"),
    ("response", {"code": 200}, "response.code", "there is no such field"),
    ("on_invalid", "drop", "on_invalid", "'reject' or 'hold'"),
    ("expires", "0s", "expires", "is a duration from 1s to 30d"),
    ("expires", "31d", "expires", "is a duration from 1s to 30d"),
    ("on_crash", "later", "on_crash", "should be 'fail' or 'retry'"),
    ("max_body", 0, "max_body", "is a size from 1 byte to 25MiB"),
    ("max_body", "26MiB", "max_body", "is a size from 1 byte to 25MiB"),
    ("max_body", True, "max_body", "is a size from 1 byte to 25MiB"),
    ("max_body", 1.5, "max_body", "is a size from 1 byte to 25MiB"),
    ("max_body", "1 parsec", "max_body", "'1 parsec' is no size"),
    *(
        ("rate_limit", rate, "rate_limit", "is no rate")
        for rate in (
            "",
            "5",
            "0/second",
            "10001/minute",
            "5/fortnight",
            "5/60s",
            "-1/minute",
            "1.5/second",
            "\u0665/minute",
        )
    ),
    ("rate_limit", 100, "rate_limit", "is a number of requests in a time"),
    ("cors", [], "cors", "is a list of origins"),
    ("cors", {"a": 1}, "cors", "is a list of origins"),
    ("cors", ["https://a.example"] * 101, "cors", "at most 100"),
    ("cors", ["*", "https://a.example"], "cors", "is '*' or a list of origins"),
    *(
        ("cors", [origin], "cors", "is no origin")
        for origin in ("", "null", "a.example", "https://", "https://*.a.example", "ftp://a.example", "https://a/b", 5)
    ),
    *(
        ("cors", [origin], "cors", "is no origin")
        for origin in ("https://u@a.example", "https://a.example?x", "https://a.example:port", "https://\u00e4.example")
    ),
    ("schema", True, "schema", "is a JSON Schema, an object"),
]


@pytest.mark.parametrize(("field", "given", "kept"), GOOD)
def test_a_good_value_is_kept_in_its_canonical_form(field: str, given: Any, kept: Any):
    definition = parse_definition({**MINIMAL, **SYNC.get(field, {}), field: given}, by="code")
    if kept is not None:
        assert getattr(definition, "body_schema" if field == "schema" else field) == kept
    assert parse_definition(definition.to_json(), by="code") == definition


@pytest.mark.parametrize(("field", "given", "where", "words"), BAD)
def test_a_bad_value_is_refused_with_its_place_and_with_words(field: str, given: Any, where: str, words: str):
    with pytest.raises(DefinitionError) as error:
        parse_definition({**MINIMAL, **SYNC.get(field, {}), field: given}, by="code")
    assert error.value.field == where
    assert words in error.value.problem


def test_every_field_that_works_has_good_and_bad_values_above():
    fields = {field.alias or name for name, field in WebhookDefinition.model_fields.items()}
    assert {field for field, _, _ in GOOD} == fields
    assert {field for field, _, _, _ in BAD} | {"verification"} == fields


def test_every_field_is_described():
    descriptions = [field.description for field in WebhookDefinition.model_fields.values()]
    assert all(text and text.endswith(".") for text in descriptions)


def test_an_event_id_is_remembered_for_four_days_unless_said_otherwise():
    for window, kept in [({}, timedelta(days=4)), ({"window": "90m"}, timedelta(minutes=90))]:
        definition = parse_definition({**MINIMAL, "deduplicate": {"key": EVENT, **window}}, by="code")
        assert definition.deduplicate
        assert definition.deduplicate.window == kept
        assert definition.to_json()["deduplicate"]["window"] == ("90m" if window else "4d")


@pytest.mark.parametrize("field", ["split", "batch"])
def test_many_deliveries_have_no_caller_to_wait_for(field: str):
    value = {"split": "{{$context.data}}", "batch": {}}[field]
    with pytest.raises(DefinitionError, match=f"{field}: is for mode 'async'"):
        parse_definition({**MINIMAL, "mode": "sync", field: value}, by="code")


@pytest.mark.parametrize("parameters", [{}, {"n": "{{$context.data.n}}"}, {"a": "{{$context}}", "b": "{{$context}}"}])
def test_a_batch_fills_one_parameter_with_whole_requests(parameters: dict[str, Any]):
    with pytest.raises(DefinitionError, match="batch: fills one parameter of the flow"):
        parse_definition({**MINIMAL, "batch": {}, "parameters": parameters}, by="code")
