"""What is stored comes back, and nothing a sender can send is refused."""

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from receiver.storage.values import from_json, from_micros, maybe_from_micros, to_json, to_micros, to_text

ANY_TEXT = st.text(st.characters())  # lone surrogates too
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_moments_sort_alike_wherever_they_were_taken() -> None:
    here = datetime(2026, 3, 1, 12, tzinfo=UTC)
    there = here.astimezone(timezone(timedelta(hours=9)))
    assert to_micros(here) == to_micros(there)
    assert from_micros(to_micros(there)).tzinfo is UTC
    assert to_micros(here - timedelta(microseconds=1)) == to_micros(here) - 1
    assert maybe_from_micros(None) is None
    assert maybe_from_micros(0) == datetime(1970, 1, 1, tzinfo=UTC)


@given(PLAIN)
def test_any_json_comes_back_and_is_ascii(value: Any) -> None:
    text = to_json(value)
    assert text.isascii() and "\0" not in text
    assert from_json(text) == value == json.loads(text)


def test_read_only_mappings_are_json_too() -> None:
    assert from_json(to_json(MappingProxyType({"a": MappingProxyType({"☃": "\ud800"})}))) == {"a": {"☃": "\ud800"}}


@given(ANY_TEXT, st.integers(1, 20))
def test_any_text_becomes_storable(text: str, limit: int) -> None:
    stored = to_text(text, limit)
    assert "\0" not in stored and len(stored) <= limit
    stored.encode()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_storable_text_is_left_as_it_is(text: str) -> None:
    assert to_text(text, len(text) + 1) == text
