"""Senders that encrypt, and a robot of one of them; signed and encrypted here without anything of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from receiver.ingress.request import RawRequest
from tests.conformance.schemes import Recording, make_request, with_body, with_values
from tests.conformance.schemes.signing import seconds

_IV = bytes(range(16))


def _aes(key: bytes, iv: bytes, plain: bytes, block: int) -> bytes:
    padding = block - len(plain) % block
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(plain + bytes([padding] * padding)) + encryptor.finalize()


def corporate_seal(secret: str, message: bytes, receiver: str) -> str:
    """A message as WeCom and DingTalk encrypt it."""
    parts = json.loads(secret)
    key = base64.b64decode(parts["aes_key"] + "=")
    plain = b"sixteen byte pad" + len(message).to_bytes(4, "big") + message + parts[receiver].encode()
    return base64.b64encode(_aes(key, key[:16], plain, 32)).decode()


def corporate_query(request: RawRequest, secret: str, stamp: str, encrypted: str) -> RawRequest:
    """The request with the signature over an encrypted message."""
    pieces = sorted([json.loads(secret)["token"], stamp, "n-1", encrypted])
    signature = hashlib.sha1("".join(pieces).encode()).hexdigest()
    for name, value in {"timestamp": stamp, "nonce": "n-1", "msg_signature": signature}.items():
        request = with_values(request, ("query", name), value)
    return request


def wecom(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    """WeCom, in XML."""
    encrypted = corporate_seal(secret, request.body, "receive_id")
    body = f"<xml><ToUserName>corp</ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    return corporate_query(with_body(request, body.encode()), secret, seconds(at), encrypted)


def wecom_json(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    """WeCom, in JSON."""
    encrypted = corporate_seal(secret, request.body, "receive_id")
    body = json.dumps({"encrypt": encrypted}).encode()
    return corporate_query(with_body(request, body), secret, seconds(at), encrypted)


def dingtalk(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    """DingTalk's callback."""
    encrypted = corporate_seal(secret, request.body, "owner_key")
    body = json.dumps({"encrypt": encrypted}).encode()
    return corporate_query(with_body(request, body), secret, seconds(at) + "000", encrypted)


def feishu_seal(secret: str, event: object) -> bytes:
    """An event as Feishu encrypts it."""
    key = hashlib.sha256(json.loads(secret)["encrypt_key"].encode()).digest()
    sealed = base64.b64encode(_IV + _aes(key, _IV, json.dumps(event).encode(), 16)).decode()
    return json.dumps({"encrypt": sealed}).encode()


def feishu(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    """Feishu's event, with the verification token in its header."""
    event = json.loads(request.body)
    event["header"]["token"] = json.loads(secret)["verification_token"]
    return _feishu_signed(with_body(request, feishu_seal(secret, event)), secret, "encrypt_key", "sha256", at)


def _feishu_card(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    return _feishu_signed(request, secret, "verification_token", "sha1", at)


def _feishu_signed(request: RawRequest, secret: str, part: str, digest: str, at: datetime) -> RawRequest:
    signed = f"{seconds(at)}n-1{json.loads(secret)[part]}".encode() + request.body
    request = with_values(request, ("header", "x-lark-request-nonce"), "n-1")
    request = with_values(request, ("header", "x-lark-request-timestamp"), seconds(at))
    return with_values(request, ("header", "x-lark-signature"), hashlib.new(digest, signed).hexdigest())


def _robot(request: RawRequest, secret: str, at: datetime) -> RawRequest:
    stamp = seconds(at) + "000"
    digest = hmac.new(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256).digest()
    request = with_values(request, ("header", "timestamp"), stamp)
    return with_values(request, ("header", "sign"), base64.b64encode(digest).decode())


def _corporate_secret(receiver: str, seed: int) -> str:
    key = base64.b64encode(hashlib.sha256(bytes([seed])).digest()).decode().rstrip("=")
    return json.dumps({"token": f"token-{seed}-4711", "aes_key": key, receiver: f"ding{seed}"})


WECOM_SECRET, _OTHER_WECOM = _corporate_secret("receive_id", 1), _corporate_secret("receive_id", 2)
DINGTALK_SECRET, _OTHER_DINGTALK = _corporate_secret("owner_key", 3), _corporate_secret("owner_key", 4)
FEISHU_SECRET = json.dumps({"encrypt_key": "an encrypt key", "verification_token": "v-5521-legacy"})
_OTHER_FEISHU = json.dumps({"encrypt_key": "another one", "verification_token": "v-7193-legacy"})
_INCOMPLETE = (
    "plain text",
    "[]",
    '{"token": "t"}',
    '{"token": "t", "aes_key": "short", "receive_id": "r", "owner_key": "o"}',
)
XML = make_request(b"<xml><MsgId>71</MsgId><Content>\xe4\xbd\xa0</Content></xml>", headers={"content-type": "text/xml"})


def _corporate(
    id_: str, scheme: str, signer: Callable[[RawRequest, str, datetime], RawRequest], plain: RawRequest
) -> Recording:
    ours = scheme == "wecom"
    return Recording(
        id=id_,
        verification={"scheme": scheme},
        secret=WECOM_SECRET if ours else DINGTALK_SECRET,
        other_secret=_OTHER_WECOM if ours else _OTHER_DINGTALK,
        plain=plain,
        signer=signer,
        proof=("query", "msg_signature"),
        signed_places=(
            ("query", "timestamp"),
            ("query", "nonce"),
            *([("body", "encrypt")] if "XML" not in id_ else []),
        ),
        bad_secrets=_INCOMPLETE,
        varies=True,
    )


RECORDINGS = (
    _corporate("wecom in XML", "wecom", wecom, XML),
    _corporate("wecom in JSON", "wecom", wecom_json, make_request(b'{"msgid": "71"}')),
    _corporate("dingtalk", "dingtalk", dingtalk, make_request(b'{"EventType": "user_add_org"}')),
    Recording(
        id="feishu event",
        verification={"scheme": "feishu", "tolerance": 300},
        secret=FEISHU_SECRET,
        other_secret=_OTHER_FEISHU,
        plain=make_request(b'{"schema": "2.0", "header": {"event_id": "f79"}, "event": {}}'),
        signer=feishu,
        proof=("header", "x-lark-signature"),
        moment=True,
        refuses_future=True,
        signed_headers=("x-lark-request-nonce", "x-lark-request-timestamp"),
        bad_secrets=('{"encrypt_key": "alone"}', '{"encrypt_key": "", "verification_token": "v"}'),
        varies=True,
    ),
    Recording(
        id="feishu card",
        verification={"scheme": "feishu", "callback": "cards", "tolerance": 300},
        secret='{"verification_token": "v-5521"}',
        other_secret='{"verification_token": "v-5522"}',
        plain=make_request(b'{"open_id": "ou_1"}'),
        signer=_feishu_card,
        proof=("header", "x-lark-signature"),
        signs_body=True,
        moment=True,
        refuses_future=True,
        signed_headers=("x-lark-request-nonce", "x-lark-request-timestamp"),
        bad_secrets=("v-5521", '{"encrypt_key": "alone"}'),
        varies=True,
    ),
    Recording(
        id="dingtalk robot",
        verification={"scheme": "dingtalk-robot", "tolerance": 300},
        secret="SEC-5f2e9b07c1d84a36",
        other_secret="SEC-0c77d2a1b94e6f58",
        plain=make_request(b'{"msgtype": "text", "msgId": "m-1"}'),
        signer=_robot,
        proof=("header", "sign"),
        moment=True,
        refuses_future=True,
        signed_headers=("timestamp",),
    ),
)
