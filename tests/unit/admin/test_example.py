"""Examples made from JSON Schemas: valid whatever the schema, or none."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.admin.example import example_of

ORDER = {
    "type": "object",
    "required": ["lines"],
    "properties": {
        "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Line"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "email": {"type": "string", "format": "email"},
    },
    "$defs": {
        "Line": {
            "type": "object",
            "required": ["sku", "quantity"],
            "properties": {"sku": {"type": "string", "minLength": 6}, "quantity": {"type": "integer", "minimum": 2}},
        }
    },
}


def test_an_example_has_everything_an_object_may_have():
    assert example_of(ORDER) == {
        "lines": [{"sku": "texttext"[:6], "quantity": 2}],
        "note": "text",
        "email": "ada@example.com",
    }


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string", "pattern": "^AB-[0-9]+$", "examples": ["AB-7", "AB-8"]}, "AB-7"),
        ({"enum": ["red", "blue"]}, "red"),
        ({"const": [1]}, [1]),
        ({"type": ["null", "integer"], "exclusiveMinimum": 4, "multipleOf": 5}, 5),
        ({"allOf": [{"properties": {"a": {"type": "boolean"}}}, {"required": ["a", "b"]}]}, {"a": True, "b": {}}),
        ({"type": "object", "properties": {"a": False, "b": {"type": "null"}}}, {"b": None}),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, {"a": {"a": {"a": {"a": {}}}}}),
        ({}, {}),
    ],
)
def test_what_the_schema_says_is_taken(schema: dict[str, Any], example: Any):
    assert example_of(schema) == example


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^AB-[0-9]+$"},
        {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}},
        {"allOf": [{"$ref": "#"}]},
        {"type": "array", "minItems": 1_000_000_000, "items": {"type": "string"}},
        {"type": "string", "minLength": 1_000_000_000},
        {"not": {}},
        {"type": 5},
    ],
)
def test_where_none_is_found_there_is_none(schema: dict[str, Any]):
    with pytest.raises(LookupError):
        example_of(schema)


NUMBERS = st.integers(-3, 12)
LEAVES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": NUMBERS, "maximum": NUMBERS, "multipleOf": st.integers(1, 4)},
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")},
        optional={
            "minLength": NUMBERS.filter(lambda n: n >= 0),
            "maxLength": st.integers(0, 9),
            "pattern": st.just("^t"),
        },
    ),
    st.sampled_from(
        [{}, True, False, {"type": "null"}, {"enum": [None, 2]}, {"$ref": "#"}, {"$ref": "#/properties/a"}]
    ),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object")},
            optional={
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
                "required": st.lists(st.sampled_from("abcd"), unique=True, max_size=2),
                "additionalProperties": st.booleans(),
            },
        ),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 3)}),
        st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf"]),
            st.lists(inner, min_size=1, max_size=2),
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(SCHEMAS.filter(lambda schema: isinstance(schema, dict)))
def test_an_example_is_valid_and_always_the_same(schema: dict[str, Any]):
    try:
        example = example_of(schema)
    except LookupError:
        return
    assert jsonschema_rs.validator_for(schema).is_valid(example)
    assert example_of(schema) == example
