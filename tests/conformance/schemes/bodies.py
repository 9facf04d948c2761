"""Senders whose credential or signature stands in the body, and Meta and Dataverse, whose secrets have parts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Place, Recording, make_request, with_values
from tests.conformance.schemes.signing import Signer, base64_hmac, hex_hmac, seconds

_KEY, _OTHER = "k-5f2e9b07c1d84a36", "k-0c77d2a1b94e6f58"
_META, _OTHER_META = ('{"app_secret": "app-1", "verify_token": "tok"}', '{"app_secret": "app-2", "verify_token": "x"}')
_PAIRS, _OTHER_PAIRS = '{"key1": "value-one", "key2": "value-two"}', '{"key1": "value-ONE", "key2": "value-two"}'
_ADYEN_ITEM = "notificationItems.0.NotificationRequestItem"
_ADYEN_SIGNED = (
    *("pspReference", "merchantAccountCode", "merchantReference", "amount.value", "amount.currency", "eventCode"),
    "success",
)
_ADYEN = (
    b'{"live":"false","notificationItems":[{"NotificationRequestItem":{"pspReference":"P1","merchantAccountCode":"M",'
    b'"merchantReference":"R","amount":{"value":1130,"currency":"EUR"},"eventCode":"CAPTURE","success":"true",'
    b'"additionalData":{}}}]}'
)
_SALESFORCE = b"""<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId></OrganizationId>
<SessionId>00D!AQsAQOjGFnFJzGPA</SessionId><Notification><Id>04l1</Id></Notification>
</notifications></soapenv:Body></soapenv:Envelope>"""


def _shown(place: Place) -> Signer:
    def signer(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
        return with_values(request, place, secret)

    return signer


def _meta(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    key = json.loads(secret)["app_secret"].encode()
    return with_values(request, ("header", "x-hub-signature-256"), "sha256=" + hex_hmac(key, request.wire_body))


def _mailgun(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    token = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0"
    for name, value in {
        "timestamp": seconds(at),
        "token": token,
        "signature": hex_hmac(secret.encode(), f"{seconds(at)}{token}".encode()),
    }.items():
        request = with_values(request, ("body", f"signature.{name}"), value)
    return request


def _adyen(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    signature = base64_hmac(bytes.fromhex(secret), b"P1::M:R:1130:EUR:CAPTURE:true")
    return with_values(request, ("body", f"{_ADYEN_ITEM}.additionalData.hmacSignature"), signature)


def _dataverse(request: RawRequest, secret: str, _at: datetime) -> RawRequest:
    for name, value in json.loads(secret).items():
        request = with_values(request, ("header", name), value)
    return request


def _recording(scheme: str, place: Place, plain: RawRequest) -> Recording:
    return Recording(
        id=scheme,
        verification={"scheme": scheme},
        secret=_KEY,
        other_secret=_OTHER,
        plain=plain,
        signer=_shown(place),
        proof=place,
    )


RECORDINGS = (
    _recording("zoho-crm", ("body", "token"), make_request(b'{"module":"Leads"}')),
    _recording("microsoft-graph", ("body", "value.0.clientState"), make_request(b'{"value":[{"id":"1"}]}')),
    _recording("odoo", ("query", "token"), make_request(b'{"_id": 7}')),
    _recording("dataverse", ("query", "code"), make_request(b'{"Depth": 1}')),
    Recording(
        id="dataverse in headers",
        verification={"scheme": "dataverse", "headers": ["Key1", "Key2"]},
        secret=_PAIRS,
        other_secret=_OTHER_PAIRS,
        plain=make_request(b'{"Depth": 1}'),
        signer=_dataverse,
        proof=("header", "key1"),
        bad_secrets=("no object", '{"key1": "value-one"}', '{"key1": "", "key2": ""}', '{"key1": 1, "key2": 2}'),
    ),
    replace(
        _recording("cloudevents", ("header", "authorization"), make_request(b'{"id": "1"}')),
        signer=lambda request, secret, _at: with_values(request, ("header", "authorization"), f"Bearer {secret}"),
        ignored_start=len("Bearer"),
    ),
    replace(
        _recording("cloudevents", ("query", "access_token"), make_request(b'{"id": "1"}')),
        id="cloudevents in the query",
        varies=True,
    ),
    replace(
        _recording(
            "salesforce", ("xml", "OrganizationId"), make_request(_SALESFORCE, headers={"content-type": "text/xml"})
        ),
        secret="00D000000000001",
        other_secret="00D000000000002",
        bad_secrets=("00D",),
    ),
    Recording(
        id="meta",
        verification={"scheme": "meta"},
        secret=_META,
        other_secret=_OTHER_META,
        plain=make_request(b'{"object":"page","x":"\\u00e4"}'),
        signer=_meta,
        proof=("header", "x-hub-signature-256"),
        signs_body=True,
        bad_secrets=('{"verify_token": "t"}', '{"app_secret": ""}'),
    ),
    Recording(
        id="mailgun",
        verification={"scheme": "mailgun"},
        secret=_KEY,
        other_secret=_OTHER,
        plain=make_request(b'{"event-data":{"id":"1"}}'),
        signer=_mailgun,
        proof=("body", "signature.signature"),
        signed_places=(("body", "signature.timestamp"), ("body", "signature.token")),
        moment=True,
        timed_in_body=True,
        refuses_future=True,
        varies=True,
    ),
    Recording(
        id="adyen",
        verification={"scheme": "adyen"},
        secret="44782DEF547A",
        other_secret="44782DEF547B",
        plain=make_request(_ADYEN),
        signer=_adyen,
        proof=("body", f"{_ADYEN_ITEM}.additionalData.hmacSignature"),
        signed_places=tuple(("body", f"{_ADYEN_ITEM}.{name}") for name in _ADYEN_SIGNED),
        bad_secrets=("no hexadecimal",),
    ),
)
