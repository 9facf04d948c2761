"""Senders that publish a certificate and share no secret: what of theirs is accepted, and what is not."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.redact import redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Scheme, build_scheme
from receiver.ingress.verify.paypal import PayPal
from tests.conformance.schemes import NOW, make_request, with_body, with_values
from tests.conformance.schemes.certified import (
    PAYPAL_CERTIFICATE,
    PAYPAL_NAME,
    SNS_CERTIFICATE,
    TOPIC,
    WEBHOOK_ID,
    certificate,
    paypal_request,
    pem,
    root,
    sns,
    sns_request,
)

SNS = build_scheme({"scheme": "aws-sns", "topic_arn": [TOPIC, f"{TOPIC}-2"]})
PAYPAL = build_scheme({"scheme": "paypal", "webhook_id": WEBHOOK_ID, "chain": "leaf"})
CONFIRM = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f"
SUBSCRIPTION: dict[str, Any] = {
    "Type": "SubscriptionConfirmation",
    "Subject": None,
    "Token": "2336412f",
    "SubscribeURL": CONFIRM,
}
ELSEWHERE = [
    "http://sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
    "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
    "https://sns.eu-west-1.amazonaws.com:8443/a.pem",
    "https://bucket.s3.amazonaws.com/a.pem",
    "https://sns.eu-west-1.amazonaws.com/a.pem?x=.pem",
    "https://sns.eu-west-1.amazonaws.com/../a.pem",
    "https://sns.eu-west-1.amazonaws.com/a.txt",
    "https://sns.eu-west-1.amazonaws.com/a.pem\n",
    "https://169.254.169.254/a.pem",
    "",
]


def refusal(scheme: Scheme, request: RawRequest, after: timedelta = timedelta()) -> Reason:
    """Why a request is refused; the same whether it is taken for a handshake first or not."""
    with pytest.raises(Unverified) as refused:
        scheme.handshake(request, None, NOW + after)
        scheme.verify(request, None, NOW + after)
    return refused.value.reason


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "An order"])
def test_a_message_of_sns_is_accepted_with_and_without_a_subject(version: str, subject: str | None):
    request = sns_request(sns(version, Subject=subject))
    assert SNS.documents(request) == (SNS_CERTIFICATE,)
    assert SNS.handshake(request, None, NOW) is None
    assert SNS.verify(request, None, NOW).scheme == "aws-sns"


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "Signature"])
def test_every_field_that_sns_signs_matters(field: str):
    message = sns()
    for value in (message[field] + "x", message[field][1:], None, 7, [message[field]]):
        refusal(SNS, sns_request({**message, field: value}))
    for absent in (field, "SigningCertURL", "SignatureVersion"):
        refusal(SNS, sns_request({name: value for name, value in message.items() if name != absent}))


def test_of_sns_only_its_own_topics_are_taken_for_anybody_has_one():
    assert refusal(SNS, sns_request(sns(TopicArn=f"{TOPIC}-3"))) is Reason.CREDENTIAL_WRONG
    assert SNS.verify(sns_request(sns(TopicArn=f"{TOPIC}-2")), None, NOW)


def test_a_line_break_cannot_make_two_fields_of_one():
    two = sns(MessageId="1\nSubject\nAn order", Subject=None)
    assert refusal(SNS, sns_request(two)) is Reason.SIGNATURE_MALFORMED


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_certificate_is_fetched_from_anywhere_but_its_sender(url: str):
    request = sns_request(sns(url=url))
    with pytest.raises(Unverified):
        SNS.documents(request)
    assert refusal(SNS, request) in {Reason.CERTIFICATE_INVALID, Reason.SIGNATURE_MALFORMED}
    for changed in (url, url.replace("sns.eu-west-1.amazonaws", "api.paypal")):
        with pytest.raises(Unverified):
            PAYPAL.documents(paypal_request(paypal_cert_url=changed))


@pytest.mark.parametrize("document", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_no_reason_to_refuse_for_good(document: bytes):
    assert refusal(SNS, sns_request(sns(), document)) is Reason.DOCUMENT_UNAVAILABLE
    assert refusal(PAYPAL, paypal_request(document=document)) is Reason.DOCUMENT_UNAVAILABLE


def as_pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"


def test_a_certificate_whose_key_is_of_an_unknown_kind_proves_nothing():
    rsa, unknown = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d010163")
    changed = certificate("sns.amazonaws.com").public_bytes(Encoding.DER).replace(rsa, unknown)
    assert refusal(SNS, sns_request(sns(), as_pem(changed))) is Reason.CERTIFICATE_INVALID


def test_a_certificate_with_a_part_that_cannot_be_read_is_none():
    good = certificate("sns.amazonaws.com").public_bytes(Encoding.DER)
    for part, broken in (
        (b"\x0c\x11sns.amazonaws.com", b"\x0c\x11sns.amazonaws\xff\xff\xff\xff"),
        (b"260413", b"260443"),
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42"),  # its version
    ):
        assert part in good
        assert refusal(SNS, sns_request(sns(), as_pem(good.replace(part, broken)))) is Reason.DOCUMENT_UNAVAILABLE


def test_an_expired_certificate_proves_nothing():
    for scheme, request in ((SNS, sns_request(sns())), (PAYPAL, paypal_request())):
        assert refusal(scheme, request, timedelta(days=31)) is Reason.CERTIFICATE_INVALID
        assert refusal(scheme, request, -timedelta(days=61)) is Reason.CERTIFICATE_INVALID


def test_a_subscription_is_confirmed_once_it_is_proven():
    proven = SNS.handshake(sns_request(sns(**SUBSCRIPTION)), None, NOW)
    assert proven is not None
    assert (proven.status, proven.confirm) == (200, CONFIRM)
    forged = {**sns(**SUBSCRIPTION), "Token": "forged"}
    assert refusal(SNS, sns_request(forged)) is Reason.SIGNATURE_MISMATCH
    end = SNS.handshake(sns_request(sns(**{**SUBSCRIPTION, "Type": "UnsubscribeConfirmation"})), None, NOW)
    assert end is not None and end.confirm is None


@pytest.mark.parametrize("url", [*ELSEWHERE, "https://sns.eu-west-1.amazonaws.com/a b", "https://10.0.0.1/?Action=x"])
def test_a_subscription_is_confirmed_nowhere_else_even_if_it_is_signed(url: str):
    request = sns_request(sns(**{**SUBSCRIPTION, "SubscribeURL": url}))
    assert refusal(SNS, request) in {Reason.CERTIFICATE_INVALID, Reason.SIGNATURE_MALFORMED}


def test_paypal_signs_ids_time_and_a_checksum_of_the_body():
    request = paypal_request()
    assert PAYPAL.documents(request) == (PAYPAL_CERTIFICATE,)
    assert PAYPAL.verify(request, None, NOW).mark
    assert refusal(PAYPAL, with_body(request, b'{"id": "WH-2"}')) is Reason.SIGNATURE_MISMATCH
    for name in ("paypal-transmission-id", "paypal-transmission-time"):
        assert refusal(PAYPAL, with_values(request, ("header", name), "other")) is Reason.SIGNATURE_MISMATCH
    other = build_scheme({"scheme": "paypal", "webhook_id": "5", "chain": "leaf"})
    assert refusal(other, request) is Reason.SIGNATURE_MISMATCH
    assert refusal(PAYPAL, paypal_request(paypal_auth_algo="SHA1withRSA")) is Reason.SIGNATURE_MALFORMED
    assert refusal(PAYPAL, paypal_request(paypal_transmission_sig="é")) is Reason.SIGNATURE_MALFORMED
    for name in [name for name, _ in request.headers if name.startswith("paypal-")]:
        assert refusal(PAYPAL, with_values(request, ("header", name))) is Reason.SIGNATURE_MISSING


def test_paypal_s_certificate_is_for_paypal_and_leads_to_a_trusted_root():
    class WithOurRoot(PayPal):
        def roots(self) -> Sequence[Certificate]:
            return [root("a root")]

    full = WithOurRoot({"webhook_id": WEBHOOK_ID})
    good = pem(certificate(PAYPAL_NAME, issuer="a root"))
    assert full.verify(paypal_request(document=good), None, NOW)
    assert refusal(full, paypal_request()) is Reason.CERTIFICATE_INVALID  # its own issuer
    for name in ("paypal.com.evil.example", "evilpaypal.com", "paypal.com"):
        document = pem(certificate(name, issuer="a root"))
        assert refusal(full, paypal_request(document=document)) is Reason.CERTIFICATE_INVALID
    ours = build_scheme({"scheme": "paypal", "webhook_id": WEBHOOK_ID})
    assert refusal(ours, paypal_request(document=good)) is Reason.CERTIFICATE_INVALID


def test_only_the_sender_can_sign_and_no_signature_is_kept():
    for scheme in (SNS, PAYPAL):
        with pytest.raises(DefinitionError, match="replay"):
            scheme.sign(make_request(b"{}"), None, NOW)
    message = sns(**SUBSCRIPTION)
    kept = repr(redact(sns_request(message), SNS.carriers()))
    assert message["Signature"] not in kept and "2336412f" not in kept
    request = paypal_request()
    assert dict(request.headers)["paypal-transmission-sig"] not in repr(redact(request, PAYPAL.carriers()))


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("topic_arn", {"scheme": "aws-sns"}),
        ("topic_arn", {"scheme": "aws-sns", "topic_arn": "orders"}),
        ("secret", {"scheme": "aws-sns", "topic_arn": TOPIC, "secret": "block:webhook-secret/x"}),
        ("webhook_id", {"scheme": "paypal"}),
        ("chain", {"scheme": "paypal", "webhook_id": "1", "chain": "none"}),
    ],
)
def test_what_is_missing_is_said_when_it_is_defined(field: str, options: Mapping[str, Any]):
    with pytest.raises(DefinitionError) as error:
        build_scheme(options)
    assert error.value.field.startswith(f"verification.{field}")


GOOD, GOOD_PAYPAL = sns(), paypal_request()
ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2)


@settings(max_examples=60, deadline=None)
@given(
    changes=st.dictionaries(st.sampled_from([*GOOD, "SubscribeURL", "Token"]), ODD, min_size=1),
    bytes_=st.binary(max_size=40),
)
def test_whatever_comes_only_unverified_is_raised(changes: dict[str, Any], bytes_: bytes):
    refusal(SNS, sns_request({**GOOD, "Message": "another", **changes}))
    refusal(SNS, with_body(sns_request(GOOD), bytes_))
    refusal(PAYPAL, replace(GOOD_PAYPAL, documents=dict.fromkeys(GOOD_PAYPAL.documents, bytes_)))
    refusal(PAYPAL, with_values(GOOD_PAYPAL, ("header", "paypal-transmission-sig"), bytes_.decode("latin-1")))
