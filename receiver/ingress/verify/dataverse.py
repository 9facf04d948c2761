"""The scheme `dataverse`: Dynamics 365, which shows fixed values in the query or in headers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from receiver.ingress.request import RawRequest
from receiver.ingress.verify.api_key import ApiKey
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.options import HeaderName, SchemeOptions, read_options
from receiver.ingress.verify.parts import secret_part, unusable

_QUERY_NAME = Annotated[str, Field(min_length=1, max_length=128)]


class DataverseOptions(SchemeOptions):
    """Which of the three kinds of authentication the registration has, and its names."""

    headers: Annotated[list[HeaderName], Field(min_length=1, max_length=8)] | None = Field(
        default=None, description="Names of the headers that carry the values, for the kind HttpHeader."
    )
    query: Annotated[list[_QUERY_NAME], Field(min_length=1, max_length=8)] | None = Field(
        default=None, description="Names of the query's parameters, for HttpQueryString; default code (WebhookKey)."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.headers is not None and self.query is not None:
            raise ValueError("give either 'headers' or 'query': a registration has one kind of authentication")
        return self


class Dataverse(Scheme):
    """Dataverse shows a key as `?code=`, or pairs of its registration in headers or in the query; all must be right.

    Where there are several pairs the secret is a JSON object, `{"name": "value"}` (names of headers in lower case).
    """

    name = "dataverse"
    about = "Microsoft Dataverse, Dynamics 365"
    to_enter = 'the WebhookKey; of several pairs `{"name": "value", ...}`'
    setup = "Plug-in Registration Tool, Register New Web Hook, Authentication."
    strength = "secret"
    options_model = DataverseOptions
    hold_invalid = True
    answer_deadline = 55

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `headers` or `query`, lists of names."""
        chosen = read_options(DataverseOptions, self.name, options)
        place, names = ("header", chosen.headers) if chosen.headers else ("query", chosen.query or ["code"])
        self._pairs = {name: ApiKey({place: name}) for name in names}

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request with the right value under every name."""
        values = {name: self._value(secrets, name) for name in self._pairs}
        shown = [pair.verify(request, values[name], now) for name, pair in self._pairs.items()]
        return Verified(scheme=self.name, secret=shown[0].secret)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with the current values."""
        for name, pair in self._pairs.items():
            request = pair.sign(request, self._value(secrets, name), now)
        return request

    def carriers(self) -> Carriers:
        """Every name."""
        places = [pair.carriers() for pair in self._pairs.values()]
        return Carriers(
            headers=frozenset().union(*(place.headers for place in places)),
            query=frozenset().union(*(place.query for place in places)),
        )

    def _value(self, secrets: Secrets | None, name: str) -> Secrets:
        part = secret_part(secrets, name, plain=len(self._pairs) == 1)
        if len(self._pairs) > 1 and not part.usable():
            raise unusable(tuple(self._pairs), f"it has no '{name}'")
        return part
