"""Senders that encrypt: what the flow sees, their checks of the URL, and the answers they need."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Handshake, Scheme, Secrets, build_scheme
from receiver.ingress.verify.aes_message import message_keys
from tests.conformance.schemes import NOW, make_request, with_body, with_values
from tests.conformance.schemes.encrypted import (
    DINGTALK_SECRET,
    FEISHU_SECRET,
    WECOM_SECRET,
    XML,
    corporate_query,
    corporate_seal,
    dingtalk,
    feishu,
    feishu_seal,
    wecom,
    wecom_json,
)
from tests.conformance.schemes.signing import seconds


def scheme(name: str, **options: Any) -> Scheme:
    return build_scheme({"scheme": name, "secret": "block:webhook-secret/tests", **options})


WECOM, DINGTALK, FEISHU = scheme("wecom"), scheme("dingtalk"), scheme("feishu")
EVENT = make_request(b'{"EventType": "user_add_org", "UserId": ["u"]}')
FEISHU_EVENT = make_request(b'{"schema": "2.0", "header": {"event_id": "f79"}}')
MESSAGES = [
    (WECOM, WECOM_SECRET, wecom(XML, WECOM_SECRET, NOW)),
    (WECOM, WECOM_SECRET, wecom_json(make_request(b'{"msgid": "71"}'), WECOM_SECRET, NOW)),
    (DINGTALK, DINGTALK_SECRET, dingtalk(EVENT, DINGTALK_SECRET, NOW)),
    (FEISHU, FEISHU_SECRET, feishu(FEISHU_EVENT, FEISHU_SECRET, NOW)),
]
every_message = pytest.mark.parametrize(
    ("of", "secret", "request_"), MESSAGES, ids=["wecom xml", "wecom json", "dingtalk", "feishu"]
)


def refusal(of: Scheme, request: RawRequest, secret: str, after: timedelta = timedelta()) -> Unverified:
    """Why a request is refused, whether it is taken for a handshake first or not."""
    with pytest.raises(Unverified) as refused:
        answered = of.handshake(request, Secrets(secret), NOW + after)
        assert answered is None
        of.verify(request, Secrets(secret), NOW + after)
    return refused.value


def handshake(of: Scheme, request: RawRequest, secret: str) -> Handshake:
    """The answer to what has to be a handshake."""
    answer = of.handshake(request, Secrets(secret), NOW)
    assert answer is not None
    return answer


def read_answer(answer: Mapping[str, str]) -> str:
    """What an answer to DingTalk says, checked and decrypted as DingTalk does."""
    [key] = message_keys(Secrets(DINGTALK_SECRET), "owner_key")
    token = json.loads(DINGTALK_SECRET)["token"]
    signed = "".join(sorted([token, answer["timeStamp"], answer["nonce"], answer["encrypt"]]))
    assert hashlib.sha1(signed.encode()).hexdigest() == answer["msg_signature"]
    return key.open(answer["encrypt"]).decode()


@every_message
def test_the_decrypted_message_takes_the_place_of_the_body(of: Scheme, secret: str, request_: RawRequest):
    body = of.verify(request_, Secrets(secret), NOW).body
    assert body is not None
    if body.content.startswith(b"<"):
        assert (body.content, body.content_type) == (XML.body, "text/xml; charset=utf-8")
    else:
        assert json.loads(body.content) and body.content_type == "application/json"


@every_message
def test_an_hour_later_a_message_is_too_old_unless_any_age_is_taken(of: Scheme, secret: str, request_: RawRequest):
    for later in (timedelta(seconds=3601), -timedelta(seconds=3601)):
        assert refusal(of, request_, secret, later).reason is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    ageless = scheme(of.name, tolerance=None)
    assert ageless.verify(request_, Secrets(secret), NOW + timedelta(days=9))


@every_message
def test_whoever_changes_the_message_is_refused(of: Scheme, secret: str, request_: RawRequest):
    good = request_.body
    for position in range(0, len(good), 7):
        changed = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        try:
            refusal(of, with_body(request_, changed), secret)
        except pytest.fail.Exception:  # what stands around the encrypted message is not signed by WeCom
            assert of is WECOM and b"<Encrypt>" in changed
    for name in ("timestamp", "nonce"):
        if of is not FEISHU:
            place = ("query", name)
            assert refusal(of, with_values(request_, place, "9"), secret).reason is Reason.SIGNATURE_MISMATCH
            refusal(of, with_values(request_, place), secret)


@pytest.mark.parametrize("of", [WECOM, DINGTALK, FEISHU], ids=["wecom", "dingtalk", "feishu"])
@pytest.mark.parametrize("secret", ["plain", "[]", "{}", '{"token": "t", "verification_token": "v"}'])
def test_a_secret_with_a_part_missing_is_told_by_the_part_s_name(of: Scheme, secret: str):
    for asked in (lambda: of.verify(EVENT, Secrets(secret), NOW), lambda: of.sign(EVENT, Secrets(secret), NOW)):
        with pytest.raises(Unverified) as refused:
            asked()
        assert refused.value.reason is Reason.SECRET_UNAVAILABLE
        assert "key" in refused.value.detail and "plain" not in refused.value.detail


def test_a_message_for_another_corporation_is_refused_though_the_keys_are_right():
    other = json.dumps({**json.loads(WECOM_SECRET), "receive_id": "another"})
    assert refusal(WECOM, wecom(XML, WECOM_SECRET, NOW), other).reason is Reason.SIGNATURE_MISMATCH


def test_xml_with_a_document_type_is_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY b "c">]><xml><Encrypt>&b;</Encrypt></xml>'
    assert refusal(WECOM, with_body(wecom(XML, WECOM_SECRET, NOW), bomb), WECOM_SECRET)


def test_wecom_is_given_the_decrypted_echo_and_then_nothing():
    echo = corporate_seal(WECOM_SECRET, b"1616140317555161061", "receive_id")
    get = with_values(replace(make_request(), method="GET"), ("query", "echostr"), echo)
    signed = corporate_query(get, WECOM_SECRET, seconds(NOW), echo)
    assert "GET" in WECOM.handshake_methods()
    assert handshake(WECOM, signed, WECOM_SECRET).body == b"1616140317555161061"
    refusal(WECOM, get, WECOM_SECRET)
    refusal(WECOM, with_values(signed, ("query", "echostr"), echo[:-4] + "AAA="), WECOM_SECRET)
    refusal(WECOM, with_values(signed, ("query", "echostr")), WECOM_SECRET)
    reply = WECOM.answer(wecom(XML, WECOM_SECRET, NOW), Secrets(WECOM_SECRET), NOW)
    assert reply is not None and (reply.status, reply.body) == (200, None)


def test_dingtalk_is_given_an_encrypted_success_with_the_secret_it_used():
    check = dingtalk(make_request(b'{"EventType": "check_url"}'), DINGTALK_SECRET, NOW)
    assert read_answer(json.loads(handshake(DINGTALK, check, DINGTALK_SECRET).body)) == "success"
    refusal(DINGTALK, with_values(check, ("query", "msg_signature"), "0" * 40), DINGTALK_SECRET)
    event = dingtalk(EVENT, DINGTALK_SECRET, NOW)
    rotated = Secrets(WECOM_SECRET.replace("receive_id", "owner_key"), (DINGTALK_SECRET,))
    for secrets in (Secrets(DINGTALK_SECRET), rotated):
        reply = DINGTALK.answer(event, secrets, NOW)
        assert reply is not None and read_answer(reply.body) == "success"
    older = with_values(event, ("query", "signature"), dict(event.query_items())["msg_signature"])
    assert DINGTALK.verify(with_values(older, ("query", "msg_signature")), Secrets(DINGTALK_SECRET), NOW)


@pytest.mark.parametrize("encrypted", [True, False])
def test_feishu_is_given_its_challenge_for_the_right_verification_token(encrypted: bool):
    def asks(token: object, challenge: object = "ajls384") -> RawRequest:
        said = {"type": "url_verification", "challenge": challenge, "token": token}
        return make_request(feishu_seal(FEISHU_SECRET, said) if encrypted else json.dumps(said).encode())

    assert handshake(FEISHU, asks("v-5521-legacy"), FEISHU_SECRET).body == b'{"challenge":"ajls384"}'
    for forged in (asks("another"), asks(None), asks(["v-5521-legacy"]), asks("v-5521-legacy", None)):
        assert refusal(FEISHU, forged, FEISHU_SECRET).reason is Reason.CREDENTIAL_WRONG
    reply = FEISHU.answer(FEISHU_EVENT, Secrets(FEISHU_SECRET), NOW)
    assert reply is not None and (reply.status, reply.body) == (200, {})


def test_an_event_of_feishu_needs_encryption_and_the_verification_token():
    plain = with_body(feishu(FEISHU_EVENT, FEISHU_SECRET, NOW), FEISHU_EVENT.body)
    assert refusal(FEISHU, plain, FEISHU_SECRET)
    for other in ("", "another"):
        secret = json.dumps({**json.loads(FEISHU_SECRET), "verification_token": other or "x"})
        assert refusal(FEISHU, feishu(FEISHU_EVENT, secret, NOW), FEISHU_SECRET).reason is Reason.CREDENTIAL_WRONG
    older = FEISHU.sign(make_request(b'{"uuid": "u1", "type": "event_callback"}'), Secrets(FEISHU_SECRET), NOW)
    assert FEISHU.verify(older, Secrets(FEISHU_SECRET), NOW)


@settings(max_examples=60, deadline=None)
@given(message=st.binary(max_size=80) | st.text(max_size=40).map(str.encode), blocks=st.integers(0, 4))
def test_whatever_is_decrypted_only_unverified_is_raised(message: bytes, blocks: int):
    anything = base64.b64encode((message * 8)[: 16 * blocks]).decode()
    for signed in (
        corporate_query(
            make_request(json.dumps({"encrypt": anything}).encode()), DINGTALK_SECRET, "1773500966000", anything
        ),
        dingtalk(make_request(message), DINGTALK_SECRET, NOW),
    ):
        try:
            DINGTALK.handshake(signed, Secrets(DINGTALK_SECRET), NOW)
            DINGTALK.verify(signed, Secrets(DINGTALK_SECRET), NOW)
        except Unverified:
            continue
        assert isinstance(json.loads(message), dict)
