"""The scheme `microsoft-graph`: change notifications, each with the client state of its subscription."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, Verified
from receiver.ingress.verify.handshakes import query_challenge
from receiver.ingress.verify.keys import decode_keys, find_match

_STATE = "clientState"
_MOST = 1000


class MicrosoftGraph(Scheme):
    """Microsoft Graph repeats the `clientState` of the subscription; nothing is signed. All notifications of a request
    have to show it."""

    name = "microsoft-graph"
    about = "Microsoft Graph change notifications"
    to_enter = "a random text of yours, at most 128 characters"
    setup = "Give the same text as `clientState` when the subscription is made."
    strength = "secret"
    hold_invalid = True
    split = "{{$context.data.value}}"
    event_id = "{{$context.data.id}}"
    handshake_is = "POST with `validationToken`"
    answer_deadline = 2.5

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request whose every notification shows one of the secrets."""
        keys = decode_keys(secrets)
        labels = [find_match([_state(item)], keys) for item in _notifications(request.body)]
        if None in labels:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=labels[0])

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the client state in each notification."""
        _, key = decode_keys(secrets)[0]
        items = [{**item, _STATE: key.decode()} for item in _notifications(request.wire_body)]
        body = orjson.dumps({**orjson.loads(request.wire_body), "value": items})
        return replace(request, body=body, wire_body=body)

    def carriers(self) -> Carriers:
        """The client state of each notification."""
        return Carriers(body_paths=frozenset({("value", "*", _STATE), (_STATE,)}))

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002 (contract)
        """The validation token of a request without a body, as plain text."""
        if request.method != "POST" or request.body:
            return None
        return query_challenge(request, "validationToken")

    def handshake_methods(self) -> frozenset[str]:
        """POST."""
        return frozenset({"POST"})


def _notifications(body: bytes) -> list[dict[str, Any]]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    items = data.get("value") if isinstance(data, dict) else None
    if items is None:
        raise Unverified(Reason.CREDENTIAL_MISSING, "the body has no 'value'")
    if not isinstance(items, list) or not 0 < len(items) <= _MOST or not all(isinstance(item, dict) for item in items):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, f"'value' is no list of 1 to {_MOST} notifications")
    return items


def _state(item: dict[str, Any]) -> bytes:
    state = item.get(_STATE)
    if state is None or state == "":
        raise Unverified(Reason.CREDENTIAL_MISSING, f"a notification has no '{_STATE}'")
    if not isinstance(state, str):
        raise Unverified(Reason.CREDENTIAL_MALFORMED, f"a '{_STATE}' is no text")
    return state.encode("utf-8", "surrogatepass")
