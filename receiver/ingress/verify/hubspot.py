"""The scheme `hubspot`: signatures of version 3, or of the older versions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.hmac_signature import HmacScheme
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.options import SchemeOptions, read_options
from receiver.ingress.verify.wire import one_header, with_headers, without_field

_V3 = {
    "header": "X-HubSpot-Signature-v3",
    "encoding": "base64",
    "timestamp_header": "X-HubSpot-Request-Timestamp",
    "timestamp_unit": "ms",
    "tolerance_applies": "past",
    "signed": "{method}{url}{body}{timestamp}",
}
_OLDER_HEADER = "x-hubspot-signature"
# The escapes that HubSpot decodes before it signs; all others it signs as they stand in the URL.
_DECODED = {"3A": ":", "2F": "/", "3F": "?", "40": "@", "21": "!", "24": "$", "27": "'", "28": "(", "29": ")"}
_DECODED |= {"2A": "*", "2C": ",", "3B": ";"}
_ESCAPE = re.compile("%(" + "|".join(_DECODED) + ")", re.IGNORECASE)


class HubSpotOptions(SchemeOptions):
    """Which of HubSpot's signatures counts."""

    version: Literal["v1", "v2", "v3"] = Field(
        default="v3",
        description="`v3` signs method, URL, body and time; `v1` (body) and `v2` (method, URL, body) are plain hashes "
        "without a time. No older one is taken in place of the chosen one.",
    )
    tolerance: Annotated[int, Field(ge=1, le=86400)] | None = Field(
        default=300, description="With `v3`: seconds a signature is good for; null: any age is taken."
    )

    @model_validator(mode="after")
    def _has_time(self) -> Self:
        if self.version != "v3" and "tolerance" in self.model_fields_set:
            raise ValueError("only v3 carries a timestamp; 'tolerance' is for it")
        return self


class HubSpot(Scheme):
    """HubSpot signs with the app's client secret. One request holds up to a hundred events."""

    name = "hubspot"
    about = "HubSpot"
    to_enter = "the app's client secret"
    setup = "App, Auth. The URL is signed: set WEBHOOKS_PUBLIC_URL behind a proxy."
    options_model = HubSpotOptions
    hold_invalid = True
    answer_deadline = 4
    split = "{{$context.data}}"
    event_id = "{{$context.data.subscriptionId}}-{{$context.data.eventId}}-{{$context.data.occurredAt}}"
    id_signed = True

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `version` (`v3`, `v2`, `v1`), `tolerance` in seconds for the first."""
        chosen = read_options(HubSpotOptions, self.name, options)
        self._way: Scheme = (
            _Version3({**_V3, "tolerance": chosen.tolerance})
            if chosen.version == "v3"
            else _PlainHash(with_url=chosen.version == "v2")
        )

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        """Accept a request with a signature of the chosen version."""
        return replace(self._way.verify(request, secrets, now), scheme=self.name)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        """The request with a signature of the chosen version."""
        return self._way.sign(request, secrets, now)

    def signs_url(self) -> bool:
        """Since version 2."""
        return self._way.signs_url()

    def carriers(self) -> Carriers:
        """The headers of all versions, which come together."""
        return Carriers(headers=frozenset({_OLDER_HEADER, "x-hubspot-signature-v3"}))

    def unchanging(self, data: Any, body: bytes) -> bytes:
        """The event without the number of the attempt."""
        return without_field(data, body, "attemptNumber")


class _Version3(HmacScheme):
    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:
        return super().verify(replace(request, url=decoded_url(request.url)), secrets, now)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:
        signed = super().sign(replace(request, url=decoded_url(request.url)), secrets, now)
        return replace(signed, url=request.url)


class _PlainHash(Scheme):
    """SHA-256 over the secret and what it is for: no HMAC, and no time."""

    def __init__(self, *, with_url: bool) -> None:
        super().__init__({})
        self._with_url = with_url

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        keys = decode_keys(secrets)
        missing, malformed = Reason.SIGNATURE_MISSING, Reason.SIGNATURE_MALFORMED
        presented = one_header(request, (_OLDER_HEADER,), missing=missing, malformed=malformed)
        label = find_match([presented], [(label, self._hash(key, request)) for label, key in keys])
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return Verified(scheme="hubspot", secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        signature = self._hash(decode_keys(secrets)[0][1], request).decode()
        version = "v2" if self._with_url else "v1"
        return with_headers(request, {_OLDER_HEADER: signature, "x-hubspot-signature-version": version})

    def signs_url(self) -> bool:
        return self._with_url

    def carriers(self) -> Carriers:
        return Carriers(headers=frozenset({_OLDER_HEADER}))

    def _hash(self, key: bytes, request: RawRequest) -> bytes:
        where = f"{request.method}{request.url}".encode("utf-8", "surrogatepass") if self._with_url else b""
        return hashlib.sha256(key + where + request.wire_body).hexdigest().encode()


def decoded_url(url: str) -> str:
    """A URL as HubSpot signs it in version 3."""
    return _ESCAPE.sub(lambda escape: _DECODED[escape[1].upper()], url)
