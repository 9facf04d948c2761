"""Client certificates, which a proxy passes on: whose are taken, in which spellings, and from whom."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.client_ip import Proxies, parse_networks
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Scheme, build_scheme
from tests.conformance.schemes import NOW, make_request
from tests.conformance.schemes.certified import certificate
from tests.support.front_door import front_door

THEIRS = certificate("erp.example", days=36_500)
OTHER = certificate("other.example")
DER = THEIRS.public_bytes(Encoding.DER)
PEM = THEIRS.public_bytes(Encoding.PEM).decode()
BASE64 = base64.b64encode(DER).decode()
FINGERPRINT = THEIRS.fingerprint(hashes.SHA256()).hex()
SUBJECT = THEIRS.subject.rfc4514_string()

BY_FINGERPRINT = build_scheme({"scheme": "client-certificate", "fingerprints": [FINGERPRINT]})
BY_SUBJECT = build_scheme({"scheme": "client-certificate", "subjects": [SUBJECT]})
BOTH = pytest.mark.parametrize("scheme", [BY_FINGERPRINT, BY_SUBJECT], ids=["fingerprint", "subject"])

SPELLINGS = {
    "RFC 9440": f":{BASE64}:",
    "nginx, escaped": quote(PEM),
    "nginx, escaped whole": quote(PEM, safe=""),
    "one line": PEM.replace("\n", " "),
    "lines continued with tabs": PEM.replace("\n", "\n\t"),
    "HAProxy, base64": BASE64,
    "Traefik, escaped base64": quote(BASE64, safe=""),
    "with its issuer behind it": quote(PEM + OTHER.public_bytes(Encoding.PEM).decode()),
}


def passed(text: str) -> RawRequest:
    return replace(make_request(b"{}"), client_certificate=text)


def refusal(scheme: Scheme, text: str, after: timedelta = timedelta()) -> Reason:
    with pytest.raises(Unverified) as refused:
        scheme.verify(passed(text), None, NOW + after)
    return refused.value.reason


@BOTH
@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_the_certificate_is_read_as_proxies_write_it(scheme: Scheme, text: str):
    verified = scheme.verify(passed(text), None, NOW)
    assert (verified.scheme, verified.secret) == ("client-certificate", f"sha256:{FINGERPRINT[:16]}")


@BOTH
def test_another_certificate_none_and_what_is_none_are_refused(scheme: Scheme):
    assert refusal(scheme, quote(OTHER.public_bytes(Encoding.PEM).decode())) is Reason.CREDENTIAL_WRONG
    assert refusal(scheme, "") is Reason.CREDENTIAL_MISSING
    for text in (
        BASE64[:-8],
        base64.b64encode(DER.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x42")).decode(),
        BASE64 + "AAAA",
        f"{BASE64},{BASE64}",
        "x" * 20_000,
        "::",
        ":",
        "%",
        SUBJECT,
        FINGERPRINT,
    ):
        assert refusal(scheme, text) is Reason.CREDENTIAL_MALFORMED


@BOTH
def test_a_certificate_is_good_in_its_time_only(scheme: Scheme):
    assert refusal(scheme, BASE64, timedelta(days=40_000)) is Reason.CERTIFICATE_INVALID
    assert refusal(scheme, BASE64, timedelta(days=-4000)) is Reason.CERTIFICATE_INVALID


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_whatever_the_header_holds_only_unverified_is_raised(text: str):
    refusal(BY_FINGERPRINT, text)


def test_a_fingerprint_may_have_colons_and_capitals_and_either_list_is_enough():
    spelt = ":".join(FINGERPRINT[place : place + 2] for place in range(0, 64, 2)).upper()
    scheme = build_scheme({"scheme": "client-certificate", "fingerprints": [spelt], "subjects": ["CN=nobody"]})
    assert scheme.verify(passed(BASE64), None, NOW)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say whose certificate is taken"),
        ({"fingerprints": [], "subjects": []}, "say whose certificate is taken"),
        ({"fingerprints": ["ab" * 20]}, "64 hexadecimal digits"),
        ({"subjects": ["erp.example"]}, "is a subject"),
        ({"subjects": SUBJECT}, "list"),
        ({"subjects": [SUBJECT], "issuer": "x"}, "no such option"),
    ],
)
def test_options_that_would_take_nobody_or_anybody_are_refused(options: dict[str, object], words: str):
    with pytest.raises(DefinitionError, match=words):
        build_scheme({"scheme": "client-certificate", **options})


def test_nobody_but_its_holder_can_sign_and_no_secret_travels():
    with pytest.raises(DefinitionError, match="only the sender"):
        BY_SUBJECT.sign(make_request(b"{}"), None, NOW)
    assert not BY_SUBJECT.shows_secret() and BY_SUBJECT.strength == "secret"


PROXY = "10.0.0.1"
BANK = {"key": "bank", "verification": {"scheme": "client-certificate", "fingerprints": [FINGERPRINT]}}


async def test_the_header_is_believed_from_a_trusted_proxy_and_from_nobody_else(tmp_path: Path):
    proxies = Proxies(parse_networks([PROXY]), certificate_header="x-client-cert")
    sent = {"x-client-cert": quote(PEM)}
    async with front_door(tmp_path, BANK, proxies=proxies) as door:
        accepted = await door.knock("bank", headers=sent, peer=PROXY)
        assert accepted.status == 202
        assert (await door.recorded(accepted)).verification["secret"] == f"sha256:{FINGERPRINT[:16]}"
        for peer in ("10.0.0.2", "203.0.113.9", "127.0.0.1", ""):
            refused = await door.knock("bank", headers={**sent, "x-forwarded-for": PROXY}, peer=peer)
            assert refused.status == 401
            assert (await door.recorded(refused)).reason is Reason.CREDENTIAL_MISSING
        absent = await door.recorded(await door.knock("bank", peer=PROXY))
        assert absent.reason is Reason.CREDENTIAL_MISSING
        elsewhere = await door.recorded(await door.knock("bank", headers={"client-cert": quote(PEM)}, peer=PROXY))
        assert elsewhere.reason is Reason.CREDENTIAL_MISSING
    async with front_door(tmp_path / "without", BANK, proxies=Proxies(parse_networks([PROXY]))) as door:
        unread = await door.recorded(await door.knock("bank", headers=sent, peer=PROXY))
        assert unread.reason is Reason.CREDENTIAL_MISSING
