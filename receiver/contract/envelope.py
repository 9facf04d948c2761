"""The envelope: request data crosses to Prefect as text alone, since Prefect evaluates what it finds in parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from receiver.contract.batching import Batch
from receiver.contract.context import Context, PendingContext
from receiver.contract.errors import EnvelopeError, TemplateError, Unusable
from receiver.contract.plain import MAX_DEPTH, RESERVED_KEYS, deeper_than, find_flaw
from receiver.contract.reasons import Reason
from receiver.contract.templates import Template

VERSION = 1
MAX_PARAMETERS = 512 * 1024
"""Bytes of a run's parameters as JSON; Prefect refuses more."""
_BY_VALUE = {"v", "delivery_id", "attempt", "json"}
_BY_REFERENCE = {"v", "delivery_id", "attempt", "ref"}

_Problem = tuple[Reason, str, str]


def encode_document(document: Mapping[str, Any]) -> str:
    """A document as ASCII JSON text, also the answer of `/api/admin/deliveries/<id>/context`.

    NUL characters and lone surrogates are kept, as escapes. Raises EnvelopeError for NaN and infinity, for more than
    100 levels in a part of the document, and for what is no JSON.
    """
    if deeper_than(dict(document), MAX_DEPTH + 1):
        raise EnvelopeError(f"the request is more than {MAX_DEPTH} levels deep")
    try:
        return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise EnvelopeError(f"the request cannot be JSON: {error}") from None


def decode_document(text: str | bytes) -> Context:
    """The Context of a document as text; `encode_document` in reverse. Raises EnvelopeError."""
    try:
        document = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise EnvelopeError("the envelope's text is no JSON") from None
    if not isinstance(document, dict) or deeper_than(document, MAX_DEPTH + 1):
        raise EnvelopeError("the envelope's text is no request of the receiver's")
    return Context.from_document(document)


def encode_envelope(document: Mapping[str, Any], *, delivery_id: str, attempt: int) -> dict[str, Any]:
    """`{"v": 1, "delivery_id", "attempt", "json": "<ASCII JSON>"}`. Raises EnvelopeError for what JSON cannot hold."""
    whole = {**document, "delivery_id": delivery_id, "attempt": attempt}
    return {"v": VERSION, "delivery_id": delivery_id, "attempt": attempt, "json": encode_document(whole)}


def reference_envelope(*, delivery_id: str, attempt: int) -> dict[str, Any]:
    """`{"v": 1, "delivery_id", "attempt", "ref": true}`: the flow's wrapper fetches the document."""
    return {"v": VERSION, "delivery_id": delivery_id, "attempt": attempt, "ref": True}


def envelope_of(context: Context) -> dict[str, Any]:
    """The envelope a Context came in, or would come in."""
    if context.by_reference:
        return reference_envelope(delivery_id=context.delivery_id, attempt=context.attempt)
    return encode_envelope(context.document, delivery_id=context.delivery_id, attempt=context.attempt)


def is_envelope(value: Any) -> bool:
    """Whether a value has exactly an envelope's fields; what is in them may still be wrong."""
    return isinstance(value, Mapping) and set(value) in (_BY_VALUE, _BY_REFERENCE)


def decode_envelope(value: Any) -> Context:
    """The Context in an envelope; by reference, one that is still to be fetched. Raises EnvelopeError for all else."""
    if not is_envelope(value):
        raise EnvelopeError("this is no envelope of the receiver's: {v, delivery_id, attempt, json} or {..., ref}")
    delivery_id, attempt = value["delivery_id"], value["attempt"]
    if type(value["v"]) is not int or value["v"] != VERSION:
        raise EnvelopeError(f"the envelope has version {value['v']!r}, this flow's receiver package knows {VERSION}")
    if not isinstance(delivery_id, str) or not delivery_id or type(attempt) is not int or attempt < 1:
        raise EnvelopeError("the envelope names no delivery and attempt")
    if "ref" in value:
        if value["ref"] is not True:
            raise EnvelopeError("the envelope's ref is not true")
        return PendingContext(delivery_id, attempt)
    if not isinstance(value["json"], str):
        raise EnvelopeError("the envelope's json is no text")
    return belongs_to(decode_document(value["json"]), delivery_id, attempt)


def decode_batch(value: Any) -> Batch:
    """The requests of a run for many; one envelope alone is a batch of one. Raises EnvelopeError."""
    if isinstance(value, Context) or is_envelope(value):
        return Batch([value if isinstance(value, Context) else decode_envelope(value)])
    if not isinstance(value, Mapping) or value.get("v") != VERSION or not isinstance(value.get("batch"), list):
        raise EnvelopeError("this is no batch of the receiver's: {v, batch: [envelopes]}")
    return Batch(decode_envelope(each) for each in value["batch"])


def belongs_to(context: Context, delivery_id: str, attempt: int) -> Context:
    """The same context, if it is that delivery's attempt. Raises EnvelopeError otherwise."""
    if (context.delivery_id, context.attempt) != (delivery_id, attempt):
        raise EnvelopeError(f"the request is of delivery {context.delivery_id}, not of {delivery_id} attempt {attempt}")
    return context


def render_parameters(
    template: Template,
    document: Mapping[str, Any],
    *,
    delivery_id: str,
    attempt: int,
    by_reference: bool,
    now: datetime | None = None,
) -> dict[str, Any]:
    """The parameters of a flow run, as plain JSON that is safe to hand to Prefect.

    `template` is the definition's `parameters_template()`. A parameter that is exactly `{{$context}}` becomes the
    envelope, by reference if the caller says so or if the text would be too long; all others are rendered plainly,
    with `$now` from `now` (default: when the request arrived).

    Raises Unusable with the reason of the first parameter that cannot be used: `template_error`, `reserved_key` (a key
    that Prefect would act upon, at any depth) or `parameters_invalid` (NUL, lone surrogates, NaN, whole numbers beyond
    64 bits, more than 100 levels, over 512 KiB). Its problems are every parameter with that reason, by path.
    """
    roots = {"context": document, "now": now if now is not None else document.get("received_at", "")}
    rendered: dict[str, Any] = {}
    envelopes: list[str] = []
    problems: list[_Problem] = []
    for name, child in template.children().items():
        if child.is_root("context"):
            envelopes.append(name)
        else:
            value, problem = _plain(name, child, roots)
            rendered[name] = value
            problems += [problem] if problem else []
    if problems:
        raise _unusable(problems)
    rendered |= _envelopes(envelopes, rendered, document, delivery_id, attempt, by_reference)
    if not _fits(rendered):
        largest = max(rendered, key=lambda name: len(json.dumps(rendered[name])))
        text = f"the parameters are over {MAX_PARAMETERS // 1024} KiB as JSON; this is the largest"
        raise _unusable([(Reason.PARAMETERS_INVALID, f"parameters.{largest}", text)])
    return rendered


def render_batch(template: Template, requests: Sequence[tuple[Mapping[str, Any], str, int, bool]]) -> dict[str, Any]:
    """The parameters of a run for many requests: under the one name of `template`, `{"v", ..., "batch": [envelopes]}`.

    Each request is its document, delivery id, attempt, and whether it travels by reference. All do where the text of
    all would be too long. Raises Unusable (`parameters_invalid`) for a document that JSON cannot hold.
    """
    [name] = template.children()
    try:
        envelopes = [
            reference_envelope(delivery_id=delivery_id, attempt=attempt)
            if by_reference
            else encode_envelope(document, delivery_id=delivery_id, attempt=attempt)
            for document, delivery_id, attempt, by_reference in requests
        ]
    except EnvelopeError as error:
        raise _unusable([(Reason.PARAMETERS_INVALID, f"parameters.{name}", str(error))]) from None
    if not _fits({name: envelopes}):
        envelopes = [reference_envelope(delivery_id=one, attempt=attempt) for _, one, attempt, _ in requests]
    _, first, first_attempt, _ = requests[0]
    # It names the first, as an envelope does: what Prefect knows of a flow written for one request is that.
    return {name: {"v": VERSION, "delivery_id": first, "attempt": first_attempt, "batch": envelopes}}


def _plain(name: str, template: Template, roots: Mapping[str, Any]) -> tuple[Any, _Problem | None]:
    path = f"parameters.{name}"
    try:
        value = template.render(roots)
    except TemplateError as error:
        return None, (Reason.TEMPLATE_ERROR, path, str(error))
    if flaw := find_flaw(value, path=path, reserved_keys=RESERVED_KEYS):
        return value, (Reason.RESERVED_KEY if flaw.reserved else Reason.PARAMETERS_INVALID, flaw.path, flaw.problem)
    if is_envelope(value):
        # Otherwise a sender could pass a request of his own making, or someone else's by reference, for ours.
        return value, (Reason.RESERVED_KEY, path, "has the form of the receiver's own envelope")
    return value, None


def _envelopes(
    names: list[str],
    rendered: Mapping[str, Any],
    document: Mapping[str, Any],
    delivery_id: str,
    attempt: int,
    by_reference: bool,
) -> dict[str, Any]:
    if not names:
        return {}
    if not by_reference:
        try:
            by_value = dict.fromkeys(names, encode_envelope(document, delivery_id=delivery_id, attempt=attempt))
        except EnvelopeError as error:
            raise _unusable([(Reason.PARAMETERS_INVALID, f"parameters.{names[0]}", str(error))]) from None
        # Escapes of a short body may grow to several times its size, past what Prefect takes.
        if _fits({**rendered, **by_value}):
            return by_value
    return dict.fromkeys(names, reference_envelope(delivery_id=delivery_id, attempt=attempt))


def _fits(parameters: Mapping[str, Any]) -> bool:
    return len(json.dumps(parameters)) <= MAX_PARAMETERS


def _unusable(problems: list[_Problem]) -> Unusable:
    reason, path, problem = problems[0]
    same = tuple({"path": where, "problem": what} for why, where, what in problems if why is reason)
    return Unusable(reason, f"{path}: {problem}", same)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
