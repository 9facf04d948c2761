"""The rules of a deployment's parameters, beside what Prefect's server itself says of the same parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import ValidationError, preprocess_schema, validate
from pydantic import BaseModel, Field

from receiver.contract.envelope import encode_envelope
from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.parameter_rules import ParameterRules, parameter_problems, rules_of
from receiver.prefect_gateway import DeploymentRef


class Line(BaseModel):
    sku: str
    quantity: int = Field(ge=1)


class Order(BaseModel):
    lines: list[Line]
    note: str | None = None


@flow
def orders(
    order: Order,
    customer_id: int,
    tags: list[str] = [],  # noqa: B006 (as authors write it)
    discount: float = None,  # type: ignore[assignment]  # noqa: RUF013 (as authors write it)
    gift: Order | None = None,
    more: dict[str, Any] = {},  # noqa: B006 (as authors write it)
) -> None: ...


SCHEMA = parameter_schema(orders).model_dump()
GOOD: dict[str, Any] = {"order": {"lines": [{"sku": "a", "quantity": 2}]}, "customer_id": 7}


def rules_by(schema: dict[str, Any], **more: Any) -> ParameterRules:
    ref = DeploymentRef(name="f/d", id="1", flow_id="2", parameter_schema=preprocess_schema(schema), **more)
    return rules_of(ref)


RULES = rules_by(SCHEMA)


def problems(parameters: dict[str, Any], rules: ParameterRules = RULES) -> list[str]:
    try:
        rules.check(parameters)
    except Unusable as error:
        assert error.reason is Reason.PARAMETERS_INVALID
        return [f"{each['path']}: {each['problem']}" for each in error.problems]
    return []


def prefect_takes(parameters: dict[str, Any], schema: dict[str, Any]) -> bool:
    try:
        validate(parameters, schema, raise_on_error=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"customer_id": "7"}, ["customer_id: is not an integer"]),
        ({"order": {"lines": [{"sku": "a", "quantity": 1.5}]}}, ["order.lines.0.quantity: is not an integer"]),
        ({"order": {"lines": [{"sku": "a"}]}}, ["order.lines.0.quantity: is missing"]),
        (
            {"order": {"lines": [{"sku": "a", "quantity": 0}]}},
            ["order.lines.0.quantity: is less than the minimum of 1"],
        ),
        ({"order": {}}, ["order.lines: is missing"]),
        ({"order": None}, ["order: is not an object"]),
        ({"gift": {"lines": 5}}, ["gift.lines: is not a list"]),
        ({"gift": None, "discount": 1, "more": {"a": 1}}, []),
        ({"discount": None}, ["discount: is not a number"]),
        ({"order": {"lines": [], "note": 5}}, ["order.note: is not text"]),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(change: dict[str, Any], told: list[str]):
    assert problems({**GOOD, **change}) == told
    assert prefect_takes({**GOOD, **change}, SCHEMA) is (told == [])


def test_a_value_is_never_repeated():
    assert "hunter2" not in str(problems({"order": "hunter2", "customer_id": "hunter2", "tags": ["hunter2", 5]}))


def test_every_missing_parameter_is_named_but_those_that_the_deployment_fills():
    assert problems({}) == ["order: is missing", "customer_id: is missing"]
    filled = rules_by(SCHEMA, filled=frozenset({"customer_id"}))
    assert problems({"order": GOOD["order"]}, filled) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([1.0, 1.5, -0.0]) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["lines", "sku", "quantity", "note"]), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = ["order", "customer_id", "tags", "discount", "gift", "more", "unknown"]


@given(st.dictionaries(st.sampled_from(NAMES), VALUES | st.just(GOOD["order"]), max_size=7), st.booleans())
def test_they_judge_as_prefects_server_does(parameters: dict[str, Any], complete: bool):
    whole = {**GOOD, **parameters} if complete else parameters
    assert (problems(whole) == []) is prefect_takes(whole, SCHEMA)


def test_a_format_is_not_checked_since_prefect_does_not():
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    assert problems({"at": "soon"}, rules_by(schema)) == []
    assert prefect_takes({"at": "soon"}, schema)


def test_without_a_schema_in_force_anything_passes():
    assert problems({"a": 1}, rules_of(DeploymentRef(name="f/d", id="1", flow_id="2"))) == []


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "string", "pattern": "(?=a)b"}, "linear time"),
        ({"$ref": "https://example.com/schema"}, "outside this schema"),
        ({"type": "string", "description": "x" * 70_000}, "is over 64 KiB"),
        ({"type": "no such type"}, "no such type"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_told_and_stops_nobody(
    part: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
):
    rules = rules_by({"type": "object", "properties": {"a": part}, "required": ["b"]})
    assert problems({"a": 1, "b": 2}, rules) == []
    assert problems({"a": 1}, rules) == ["b: is missing"]
    assert words in rules.problem
    assert words in parameter_problems(rules, ["a", "b"])[-1]
    assert caplog.text.count("handed over unchecked") == 1


def test_what_is_too_deep_to_be_checked_passes():
    tree = {"type": "object", "properties": {"a": {"$ref": "#/definitions/T"}}, "definitions": {"T": {}}}
    node: dict[str, Any] = {"type": "object", "properties": {"l": {"$ref": "#/definitions/T"}}}
    node["properties"]["r"] = {"$ref": "#/definitions/T"}
    tree["definitions"] = {"T": node}
    rules = rules_by(tree)
    assert rules.schema is not None
    deep: Any = 5
    for _ in range(rules.schema.max_depth + 1):
        deep = {"l": deep}
    assert problems({"a": deep}, rules) == []
    assert problems({"a": {"l": 5}}, rules) == ["a.l: is not an object"]


def test_a_whole_request_fits_a_context_and_nothing_else():
    envelope = encode_envelope({"data": 1}, delivery_id="d", attempt=1)
    assert problems({"order": envelope, "customer_id": 1}) == ["order.lines: is missing"]


def test_a_person_is_told_what_can_never_work():
    assert parameter_problems(RULES, ["order", "customer_id"]) == []
    missing, unknown = parameter_problems(RULES, ["context"])
    assert "needs order, customer_id" in missing and '"order": "{{$context.data.order}}"' in missing
    assert "no parameter context" in unknown
