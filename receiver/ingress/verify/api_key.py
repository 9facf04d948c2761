"""The scheme `api-key`: a fixed key in a header or in the query."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import HeaderName, SchemeOptions, read_options
from receiver.ingress.verify.wire import header_text, one_header, one_query_value, with_headers, with_query_value


class ApiKeyOptions(SchemeOptions):
    """Where the key travels."""

    header: HeaderName = Field(default="x-api-key", description="Header that carries the key.")
    query: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Query parameter that carries the key, instead of a header."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.query is not None and "header" in self.model_fields_set:
            raise ValueError("give either 'header' or 'query': a key is looked for in one place")
        return self


class ApiKey(Scheme):
    """The sender shows a fixed key, by default in `X-API-Key`. The body is not signed: use it over HTTPS only."""

    name = "api-key"
    about = "senders that show a fixed key"
    to_enter = "the key"
    strength = "secret"
    content_types: ClassVar[tuple[str, ...]] = ()
    options_model: ClassVar[type[SchemeOptions] | None] = ApiKeyOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `header` (default `X-API-Key`) or `query`."""
        self.options = read_options(ApiKeyOptions, self.name, options)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request that shows one of the secrets."""
        keys = decode_keys(secrets)
        missing, malformed = Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_MALFORMED
        if self.options.query is not None:
            presented = one_query_value(request, self.options.query, missing=missing, malformed=malformed)
        else:
            presented = one_header(request, (self.options.header,), missing=missing, malformed=malformed)
        label = find_match([presented], keys)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG)
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request with the current key."""
        _, key = decode_keys(secrets)[0]
        if self.options.query is not None:
            return with_query_value(request, self.options.query, key.decode())
        return with_headers(request, {self.options.header: header_text(key)})

    def carriers(self) -> Carriers:
        """The header or the query parameter."""
        if self.options.query is not None:
            return Carriers(query=frozenset({self.options.query}))
        return Carriers(headers=frozenset({self.options.header}))
