"""Data that is checked, with every problem told."""

from importlib import import_module

import pytest
from pydantic import BaseModel, Field

from blocks.errors import InvalidInput
from receiver import Context

plan = import_module("flows.nodes.validate").plan


class Line(BaseModel):
    sku: str
    qty: int = Field(gt=0)


class Order(BaseModel):
    number: str
    lines: list[Line]


SCHEMA = Order.model_json_schema()
GOOD = {"number": "7", "lines": [{"sku": "a", "qty": 1}]}
BAD = {"number": "7", "lines": [{"sku": "a", "qty": 0}, {"qty": "hunter2"}]}


def test_what_fits_comes_back_as_it_is_or_as_the_model():
    assert plan(SCHEMA, GOOD) == GOOD
    assert plan(Order, Context.from_document({"data": GOOD})) == Order(number="7", lines=[Line(sku="a", qty=1)])


@pytest.mark.parametrize("schema", [SCHEMA, Order])
def test_every_problem_is_told_with_its_path_and_no_value(schema):
    with pytest.raises(InvalidInput) as caught:
        plan(schema, BAD)

    first, *problems = str(caught.value).splitlines()
    assert first == "3 problems:"
    paths = {problem.partition(":")[0] for problem in problems}
    assert "/lines/0/qty" in paths and "/lines/1/qty" in paths
    assert "hunter2" not in str(caught.value)


def test_a_long_list_of_problems_is_cut_and_counted():
    with pytest.raises(InvalidInput, match=r"150 problems:(?s:.*)and 50 more"):
        plan({"items": {"type": "string"}}, list(range(150)))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"type": "nonsense"}, "the schema cannot be used"),
        ({"$ref": "https://example.com/schema.json"}, "the schema cannot be used"),
        ({"pattern": "(?=a)"}, "the schema cannot be used"),
        (int, "int is no pydantic model"),
    ],
)
def test_a_schema_that_cannot_be_used_says_so(schema, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan(schema, "a")
