import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from receiver import Context, FileRef
from receiver.contract.context import Headers, PendingContext
from receiver.contract.envelope import decode_envelope, encode_envelope, reference_envelope
from receiver.contract.errors import EnvelopeError

DOCUMENT: dict[str, Any] = {
    "v": 1,
    "data": {"name": "Ann"},
    "headers": {"X-GitHub-Event": "push", "accept": ["a/b", "c/d"]},
    "query": {"page": "2", "tag": ["a", "b"]},
    "params": {"shop_id": "7"},
    "method": "POST",
    "path": "/api/webhooks/shops/7",
    "client_ip": "192.0.2.1",
    "files": [{"field": "cv", "filename": "../../x.pdf", "content_type": "application/pdf", "size": 3, "index": 0}],
    "delivery_id": "d1",
    "attempt": 2,
    "received_at": "2026-11-24T07:30:00+00:00",
    "webhook": "contact-form",
    "verification": {"scheme": "api-key", "secret": "previous"},
}


def test_a_flow_reads_every_part_of_its_request():
    context = Context.from_document(DOCUMENT)
    assert context.data == {"name": "Ann"}
    assert context.query == {"page": "2", "tag": ["a", "b"]}
    assert context.params == {"shop_id": "7"}
    assert (context.method, context.path, context.client_ip) == ("POST", "/api/webhooks/shops/7", "192.0.2.1")
    assert (context.delivery_id, context.attempt, context.webhook) == ("d1", 2, "contact-form")
    assert context.received_at == datetime(2026, 11, 24, 7, 30, tzinfo=UTC)
    assert context.verification == {"scheme": "api-key", "secret": "previous"}
    assert context.files == (
        FileRef(
            field="cv",
            filename="../../x.pdf",
            content_type="application/pdf",
            size=3,
            index=0,
            delivery_id="d1",
            attempt=2,
        ),
    )
    assert not context.by_reference


def test_what_a_document_leaves_out_is_empty():
    context = Context.from_document({})
    assert context.data is None
    assert (dict(context.headers), context.query, context.params, context.files) == ({}, {}, {}, ())
    assert (context.attempt, context.delivery_id, context.verification) == (1, "", {})
    assert context.received_at.year == 1970


def test_headers_are_found_in_any_case_and_listed_in_lower_case():
    headers = Context.from_document(DOCUMENT).headers
    assert headers["x-github-event"] == headers["X-GITHUB-EVENT"] == "push"
    assert headers.get("Accept") == ["a/b", "c/d"]
    assert headers.get("X-Absent", "no") == "no"
    assert "ACCEPT" in headers
    assert not headers.__contains__(5)
    assert list(headers) == ["x-github-event", "accept"]
    assert len(headers) == 2
    assert repr(Headers({"A": "b"})) == "Headers({'a': 'b'})"


@pytest.mark.parametrize("name", ["attempt", "data", "_document", "anything"])
def test_nothing_of_a_context_can_be_set(name: str):
    context = Context.from_document(DOCUMENT)
    with pytest.raises(AttributeError, match=f"keep '{name}' in a variable"):
        setattr(context, name, 5)
    with pytest.raises(AttributeError, match=f"'{name}' stays"):
        delattr(context, name)
    assert context == Context.from_document(DOCUMENT)


def test_changing_what_a_property_gave_changes_no_request():
    context = Context.from_document(DOCUMENT)
    context.query["page"] = "3"
    assert context.query["page"] == "2"


def test_contexts_of_equal_documents_are_equal_and_cannot_be_keys():
    assert Context.from_document(DOCUMENT) == Context.from_document(copy.deepcopy(DOCUMENT))
    assert Context.from_document(DOCUMENT) != Context.from_document({**DOCUMENT, "attempt": 3})
    assert Context.from_document(DOCUMENT) != DOCUMENT
    with pytest.raises(TypeError):
        hash(Context.from_document(DOCUMENT))


def test_a_context_does_not_show_its_data_in_a_log():
    shown = repr(Context.from_document(DOCUMENT))
    assert shown == "Context(webhook='contact-form', delivery_id='d1', attempt=2)"


@pytest.mark.parametrize("by_reference", [False, True])
def test_a_context_survives_pickle_and_copy(by_reference: bool):
    context = Context.from_document(DOCUMENT, by_reference=by_reference)
    for other in (pickle.loads(pickle.dumps(context)), copy.copy(context), copy.deepcopy(context)):
        assert other == context
        assert other.by_reference is by_reference


def test_a_context_that_is_not_fetched_yet_knows_its_delivery_and_says_what_to_do():
    context = decode_envelope(reference_envelope(delivery_id="d1", attempt=3))
    assert (context.delivery_id, context.attempt) == ("d1", 3)
    assert repr(context) == "PendingContext(delivery_id='d1', attempt=3)"
    known = {"delivery_id", "attempt", "by_reference"}
    for name in {name for name, member in vars(Context).items() if isinstance(member, property)} - known:
        with pytest.raises(EnvelopeError, match="put @webhook"):
            getattr(context, name)
    for other in (pickle.loads(pickle.dumps(context)), copy.deepcopy(context)):
        assert isinstance(other, PendingContext)
        assert other == context
    assert context != Context.from_document({"v": 1, "delivery_id": "d1", "attempt": 3})


def test_pydantic_takes_a_context_or_its_envelope_and_writes_the_envelope():
    adapter = TypeAdapter(Context)
    context = Context.from_document(DOCUMENT)
    envelope = encode_envelope(DOCUMENT, delivery_id="d1", attempt=2)
    assert adapter.validate_python(context) is context
    assert adapter.validate_python(envelope) == context
    assert adapter.dump_python(context) == envelope
    assert adapter.validate_json(adapter.dump_json(context)) == context
    schema = adapter.json_schema()
    assert schema["required"] == ["v", "delivery_id", "attempt"]
    assert set(schema["properties"]) == {"v", "delivery_id", "attempt", "json", "ref"}


@pytest.mark.parametrize("value", [{}, DOCUMENT, {"name": "Ann"}, "text", None, 5, {"v": 1, "ref": True}])
def test_pydantic_refuses_what_is_neither(value: Any):
    with pytest.raises(ValidationError, match="no envelope of the receiver's"):
        TypeAdapter(Context).validate_python(value)
