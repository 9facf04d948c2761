"""The scheme `aws-sns`: notifications of Amazon SNS, signed with a certificate that AWS publishes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar

from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from pydantic import Field

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify.asymmetric import cannot_sign, from_base64
from receiver.ingress.verify.base import Carriers, Handshake, Scheme, Secrets, Strength, Verified
from receiver.ingress.verify.certificates import check_time, read_certificates, rsa_signed
from receiver.ingress.verify.json_body import json_object
from receiver.ingress.verify.options import SchemeOptions, read_options

_HOST = r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/[A-Za-z0-9._-]{1,200}\.pem", re.ASCII)
_SUBSCRIBE = re.compile(_HOST + r"/\?[!-~]{1,2000}", re.ASCII)
_ARN = r"^arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$"

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, tuple[str, ...]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
_DIGESTS = {"1": SHA1, "2": SHA256}


class AwsSnsOptions(SchemeOptions):
    """Whose messages are taken: anybody has an account there, and a topic that AWS signs for."""

    topic_arn: Annotated[str, Field(pattern=_ARN)] | list[Annotated[str, Field(pattern=_ARN)]] = Field(
        description="The topic's ARN, or a list of them. Messages of any other topic are refused."
    )

    @property
    def topics(self) -> frozenset[str]:
        """The ARNs."""
        return frozenset([self.topic_arn] if isinstance(self.topic_arn, str) else self.topic_arn)


class AwsSns(Scheme):
    """Amazon SNS by HTTPS. Subscriptions to the topics named are confirmed by themselves.

    Signed are message, subject, topic, time and id, not the attributes beside them. No raw message delivery: it has no
    signature.
    """

    name = "aws-sns"
    about = "Amazon SNS, subscriptions by HTTPS"
    setup = "Subscribe the URL with protocol HTTPS, without raw message delivery; the subscription confirms itself."
    strength: ClassVar[Strength] = "signed"
    id_signed = True
    content_types = ("text/plain",)
    options_model = AwsSnsOptions
    handshake_is = "`SubscriptionConfirmation`, confirmed at SNS"
    needs_secret = False
    hold_invalid = True
    answer_deadline = 14.0
    event_id = "{{$context.data.MessageId}}"

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Options: `topic_arn`, one or a list."""
        self.options = read_options(AwsSnsOptions, self.name, options)

    def documents(self, request: RawRequest) -> tuple[str, ...]:
        """The certificate, at an address of SNS only."""
        url = _text(self._message(request), "SigningCertURL")
        if not _CERTIFICATE.fullmatch(url):
            raise Unverified(Reason.CERTIFICATE_INVALID, "SigningCertURL is no certificate at SNS")
        return (url,)

    def verify(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Verified:  # noqa: ARG002 (contract)
        """Accept a message of one of the topics that SNS signed."""
        message = self._proven(request, now)
        return Verified(scheme=self.name, mark=_text(message, "Signature").encode())

    def sign(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> RawRequest:  # noqa: ARG002 (contract)
        """Only SNS can: always raises `DefinitionError`."""
        raise cannot_sign("Amazon SNS")

    def carriers(self) -> Carriers:
        """The signature, and what confirms or ends a subscription."""
        return Carriers(body_fields=frozenset({"Signature", "SubscribeURL", "Token", "UnsubscribeURL"}))

    def handshake(self, request: RawRequest, secrets: Secrets | None, now: datetime) -> Handshake | None:  # noqa: ARG002 (contract)
        """A subscription is confirmed where SNS says; its end is taken note of."""
        kind = self._message(request).get("Type")
        if kind not in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
            return None
        message = self._proven(request, now)
        if kind == "UnsubscribeConfirmation":
            return Handshake()
        url = _text(message, "SubscribeURL")
        if not _SUBSCRIBE.fullmatch(url):
            raise Unverified(Reason.CERTIFICATE_INVALID, "SubscribeURL is no address of SNS")
        return Handshake(confirm=url)

    def _message(self, request: RawRequest) -> dict[str, Any]:
        """The message, of a topic that is taken; raises `Unverified`."""
        message = json_object(request.body)
        if "Signature" not in message:
            raise Unverified(Reason.SIGNATURE_MISSING, "the body holds no signature: is it raw message delivery?")
        if _text(message, "TopicArn") not in self.options.topics:
            raise Unverified(Reason.CREDENTIAL_WRONG, "TopicArn is none of topic_arn")
        return message

    def _proven(self, request: RawRequest, now: datetime) -> dict[str, Any]:
        [url] = self.documents(request)
        message = self._message(request)
        certificate = read_certificates(request.documents.get(url, b""))[0]
        check_time(certificate, now)
        digest = _DIGESTS.get(_text(message, "SignatureVersion"))
        names = _SIGNED.get(_text(message, "Type"))
        if digest is None or names is None:
            raise Unverified(Reason.SIGNATURE_MALFORMED, "SignatureVersion or Type is unknown")
        present = {name: _text(message, name) for name in names if name in message or name != "Subject"}
        if any("\n" in value for name, value in present.items() if name != "Message"):
            # Fields are signed line by line: with a line break in it, one could pass for two.
            raise Unverified(Reason.SIGNATURE_MALFORMED, "a field other than Message holds a line break")
        signed = "".join(f"{name}\n{value}\n" for name, value in present.items())
        signature = from_base64(_text(message, "Signature").encode("utf-8", "surrogatepass"))
        if not rsa_signed(certificate, signature, signed.encode("utf-8", "surrogatepass"), digest()):
            raise Unverified(Reason.SIGNATURE_MISMATCH)
        return message


def _text(message: Mapping[str, Any], name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise Unverified(Reason.SIGNATURE_MALFORMED, f"{name} is missing, or no text")
    return value
