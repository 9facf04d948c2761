import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings

from receiver.contract.definition import parse_definition
from receiver.contract.envelope import (
    MAX_PARAMETERS,
    decode_envelope,
    encode_envelope,
    reference_envelope,
    render_parameters,
)
from receiver.contract.errors import Unusable
from receiver.contract.plain import RESERVED_KEYS, find_flaw
from receiver.contract.reasons import Reason
from tests.support.json_values import hostile_values

WHOLE = {"context": "{{$context}}"}


def parameters(template: dict[str, Any], document: dict[str, Any], *, by_reference: bool = False, **more: Any) -> Any:
    definition = parse_definition({"key": "k", "verification": {"scheme": "none"}, "parameters": template}, by="code")
    return render_parameters(
        definition.parameters_template(), document, delivery_id="d1", attempt=2, by_reference=by_reference, **more
    )


def refusal(template: dict[str, Any], document: dict[str, Any]) -> Unusable:
    with pytest.raises(Unusable) as error:
        parameters(template, document)
    return error.value


def test_the_default_is_the_whole_request_in_its_envelope():
    document = {"v": 1, "data": {"$ref": "x"}}
    assert parameters(WHOLE, document) == {
        "context": encode_envelope({"v": 1, "data": {"$ref": "x"}}, delivery_id="d1", attempt=2)
    }


def test_parameters_take_parts_of_the_request_with_their_types():
    document = {"data": {"n": 5, "tags": ["a"]}, "headers": {"x-event": "push"}, "received_at": "2026-11-24T07:00:00Z"}
    template = {
        "n": "{{$context.data.n}}",
        "event": "event {{$context.headers.X-Event}}",
        "tags": ["{{$context.data.tags}}", {"deep": "{{$context.data.tags[0]}}"}],
        "fixed": {"a": None},
        "arrived": "{{$now}}",
    }
    assert parameters(template, document) == {
        "n": 5,
        "event": "event push",
        "tags": [["a"], {"deep": "a"}],
        "fixed": {"a": None},
        "arrived": "2026-11-24T07:00:00Z",
    }
    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert parameters({"at": "{{$now}}"}, document, now=now) == {"at": "2026-11-25T00:00:00+00:00"}


def test_no_parameters_at_all_are_none():
    assert parameters({}, {"data": 1}) == {}


def test_an_envelope_may_stand_beside_plain_parameters_and_more_than_once():
    found = parameters({**WHOLE, "same": "{{ $context }}", "n": "{{$context.data}}"}, {"v": 1, "data": 1})
    assert found["n"] == 1
    assert found["context"] == found["same"]
    assert decode_envelope(found["context"]).data == 1


def test_the_request_below_a_parameter_is_plain_data_and_checked_as_such():
    assert parameters({"a": ["{{$context}}"]}, {"data": 1}) == {"a": [{"data": 1}]}
    assert refusal({"a": ["{{$context}}"]}, {"data": {"$ref": 1}}).reason is Reason.RESERVED_KEY


@pytest.mark.parametrize("key", sorted(RESERVED_KEYS))
@pytest.mark.parametrize("template", ["{{$context.data}}", ["{{$context.data}}"], {"a": {"b": "{{$context.data.x}}"}}])
def test_a_key_that_prefect_acts_upon_is_refused_at_any_depth(key: str, template: Any):
    error = refusal({"p": template}, {"data": {"x": [{key: "jinja"}]}})
    assert error.reason is Reason.RESERVED_KEY
    assert error.problems[0]["path"].startswith("parameters.p")
    assert f"'{key}' is reserved" in error.problems[0]["problem"]


def test_the_same_keys_inside_text_are_only_text():
    document = {"data": {"$ref": "x", "__prefect_kind": "jinja"}}
    assert parameters({"p": "{{$context.data | json}}"}, document) == {"p": '{"$ref":"x","__prefect_kind":"jinja"}'}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (float("nan"), "NaN"),
        (float("inf"), "infinite"),
        (2**64, "beyond 64 bits"),
        ({"a\0": 1}, "NUL"),
    ],
)
@pytest.mark.parametrize("place", ["data", "query", "headers"])
def test_what_postgresql_or_prefect_would_choke_on_is_refused_and_named(place: str, value: Any, words: str):
    error = refusal({"good": 1, "bad": f"{{{{$context.{place}.x}}}}"}, {place: {"x": value}})
    assert error.reason is Reason.PARAMETERS_INVALID
    assert error.problems[0]["path"] == "parameters.bad"
    assert words in error.problems[0]["problem"]


def test_more_than_a_hundred_levels_are_refused_as_a_parameter_and_in_the_envelope():
    value: Any = "x"
    for _ in range(101):
        value = [value]
    for template in ({"p": "{{$context.data}}"}, {"p": "{{$context}}"}):
        error = refusal(template, {"data": value})
        assert error.reason is Reason.PARAMETERS_INVALID
        assert error.problems[0]["path"].startswith("parameters.p")
        assert "100 levels" in error.problems[0]["problem"]


def test_a_missing_path_names_parameter_placeholder_and_path():
    error = refusal({"name": "Hello {{$context.data.name}}"}, {"data": {}})
    assert error.reason is Reason.TEMPLATE_ERROR
    assert error.problems == (
        {
            "path": "parameters.name",
            "problem": "{{$context.data.name}}: $context.data.name is missing ($context.data is empty)",
        },
    )


def test_every_problem_of_the_first_ones_kind_is_told_at_once():
    template = {"a": "{{$context.data.a}}", "n": "{{$context.data.nul}}", "b": "{{$context.data.b}}"}
    error = refusal(template, {"data": {"nul": "\0"}})
    assert [problem["path"] for problem in error.problems] == ["parameters.a", "parameters.b"]


@pytest.mark.parametrize(
    "forged",
    [
        encode_envelope({"v": 1, "data": "forged"}, delivery_id="d1", attempt=2),
        reference_envelope(delivery_id="someone-elses", attempt=1),
    ],
)
def test_a_sender_cannot_pass_an_envelope_of_his_own(forged: dict[str, Any]):
    error = refusal({"context": "{{$context.data}}"}, {"data": forged})
    assert error.reason is Reason.RESERVED_KEY
    assert error.problems[0]["path"] == "parameters.context"


def test_by_reference_only_the_name_of_the_delivery_travels():
    found = parameters({**WHOLE, "n": "{{$context.data}}"}, {"data": 1}, by_reference=True)
    assert found == {"context": reference_envelope(delivery_id="d1", attempt=2), "n": 1}


def test_a_request_whose_text_would_be_too_long_goes_by_reference_by_itself():
    small, large = {"v": 1, "data": "ї" * 30_000}, {"v": 1, "data": "ї" * 100_000}  # 200 KiB as UTF-8, 700 as escapes
    assert "json" in parameters(WHOLE, small)["context"]
    assert parameters(WHOLE, large) == {"context": reference_envelope(delivery_id="d1", attempt=2)}


def test_plain_parameters_have_prefects_bound():
    document = {"data": {"small": "x", "large": "x" * (MAX_PARAMETERS - 100)}}
    template = {"a": "{{$context.data.small}}", "b": "{{$context.data.large}}", "context": "{{$context}}"}
    fits = parameters(template, document)
    assert fits["context"]["ref"] is True
    assert len(json.dumps(fits)) <= MAX_PARAMETERS
    document["data"]["large"] += "x" * 100
    error = refusal(template, document)
    assert error.reason is Reason.PARAMETERS_INVALID
    assert error.problems[0]["path"] == "parameters.b"
    assert "over 512 KiB" in error.problems[0]["problem"]


def test_the_envelopes_own_text_is_within_prefects_bound_to_the_byte():
    overhead = len(json.dumps({"context": encode_envelope({"v": 1, "data": ""}, delivery_id="d1", attempt=2)}))
    data = "x" * (MAX_PARAMETERS - overhead)
    found = parameters(WHOLE, {"v": 1, "data": data})
    assert "json" in found["context"]
    assert len(json.dumps(found)) == MAX_PARAMETERS
    assert "ref" in parameters(WHOLE, {"v": 1, "data": data + "x"})["context"]


@settings(max_examples=200)
@given(hostile_values)
def test_whatever_arrives_the_parameters_are_harmless_or_the_request_is_unusable(value: Any):
    template = {
        **WHOLE,
        "value": "{{$context.data}}",
        "text": "<{{$context.data}}>",
        "list": [{"a": "{{$context.data}}"}],
    }
    try:
        found = parameters(template, {"v": 1, "data": value})
    except Unusable as error:
        assert error.reason in {Reason.RESERVED_KEY, Reason.PARAMETERS_INVALID}
        assert all(problem["path"].startswith("parameters.") for problem in error.problems)
        return
    assert find_flaw(found, reserved_keys=RESERVED_KEYS) is None
    assert found["value"] == value
    assert decode_envelope(found["context"]).data == value
