"""JSON bodies: which they are, and what survives of them."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import Unusable
from receiver.contract.reasons import Reason
from receiver.ingress.parse import parse_body
from receiver.ingress.parse.json_text import MOST_ITEMS, MOST_KEYS

JSON = "application/json"


def problem_of(body: bytes, content_type: str | None = JSON) -> str:
    with pytest.raises(Unusable) as unusable:
        parse_body(content_type, body)
    assert unusable.value.reason is Reason.UNREADABLE
    assert unusable.value.problems == ({"path": "body", "problem": unusable.value.detail},)
    return unusable.value.detail


@pytest.mark.parametrize(
    "content_type",
    [
        JSON,
        "Application/JSON; charset=utf-8",
        "application/vnd.github+json",
        "application/cloudevents+json; charset=UTF-8",
        "text/json",
        "text/plain",
        "text/plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        None,
        "",
    ],
)
def test_json_is_json_under_its_types_and_where_no_type_speaks_against_it(content_type: str | None):
    parsed = parse_body(content_type, b' {"event": "test", "data": {"message": "Hello"}}\n')
    assert (parsed.data, parsed.kind) == ({"event": "test", "data": {"message": "Hello"}}, "json")


def test_no_body_is_none_whatever_its_type():
    for content_type in (None, JSON, "multipart/form-data", "application/xml", "image/png"):
        parsed = parse_body(content_type, b"")
        assert (parsed.data, parsed.kind, parsed.files) == (None, "none", ())


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\u0000"', "\0"),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2**64),
        (b'{"id": -9223372036854775809, "x": "ok"}', {"id": -(2**63) - 1, "x": "ok"}),
        (b"[123456789012345678901234567890, 0.5]", [123456789012345678901234567890, 0.5]),
        (b"[" * 100 + b"]" * 100, json.loads("[" * 100 + "]" * 100)),
    ],
)
def test_what_json_holds_is_kept_exactly(body: bytes, value: Any):
    parsed = parse_body(JSON, body).data
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b"[1,]",
        b"[NaN]",
        b"-Infinity",
        b"1e999",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"a\nb"',
        b"1" * 5000,
        b" ",
        b"\xef\xbb\xbf",
        b'{"a": 1} trailing',
    ],
)
def test_what_json_cannot_hold_is_unreadable(body: bytes):
    assert "JSON" in problem_of(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[" * 101 + b"]" * 101, "100 levels"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "100 levels"),
        (b"[" * 100_000, "100 levels"),
        (b"{" + b",".join(b'"%d":0' % number for number in range(MOST_KEYS + 1)) + b"}", "fields"),
        (b"[" + b",".join([b'{"a":1,"b":2}'] * (MOST_KEYS // 2 + 1)) + b"]", "fields"),
        (b"[" + b"0," * MOST_ITEMS + b"0]", "items"),
        (b"[" + b",".join([b"[1]"] * (MOST_ITEMS // 2 + 1)) + b"]", "items"),
    ],
    ids=lambda value: repr(value[:16]),
)
def test_what_is_deeper_or_has_more_in_it_than_is_taken_says_so(body: bytes, words: str):
    with pytest.raises(Unusable, match=words) as unusable:
        parse_body(JSON, body)
    assert unusable.value.reason is Reason.TOO_COMPLEX


def test_as_much_as_is_taken_is_taken():
    assert len(parse_body(JSON, b"{" + b",".join(b'"%d":0' % n for n in range(MOST_KEYS)) + b"}").data) == MOST_KEYS
    assert len(parse_body(JSON, b"[" + b"0," * (MOST_ITEMS - 1) + b"0]").data) == MOST_ITEMS
    text = b'"' + b":," * (MOST_ITEMS + 1) + b'"'  # signs inside text are no entries
    assert len(parse_body(JSON, text).data) == 2 * (MOST_ITEMS + 1)


def test_many_brackets_are_not_depth():
    wide = b"[" + b",".join([b"{}"] * 5000) + b"]"
    assert len(parse_body(JSON, wide).data) == 5000
    assert parse_body(JSON, b'"' + b"[" * 5000 + b'"').data == "[" * 5000


def test_a_named_charset_is_taken_for_bytes_that_are_no_utf_8():
    assert parse_body("application/json; charset=iso-8859-1", '"café"'.encode("latin-1")).data == "café"
    assert parse_body("application/json; charset=iso-8859-1", '"café"'.encode()).data == "café"
    assert parse_body("application/json; charset=utf-16", '{"a": 1}'.encode("utf-16")).data == {"a": 1}
    problem_of(b'"\xff"', "application/json; charset=utf-8")
    problem_of(b'"\xff"', "application/json; charset=rot13")


def test_text_that_is_not_wholly_json_stays_text():
    assert parse_body("text/plain", b'{"a": 1} and more').data == '{"a": 1} and more'
    assert parse_body("text/plain", b"[" * 101 + b"]" * 101).kind == "text"


def json_values() -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    return st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(json_values())
def test_every_json_value_comes_through_unchanged(value: Any):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        try:
            body = text.encode()
        except UnicodeEncodeError:
            continue
        assert parse_body(JSON, body).data == value


@given(
    content_type=st.none()
    | st.text(max_size=40)
    | st.sampled_from([JSON, "text/plain", "application/xml", "application/x-www-form-urlencoded"])
    | st.text(max_size=10).map("multipart/form-data; boundary={}".format)
    | st.text(max_size=12).map("text/plain; charset={}".format)
    | st.text(max_size=12).map("text/xml; charset={}".format),
    body=st.binary(max_size=200),
)
def test_whatever_the_bytes_only_unusable_is_raised_and_data_is_json(content_type: str | None, body: bytes):
    try:
        data = parse_body(content_type, body).data
    except Unusable as unusable:
        assert unusable.reason in {Reason.UNREADABLE, Reason.TOO_COMPLEX}
    else:
        json.dumps(data, allow_nan=False).encode()
        assert not isinstance(data, float) or math.isfinite(data)
