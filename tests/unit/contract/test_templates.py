from datetime import UTC, datetime
from typing import Any

import pytest

from receiver import Context, render
from receiver.contract.errors import TemplateError
from receiver.contract.templates import compile_template

ROOTS = frozenset({"context", "now"})
DOCUMENT: dict[str, Any] = {
    "v": 1,
    "data": {
        "items": [{"price": 9.5, "sku": "a"}, {"price": 1}],
        "content-type": "hyphen",
        "any key": "spaces",
        'with "quotes"]': "quoted",
        "größe": "XL",
        "имя": "Ірина",
        "0": "the key zero",
        "note": None,
        "body": "the key body",
        "nested": {"headers": {"X-Kept": "as it is"}, "empty": {}},
        "": "no name",
    },
    "headers": {"x-github-event": "push", "accept": ["a/b", "c/d"]},
    "query": {"page": "2"},
}


def fill(template: Any, document: dict[str, Any] = DOCUMENT, **roots: Any) -> Any:
    return compile_template(template, roots=ROOTS).render({"context": document, **roots})


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{$context.data.items[0].price}}", 9.5),
        ("{{$context.data.items.0.price}}", 9.5),
        ('{{$context.data.items["0"].price}}', 9.5),
        ('{{ $context["data"]["items"][ 1 ]["price"] }}', 1),
        ("{{$context.data.items}}", DOCUMENT["data"]["items"]),
        ("{{$context.data.content-type}}", "hyphen"),
        ('{{$context.data["any key"]}}', "spaces"),
        ('{{$context.data["with \\"quotes\\"]"]}}', "quoted"),
        ("{{$context.data.größe}}", "XL"),
        ("{{$context.data.имя}}", "Ірина"),
        ('{{$context.data["\\u0438\\u043c\\u044f"]}}', "Ірина"),
        ("{{$context.data.0}}", "the key zero"),
        ("{{$context.data.note}}", None),
        ('{{$context.data[""]}}', "no name"),
        ("{{$context.query.page}}", "2"),
        ("{{\n\t$context.query.page\r\n}}", "2"),
        ("{{$context.headers.accept[1]}}", "c/d"),
    ],
)
def test_a_path_finds_its_value_and_a_whole_placeholder_keeps_the_type(template: str, value: Any):
    found = fill(template)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("name", ["x-github-event", "X-GitHub-Event", "X-GITHUB-EVENT"])
def test_names_of_headers_are_found_in_any_case(name: str):
    assert fill(f"{{{{$context.headers.{name}}}}}") == "push"
    assert fill(f'{{{{$context.headers["{name}"]}}}}') == "push"


def test_only_the_requests_own_headers_are_found_in_any_case():
    assert fill("{{$context.data.nested.headers.X-Kept}}") == "as it is"
    with pytest.raises(TemplateError):
        fill("{{$context.data.nested.headers.x-kept}}")


def test_the_body_is_another_name_of_the_data_at_the_top_only():
    assert fill("{{$context.body.items[1].price}}") == 1
    assert fill("{{$context.body}}") is DOCUMENT["data"]
    assert fill("{{$context.data.body}}") == "the key body"
    assert fill("{{$context.body.body}}") == "the key body"


def test_placeholders_are_filled_at_any_depth_and_keys_are_no_templates():
    template = {"{{$context.query.page}}": [{"n": "{{$context.data.items[1].price}}"}, "x", 1, None, True, 1.5]}
    assert fill(template) == {"{{$context.query.page}}": [{"n": 1}, "x", 1, None, True, 1.5]}


def test_inside_text_text_stays_as_it_is_and_all_else_becomes_json():
    assert fill("n={{$context.data.items[1].price}}, {{$context.data.имя}}!") == "n=1, Ірина!"
    assert fill("{{$context.data.note}} {{$context.data.items[0]}}") == 'null {"price":9.5,"sku":"a"}'
    assert fill("{{$context.query.page}}{{$context.query.page}}") == "22"


def test_a_single_brace_and_other_signs_are_only_text():
    text = "a { b } $context }} $& \\1 {not} %s"
    assert fill(text) == text
    assert compile_template(text, roots=ROOTS).is_static


def test_two_braces_are_written_as_a_quoted_text():
    assert fill('{{"{{"}}$context.data}}') == "{{$context.data}}"
    assert fill('{{"{{"}}') == "{{"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{$context.data.absent}}", r"\$context\.data\.absent is missing \(\$context\.data has other keys\)"),
        ("{{$context.data.items[7].sku}}", r"\$context\.data\.items\[7\] is missing \(.*items is a list of 2\)"),
        ("{{$context.data.имя.first}}", r"\$context\.data\.имя\.first is missing \(\$context\.data\.имя is text\)"),
        ('{{$context.data.note["a b"]}}', r'\$context\.data\.note\["a b"\] is missing \(.* is null\)'),
        ("{{$context.data.nested.empty.x}}", "nested.empty is empty"),
        ("{{$context.data.items.first}}", "is a list of 2"),
        ("{{$context.data.items.1000000000000}}", "is a list of 2"),
        ("{{$now}}", r"\$now has no value here"),
    ],
)
def test_a_missing_path_is_an_error_that_names_placeholder_and_path(template: str, words: str):
    with pytest.raises(TemplateError, match=words) as error:
        fill(f"text {template}")
    assert str(error.value).startswith(f"{template}: ")


def test_a_default_stands_for_what_is_missing_and_for_nothing_else():
    assert fill('{{$context.data.absent.deeper | default("none")}}') == "none"
    assert fill('{{$context.data.absent | default({"a": [1, null]})}}') == {"a": [1, None]}
    assert fill("{{$context.data.absent | default(0)}}!") == "0!"
    assert fill('{{$context.data.note | default("none")}}') is None
    assert fill('{{$context.query.page | default("1") | int}}') == 2
    assert fill('{{$context.query.size | int | default("1")}}') == "1"
    assert fill('{{$now | default("never")}}') == "never"


def test_a_moment_becomes_iso_8601():
    now = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
    assert fill("{{$now}}", now=now) == "2026-11-24T07:30:00+00:00"
    assert fill('{{$now | date("%d.%m.%Y")}}', now=now) == "24.11.2026"


@pytest.mark.parametrize(
    "value",
    ["$&", "$1\\0", "{{$context.query.page}}", "}}", '"', "'; DROP TABLE", "\\u0041", "\x00", "\ud800", "%s{0}"],
)
def test_values_are_never_read_as_templates_again(value: str):
    document = {"data": {"v": value}}
    assert fill("{{$context.data.v}}", document) == value
    assert fill("<{{$context.data.v}}|{{$context.data.v}}>", document) == f"<{value}|{value}>"
    assert fill(["{{$context.data.v}}"], document) == [value]


def test_a_root_that_is_not_known_here_is_refused_when_compiled():
    with pytest.raises(TemplateError, match=r"'\$result' is not known here; there is \$context, \$now"):
        compile_template("{{$result.id}}", roots=ROOTS)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{$context.data", "ends with '}}'"),
        ("{{$context.data}", "ends with '}}'"),
        ("{{}}", r"begins with one of \$context, \$now"),
        ("{{context.data}}", "begins with one of"),
        ("{{$context.}}", "empty name"),
        ("{{$context..data}}", "empty name"),
        ("{{$context[]}}", "position such as"),
        ("{{$context[-1]}}", "position such as"),
        ("{{$context[1e3]}}", "no ']'"),
        ("{{$context['data']}}", "position such as"),
        ('{{$context["data}}', "no JSON value"),
        ("{{$context | }}", "is no filter; there is default, json"),
        ("{{$context | eval}}", "'eval' is no filter"),
        ("{{$context | default}}", "takes one JSON value"),
        ("{{$context | default()}}", "takes one JSON value"),
        ("{{$context | default(NaN)}}", "no JSON value"),
        ("{{$context | default(1e999)}}", "NaN or infinite"),
        ('{{$context | default("\\ud800")}}', "half of a surrogate pair"),
        ("{{$context | default(1}}", "no '\\)'"),
        ("{{$context | json(1)}}", "takes no argument"),
        ("{{$context | join(1)}}", "short text"),
        ('{{$context | date("%Q")}}', "does not know %Q"),
        ('{{$context | date("50%")}}', "does not know %"),
        ("{{$context data}}", "ends with"),
        ("{{$context.data + 1}}", "ends with"),
        ("{{$context.data()}}", "ends with"),
    ],
)
def test_what_is_no_placeholder_is_refused_with_what_to_write(template: str, words: str):
    with pytest.raises(TemplateError, match=words) as error:
        compile_template(f"before {template}", roots=ROOTS)
    assert str(error.value).startswith("{{")


@pytest.mark.parametrize("source", [{1: "a"}, b"bytes", object(), {"a": {1, 2}}])
def test_a_template_is_json(source: Any):
    with pytest.raises(TemplateError):
        compile_template(source, roots=ROOTS)


def test_a_template_tells_what_it_is():
    whole = compile_template({"a": "{{$context}}", "b": [1], "c": "{{$context.data}}"}, roots=ROOTS)
    children = whole.children()
    assert [name for name, child in children.items() if child.is_root("context")] == ["a"]
    assert [name for name, child in children.items() if child.is_static] == ["b"]
    assert children["b"].render({}) == [1]
    assert compile_template({"a": 1}, roots=ROOTS).children()["a"].is_static
    assert compile_template(["{{$context}}"], roots=ROOTS).children() == {}


def test_inside_a_flow_a_template_is_filled_from_its_context():
    context = Context.from_document(DOCUMENT)
    assert render("Hello {{$context.data.имя}}", context) == "Hello Ірина"
    assert render({"page": "{{$context.query.page | int}}"}, DOCUMENT) == {"page": 2}
    assert datetime.fromisoformat(render("{{$now}}", context)).tzinfo is not None
