import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.schema import LISTED_UP_TO, MOST_PROBLEMS, compile_schema
from receiver.ingress.schema_cost import MIN_DEPTH, depth_allowed

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}, "tags": {"items": {"$ref": "#/$defs/tag"}}},
    "$defs": {"tag": {"type": "string", "maxLength": 3}},
}
NODE = {"$ref": "#/$defs/node"}


def nested(levels: int, key: str | None = None) -> Any:
    value: Any = {} if key else []
    for _ in range(levels - 1):
        value = {key: value} if key else [value]
    return value


def test_a_body_that_matches_passes():
    compile_schema(PERSON).check({"name": "aaa", "tags": ["a", "b"]})


def test_each_problem_is_told_by_its_path_and_without_the_value():
    with pytest.raises(Unusable) as refused:
        compile_schema(PERSON).check({"name": 5, "tags": ["secret-value"]})
    assert refused.value.reason is Reason.SCHEMA_MISMATCH
    assert [problem["path"] for problem in refused.value.problems] == ["/name", "/tags/0"]
    assert "secret-value" not in str(refused.value.problems) + str(refused.value)


def test_a_key_of_any_kind_is_spelt_as_a_json_pointer():
    with pytest.raises(Unusable) as refused:
        compile_schema({"additionalProperties": {"type": "string"}}).check({"a/b~c é": 1})
    assert [problem["path"] for problem in refused.value.problems] == ["/a~1b~0c é"]


def test_there_are_never_more_than_twenty_problems():
    with pytest.raises(Unusable) as refused:
        compile_schema({"items": {"type": "string"}}).check(list(range(1000)))
    assert len(refused.value.problems) == MOST_PROBLEMS


def test_of_a_long_body_the_first_problem_is_told():
    with pytest.raises(Unusable) as refused:
        compile_schema({"items": {"type": "string"}}).check(["a"] * LISTED_UP_TO + list(range(1000)))
    assert [problem["path"] for problem in refused.value.problems] == [f"/{LISTED_UP_TO}"]


def test_a_pattern_that_would_take_for_ever_elsewhere_is_linear():
    with pytest.raises(Unusable):
        compile_schema(PERSON).check({"name": "a" * 100_000 + "!"})


def test_formats_are_checked():
    with pytest.raises(Unusable, match="date"):
        compile_schema({"format": "date"}).check("tomorrow")


def test_the_draft_is_the_one_that_is_named():
    old = compile_schema({"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True})
    with pytest.raises(Unusable):
        old.check(5)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "no-such-type"}, "at '/type': \"no-such-type\""),
        ({"properties": {"age": {"minimum": "0"}}}, "at '/properties/age/minimum'"),
        ({"pattern": "("}, "linear time"),
        ({"pattern": "(?=look)ahead"}, "linear time"),
        ({"patternProperties": {"(?<!a)b": {}}}, "linear time"),
        ({"pattern": "(a{1,100}){1,100}"}, "linear time"),
        ({"$ref": "file:///etc/passwd"}, "outside this schema"),
        ({"items": {"$ref": "other.json"}}, "at '/items/\\$ref': other.json is outside this schema"),
        ({"$id": "http://127.0.0.1:1/", "$ref": "other"}, "outside this schema"),
        ({"properties": {"a": {"$id": "http://127.0.0.1:1/"}}}, "at the top"),
        ({"$dynamicRef": "http://127.0.0.1:1/schema.json"}, "not supported"),
        ({"$ref": "#/$defs/missing"}, "missing"),
        ({"$schema": "http://127.0.0.1:1/dialect"}, "127.0.0.1"),
        ({"description": "x" * 70_000}, "KiB"),
        ({"items": nested(60, "items")}, "levels"),
        ({"const": float("nan")}, "NaN"),
        ({"const": "\ud800"}, "surrogate"),
        (["type"], "object"),
    ],
)
def test_what_cannot_be_a_schema_is_refused_when_it_is_saved(schema: Any, words: str):
    with pytest.raises(DefinitionError, match=words) as refused:
        compile_schema(schema)
    assert refused.value.field == "schema"


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$schema", "$recursiveRef"])
def test_nothing_is_fetched(keyword: str):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
        with pytest.raises(DefinitionError):
            compile_schema({keyword: address})
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_reference_to_a_position_of_more_digits_than_a_number_may_have_leads_nowhere():
    with pytest.raises(DefinitionError, match="schema"):
        compile_schema({"$ref": "#/allOf/" + "9" * 5000, "allOf": [{}]})


def test_property_names_that_look_like_references_are_only_names():
    compile_schema({"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}).check({"$ref": "x"})


def test_true_lets_everything_pass():
    compile_schema({}).check({"anything": [None]})


def test_nul_and_whole_numbers_of_any_size_are_values_as_others():
    compile_schema({"items": {"type": ["string", "integer"]}}).check(["\0", 2**90])


def test_half_a_surrogate_pair_is_a_problem_of_the_body():
    with pytest.raises(Unusable, match="surrogate") as refused:
        compile_schema({"type": "string"}).check("\ud800")
    assert refused.value.reason is Reason.SCHEMA_MISMATCH


def doubling(links: int) -> dict[str, Any]:
    """Definitions that each name the one before twice: one look at the first becomes 2^links at the last."""
    definitions: dict[str, Any] = {"d0": {"type": "object"}}
    for link in range(1, links + 1):
        definitions[f"d{link}"] = {"allOf": [{"$ref": f"#/$defs/d{link - 1}"}] * 2}
    return {"$ref": f"#/$defs/d{links}", "$defs": definitions}


def test_definitions_that_multiply_are_refused():
    compile_schema(doubling(8)).check({})
    with pytest.raises(DefinitionError, match="too long to check"):
        compile_schema(doubling(40))


def test_a_chain_of_definitions_beyond_reason_is_refused():
    definitions = {f"d{link}": {"allOf": [{"$ref": f"#/$defs/d{link + 1}"}]} for link in range(1200)}
    with pytest.raises(DefinitionError):
        depth_allowed({"$ref": "#/$defs/d0", "$defs": definitions})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"items": {"properties": {"a": {"type": "string"}}}},
        {**NODE, "$defs": {"node": {"items": NODE}}},
        {**NODE, "$defs": {"node": {"properties": {"child": NODE}, "required": ["name"]}}},
        {"items": {"$ref": "#"}},
        {"allOf": [{"$ref": "#"}]},
    ],
)
def test_a_schema_that_goes_down_one_way_is_checked_to_any_depth(schema: dict[str, Any]):
    assert depth_allowed(schema) == 100


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ({"properties": {"c": NODE}, "allOf": [{"properties": {"c": NODE}}]}, "c"),
        ({"anyOf": [{"items": NODE}, {"additionalProperties": NODE}, {"type": "string"}]}, None),
        ({"properties": {"left": NODE, "right": NODE}}, "left"),
    ],
)
def test_a_recursive_schema_that_branches_takes_bodies_of_few_levels(node: dict[str, Any], key: str | None):
    compiled = compile_schema({**NODE, "$defs": {"node": node}})
    assert MIN_DEPTH <= compiled.max_depth < 100
    compiled.check(nested(compiled.max_depth, key))
    with pytest.raises(Unusable, match="levels deep"):
        compiled.check(nested(compiled.max_depth + 1, key))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_KEYWORDS = st.sampled_from(
    ["$ref", "type", "items", "properties", "allOf", "anyOf", "not", "enum", "pattern", "required", "$defs", "minimum"]
)


@given(st.dictionaries(_KEYWORDS, _JSON | st.sampled_from(["#", "#/$defs/a", "string", {"$ref": "#"}])), _JSON)
def test_any_json_is_a_schema_or_a_definition_error_and_any_body_passes_or_is_unusable(schema: Any, data: Any):
    try:
        compile_schema(schema).check(data)
    except (DefinitionError, Unusable) as error:
        assert str(error)
