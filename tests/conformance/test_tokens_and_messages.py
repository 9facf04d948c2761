"""Tokens, message signatures and public keys: what is signed well and refused all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import Scheme, Secrets, build_scheme
from tests.conformance.schemes import NOW, make_request, with_body, with_values
from tests.conformance.schemes.keypairs import WHPK, standard_v1a
from tests.conformance.schemes.tokens import (
    EC_KEYS,
    PLAIN,
    SECRET,
    base64url,
    bearer,
    by_key,
    by_secret,
    message_signature,
    pem,
    token,
)

END = int(NOW.timestamp()) + 60
CLAIMS: dict[str, object] = {"iss": "https://issuer.example", "aud": "us", "exp": END, "sub": "s"}
PUBLIC = pem(EC_KEYS[0].public_key())


def jwt(**options: Any) -> Scheme:
    usual = {"algorithms": ["HS256"], "issuer": "https://issuer.example", "audience": "us"}
    return build_scheme({"scheme": "jwt", "secret": "block:webhook-secret/tests", **usual, **options})


def rfc9421(**options: Any) -> Scheme:
    usual = {"algorithm": "hmac-sha256"}
    return build_scheme({"scheme": "rfc9421", "secret": "block:webhook-secret/tests", **usual, **options})


def shown(claims: dict[str, object], header: dict[str, object] | None = None, secret: str = SECRET) -> RawRequest:
    """A request with a token that is signed well."""
    return bearer(PLAIN, token(header or {"alg": "HS256"}, claims, by_secret(secret)))


def refusal(scheme: Scheme, request: RawRequest, secret: str = SECRET, after: float = 0) -> Reason:
    with pytest.raises(Unverified) as refused:
        scheme.verify(request, Secrets(secret), NOW + timedelta(seconds=after))
    return refused.value.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://issuer.example.evil"}, Reason.CREDENTIAL_WRONG),
        ({"iss": None}, Reason.CREDENTIAL_WRONG),
        ({"iss": ["https://issuer.example"]}, Reason.CREDENTIAL_WRONG),
        ({"aud": "them"}, Reason.CREDENTIAL_WRONG),
        ({"aud": None}, Reason.CREDENTIAL_WRONG),
        ({"aud": {"us": 1}}, Reason.CREDENTIAL_WRONG),
        ({"exp": None}, Reason.CREDENTIAL_MALFORMED),
        ({"exp": str(END)}, Reason.CREDENTIAL_MALFORMED),
        ({"exp": True}, Reason.CREDENTIAL_MALFORMED),
        ({"exp": float("inf")}, Reason.CREDENTIAL_MALFORMED),
        ({"exp": END - 120}, Reason.TIMESTAMP_OUTSIDE_TOLERANCE),
        ({"nbf": END}, Reason.TIMESTAMP_OUTSIDE_TOLERANCE),
        ({"sub": None}, Reason.CREDENTIAL_MALFORMED),
    ],
)
def test_a_token_is_for_us_and_for_now_and_has_what_is_asked(changed: dict[str, object], reason: Reason):
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    scheme = jwt(required=["exp", "sub"])
    assert scheme.verify(shown(CLAIMS), Secrets(SECRET), NOW).secret == "current"
    assert scheme.verify(shown({**CLAIMS, "aud": ["them", "us"]}), Secrets(SECRET), NOW)
    assert refusal(scheme, shown(claims)) is reason


def test_clocks_may_differ_by_the_leeway():
    for leeway in (0, 30):
        scheme, request = jwt(leeway=leeway), shown({**CLAIMS, "nbf": int(NOW.timestamp())})
        assert scheme.verify(request, Secrets(SECRET), NOW + timedelta(seconds=59 + leeway))
        assert refusal(scheme, request, after=60 + leeway) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
        assert scheme.verify(request, Secrets(SECRET), NOW - timedelta(seconds=leeway))
        assert refusal(scheme, request, after=-1 - leeway) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE


def test_the_algorithm_is_the_definition_s_choice_not_the_token_s():
    unsigned = f"{base64url(json.dumps({'alg': 'none'}).encode())}.{base64url(json.dumps(CLAIMS).encode())}."
    for scheme, secret in ((jwt(), SECRET), (jwt(algorithms=["ES256"]), PUBLIC)):
        assert refusal(scheme, bearer(PLAIN, unsigned), secret) is Reason.CREDENTIAL_MALFORMED
        for header in ({"alg": "HS384"}, {"alg": "none"}, {"alg": ["HS256"]}, {}, {"alg": None}):
            refusal(scheme, shown(CLAIMS, {"typ": "JWT", **header}), secret)
    # A public key is no secret: signed with it as if it were one, a token proves nothing.
    assert refusal(jwt(algorithms=["ES256"]), shown(CLAIMS, secret=PUBLIC), PUBLIC) is Reason.CREDENTIAL_MALFORMED
    assert refusal(jwt(), shown(CLAIMS, secret=PUBLIC), PUBLIC) is Reason.SECRET_UNAVAILABLE


def test_a_token_may_bring_neither_key_nor_extension():
    by = by_key(EC_KEYS[1])
    keys: tuple[dict[str, object], ...] = ({"jwk": {"kty": "EC"}}, {"jku": "https://evil.example/k"}, {"x5c": ["..."]})
    for header in keys:
        forged = bearer(PLAIN, token({"alg": "ES256", **header}, CLAIMS, by))
        assert refusal(jwt(algorithms=["ES256"]), forged, PUBLIC) is Reason.CREDENTIAL_WRONG
    extensions: tuple[dict[str, object], ...] = ({"crit": ["exp"]}, {"b64": False})
    for header in extensions:
        assert refusal(jwt(), shown(CLAIMS, {"alg": "HS256", **header})) is Reason.CREDENTIAL_MALFORMED


def test_a_secret_may_be_a_jwk():
    key = json.dumps({"kty": "oct", "k": base64url(SECRET.encode()), "alg": "HS256"})
    assert jwt().verify(shown(CLAIMS), Secrets(key), NOW)
    point = EC_KEYS[0].public_key().public_numbers()
    x, y = (base64url(each.to_bytes(32, "big")) for each in (point.x, point.y))
    public = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    request = bearer(PLAIN, token({"alg": "ES256"}, CLAIMS, by_key(EC_KEYS[0])))
    assert jwt(algorithms=["ES256"]).verify(request, Secrets(json.dumps(public)), NOW)
    private = {**public, "d": base64url(EC_KEYS[0].private_numbers().private_value.to_bytes(32, "big"))}
    for unusable in (private, {**public, "use": "enc"}, {**public, "alg": "ES384"}):
        assert refusal(jwt(algorithms=["ES256"]), request, json.dumps(unusable)) is Reason.SECRET_UNAVAILABLE


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": 7}', b'{"keys": [7, null, {"kty": "oct", "k": "AAAA"}]}'])
def test_a_list_of_keys_that_is_none_is_no_reason_to_refuse_for_good(document: bytes):
    scheme = build_scheme({"scheme": "jwt", "algorithms": ["ES256"], "jwks": "https://issuer.example/keys"})
    request = bearer(PLAIN, token({"alg": "ES256"}, CLAIMS, by_key(EC_KEYS[0])))
    request = replace(request, documents={"https://issuer.example/keys": document})
    with pytest.raises(Unverified) as refused:
        scheme.verify(request, None, NOW)
    assert refused.value.reason in {Reason.DOCUMENT_UNAVAILABLE, Reason.CREDENTIAL_WRONG}
    assert (refused.value.reason is Reason.CREDENTIAL_WRONG) == (b"oct" in document)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("algorithms", {"algorithms": []}),
        ("algorithms", {"algorithms": ["none"]}),
        ("", {"algorithms": ["HS256", "RS256"]}),
        ("", {"jwks": "https://issuer.example/keys"}),
        ("jwks", {"algorithms": ["RS256"], "jwks": "http://issuer.example/keys"}),
        ("secret", {"algorithms": ["RS256"], "jwks": "https://issuer.example/keys"}),
    ],
)
def test_options_that_would_open_a_door_are_refused_when_it_is_defined(field: str, options: dict[str, Any]):
    with pytest.raises(DefinitionError) as error:
        jwt(**options)
    assert error.value.field.startswith(f"verification.{field}".rstrip("."))


def test_standard_webhooks_by_a_public_key_come_under_the_older_names_too():
    scheme = build_scheme({"scheme": "standard-webhooks-v1a", "headers": "svix", "secret": "block:secret/tests"})
    key = next(iter(WHPK))
    signed = standard_v1a("svix")(make_request(b"{}", headers={"svix-id": "msg_1"}), key, NOW)
    assert scheme.verify(signed, Secrets(key), NOW).secret == "current"
    signature = dict(signed.headers)["svix-signature"]
    for other in (signature.replace("v1a,", "v1,"), signature.removeprefix("v1a,")):
        changed = with_values(signed, ("header", "svix-signature"), other)
        assert refusal(scheme, changed, key) is Reason.SIGNATURE_MALFORMED
    several = with_values(signed, ("header", "svix-signature"), f"v1,AAAA v1a,AAAA {signature}")
    assert scheme.verify(several, Secrets(key), NOW)
    too_many = with_values(signed, ("header", "svix-signature"), " ".join([signature] * 9))
    assert refusal(scheme, too_many, key) is Reason.SIGNATURE_MALFORMED


def test_a_message_is_signed_whole_and_lately():
    scheme, sign = rfc9421(), by_secret(SECRET)
    good = message_signature(PLAIN, NOW, sign)
    assert scheme.verify(good, Secrets(SECRET), NOW + timedelta(seconds=300))
    for after in (301, -301):
        assert refusal(scheme, good, after=after) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    ending = message_signature(PLAIN, NOW, sign, parameters=f";expires={END}")
    assert scheme.verify(ending, Secrets(SECRET), NOW + timedelta(seconds=60))
    assert refusal(scheme, ending, after=61) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    without_digest = message_signature(PLAIN, NOW, sign, covered=("@method", "@target-uri"))
    assert refusal(scheme, without_digest) is Reason.SIGNATURE_MISMATCH
    unsigned = rfc9421(digest="unsigned")
    assert unsigned.verify(with_body(without_digest, b"another"), Secrets(SECRET), NOW)
    assert refusal(unsigned, with_body(good, b"another")) is Reason.SIGNATURE_MISMATCH
    get = replace(message_signature(make_request(), NOW, sign, covered=("@target-uri",)), method="GET")
    assert rfc9421().verify(with_values(get, ("header", "content-digest")), Secrets(SECRET), NOW)


def test_parts_that_have_to_be_signed_key_and_tag_are_the_definition_s_choice():
    good = message_signature(PLAIN, NOW, by_secret(SECRET), parameters=';tag="orders"')
    for options in ({"components": ["@target-uri"]}, {"key_id": "k1"}, {"tag": "orders"}):
        assert rfc9421(**options).verify(good, Secrets(SECRET), NOW)
    for options in ({"components": ["@authority"]}, {"key_id": "k2"}, {"tag": "others"}):
        assert refusal(rfc9421(**options), good) is Reason.SIGNATURE_MISMATCH
    assert refusal(rfc9421(), replace(good, url=good.url.replace("a=1", "a=2"))) is Reason.SIGNATURE_MISMATCH
    assert refusal(rfc9421(), replace(good, method="PUT")) is Reason.SIGNATURE_MISMATCH
    other = message_signature(PLAIN, NOW, by_secret(SECRET), parameters=';alg="ed25519"')
    assert refusal(rfc9421(), other) is Reason.SIGNATURE_MISMATCH


def test_of_several_signatures_the_tag_says_which():
    one = message_signature(PLAIN, NOW, by_secret(SECRET), parameters=';tag="orders"')
    two = message_signature(PLAIN, NOW, by_secret(SECRET[::-1]), parameters=';tag="others"')
    both = one
    for name in ("signature", "signature-input"):
        value = f"{dict(one.headers)[name]}, {dict(two.headers)[name].replace('sig1', 'sig2', 1)}"
        both = with_values(both, ("header", name), value)
    assert rfc9421(tag="orders").verify(both, Secrets(SECRET), NOW)
    assert refusal(rfc9421(tag="others"), both) is Reason.SIGNATURE_MISMATCH
    assert refusal(rfc9421(), both) is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    "told", ["", "sig1", "sig1=();created=x", 'sig1=("a";x);created=1', "sig1=(" * 400, "é", "\x00"]
)
def test_whatever_is_told_of_a_signature_only_unverified_is_raised(told: str):
    good = message_signature(PLAIN, NOW, by_secret(SECRET))
    refusal(rfc9421(), with_values(good, ("header", "signature-input"), told))
    refusal(rfc9421(), replace(good, url=told))
    refusal(rfc9421(), replace(good, method=told))
