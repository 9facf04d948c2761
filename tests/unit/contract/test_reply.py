import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver import Reply
from receiver.contract.errors import BadReply, ReplyTooLarge
from receiver.contract.plain import RESERVED_KEYS, find_flaw
from receiver.contract.reply import MAX_REPLY
from tests.support.json_values import any_texts, hostile_values


@pytest.mark.parametrize("status", [200, 201, 302, 404, 599])
def test_a_status_is_from_200_to_599(status: int):
    assert Reply(status=status).to_wire()["status"] == status


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600, -200, "200", 200.0, True, None])
def test_any_other_status_is_a_bad_reply(status: Any):
    with pytest.raises(BadReply, match=r"status: .* is not a status from 200 to 599"):
        Reply(status=status)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(status: int):
    assert Reply(status=status).body is None
    bodies: list[Any] = ["", b"", {}, "text"]
    for body in bodies:
        with pytest.raises(BadReply, match=f"body: an answer with status {status} has no body"):
            Reply(status=status, body=body)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        None,
        {"X-A": "b"},
        {"Content-Type": "text/html; charset=utf-8"},
        {"Set-Cookie": "shop=1"},
        {"Location": "https://example.com/a?b=c#d"},
        {"X-Latin": "größe\t\x80"},
        {"x!#$%&'*+.^_`|~9": ""},
        {"X-Long": "a" * 8192},
    ],
)
def test_headers_that_may_be_set(headers: dict[str, str] | None):
    assert Reply(headers=headers).to_wire()["headers"] == (headers or {})


CONNECTION = """Connection keep-alive TE Trailer Transfer-Encoding UPGRADE Content-Length
Proxy-Authenticate Proxy-Authorization proxy-connection"""


@pytest.mark.parametrize("name", CONNECTION.split())
def test_headers_of_the_connection_may_not_be_set(name: str):
    with pytest.raises(BadReply, match=f"headers: '{name}' belongs to the connection"):
        Reply(headers={name: "x"})


@pytest.mark.parametrize(
    "name", ["", " ", "X A", "X:", "X\r\nSet-Cookie", "X\n", "X\0", "Größe", "a" * 257, 5, None, b"X", ("X",)]
)
def test_what_is_no_name_of_a_header_is_a_bad_reply(name: Any):
    with pytest.raises(BadReply, match="cannot be the name of a header"):
        Reply(headers={name: "x"})


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b=c", "a\n", "\n", "\r", "\0", "\x7f", "ї", "\ud800", "a" * 8193])
def test_a_value_that_would_add_a_header_or_cannot_be_sent_is_a_bad_reply(value: str):
    with pytest.raises(BadReply, match="headers: 'X' holds a line break, a control character"):
        Reply(headers={"X": value})


@pytest.mark.parametrize("value", [5, None, b"x", ["a"]])
def test_a_value_of_a_header_is_text(value: Any):
    with pytest.raises(BadReply, match="headers: 'X' is text, not"):
        Reply(headers={"X": value})


@pytest.mark.parametrize("headers", ["X: a", [("X", "a")], 5])
def test_headers_are_a_mapping(headers: Any):
    with pytest.raises(BadReply, match="headers: is a mapping"):
        Reply(headers=headers)


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (float("nan"), "body", "is NaN or infinite"),
        ({"a": [float("inf")]}, "body.a[0]", "is NaN or infinite"),
        ({"a": {1, 2}}, "body.a", "is a set, which JSON cannot hold"),
        ((1, 2), "body", "is a tuple"),
        ({"when": object()}, "body.when", "is a object"),
        ({1: "a"}, "body", "has a key that is a int"),
        ({"a": "\0"}, "body.a", "NUL"),
        (["\ud800"], "body[0]", "surrogate"),
        ("\ud800", "body", "surrogate"),
        ([2**64], "body[0]", "beyond 64 bits"),
    ],
)
def test_a_body_that_cannot_be_sent_is_a_bad_reply_that_names_the_place(body: Any, path: str, words: str):
    with pytest.raises(BadReply) as error:
        Reply(body=body)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_a_body_of_more_than_a_hundred_levels_is_a_bad_reply():
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadReply, match="100 levels"):
        Reply(body=endless)


def test_each_kind_of_body_travels_as_text():
    assert Reply().to_wire() == {"v": 1, "status": 200, "headers": {}, "body": None}
    assert Reply(body="ї\0").to_wire()["body"] == {"text": '"\\u0457\\u0000"'}
    assert Reply(body=b"\0\xff").to_wire()["body"] == {"base64": "AP8="}
    assert Reply(body={"$ref": ["ї"]}).to_wire()["body"] == {"json": '{"$ref":["\\u0457"]}'}
    assert Reply(body=False).to_wire()["body"] == {"json": "false"}
    assert Reply(body="").to_wire()["body"] == {"text": '""'}


@settings(max_examples=200)
@given(hostile_values | any_texts | any_texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_body_is_a_bad_reply_or_comes_back_from_harmless_text(body: Any):
    try:
        reply = Reply(body=body, headers={"X-A": "b"})
        wire = reply.to_wire()
    except BadReply:
        return
    assert Reply.from_wire(json.loads(json.dumps(wire))) == reply
    assert find_flaw(wire, reserved_keys=RESERVED_KEYS) is None
    match wire["body"]:
        case None:
            assert body is None
        case {"base64": encoded}:
            assert base64.b64decode(encoded) == body
        case {"text": encoded} | {"json": encoded}:
            assert json.loads(encoded) == body


def test_a_reply_has_a_bound_to_the_byte():
    overhead = len(json.dumps(Reply(body="").to_wire()))
    fits = Reply(body="x" * (MAX_REPLY - overhead))
    assert len(json.dumps(fits.to_wire())) == MAX_REPLY
    with pytest.raises(ReplyTooLarge, match="store the data, reply with its address"):
        Reply(body="x" * (MAX_REPLY - overhead + 1))


@pytest.mark.parametrize(
    "reply",
    [
        {"body": ["x" * 100] * 6000},
        {"body": b"\0" * 400 * 1024},
        {"body": "ї" * 100_000},
        {"headers": {f"X-{number}": "x" * 8000 for number in range(70)}},
    ],
)
def test_whatever_makes_a_reply_too_large_is_refused(reply: dict[str, Any]):
    with pytest.raises(ReplyTooLarge):
        Reply(**reply)


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"status": None},
        {"status": 200, "body": "x"},
        {"status": 200, "body": []},
        {"status": 200, "body": {}},
        {"status": 200, "body": {"text": "not JSON"}},
        {"status": 200, "body": {"text": "5"}},
        {"status": 200, "body": {"json": '"text"'}},
        {"status": 200, "body": {"json": {"a": 1}}},
        {"status": 200, "body": {"json": "[" * 100_000}},
        {"status": 200, "body": {"json": "NaN"}},
        {"status": 200, "body": {"base64": "$$$"}},
        {"status": 200, "headers": [["a", "b"]]},
        {"status": 200, "headers": {"X": "a\r\nb"}},
        {"status": 200, "body": {"text": json.dumps("x" * MAX_REPLY)}},
    ],
)
def test_what_is_no_reply_on_the_wire_is_a_bad_reply(wire: dict[str, Any]):
    with pytest.raises(BadReply):
        Reply.from_wire(wire)


wires = st.fixed_dictionaries(
    {},
    optional={
        "status": st.just(200) | hostile_values,
        "headers": hostile_values,
        "body": st.dictionaries(st.sampled_from(["text", "json", "base64"]), any_texts | hostile_values)
        | hostile_values,
    },
)


@settings(max_examples=300)
@given(wires)
def test_any_wire_is_a_reply_or_a_bad_one(wire: dict[str, Any]):
    try:
        assert isinstance(Reply.from_wire(wire), Reply)
    except BadReply:
        return
