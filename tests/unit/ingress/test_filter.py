import threading
from collections.abc import Iterator

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.filter import FUNCTIONS, MAX_WORK, compile_filter
from receiver.ingress.filter_scan import MAX_WORDS

DOCUMENT = {
    "data": {
        "ref": "refs/heads/main",
        "items": [{"qty": 5}],
        "note": None,
        "text": "a" * 40 + "!",
        "at": "2026-01-02T03:04:05Z",
    },
    "headers": {"x-github-event": "push"},
    "method": "POST",
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('context.data.ref == "refs/heads/main"', True),
        ('context.headers["x-github-event"] == "ping"', False),
        ('"x-gitlab-event" in context.headers', False),
        ("has(context.data.missing)", False),
        ("has(context.data.missing) && context.data.missing > 1", False),
        ("context.data.items.exists(i, i.qty > 3)", True),
        ("context.data.items.exists_one(item, item.qty == 5)", True),
        ("context.data.items.filter(i, i.qty > 3).size() == 1", True),
        ("context.data.items.map(i, i.qty)[0] == 5", True),
        ("context.data.note == null", True),
        ("type(context.data.ref) == string", True),
        ("timestamp(context.data.at).getFullYear() == 2026", True),
        ('context.method in ["POST", "PUT"] && context.data.ref.startsWith("refs/heads/")', True),
        ("context.data.ref.matches(r'^refs/heads/[a-z]{1,40}$') // the branch", True),
    ],
)
def test_an_expression_decides_over_the_context(expression: str, expected: bool):
    assert compile_filter(expression).matches(DOCUMENT) is expected


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("context.data.ref", "gave str"),
        ("1", "gave int"),
        ("context.data.missing == 1", "no 'missing'.*has"),
        ("context.data.items[7].qty == 1", "cannot be evaluated"),
        ("context.data.ref > 5", "cannot be evaluated"),
        ("int(context.data.ref) == 1", "cannot be evaluated"),
        ("context.data.items[0].qty / 0 == 1", "zero"),
        ("context.data.ref.matches('(')", "cannot be evaluated"),
    ],
)
def test_what_is_no_yes_or_no_is_a_filter_error_in_readable_words(expression: str, words: str):
    with pytest.raises(Unusable, match=words) as refused:
        compile_filter(expression).matches(DOCUMENT)
    assert refused.value.reason is Reason.FILTER_ERROR
    assert refused.value.problems == ({"path": "filter", "problem": refused.value.detail},)
    assert len(refused.value.detail) < 400


def test_text_that_is_no_unicode_is_a_filter_error():
    with pytest.raises(Unusable) as refused:
        compile_filter("context.data == 'a'").matches({"data": "\ud800"})
    assert refused.value.reason is Reason.FILTER_ERROR


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a b", "no CEL expression"),
        ("context.data.ref == ", "no CEL expression"),
        ('"\ud800" == "a"', "no CEL expression"),
        ("contxt.data.ref == 1", "not contxt"),
        ("context.data.a == i", "not i"),
        ("context.data.a.exists(context, true)", "variable of its own"),
        ("context.data.a.exists(i, i.b.exists(j, j > 1))", "inside another"),
        ("context.data.a.exists(i, true || (i.b.exists(j, j > 1)))", "inside another"),
        ("context.data.a . filter ( i, i.b . map(j, j) == [] ) == []", "inside another"),
        ("context.data.a.map(i, context.data.a) == []", "uses context inside map"),
        ("shout(context.data.ref) == 'A'", "no function 'shout'"),
        ("context.data.ref.upperAscii() == 'A'", "no function 'upperAscii'"),
        ("context.data.ref.matches(context.data.pattern)", "written out"),
        ("context.data.ref.matches('a' + context.data.pattern)", "written out"),
        ("context.data.ref.matches('(a{1,50}){1,50}')", "repeats more than"),
        ("true" + " || true" * 400, "longer than"),
        ("1" + "+1" * 300 + " > 0", f"more than {MAX_WORDS} words"),
    ],
)
def test_what_cannot_be_a_filter_is_refused_when_it_is_saved(expression: str, words: str):
    with pytest.raises(DefinitionError, match=words) as refused:
        compile_filter(expression)
    assert refused.value.field == "filter"


@pytest.mark.parametrize(
    "expression",
    [
        'context.data.a.exists(i, i == ".map(") && context.data.b.all(i, i > 1)',
        """context.data.a == 'it\\'s .all(x, y.all(' """,
        'context.data.a == """a " .all(x, y.all( """',
        "context.data.a == r'\\' || context.data.a.all(i, i > 0)",
        "context.data.a > 0 // .all(x, y.all(",
        "context.data.all == context.data.map",
        "context.data.a.map(i, i > 0).exists(i, i)",
        "context.data.context.a.all(i, i.context == 1)",
    ],
)
def test_macros_in_text_comments_and_names_and_side_by_side_are_no_nesting(expression: str):
    compile_filter(expression)


def test_a_pattern_that_would_take_for_ever_elsewhere_is_linear():
    assert compile_filter('context.data.text.matches("^(a+)+$")').matches(DOCUMENT) is False


def test_one_pass_over_a_long_list_is_no_matter():
    long = {"data": list(range(50_000))}
    assert compile_filter("context.data.all(i, i >= 0)").matches(long) is True


@pytest.mark.parametrize(
    "expression",
    [
        "context.data.list.exists(i, i == context.data.wanted)",
        "context.data.list.filter(i, i > 1).size() > 0",
        "context.data.list.map(i, i).size() > 0",
    ],
)
def test_a_filter_whose_time_grows_faster_than_the_request_takes_short_ones_only(expression: str):
    compiled = compile_filter(expression)
    assert compiled.matches({"data": {"wanted": 5, "list": list(range(100))}}) is True
    with pytest.raises(Unusable, match="too long for this filter"):
        compiled.matches({"data": {"wanted": 5, "list": list(range(int(MAX_WORK**0.5)))}})


def test_every_function_that_is_allowed_is_known_to_the_library():
    moment = 'timestamp("2026-01-01T00:00:00Z")'
    calls = {
        "size": 'size("a")',
        "contains": '"a".contains("a")',
        "startsWith": '"a".startsWith("a")',
        "endsWith": '"a".endsWith("a")',
        "matches": '"a".matches("a")',
        "bytes": 'bytes("a")',
        "duration": 'duration("1h")',
        "timestamp": moment,
    } | {name: f"{moment}.{name}()" for name in FUNCTIONS if name.startswith("get")}
    for name in FUNCTIONS:
        cel.compile(calls.get(name, f"{name}(1)")).execute({})


@pytest.fixture
def small_stacks() -> Iterator[None]:
    """Threads as small as on systems that give them least."""
    before = threading.stack_size(256 * 1024)
    yield
    threading.stack_size(before)


@pytest.mark.parametrize(
    "expression",
    [
        "1" + "+1" * 248 + " > 0",
        "!" * 494 + "true",
        "-" * 480 + "1 > 0",
        "true" + "==true" * 245,
        "false" + "||false" * 248,
    ],
)
def test_the_deepest_filter_that_is_taken_fits_a_small_stack(expression: str, small_stacks: None):
    answers: list[bool] = []

    def match() -> None:
        answers.append(compile_filter(expression).matches(DOCUMENT))

    thread = threading.Thread(target=match)
    thread.start()
    thread.join()
    assert len(answers) == 1


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_definition_error(expression: str):
    try:
        compile_filter(expression)
    except DefinitionError as error:
        assert error.field == "filter"


_PIECES = st.sampled_from(
    ["context", ".data", ".all(", "map(", "x", ",", ")", "(", "[", "]", "{", "}", '"', "'", "r'", "\\", "//", "\n", "1",
     " == ", "matches(", "'a'", '"""', "&&", "!", "?", ":", "@", "é"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_any_pieces_of_filters_end_in_yes_no_or_one_of_two_errors(expression: str):
    try:
        compile_filter(expression).matches(DOCUMENT)
    except (DefinitionError, Unusable) as error:
        assert str(error)
