"""The scheme `cloudevents`: a bearer token, and the check by OPTIONS whether events are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.api_key import ApiKey
from receiver.ingress.verify.authorization import Bearer
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, Verified
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.wire import first_header

_QUERY = "access_token"
_ORIGIN = re.compile(r"[A-Za-z0-9._:*-]{1,253}")
_RATE = re.compile(r"[1-9][0-9]{0,8}|\*")


class CloudEventsOptions(SchemeOptions):
    """Whose events are wanted, and where the token may stand."""

    allowed_origins: Annotated[list[str], Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="Names of senders (WebHook-Request-Origin) that may send events; default any."
    )
    query_token: bool = Field(
        default=True, description="Whether the token may also stand in the query, as access_token."
    )


class CloudEvents(Scheme):
    """CloudEvents over HTTP: Azure Event Grid, Knative and others. The token is shown as `Authorization: Bearer` or
    in the query as `access_token`. The body is not signed."""

    name = "cloudevents"
    about = "senders of CloudEvents: Azure Event Grid, Knative"
    to_enter = "the token"
    setup = "Give the sender the token as its bearer token, or append ?access_token=<token> to the URL."
    strength = "secret"
    content_types = ("application/cloudevents+json", "application/json")
    options_model = CloudEventsOptions
    hold_invalid = True
    event_id = "{{$context.data.source}} {{$context.data.id}}"
    handshake_is = "OPTIONS with `WebHook-Request-Origin`"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `allowed_origins`, `query_token`."""
        self.options = read_options(CloudEventsOptions, self.name, options)
        self._header, self._query = Bearer({}), ApiKey({"query": _QUERY})

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request that shows one of the secrets."""
        in_query = first_header(request, "authorization") is None and self.options.query_token
        way = self._query if in_query else self._header
        return Verified(scheme=self.name, secret=way.verify(request, secrets, now).secret)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with the token in its header."""
        return self._header.sign(request, secrets, now)

    def carriers(self) -> Carriers:
        """The Authorization header and the query parameter."""
        return Carriers(headers=self._header.carriers().headers, query=self._query.carriers().query)

    def handshake_methods(self) -> frozenset[str]:
        """OPTIONS."""
        return frozenset({"OPTIONS"})

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002 (contract)
        """Consent to the events of an origin that is allowed; what is sent then has to show the token all the same."""
        origin = first_header(request, "webhook-request-origin")
        if request.method != "OPTIONS" or not origin:
            return None
        allowed = self.options.allowed_origins
        if not _ORIGIN.fullmatch(origin) or (allowed is not None and origin.lower() not in map(str.lower, allowed)):
            raise Unverified(Reason.CREDENTIAL_WRONG, "the origin is not among allowed_origins")
        headers = {"webhook-allowed-origin": origin, "allow": "POST, OPTIONS"}
        rate = first_header(request, "webhook-request-rate")
        if rate is not None:
            headers["webhook-allowed-rate"] = rate if _RATE.fullmatch(rate) else "*"
        return Handshake(headers=headers)
