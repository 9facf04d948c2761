import json
from typing import Any

import pytest
from hypothesis import given

from receiver.contract.plain import MAX_DEPTH, RESERVED_KEYS, deeper_than, find_flaw, size_up_to, spell_path
from tests.support.json_values import hostile_values, json_values


def nested(levels: int, kind: str = "list") -> Any:
    value: Any = [] if kind == "list" else {}
    for _ in range(levels - 1):
        value = [value] if kind == "list" else {"a": value}
    return value


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ("a\0b", "p", "holds a NUL character"),
        ({"a": [1, "\ud800"]}, "p.a[1]", "holds half of a surrogate pair"),
        ({"a b": {"c": "\udfff"}}, 'p["a b"].c', "surrogate"),
        ({"a": {"\0": 1}}, "p.a", "has a key that holds a NUL character"),
        ({"\ud800": 1}, "p", "has a key that holds half of a surrogate pair"),
        ([float("nan")], "p[0]", "is NaN or infinite"),
        ([0, float("-inf")], "p[1]", "is NaN or infinite"),
        ({"n": 2**64}, "p.n", "whole number beyond 64 bits"),
        ({"n": -(2**63) - 1}, "p.n", "whole number beyond 64 bits"),
        ({1: 2}, "p", "has a key that is a int, not text"),
        ({"t": (1, 2)}, "p.t", "is a tuple, which JSON cannot hold"),
        ([b"x"], "p[0]", "is a bytes, which JSON cannot hold"),
        (object(), "p", "is a object, which JSON cannot hold"),
    ],
)
def test_a_flaw_has_its_place_and_its_name(value: Any, path: str, words: str):
    flaw = find_flaw(value, path="p")
    assert flaw is not None
    assert flaw.path == path
    assert words in flaw.problem
    assert not flaw.reserved


@pytest.mark.parametrize("key", sorted(RESERVED_KEYS))
def test_a_reserved_key_is_found_at_any_depth(key: str):
    value = {"a": [1, {"b": {key: None}}]}
    flaw = find_flaw(value, path="p", reserved_keys=RESERVED_KEYS)
    assert flaw is not None
    assert flaw.reserved
    assert flaw.path.startswith("p.a[1].b")
    assert key in flaw.problem
    assert find_flaw(value) is None


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_a_hundred_levels_pass_and_one_more_does_not(kind: str):
    assert find_flaw(nested(MAX_DEPTH, kind)) is None
    assert not deeper_than(nested(MAX_DEPTH, kind), MAX_DEPTH)
    flaw = find_flaw(nested(MAX_DEPTH + 1, kind))
    assert flaw is not None
    assert flaw.problem == "more than 100 levels deep"
    assert deeper_than(nested(MAX_DEPTH + 1, kind), MAX_DEPTH)


@pytest.mark.parametrize("levels", [5_000, 100_000])
def test_depth_costs_no_stack(levels: int):
    value = nested(levels)
    assert find_flaw(value) is not None
    assert deeper_than(value, MAX_DEPTH)
    assert size_up_to(value, 10**6) > levels
    while value:
        value = value.pop()  # taken apart, since Python would take it apart recursively


def test_a_value_that_contains_itself_is_too_deep():
    endless: list[Any] = []
    endless += [endless, endless]
    assert find_flaw(endless) is not None
    assert deeper_than(endless, MAX_DEPTH)


def test_a_long_key_of_a_senders_does_not_make_a_long_path():
    flaw = find_flaw({"k" * 100_000: {"x" * 100_000: "\0"}}, path="p")
    assert flaw is not None
    assert len(flaw.path) < 400


def test_a_place_is_spelled_as_templates_write_it():
    assert spell_path(["data", "items", 0, "any key", "имя", "x-y", "", 'q"]']) == (
        'data.items[0]["any key"].имя.x-y[""]["q\\"]"]'
    )
    assert spell_path(["a", "\ud800"]) == 'a["\\ud800"]'


@given(json_values)
def test_ordinary_json_has_no_flaw(value: Any):
    assert find_flaw(value) is None


@given(hostile_values)
def test_what_has_no_flaw_is_the_same_after_a_journey_as_utf8_json(value: Any):
    if find_flaw(value, reserved_keys=RESERVED_KEYS) is None:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        assert json.loads(text) == value
        assert b"\\u0000" not in text
        assert not any(f'"{key}":'.encode() in text for key in RESERVED_KEYS)


@given(hostile_values)
def test_the_size_is_about_that_of_the_json_and_counting_stops_at_the_limit(value: Any):
    size = size_up_to(value, 10**9)
    assert size <= 3 * len(json.dumps(value)) + 10
    assert size_up_to(value, 10) <= size
