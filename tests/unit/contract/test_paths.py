import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.paths import MAX_LENGTH, MAX_SEGMENTS, check_path, filled_path, path_parameters


@pytest.mark.parametrize(
    ("path", "kept", "parameters"),
    [
        ("shops/{shop_id}/orders/{order_id}", "shops/{shop_id}/orders/{order_id}", ("shop_id", "order_id")),
        ("/a/", "a", ()),
        ("{all}", "{all}", ("all",)),
        ("v1.0/A_b~c-d", "v1.0/A_b~c-d", ()),
        ("a/" * (MAX_SEGMENTS - 1) + "a", "a/" * (MAX_SEGMENTS - 1) + "a", ()),
        ("a" * MAX_LENGTH, "a" * MAX_LENGTH, ()),
    ],
)
def test_a_path_is_segments_and_parameters(path: str, kept: str, parameters: tuple[str, ...]):
    assert check_path(path) == kept
    assert path_parameters(kept) == parameters


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "is a path such as"),
        ("///", "is a path such as"),
        (None, "is a path such as"),
        ("a//b", "'' cannot be a segment"),
        ("a/../b", r"'\.\.' cannot be a segment"),
        ("./a", r"'\.' cannot be a segment"),
        ("a b", "'a b' cannot be a segment"),
        ("a%2Fb", "cannot be a segment"),
        ("größe", "cannot be a segment"),
        ("a?b=c", "cannot be a segment"),
        ("a/{id}/b/{id}", "names the parameter {id} twice"),
        ("a/x{id}", "a parameter is a whole segment"),
        ("a/{id}.json", "a parameter is a whole segment"),
        ("a/{}", "a parameter is a whole segment"),
        ("a/{1a}", "a parameter is a whole segment"),
        ("a/{id:path}", "a parameter is a whole segment"),
        ("a/{" + "i" * 65 + "}", "a parameter is a whole segment"),
        ("a/" * MAX_SEGMENTS + "a", "is longer than"),
        ("a" * (MAX_LENGTH + 1), "is longer than"),
    ],
)
def test_what_cannot_be_a_path_names_the_segment(path: Any, words: str):
    with pytest.raises(ValueError, match=words):
        check_path(path)


@given(st.text(alphabet=st.sampled_from("ab{}/._~-% é\0"), max_size=20) | st.text())
def test_any_text_is_a_path_or_a_value_error_and_a_path_stays_one(text: str):
    try:
        path = check_path(text)
    except ValueError:
        return
    assert check_path(path) == path
    assert path.isascii()


def test_a_path_is_filled_with_values_that_stay_one_segment():
    assert filled_path("shops/{shop}/orders/{id}", {"id": "7", "shop": "ä/b?"}) == "shops/%C3%A4%2Fb%3F/orders/7"
    assert filled_path("orders", {}) == "orders"


@pytest.mark.parametrize(
    ("values", "words"),
    [({}, "needs a value for {shop}"), ({"shop": ""}, "needs a value for {shop}"), ({"shop": "1", "x": "2"}, "{x}")],
)
def test_a_path_that_cannot_be_filled_names_the_parameter(values: dict[str, str], words: str):
    with pytest.raises(ValueError, match=re.escape(words)):
        filled_path("shops/{shop}", values)
