import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.contract.definition import WebhookDefinition, generate_key, parse_definition
from receiver.contract.errors import DefinitionError
from receiver.contract.parse import FIELDS
from tests.support.json_values import hostile_values

MINIMAL: dict[str, Any] = {"key": "k", "deployment": "f/d", "verification": {"scheme": "none"}}
FULL: dict[str, Any] = {
    "key": "orders",
    "path": "shops/{shop_id}/orders/{order_id}",
    "methods": ["GET", "POST"],
    "mode": "sync",
    "deployment": "order flow/prod",
    "parameters": {
        "context": "{{$context}}",
        "shop": "{{$context.params.shop_id | int}}",
        "fixed": [None, {"a": None}],
    },
    "payload": "reference",
    "state": "paused",
    "verification": {"scheme": "hmac", "secret": "block:webhook-secret/orders", "header": "X-Sign", "tolerance": 300},
    "ip_allowlist": ["192.0.2.0/24", "2001:db8::/32"],
    "filter": 'context.data.ref == "refs/heads/main"',
    "deduplicate": {"key": "{{$context.headers.x-event-id}}", "window": "36h"},
    "response": {
        "status": 202,
        "headers": {"X-N": "{{$context.data.n}}"},
        "body": {"n": "{{$context.data.n}}", "x": None},
    },
    "timeout": 2.5,
    "on_timeout": 504,
    "on_invalid": "hold",
    "on_crash": "fail",
    "max_body": 25 * 1024 * 1024,
    "rate_limit": "100/minute",
    "cors": ["https://shop.example", "http://localhost:3000"],
    "schema": {"type": "object", "properties": {"n": {"enum": [None, 1]}}},
}


def error_of(data: Any, by: Any = "admin") -> DefinitionError:
    with pytest.raises(DefinitionError) as error:
        parse_definition(data, by=by)
    assert str(error.value) == f"{error.value.field}: {error.value.problem}"
    return error.value


@pytest.mark.parametrize(
    "definition", [MINIMAL, FULL, {**MINIMAL, "deduplicate": False}, {**MINIMAL, "path": "/a/{b}/"}]
)
def test_a_definition_reads_back_from_its_json(definition: dict[str, Any]):
    parsed = parse_definition(definition, by="admin")
    written = json.loads(json.dumps(parsed.to_json()))
    assert parse_definition(written, by="admin") == parsed
    assert WebhookDefinition.model_validate(written) == parsed
    assert parse_definition(written, by="admin").to_json() == written


def test_a_full_definition_is_written_as_it_was_given():
    assert parse_definition(FULL, by="write").to_json() == FULL


def test_what_is_left_out_has_the_documented_defaults():
    parsed = parse_definition(MINIMAL, by="write")
    assert parsed.to_json() == {
        "key": "k",
        "methods": ["POST"],
        "mode": "async",
        "deployment": "f/d",
        "parameters": {"context": "{{$context}}"},
        "payload": "value",
        "state": "enabled",
        "verification": {"scheme": "none"},
        "on_crash": "fail",
    }
    assert (parsed.path, parsed.ip_allowlist, parsed.filter, parsed.response, parsed.body_schema) == (None,) * 5
    # What is left out here is the choice of the verification scheme's preset.
    assert (parsed.on_invalid, parsed.max_body, parsed.deduplicate, parsed.timeout, parsed.on_timeout) == (None,) * 5


def test_null_is_the_same_as_left_out():
    assert parse_definition({**dict.fromkeys(FIELDS), **MINIMAL}, by="write") == parse_definition(MINIMAL, by="write")


@pytest.mark.parametrize("field", ["state", "key", "verification"])
def test_a_definition_cannot_be_changed(field: str):
    with pytest.raises(ValueError, match="frozen"):
        setattr(parse_definition(MINIMAL, by="write"), field, "paused")


def test_the_verification_has_its_scheme_its_secret_and_the_schemes_options():
    parsed = parse_definition(FULL, by="write")
    assert (parsed.scheme, parsed.secret) == ("hmac", "block:webhook-secret/orders")
    assert parsed.scheme_options == {"header": "X-Sign", "tolerance": 300}
    assert parse_definition(MINIMAL, by="write").secret is None


def test_the_templates_of_a_definition_are_compiled_with_their_roots():
    parsed = parse_definition(FULL, by="write")
    document = {"params": {"shop_id": "7"}, "headers": {"x-event-id": "e1"}, "data": {"n": 5}}
    assert parsed.parameters_template().children()["context"].is_root("context")
    assert parsed.parameters_template().render({"context": document})["shop"] == 7
    assert parsed.deduplicate
    assert parsed.deduplicate.key_template().render({"context": document}) == "e1"
    assert parsed.response
    assert parsed.response.headers_template().render({"context": document}) == {"X-N": 5}
    assert parsed.response.body_template().render({"context": document}) == {"n": 5, "x": None}


def test_a_key_that_is_left_out_is_generated_valid_and_never_the_same():
    keys = {generate_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert {len(key) for key in keys} == {24}
    assert len(set("".join(keys))) == 36
    for key in list(keys)[:50]:
        assert parse_definition({**MINIMAL, "key": key}, by="write").key == key
    made = parse_definition({name: value for name, value in MINIMAL.items() if name != "key"}, by="write")
    assert len(made.key) == 24


@pytest.mark.parametrize("changes", [{"timeout": 5}, {"on_timeout": 202}, {"on_timeout": 504, "mode": "async"}])
def test_only_a_caller_that_waits_has_a_timeout(changes: dict[str, Any]):
    error = error_of({**MINIMAL, **changes})
    assert error.field == next(iter(changes))
    assert error.problem == "is for mode 'sync'; leave it out, or say mode 'sync'"
    assert parse_definition({**MINIMAL, **changes, "mode": "sync"}, by="write").mode == "sync"


@pytest.mark.parametrize("response", [{"body": "{{$result.id}}"}, {"headers": {"X-Id": "{{$result.id}}"}}])
def test_the_flows_result_is_there_for_a_caller_that_waits_alone(response: dict[str, Any]):
    error = error_of({**MINIMAL, "response": response})
    assert error.field == f"response.{next(iter(response))}"
    assert "'$result' is not known here; there is $context, $now in mode 'async'" in error.problem
    parsed = parse_definition({**MINIMAL, "response": response, "mode": "sync"}, by="write")
    assert parsed.response
    assert "7" in str(parsed.response.headers_template().render({"result": {"id": 7}})) + str(
        parsed.response.body_template().render({"result": {"id": 7}})
    )


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("method", "methods"),
        ("verfication", "verification"),
        ("ip_allow_list", "ip_allowlist"),
        ("maxbody", "max_body"),
    ],
)
@pytest.mark.parametrize("value", ["x", None])
def test_an_unknown_field_names_the_near_one(wrong: str, meant: str, value: Any):
    error = error_of({**MINIMAL, wrong: value})
    assert (error.field, error.problem) == (wrong, f"there is no such field; did you mean '{meant}'?")


def test_an_unknown_field_without_a_near_one_names_them_all():
    error = error_of({**MINIMAL, "zzz": 1})
    assert error.problem.startswith("there is no such field; the fields are key, path, methods, ")
    assert error_of({**MINIMAL, 5: 1}).field == "5"
    assert error_of({**MINIMAL, "": 1}).field == '""'
    assert error_of({**MINIMAL, "body_schema": {}}).field == "body_schema"


def test_from_the_api_the_deployment_is_required_and_from_code_deploy_fills_it_in():
    without = {"key": "k", "verification": {"scheme": "none"}}
    assert parse_definition(without, by="code").deployment is None
    for by in ("admin", "write"):
        error = error_of(without, by)
        assert (error.field, error.problem) == (
            "deployment",
            "is required: the Prefect deployment to run, flow-name/deployment-name",
        )


@pytest.mark.parametrize(
    ("verification", "field", "words"),
    [
        (None, "verification", "is required: {'scheme': ..., 'secret': ...}; an open webhook says {'scheme': 'none'}"),
        ({}, "verification.scheme", "is required: the name of a verification scheme"),
        ("github", "verification.scheme", "is required"),
        ({"scheme": 5}, "verification.scheme", "is required"),
        ({"scheme": ""}, "verification.scheme", "is empty; an open webhook says {'scheme': 'none'}"),
        ({"scheme": "github", "secret": 5}, "verification.secret", "is a reference, e.g. 'block:webhook-secret/"),
        ({"scheme": "github", "secret": ["a"]}, "verification.secret", "is a reference"),
        ({"scheme": "github", "secret": ""}, "verification.secret", "is not a reference to a secret"),
        ({"scheme": "github", "secret": "hunter2"}, "verification.secret", "is not a reference to a secret"),
    ],
)
def test_an_open_webhook_has_to_say_so(verification: Any, field: str, words: str):
    error = error_of({**MINIMAL, "verification": verification})
    assert error.field == field
    assert words in error.problem
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("secret", ["env:SHOP_SECRET", "file:shop/secret"])
def test_secrets_of_the_environment_and_of_files_are_for_code_and_admin(secret: str):
    definition = {**MINIMAL, "verification": {"scheme": "api-key", "secret": secret}}
    assert parse_definition(definition, by="code").secret == secret
    assert parse_definition(definition, by="admin").secret == secret
    error = error_of(definition, "write")
    assert error.field == "verification.secret"
    assert "from API keys with scope admin only" in error.problem


@pytest.mark.parametrize("value", ["a\0b", "\ud800", float("nan"), 2**70, object()])
def test_what_cannot_be_stored_is_refused_wherever_it_stands(value: Any):
    assert error_of({**MINIMAL, "parameters": {"a": [value]}}).field == "parameters.a[0]"
    assert error_of({**MINIMAL, "schema": {"const": value}}).field == "schema.const"
    assert error_of({**MINIMAL, "verification": {"scheme": "hmac", "x": value}}).field == "verification.x"


@pytest.mark.parametrize("data", [None, [], "text", 5])
def test_a_definition_is_an_object(data: Any):
    assert error_of(data).field == "definition"


anything = hostile_values | st.floats() | st.binary(max_size=3) | st.sets(hostile_values.map(repr), max_size=3)


@settings(max_examples=400)
@given(
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3)
    | st.dictionaries(st.sampled_from(["status", "headers", "body"]), anything).map(lambda value: {"response": value})
    | st.dictionaries(st.sampled_from(["key", "window"]), anything).map(lambda value: {"deduplicate": value}),
    st.sampled_from(["code", "admin", "write"]),
)
def test_any_value_in_any_field_is_taken_or_a_definition_error(changes: dict[str, Any], by: Any):
    try:
        parsed = parse_definition({**MINIMAL, **changes}, by=by)
    except DefinitionError as error:
        assert error.field
        assert error.problem
        return
    assert parse_definition(parsed.to_json(), by=by) == parsed


SYNC: dict[str, Any] = {**MINIMAL, "mode": "sync"}


@pytest.mark.parametrize(("given", "kept"), [(5, 5.0), (0.5, 0.5), ("2m", 120.0)])
def test_a_synchronous_webhook_says_how_long_a_caller_waits(given: Any, kept: float):
    assert parse_definition({**SYNC, "timeout": given, "on_timeout": 504}, by="write").timeout == kept


@pytest.mark.parametrize("given", [0, -1, 121, "3m", True, "soon", [1]])
def test_a_time_that_nobody_waits_is_refused(given: Any):
    assert error_of({**SYNC, "timeout": given}).field == "timeout"


def test_the_response_of_a_synchronous_webhook_is_made_of_the_flows_result():
    response = {"headers": {"X-Id": "{{$result.id}}"}, "body": "{{$result}}"}
    assert parse_definition({**SYNC, "response": response}, by="write").response
    assert error_of({**MINIMAL, "response": {"body": "{{$result}}"}}).field == "response.body"
