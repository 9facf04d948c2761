"""The scheme `twilio`: HMAC-SHA1 over the URL and the fields of the form."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.parse.content_type import parse_media_type
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.wire import first_header, one_header, one_query_value, with_headers, with_query_value

_HEADER = "x-twilio-signature"
_BODY_HASH = "bodySHA256"
_MOST_FIELDS = 1000
_FORM = "application/x-www-form-urlencoded"
_PORTS = {"https": 443, "http": 80}


class Twilio(Scheme):
    """Twilio signs the URL and the form's fields with the account's auth token. Any other body is signed by its hash,
    which is in the URL; a body that is neither is refused."""

    name = "twilio"
    about = "Twilio"
    to_enter = "the account's auth token"
    setup = "The URL is signed: set WEBHOOKS_PUBLIC_URL behind a proxy."
    content_types = (_FORM, "application/json")
    hold_invalid = True
    event_id = "{{$context.headers.i-twilio-idempotency-token}}"
    answer_deadline = 14

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a request that one of the secrets signed, with the URL's port or without."""
        keys = decode_keys(secrets)
        missing, malformed = Reason.SIGNATURE_MISSING, Reason.SIGNATURE_MALFORMED
        presented = one_header(request, (_HEADER,), missing=missing, malformed=malformed)
        fields = _fields(request)
        urls = list(_urls(request.url))
        expected = [(label, _signature(key, url, fields)) for label, key in keys for url in urls]
        label = find_match([presented], expected)
        if label is None:
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return Verified(scheme=self.name, secret=label, mark=presented)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The request as Twilio sends it; a body that is no form gets its hash into the URL."""
        _, key = decode_keys(secrets)[0]
        if request.wire_body and not _is_form(request):
            request = with_query_value(request, _BODY_HASH, hashlib.sha256(request.wire_body).hexdigest())
        signature = _signature(key, request.url, _fields(request))
        return with_headers(request, {_HEADER: signature.decode()})

    def signs_url(self) -> bool:
        """Always."""
        return True

    def carriers(self) -> Carriers:
        """The signature's header."""
        return Carriers(headers=frozenset({_HEADER}))


def _signature(key: bytes, url: str, fields: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, url.encode("utf-8", "surrogatepass") + fields, hashlib.sha1))


def _fields(request: RawRequest) -> bytes:
    """The signed form: each name with each of its values once, in order. Raises `Unverified` for an unsigned body."""
    body = request.wire_body
    malformed = Reason.SIGNATURE_MALFORMED
    hashed = any(name == _BODY_HASH for name, _ in request.query_items())
    if hashed:
        # Whatever the Content-Type, which is not signed, says: else it would decide whether the body is.
        expected = one_query_value(request, _BODY_HASH, missing=malformed, malformed=malformed)
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), expected.lower()):
            raise Unverified(Reason.SIGNATURE_MISMATCH, f"the body is not the one of {_BODY_HASH}")
    if not body or not _is_form(request):
        if body and not hashed:
            raise Unverified(malformed, f"the body is no form, and its URL has no {_BODY_HASH}")
        return b""
    if body.count(b"&") >= _MOST_FIELDS:
        raise Unverified(malformed, f"more than {_MOST_FIELDS} fields in the form")
    # Latin-1 on the way in and out: whatever the bytes are, they are signed as they are.
    pairs = sorted(set(parse_qsl(body.decode("latin-1"), keep_blank_values=True, encoding="latin-1")))
    return "".join(name + value for name, value in pairs).encode("latin-1")


def _is_form(request: RawRequest) -> bool:
    return parse_media_type(first_header(request, "content-type"))[0] == _FORM


def _urls(url: str) -> Iterator[str]:
    """The URL as it is, without its port, and with the port that goes without saying: Twilio signs one of them."""
    yield url
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        return
    if not host or parts.scheme not in _PORTS:
        return
    start, end = f"{parts.scheme}://", url[len(parts.scheme) + 3 + len(parts.netloc) :]
    where = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    yield f"{start}{where}{end}" if port is not None else f"{start}{where}:{_PORTS[parts.scheme]}{end}"
