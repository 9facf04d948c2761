import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from receiver.contract.errors import TemplateError
from receiver.contract.template_nodes import MAX_DEPTH, MAX_OUTPUT, MAX_PLACEHOLDERS, MAX_SIZE
from receiver.contract.template_parser import MAX_FILTERS, MAX_STEPS
from receiver.contract.templates import Template, compile_template


def compiled(source: Any) -> Template:
    return compile_template(source, roots=frozenset({"context"}))


def nested(levels: int) -> Any:
    value: Any = "{{$context}}"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("within", "beyond", "words"),
    [
        ("a" * (MAX_SIZE - 1), "a" * MAX_SIZE, "over 64 KiB"),
        ({"k" * (MAX_SIZE - 10): 1}, {"k" * MAX_SIZE: 1}, "over 64 KiB"),
        ([1] * (MAX_SIZE - 1), [1] * MAX_SIZE, "over 64 KiB"),
        ("{{$context}}" * MAX_PLACEHOLDERS, "{{$context}}" * (MAX_PLACEHOLDERS + 1), "more than 200 placeholders"),
        (["{{$context}}"] * MAX_PLACEHOLDERS, ["{{$context}}"] * (MAX_PLACEHOLDERS + 1), "more than 200 placeholders"),
        (nested(MAX_DEPTH), nested(MAX_DEPTH + 1), "more than 32 levels"),
        (f"{{{{$context{'.a' * MAX_STEPS}}}}}", f"{{{{$context{'.a' * (MAX_STEPS + 1)}}}}}", "more than 64 steps"),
        (f"{{{{$context{'|json' * MAX_FILTERS}}}}}", f"{{{{$context{'|json' * (MAX_FILTERS + 1)}}}}}", "16 filters"),
    ],
)
def test_a_template_has_bounds(within: Any, beyond: Any, words: str):
    compiled(within)
    with pytest.raises(TemplateError, match=words):
        compiled(beyond)


def test_a_template_that_contains_itself_ends_at_the_bound():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(TemplateError, match="levels"):
        compiled(endless)


@pytest.mark.parametrize(
    "template",
    [
        "{{$context.data}}",
        "<{{$context.data}}>",
        ["{{$context.data}}"],
        "{{$context.data | json}}",
        "{{$context.data | join}}",
    ],
)
def test_a_result_has_a_bound(template: Any):
    document = {"data": ["a" * 1000] * (MAX_OUTPUT // 1000 + 1)}
    with pytest.raises(TemplateError, match="over 1024 KiB"):
        compiled(template).render({"context": document})


@pytest.mark.parametrize(
    "template",
    [
        ["{{$context.data}}"] * 5,
        "{{$context.data}}" * 5,
        {"a": "{{$context.data}}", "b": ["{{$context.data}}", "{{$context.data | json | json | json}}"]},
        "{{$context.data" + "| json" * 6 + "}}",
        "{{$context.data" + "| upper" * 6 + "| length}}",
    ],
)
def test_the_bound_is_of_the_whole_rendering_and_of_what_filters_read(template: Any):
    document = {"data": "a" * (MAX_OUTPUT // 4)}
    with pytest.raises(TemplateError, match="over 1024 KiB"):
        compiled(template).render({"context": document})


def test_what_is_big_may_be_measured_and_its_parts_may_be_taken():
    document = {"data": [1, *["a" * 1000] * 5000]}
    template = {"n": "{{$context.data | length}}", "first": "{{$context.data | first}}", "i": "{{$context.data[0]}}"}
    assert compiled(template).render({"context": document}) == {"n": 5001, "first": 1, "i": 1}


def calls_during(work: Callable[[], Any]) -> int:
    """How many calls, of Python's and of C's functions, a piece of work makes."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def attempt(source: str) -> None:
    try:
        compiled(source)
    except TemplateError:
        return


@pytest.mark.parametrize(
    ("head", "piece", "tail"),
    [
        ("", "{{", ""),
        ("", "}}", ""),
        ("", "{ {", ""),
        ("{{$context", ".a", ""),
        ("{{$context.", "a", "}}"),
        ("{{", " ", "$context}}"),
        ("{{$", "a", "}}"),
        ("{{$context|", "a", "}}"),
        ("{{$context|", "json|", "}}"),
        ('{{$context["', "\\\\", ""),
        ('{{"', "{", '"}}'),
        ("{{$context|default(", "[", ""),
        ("{{$context|default(", '{"a":', ""),
        ("{{$context[", "1", "]}}"),
        ("{{$context} ", "{{$context} ", ""),
    ],
)
def test_twice_the_hostile_text_is_at_most_twice_the_work(head: str, piece: str, tail: str):
    times = 10_000 // len(piece)
    attempt(head + piece * 10 + tail)  # what the first call of all does once
    once = calls_during(lambda: attempt(head + piece * times + tail))
    twice = calls_during(lambda: attempt(head + piece * times * 2 + tail))
    assert twice <= 2 * once + 100


def test_twice_the_placeholders_are_twice_the_work():
    once = calls_during(lambda: compiled("x{{$context.data.a | json}}" * 100))
    twice = calls_during(lambda: compiled("x{{$context.data.a | json}}" * 200))
    assert twice <= 2 * once + 100
