"""Data in another shape."""

from importlib import import_module

import pytest

from blocks.errors import InvalidInput
from receiver import Context

plan = import_module("flows.nodes.transform").plan
CONTEXT = Context.from_document(
    {"data": {"first": "Ada", "lines": [{"sku": "a", "price": 2}, {"sku": "b", "price": 3}]}, "headers": {"x-id": "7"}}
)


@pytest.mark.parametrize(
    ("shape", "result"),
    [
        ("data.lines[].sku", ["a", "b"]),
        ("sum(data.lines[].price)", 5),
        ("data.missing", None),
        ('headers."x-id"', "7"),
        (
            {"name": "{{$context.data.first}}", "skus": ["{{$context.data.lines[1].sku}}"], "kept": 1},
            {"name": "Ada", "skus": ["b"], "kept": 1},
        ),
        (["{{$context.data.lines}}"], [[{"sku": "a", "price": 2}, {"sku": "b", "price": 3}]]),
    ],
)
def test_an_expression_finds_and_a_mapping_is_filled_in(shape, result):
    assert plan(shape, CONTEXT) == result


@pytest.mark.parametrize(
    ("shape", "data", "problem"),
    [
        ("data.lines[", CONTEXT, "cannot be used"),
        ("nothing_there(data)", CONTEXT, "cannot be used"),
        ("(" * 5000, CONTEXT, "cannot be used|nested too deeply"),
        ("a" * 20_000, CONTEXT, "at most 16384"),
        ("{{$context.data.first}}", CONTEXT, "receiver.render"),
        ({"a": "{{$context.data.missing}}"}, CONTEXT, "missing"),
        ({"a": 1}, [1], "from a context or a mapping"),
    ],
)
def test_what_cannot_be_reshaped_says_why(shape, data, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan(shape, data)
