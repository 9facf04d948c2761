import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.filter import compile_filter

DOCUMENT = {
    "data": {"ref": "refs/heads/main", "items": [{"qty": 5}], "note": None, "text": "a" * 40 + "!"},
    "headers": {"x-github-event": "push"},
    "method": "POST",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('context.data.ref == "refs/heads/main"', True),
        ('context.headers["x-github-event"] == "ping"', False),
        ("has(context.data.missing)", False),
        ("context.data.items.exists(i, i.qty > 3)", True),
        ("context.data.note == null", True),
        ('context.method in ["POST", "PUT"] && context.data.ref.startsWith("refs/heads/")', True),
    ],
)
def test_an_expression_decides_over_the_context(expression: str, expected: bool):
    assert compile_filter(expression).matches(DOCUMENT) is expected


@pytest.mark.parametrize("expression", ["context.data.ref", "1", "context.data.missing == 1", "context.data.ref > 5"])
def test_what_is_no_yes_or_no_is_a_filter_error(expression: str):
    with pytest.raises(Unusable) as refused:
        compile_filter(expression).matches(DOCUMENT)
    assert refused.value.reason is Reason.FILTER_ERROR


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("a b", "no CEL expression"),
        ("contxt.data.ref == 1", "not contxt"),
        ("context.data.a.exists(i, i.b.exists(j, j > 1))", "inside another"),
        ("context.data.a . filter ( i, i.b . map(j, j) == [] ) == []", "inside another"),
        ("true" + " || true" * 400, "longer than"),
    ],
)
def test_what_cannot_be_a_filter_is_refused_when_it_is_saved(expression: str, words: str):
    with pytest.raises(DefinitionError, match=words):
        compile_filter(expression)


def test_macros_in_text_and_side_by_side_are_no_nesting():
    compile_filter('context.data.a.exists(i, i == ".map(") && context.data.b.all(i, i > 1)')


def test_a_pattern_that_would_take_for_ever_elsewhere_is_linear():
    assert compile_filter('context.data.text.matches("^(a+)+$")').matches(DOCUMENT) is False


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_definition_error(expression: str):
    try:
        compile_filter(expression)
    except DefinitionError as error:
        assert error.field == "filter"
