"""Conditions in CEL and in Python."""

from importlib import import_module

import pytest

from blocks.errors import InvalidInput
from receiver import Context

plan = import_module("flows.nodes.when").plan
CONTEXT = Context.from_document(
    {
        "data": {"ref": "refs/heads/main", "price": 120, "tags": ["new"], "note": None},
        "headers": {"x-github-event": "push"},
        "query": {"dry": "yes"},
    }
)


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("context.data.ref == 'refs/heads/main'", True),
        ("context.data.price > 100 && 'new' in context.data.tags", True),
        ("context.data.price > 200 || context.query.dry == 'no'", False),
        ('context.headers["x-github-event"] == "push"', True),
        ("has(context.data.missing)", False),
        ("context.data.note == null", True),
        ("context.data.ref.matches('^refs/heads/[a-z]+$')", True),
        (lambda context: context.data["price"] > 100, True),
        (lambda context: context.query.get("missing"), False),
    ],
)
def test_a_condition_is_decided(expression, holds):
    assert plan(expression, CONTEXT) is holds


def test_any_mapping_will_do():
    assert plan("context.data == 1", {"data": 1}) is True


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("context.data.missing == 1", "asks for 'missing', which is not there"),
        ("context.data.ref ==", "cannot be decided"),
        ("context.data.price + 'x' == ''", "cannot be decided"),
        ("nothing == 1", "cannot be decided"),
        ("context.data.price", "gives int, not true or false"),
        ("", "cannot be decided"),
    ],
)
def test_a_condition_that_cannot_be_decided_says_why(expression, problem):
    with pytest.raises(InvalidInput, match=problem):
        plan(expression, CONTEXT)
