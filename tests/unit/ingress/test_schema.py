import pytest

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.schema import MOST_PROBLEMS, compile_schema

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}, "tags": {"items": {"$ref": "#/$defs/tag"}}},
    "$defs": {"tag": {"type": "string", "maxLength": 3}},
}


def test_a_body_that_matches_passes():
    compile_schema(PERSON).check({"name": "aaa", "tags": ["a", "b"]})


def test_each_problem_is_told_by_its_path_and_without_the_value():
    with pytest.raises(Unusable) as refused:
        compile_schema(PERSON).check({"name": 5, "tags": ["secret-value"]})
    assert refused.value.reason is Reason.SCHEMA_MISMATCH
    assert [problem["path"] for problem in refused.value.problems] == ["/name", "/tags/0"]
    assert "secret-value" not in str(refused.value.problems)


def test_there_are_never_more_than_twenty_problems():
    with pytest.raises(Unusable) as refused:
        compile_schema({"items": {"type": "string"}}).check(list(range(1000)))
    assert len(refused.value.problems) == MOST_PROBLEMS


def test_a_pattern_that_would_take_for_ever_elsewhere_is_linear():
    with pytest.raises(Unusable):
        compile_schema(PERSON).check({"name": "a" * 100_000 + "!"})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "no-such-type"},
        {"pattern": "("},
        {"pattern": "(?=look)ahead"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/missing"},
        {"description": "x" * 70_000},
    ],
)
def test_what_cannot_be_a_schema_is_refused_when_it_is_saved_and_nothing_is_fetched(schema: dict[str, str]):
    with pytest.raises(DefinitionError) as refused:
        compile_schema(schema)
    assert refused.value.field == "schema"


def test_true_lets_everything_pass():
    compile_schema({}).check({"anything": [None]})
