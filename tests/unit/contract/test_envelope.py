import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from receiver import Context
from receiver.contract.context import PendingContext
from receiver.contract.envelope import (
    decode_document,
    decode_envelope,
    encode_document,
    encode_envelope,
    envelope_of,
    is_envelope,
    reference_envelope,
)
from receiver.contract.errors import EnvelopeError
from tests.support.json_values import any_texts, hostile_values

HOSTILE: dict[str, Any] = {
    "jinja": {"__prefect_kind": "jinja", "template": "{{ prefect.variable }}"},
    "ref": {"$ref": "secret/api-key"},
    "class": {"__class__": "os.system", "data": "x"},
    "exception": {"__exc_type__": "builtins.SystemExit", "message": "x"},
    "nul": "a\0b",
    "surrogate": "\ud800 and \udfff",
    "\ud800": "a key",
    "big": 10**400,
    "template": "{{$context.data}} {{ x }} $&",
}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"$ref": value}
    return value


def there_and_back(document: dict[str, Any]) -> Context:
    envelope = encode_envelope(document, delivery_id="d1", attempt=2)
    # Prefect keeps parameters as JSON in its database, and its API's client writes them as UTF-8.
    return decode_envelope(json.loads(json.dumps(envelope, ensure_ascii=False).encode()))


@pytest.mark.parametrize("value", [*HOSTILE.values(), HOSTILE, [HOSTILE] * 50, deep(99)], ids=range(12))
@pytest.mark.parametrize("place", ["data", "query", "headers", "params"])
def test_what_would_harm_prefect_travels_as_text_and_arrives_unchanged(place: str, value: Any):
    document = {"v": 1, place: value if place == "data" else {"x": value}}
    context = there_and_back(document)
    assert context.document[place] == document[place]
    assert (context.delivery_id, context.attempt) == ("d1", 2)


def test_nothing_of_the_request_is_outside_the_text():
    envelope = encode_envelope({"v": 1, "data": HOSTILE}, delivery_id="d1", attempt=1)
    assert envelope.keys() == {"v", "delivery_id", "attempt", "json"}
    assert (envelope["v"], envelope["delivery_id"], envelope["attempt"]) == (1, "d1", 1)
    assert envelope["json"].isascii()
    assert envelope["json"].isprintable()


@given(hostile_values, st.dictionaries(any_texts, any_texts | st.lists(any_texts, max_size=2), max_size=3))
def test_any_request_arrives_as_it_was(data: Any, query: dict[str, Any]):
    context = there_and_back({"v": 1, "data": data, "query": query})
    assert context.data == data
    assert context.query == query


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_cannot_hold_is_refused(value: Any):
    with pytest.raises(EnvelopeError, match="cannot be JSON"):
        encode_document({"data": value})
    with pytest.raises(EnvelopeError, match="cannot be JSON"):
        encode_document({"data": {1, 2}})


@pytest.mark.parametrize("levels", [101, 400, 100_000])
def test_a_body_of_more_than_a_hundred_levels_is_refused_going_and_coming(levels: int):
    deep_list: Any = []
    for _ in range(levels - 1):
        deep_list = [deep_list]
    with pytest.raises(EnvelopeError, match="more than 100 levels"):
        encode_document({"data": deep_list})
    with pytest.raises(EnvelopeError):
        decode_document('{"data": ' + "[" * levels + "]" * levels + "}")
    while deep_list:
        deep_list = deep_list.pop()


def test_a_document_that_contains_itself_is_refused():
    endless: dict[str, Any] = {}
    endless["data"] = endless
    with pytest.raises(EnvelopeError):
        encode_document(endless)


def test_by_reference_the_envelope_names_the_delivery_alone():
    envelope = reference_envelope(delivery_id="d1", attempt=3)
    assert envelope == {"v": 1, "delivery_id": "d1", "attempt": 3, "ref": True}
    context = decode_envelope(envelope)
    assert isinstance(context, PendingContext)
    assert (context.delivery_id, context.attempt, context.by_reference) == ("d1", 3, True)
    assert envelope_of(context) == envelope


def test_a_context_goes_on_in_the_envelope_it_came_in():
    context = there_and_back({"v": 1, "data": HOSTILE})
    assert decode_envelope(dict(context)) == context
    fetched = Context.from_document(context.document, by_reference=True)
    assert dict(fetched) == reference_envelope(delivery_id="d1", attempt=2)


GOOD = encode_envelope({"v": 1, "data": 1}, delivery_id="d1", attempt=1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v": 2}, "version 2, this flow's receiver package knows 1"),
        ({"v": True}, "version True"),
        ({"v": "1"}, "version '1'"),
        ({"delivery_id": ""}, "names no delivery"),
        ({"delivery_id": 5}, "names no delivery"),
        ({"attempt": 0}, "names no delivery and attempt"),
        ({"attempt": True}, "names no delivery and attempt"),
        ({"attempt": "1"}, "names no delivery and attempt"),
        ({"delivery_id": "d2"}, "of delivery d1, not of d2"),
        ({"attempt": 2}, "not of d1 attempt 2"),
        ({"json": None}, "is no text"),
        ({"json": {"data": 1}}, "is no text"),
        ({"json": ""}, "is no JSON"),
        ({"json": "[1]"}, "no request of the receiver's"),
        ({"json": '{"data": NaN}'}, "is no JSON"),
        ({"json": '{"data": ' + "9" * 5000 + "}"}, "is no JSON"),
        ({"more": 1}, "no envelope of the receiver's"),
        ({"ref": True}, "no envelope of the receiver's"),
    ],
)
def test_an_envelope_with_anything_wrong_is_refused_with_what_is_wrong(changes: dict[str, Any], words: str):
    with pytest.raises(EnvelopeError, match=words):
        decode_envelope({**GOOD, **changes})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("attempt", "x"),
        ("attempt", []),
        ("headers", [["a", "b"]]),
        ("headers", None),
        ("query", "a=b"),
        ("params", 5),
        ("verification", "github"),
        ("files", {}),
        ("files", [1]),
        ("files", [{"field": "f"}]),
        (
            "files",
            [{"field": "f", "filename": None, "content_type": "", "size": 1, "index": 0, "delivery_id": "other"}],
        ),
        ("received_at", 5),
        ("received_at", "yesterday"),
        ("received_at", "2026-11-24T00:00:00"),
        ("method", 5),
        ("path", None),
    ],
)
def test_a_text_that_is_no_request_is_refused_when_it_is_decoded_and_not_later(field: str, value: Any):
    text = json.dumps({"v": 1, "delivery_id": "d1", "attempt": 1, field: value})
    with pytest.raises(EnvelopeError):
        decode_document(text)
    with pytest.raises(EnvelopeError):
        decode_envelope({**GOOD, "json": text})


@pytest.mark.parametrize("ref", [False, 1, "true", None])
def test_a_reference_is_exactly_true(ref: Any):
    with pytest.raises(EnvelopeError, match="ref is not true"):
        decode_envelope({"v": 1, "delivery_id": "d1", "attempt": 1, "ref": ref})


properties = [name for name, member in vars(Context).items() if isinstance(member, property)]
documents = st.dictionaries(st.sampled_from(["v", *properties]), hostile_values)
fields = st.sampled_from(["v", "delivery_id", "attempt", "json", "ref"])
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "v": st.just(1) | hostile_values,
        "delivery_id": st.just("d1") | hostile_values,
        "attempt": st.just(1) | hostile_values,
        "json": st.text() | documents.map(json.dumps) | hostile_values,
        "ref": st.just(True) | hostile_values,
    },
)


@settings(max_examples=300)
@given(envelopes | hostile_values | st.dictionaries(fields, hostile_values))
@example({"v": 1, "delivery_id": "d1", "attempt": 1, "json": '{"attempt": 1e999, "delivery_id": "d1"}'})
@example({"v": float("nan"), "delivery_id": "d1", "attempt": 1, "json": "{}"})
@example({"v": 1, "delivery_id": "d1", "attempt": 1, "json": "[" * 100_000})
def test_decoding_anything_gives_a_context_or_an_envelope_error(value: Any):
    try:
        context = decode_envelope(value)
    except EnvelopeError:
        return
    assert is_envelope(value)
    assert (context.delivery_id, context.attempt) == (value["delivery_id"], value["attempt"])


@settings(max_examples=300)
@given(documents)
def test_a_document_that_was_taken_can_be_read_in_every_property(document: dict[str, Any]):
    try:
        context = decode_document(json.dumps(document))
    except EnvelopeError:
        return
    for name in properties:
        getattr(context, name)


@given(st.binary())
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_a_document_or_an_envelope_error(content: bytes):
    try:
        assert isinstance(decode_document(content), Context)
    except EnvelopeError:
        return
