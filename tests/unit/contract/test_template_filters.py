from typing import Any

import pytest

from receiver.contract.errors import TemplateError
from receiver.contract.template_filters import FILTERS
from receiver.contract.templates import compile_template


def fill(expression: str, value: Any) -> Any:
    template = compile_template(f"{{{{$context.v | {expression}}}}}", roots=frozenset({"context"}))
    return template.render({"context": {"v": value}})


CASES: list[tuple[str, Any, Any]] = [
    ("default(1)", "there", "there"),
    ("json", {"a": [1, None, "ї"]}, '{"a":[1,null,"ї"]}'),
    ("json", 'a"b', '"a\\"b"'),
    ("int", " -42 ", -42),
    ("int", "+7", 7),
    ("int", 3.9, 3),
    ("int", True, 1),
    ("float", "1.5e3", 1500.0),
    ("float", " .5 ", 0.5),
    ("float", 2, 2.0),
    ("lower", "ÄÖ", "äö"),
    ("upper", "straße", "STRASSE"),
    ("join", ["a", 1, None, {"b": True}], 'a,1,null,{"b":true}'),
    ('join(" | ")', ["a", "b"], "a | b"),
    ('join("")', [], ""),
    ("first", [{"a": 1}, 2], {"a": 1}),
    ("first", "not repeated", "not repeated"),
    ("length", "Ірина", 5),
    ("length", [1, 2], 2),
    ("length", {"a": 1}, 1),
    ("date", "2026-11-24T07:30:00Z", "2026-11-24"),
    ('date("%H:%M %z")', "2026-11-24T07:30:00+02:00", "07:30 +0200"),
    ('date("%d.%m.%Y 100%%")', 0, "01.01.1970 100%"),
    ("date", 1_000_000_000.5, "2001-09-09"),
    ("date", "2026-11-24", "2026-11-24"),
]


@pytest.mark.parametrize(("expression", "value", "result"), CASES)
def test_a_filter_gives(expression: str, value: Any, result: Any):
    found = fill(expression, value)
    assert found == result
    assert type(found) is type(result)


def test_every_filter_is_tried_above():
    assert {expression.partition("(")[0] for expression, _, _ in CASES} == set(FILTERS)


@pytest.mark.parametrize(
    ("expression", "value", "words"),
    [
        ("json", float("nan"), "cannot be JSON"),
        ("int", "4.2", "the text '4.2'"),
        ("int", "٣", "takes a number or its text"),
        ("int", "9" * 101, "takes a number"),
        ("int", "1_000", "takes a number"),
        ("int", None, "not null"),
        ("int", [1], "not a list"),
        ("int", float("inf"), "finite"),
        ("float", "nan", "takes a number"),
        ("float", "1e9999", "finite"),
        ("float", 10**400, "finite"),
        ("float", "infinity", "takes a number"),
        ("float", {}, "not an object"),
        ("lower", 5, "takes text, not a number"),
        ("upper", None, "takes text, not null"),
        ("join", "abc", "takes a list, not text"),
        ("join", [float("inf")], "cannot be JSON"),
        ("first", [], "the list is empty"),
        ("length", 5, "not a number"),
        ("length", None, "not null"),
        ("date", "yesterday", "ISO 8601"),
        ("date", 10**30, "ISO 8601"),
        ("date", float("nan"), "ISO 8601"),
        ("date", True, "true or false"),
        ("date", [], "a list"),
    ],
)
def test_what_a_filter_cannot_take_is_an_error_that_names_it(expression: str, value: Any, words: str):
    with pytest.raises(TemplateError, match=words) as error:
        fill(expression, value)
    assert str(error.value).startswith(f"{{{{$context.v | {expression}}}}}: ")


def test_filters_follow_one_another():
    assert fill('first | default("none") | upper', ["push"]) == "PUSH"
    assert fill('first | default("none") | upper', []) == "NONE"
    assert fill('join("") | length', ["ab", "c"]) == 3
    assert fill("int|float|json", "1") == "1.0"


def test_a_long_value_is_not_repeated_in_an_error():
    with pytest.raises(TemplateError) as error:
        fill("int", "secret" * 1000)
    assert len(str(error.value)) < 200
