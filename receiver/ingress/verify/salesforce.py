"""The scheme `salesforce`: outbound messages, which carry no more than the organization's id."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from receiver.contract.errors import Unusable, Unverified
from receiver.contract.reasons import Reason
from receiver.contract.reply import Reply
from receiver.ingress.parse.content_type import parse_media_type
from receiver.ingress.parse.xml_text import parse_xml
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.base import Carriers, Scheme, Secrets, Verified
from receiver.ingress.verify.keys import decode_keys, find_match
from receiver.ingress.verify.wire import first_header

_SIGNIFICANT = 15
"""Characters of an id that count; the other three of a long one are a checksum of their case."""
_LENGTHS = (15, 18)
_MOST_NOTIFICATIONS = 100
_ORGANIZATION = re.compile(rb"(<(?:\w+:)?OrganizationId>)[^<]*")
_ACK = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    '<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">'
    "<Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>\n"
)


class Salesforce(Scheme):
    """Salesforce signs nothing: the organization's id is no secret, so the webhook needs `ip_allowlist` besides."""

    name = "salesforce"
    about = "Salesforce outbound messages"
    to_enter = "the organization's id, 15 or 18 characters"
    setup = "Setup, Company Information. Nothing is signed: `ip_allowlist` with Salesforce's networks is required."
    strength = "identifier"
    content_types = ("text/xml",)
    hold_invalid = True
    split = "{{$context.data.Envelope.Body.notifications.Notification}}"
    event_id = "{{$context.data.Id}}"
    answer_is = "SOAP `<Ack>true</Ack>`"
    answer_deadline = 9

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a message of 1 to 100 notifications that names the organization."""
        ids = [(label, text[:_SIGNIFICANT]) for label, text in _ids(secrets)]
        label = find_match([_organization(request)[:_SIGNIFICANT]], ids)
        if label is None:
            raise Unverified(Reason.CREDENTIAL_WRONG, "the message is another organization's")
        return Verified(scheme=self.name, secret=label)

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """The message with the organization's id in its element `OrganizationId`."""
        _, organization = _ids(secrets)[0]
        body = _ORGANIZATION.sub(lambda found: found[1] + organization, request.wire_body)
        return replace(request, body=body, wire_body=body)

    def carriers(self) -> Carriers:
        """The session's id, with which one could act as the user whose change is told; the organization's is known."""
        return Carriers(body_paths=frozenset({("SessionId",)}))

    def answer(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Reply | None:  # noqa: ARG002 (contract)
        """The acknowledgement without which Salesforce sends the message again for a day."""
        return Reply.text(_ACK, media_type="text/xml")


def _ids(secrets: Secrets | None) -> list[tuple[str, bytes]]:
    ids = [(label, key) for label, key in decode_keys(secrets) if len(key) in _LENGTHS]
    if not ids:
        raise Unverified(Reason.SECRET_UNAVAILABLE, "the webhook's secret is no organization's id")
    return ids


def _organization(request: RawRequest) -> bytes:
    missing, malformed = Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_MALFORMED
    charset = parse_media_type(first_header(request, "content-type"))[1].get("charset")
    try:
        data: Any = parse_xml(request.body, charset)
    except Unusable as error:
        raise Unverified(malformed, error.detail) from None
    for name in ("Envelope", "Body", "notifications"):
        data = data.get(name) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise Unverified(malformed, "the body is no outbound message")
    notifications = data.get("Notification")
    count = len(notifications) if isinstance(notifications, list) else int(isinstance(notifications, dict))
    if not 0 < count <= _MOST_NOTIFICATIONS:
        raise Unverified(malformed, f"{count} notifications, 1 to {_MOST_NOTIFICATIONS} are allowed")
    organization = data.get("OrganizationId")
    if not organization:
        raise Unverified(missing, "the message has no OrganizationId")
    if not isinstance(organization, str) or len(organization) not in _LENGTHS:
        raise Unverified(malformed, "OrganizationId is not one id of 15 or 18 characters")
    return organization.encode("utf-8", "surrogatepass")
