import json
import re
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from receiver.contract.errors import TemplateError
from receiver.contract.plain import spell_path
from receiver.contract.templates import compile_template
from tests.support.json_values import any_texts, hostile_values, json_values

ROOTS = frozenset({"context", "now"})

SIGNS = '{{ }} { } $context $now $ . [ ] " | ( ) default( json date( 0 [0] ["a"] data null 1e999 NaN \\ é'
signs = st.sampled_from([*SIGNS.split(), " ", "\n", "\x00", "\ud800", "(" * 30, "[" * 90])
almost_templates = st.lists(signs | any_texts, max_size=14).map("".join) | st.lists(signs, max_size=10).map(
    lambda inner: "{{$context." + "".join(inner) + "}}"
)


def fill(template: Any, document: Any) -> Any:
    return compile_template(template, roots=ROOTS).render({"context": document})


@given(hostile_values)
def test_a_whole_placeholder_gives_the_value_itself(value: Any):
    assert fill("{{$context.data}}", {"data": value}) is value
    assert fill({"a": ["{{ $context.data }}"]}, {"data": value}) == {"a": [value]}


@given(hostile_values, any_texts.filter(lambda text: "{" not in text), any_texts.filter(lambda text: "{" not in text))
def test_json_inside_text_reads_back_as_the_value_and_text_is_not_changed(value: Any, before: str, after: str):
    text = fill(f"-{before}{{{{$context.data}}}}{after}-", {"data": value})
    inside = text[len(before) + 1 : len(text) - len(after) - 1]
    assert (text[: len(before) + 1], text[len(text) - len(after) - 1 :]) == (f"-{before}", f"{after}-")
    assert inside == value if isinstance(value, str) else json.loads(inside) == value


@given(hostile_values)
def test_the_json_filter_reads_back_for_text_as_well(value: Any):
    assert json.loads(fill("{{$context.data | json}}", {"data": value})) == value
    assert json.loads(fill('{"a": {{$context.data | json}}}', {"data": value})) == {"a": value}


@given(st.lists(any_texts | st.integers(0, 3), max_size=6), json_values)
@example(["a.b", 'say "x"]', "}}", "{{", "\ud800", "", "0", 2, "x²"], 1)
def test_any_path_that_is_spelled_out_finds_its_value(steps: list[str | int], value: Any):
    document: Any = value
    for step in reversed(steps):
        document = {step: document} if isinstance(step, str) else [*[None] * step, document]
    assert fill(f"{{{{{spell_path(['$context', 'data', *steps])}}}}}", {"data": document}) == value


@given(st.lists(any_texts, min_size=1, max_size=4))
def test_a_missing_path_is_named_as_a_template_would_spell_it(steps: list[str]):
    path = spell_path(["$context", "data", *steps])
    with_default = compile_template(f"{{{{{path} | default(7)}}}}", roots=ROOTS)
    assert with_default.render({"context": {"data": {}}}) == 7
    try:
        fill(f"{{{{{path}}}}}", {"data": {}})
    except TemplateError as error:
        assert f"{spell_path(['$context', 'data', steps[0]])} is missing" in str(error)
    else:
        raise AssertionError("nothing is missing")


@given(json_values)
def test_any_json_value_may_be_a_default(value: Any):
    assert fill(f"{{{{$context.absent | default({json.dumps(value)})}}}}", {}) == value


@settings(max_examples=400)
@given(almost_templates, hostile_values)
@example("{{" * 3000, None)
@example('{{"' + "\\" * 5000, None)
@example("{{$context | default(" + "[" * 50_000, None)
@example("{{$context | default(" + "9" * 5000 + ")}}", None)
@example("{{$context.data | date | int | first | join | length}}", None)
def test_any_text_compiles_or_is_a_template_error_and_renders_or_is_one(text: str, value: Any):
    try:
        template = compile_template(text, roots=ROOTS)
        template.render({"context": {"data": value}})
    except TemplateError as error:
        assert len(str(error)) < 2000


@given(any_texts.filter(lambda text: "{{" not in text))
def test_a_text_without_two_braces_is_itself(text: str):
    template = compile_template(text, roots=ROOTS)
    assert template.is_static
    assert template.render({}) == text


@given(any_texts)
def test_any_text_can_be_written_in_a_template(text: str):
    escaped = re.sub(r"\{\{", lambda _: '{{"{{"}}', text)
    # A brace before two of them would join with the first: "{{{" is written from the left, as the reader reads.
    assert fill(escaped, {}) == text


@given(hostile_values)
def test_an_object_is_a_template_of_its_children(value: Any):
    template = {"a": "{{$context.data}}", "b": {"c": "x{{$context.data}}"}, "d": 1}
    whole = compile_template(template, roots=ROOTS)
    roots = {"context": {"data": value}}
    assert {name: child.render(roots) for name, child in whole.children().items()} == whole.render(roots)
