"""How a webhook says whom it believes, and what the described HMAC can be told."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES, Scheme, Secrets, build_scheme
from tests.conformance.schemes import NOW, make_request, with_values

BODY = b'{"order": 17}'
SECRETS = Secrets("key")


def hmac_scheme(**options: Any) -> Scheme:
    return build_scheme({"scheme": "hmac", "secret": "block:webhook-secret/x", "header": "X-Sign", **options})


def digest(message: bytes, key: bytes = b"key", algorithm: str = "sha256") -> bytes:
    return hmac.new(key, message, algorithm).digest()


def with_sign(value: str, request: RawRequest | None = None) -> RawRequest:
    return with_values(request or make_request(BODY), ("header", "x-sign"), value)


def refusal(scheme: Scheme, request: RawRequest, secrets: Secrets = SECRETS) -> Unverified:
    with pytest.raises(Unverified) as refused:
        scheme.verify(request, secrets, NOW)
    return refused.value


@pytest.mark.parametrize(
    ("verification", "field", "words"),
    [
        ({}, "verification.scheme", "is missing"),
        ({"scheme": "githb", "secret": "r"}, "verification.scheme", "did you mean 'github'"),
        ({"scheme": "GitHub", "secret": "r"}, "verification.scheme", "did you mean 'github'"),
        ({"scheme": "xyzzy", "secret": "r"}, "verification.scheme", "there are: adyen, adyen-header"),
        ({"scheme": ["none"]}, "verification.scheme", "there is no scheme"),
        ({"scheme": "github"}, "verification.secret", "needs the reference of a secret"),
        ({"scheme": "github", "secret": " "}, "verification.secret", "needs the reference of a secret"),
        ({"scheme": "none", "secret": "r"}, "verification.secret", "checks no secret"),
        ({"scheme": "none", "header": "x"}, "verification", "takes no 'header'"),
        ({"scheme": "github", "secret": "r", "header": "X"}, "verification.header", "no such option"),
        ({"scheme": "stripe", "secret": "r", "tolerence": 9}, "verification.tolerence", "did you mean 'tolerance'"),
        ({"scheme": "stripe", "secret": "r", "tolerance": "9"}, "verification.tolerance", "valid integer"),
        ({"scheme": "stripe", "secret": "r", "tolerance": 0}, "verification.tolerance", "greater"),
        ({"scheme": "api-key", "secret": "r", "header": "A", "query": "b"}, "verification", "in one place"),
        ({"scheme": "api-key", "secret": "r", "header": "no header"}, "verification.header", "not a header's name"),
        ({"scheme": "github", "secret": "r", "replay_guard": "no"}, "verification.replay_guard", "true or false"),
        ({"scheme": "bearer", "secret": "r", "replay_guard": True}, "verification.replay_guard", "no signature"),
        ({"scheme": "hubspot", "secret": "r", "version": "v1", "tolerance": 9}, "verification", "only v3 carries"),
        ({"scheme": "dataverse", "secret": "r", "headers": ["a"], "query": ["b"]}, "verification", "one kind"),
        ({"scheme": "square", "secret": "r", "notification_url": "x"}, "verification.notification_url", "pattern"),
        ({"scheme": "gitlab", "secret": "r", "token": "both"}, "verification.token", "'secret' or 'signing'"),
        ({"scheme": "gitlab", "secret": "r", "tolerance": 9}, "verification", "carries no timestamp"),
    ],
)
def test_a_verification_that_cannot_be_used_is_refused_by_its_field(
    verification: dict[str, Any], field: str, words: str
):
    with pytest.raises(DefinitionError, match=words) as error:
        build_scheme(verification)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        ({"header": []}, "verification.header", "at least 1"),
        ({"algorithm": "md5"}, "verification.algorithm", "'sha1', 'sha256'"),
        ({"encoding": "hexx"}, "verification.encoding", "'hex', 'base64'"),
        ({"signed": "{bdy}"}, "verification.signed", "has no token {bdy}"),
        ({"signed": "{header:no name}"}, "verification.signed", "has no token"),
        ({"signed": "{body"}, "verification.signed", "single '{'"),
        ({"signed": "constant {{body}}"}, "verification.signed", "signs nothing of the request"),
        ({"signed": "{header:x-sign}{body}"}, "verification", "cannot sign its own header"),
        ({"signed": "{timestamp}.{body}"}, "verification", "name its header"),
        ({"timestamp_header": "X-Time"}, "verification", "put a fresh one on an old request"),
        ({"timestamp_prefix": "t=", "signed": "{timestamp}{body}"}, "verification", "needs a 'separator'"),
        ({"separator": "=", "prefix": "v1="}, "verification", "may not occur in a prefix"),
        ({"tolerance": 300}, "verification", "no age to check"),
        ({"notification_url": "https://a.example"}, "verification", "has no use"),
        ({"timestamp_field": "at", "signed": "{url}"}, "verification", "put a fresh one on an old request"),
        ({"timestamp_field": "at", "timestamp_header": "X-At"}, "verification", "or 'timestamp_field'"),
        (
            {"timestamp_header": "a", "timestamp_prefix": "t=", "separator": ",", "signed": "{timestamp}{body}"},
            "verification",
            "either 'timestamp_header' or",
        ),
    ],
)
def test_an_hmac_that_would_check_less_than_it_says_is_refused(options: dict[str, Any], field: str, words: str):
    with pytest.raises(DefinitionError, match=words) as error:
        hmac_scheme(**options)
    assert error.value.field == field


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
def test_every_algorithm_in_every_encoding(algorithm: str, encoding: str):
    signature = digest(BODY, algorithm=algorithm)
    encoders = {
        "hex": lambda raw: raw.hex().encode(),
        "base64": base64.b64encode,
        "base64url": base64.urlsafe_b64encode,
    }
    request = with_sign(encoders[encoding](signature).decode())
    assert hmac_scheme(algorithm=algorithm, encoding=encoding).verify(request, SECRETS, NOW).secret == "current"


def test_url_safe_base64_may_come_with_padding_or_without():
    padded = base64.urlsafe_b64encode(digest(BODY)).decode()
    for text in (padded, padded.rstrip("=")):
        assert hmac_scheme(encoding="base64url").verify(with_sign(text), SECRETS, NOW).secret == "current"


@pytest.mark.parametrize(
    ("key", "secret", "raw"),
    [
        ("plain", "käy", "käy".encode()),
        ("hex", "00FF10", b"\x00\xff\x10"),
        ("base64", "AAEC/w==", b"\x00\x01\x02\xff"),
        ("base64", "AAEC/w", b"\x00\x01\x02\xff"),
        ("whsec", "whsec_AAEC/w==", b"\x00\x01\x02\xff"),
        ("whsec", "AAEC/w==", b"\x00\x01\x02\xff"),
    ],
)
def test_a_key_is_decoded_as_its_sender_writes_it(key: str, secret: str, raw: bytes):
    request = with_sign(digest(BODY, raw).hex())
    assert hmac_scheme(key=key).verify(request, Secrets(secret), NOW).secret == "current"


def test_of_several_signatures_one_that_matches_is_enough_and_the_current_secret_names_it():
    scheme = hmac_scheme(separator=",", prefix="v1=")
    old, new, wrong = digest(BODY, b"old").hex(), digest(BODY, b"new").hex(), "0" * 64
    header = f"v0={new}, v1={wrong},v1={old} ,v1={new},junk,"
    assert scheme.verify(with_sign(header), Secrets("new", ("old",)), NOW).secret == "current"
    assert scheme.verify(with_sign(f"v1={old}"), Secrets("new", ("old",)), NOW).secret == "previous-1"
    assert refusal(scheme, with_sign(f"v0={new}"), Secrets("new")).reason is Reason.SIGNATURE_MALFORMED
    assert refusal(scheme, with_sign("v1=,v1="), Secrets("new")).reason is Reason.SIGNATURE_MALFORMED
    crowd = ",".join([f"v1={wrong}"] * 32 + [f"v1={new}"])
    assert refusal(scheme, with_sign(crowd), Secrets("new")).reason is Reason.SIGNATURE_MALFORMED


def test_a_header_of_kilobytes_is_malformed_before_it_is_compared():
    assert refusal(hmac_scheme(), with_sign("0" * 9000)).reason is Reason.SIGNATURE_MALFORMED


def test_braces_and_headers_in_signed_content():
    scheme = hmac_scheme(signed="{{{header:X-Device}}}:{body}")
    request = with_values(with_sign(digest(b"{sensor}:" + BODY).hex()), ("header", "x-device"), "sensor")
    assert scheme.verify(request, SECRETS, NOW).secret == "current"
    assert refusal(scheme, with_values(request, ("header", "x-device"))).reason is Reason.SIGNATURE_MALFORMED
    twice = with_values(request, ("header", "x-device"), "sensor", "other")
    assert refusal(scheme, twice).reason is Reason.SIGNATURE_MALFORMED


def test_a_signature_over_the_bytes_as_sent_or_as_inflated_counts():
    inflated = replace(make_request(BODY), wire_body=b"compressed")
    for message in (BODY, b"compressed"):
        assert hmac_scheme().verify(with_sign(digest(message).hex(), inflated), SECRETS, NOW).secret == "current"
    assert refusal(hmac_scheme(), with_sign(digest(b"other").hex(), inflated)).reason is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    ("applies", "tolerance", "accepted"),
    [
        ("both", 60, {-60, 0, 60}),
        ("past", 60, {-86_400, -61, -60, 0, 60}),
        ("future", 60, {-60, 0, 60, 61, 86_400}),
        ("both", None, {-86_400, -61, -60, 0, 60, 61, 86_400}),
    ],
)
def test_the_tolerance_applies_to_the_sides_it_is_told(applies: str, tolerance: int | None, accepted: set[int]):
    scheme = hmac_scheme(
        signed="{timestamp}{body}", timestamp_header="X-Time", tolerance=tolerance, tolerance_applies=applies
    )
    stamp = str(int(NOW.timestamp()))
    request = with_values(with_sign(digest(stamp.encode() + BODY).hex()), ("header", "x-time"), stamp)

    def is_accepted(age: int) -> bool:
        try:
            return scheme.verify(request, SECRETS, NOW + timedelta(seconds=age)).secret == "current"
        except Unverified as refused:
            assert refused.reason is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
            return False

    assert {age for age in (-86_400, -61, -60, 0, 60, 61, 86_400) if is_accepted(age)} == accepted


@pytest.mark.parametrize("stamp", ["0", "9" * 15, "0" * 15])
def test_an_absurd_timestamp_that_is_truly_signed_is_outside_the_tolerance(stamp: str):
    scheme = hmac_scheme(signed="{timestamp}{body}", timestamp_header="X-Time")
    request = with_values(with_sign(digest(stamp.encode() + BODY).hex()), ("header", "x-time"), stamp)
    assert refusal(scheme, request).reason is Reason.TIMESTAMP_OUTSIDE_TOLERANCE


def test_a_forged_request_with_an_old_timestamp_is_called_forged():
    scheme = hmac_scheme(signed="{timestamp}{body}", timestamp_header="X-Time")
    request = with_values(with_sign("0" * 64), ("header", "x-time"), "1")
    assert refusal(scheme, request).reason is Reason.SIGNATURE_MISMATCH


def test_two_sends_of_the_same_body_get_two_ids():
    scheme = build_scheme({"scheme": "standard-webhooks", "secret": "r"})
    secrets = Secrets("whsec_AAEC/w==")
    first = scheme.sign(make_request(BODY), secrets, NOW)
    second = scheme.sign(make_request(BODY), secrets, NOW + timedelta(milliseconds=1))
    assert scheme.verify(first, secrets, NOW).secret == "current"
    assert first.header("webhook-id") != second.header("webhook-id")


def test_shopify_is_known_under_both_names_of_its_header_but_not_under_two_at_odds():
    scheme = build_scheme({"scheme": "shopify", "secret": "r"})
    good = base64.b64encode(digest(BODY)).decode()
    newer = with_values(make_request(BODY), ("header", "shopify-hmac-sha256"), good)
    assert scheme.verify(newer, SECRETS, NOW).secret == "current"
    at_odds = with_values(newer, ("header", "x-shopify-hmac-sha256"), "other")
    assert refusal(scheme, at_odds).reason is Reason.SIGNATURE_MALFORMED


def test_github_takes_no_older_signature_in_place_of_the_newer():
    scheme = build_scheme({"scheme": "github", "secret": "r"})
    sha1 = "sha1=" + hmac.new(b"key", BODY, hashlib.sha1).hexdigest()
    older = with_values(make_request(BODY), ("header", "x-hub-signature"), sha1)
    assert refusal(scheme, older).reason is Reason.SIGNATURE_MISSING


@pytest.mark.parametrize(
    "body",
    [
        b'{"type": "url_verification"}',
        b'{"type": "url_verification", "challenge": ""}',
        b'{"type": "url_verification", "challenge": 7}',
        b'{"type": "event_callback", "challenge": "url_verification"}',
        b'["url_verification"]',
        b'{"url_verification',
        b'{"type": "url_verification", "challenge": "' + b"x" * 2000 + b'"}',
        b'{"type": "url_verification", "challenge": "x", "pad": "' + b"x" * 20_000 + b'"}',
    ],
    ids=lambda body: repr(body[:50]),
)
def test_an_incomplete_or_oversized_challenge_of_slack_is_no_handshake(body: bytes):
    scheme = build_scheme({"scheme": "slack", "secret": "r"})
    assert scheme.handshake(scheme.sign(make_request(body), SECRETS, NOW), SECRETS, NOW) is None


def test_senders_bring_their_event_id_and_hold_what_cannot_be_used():
    assert {name for name in ("github", "gitlab", "hmac", "none") if SCHEMES[name].hold_invalid} == {"github", "gitlab"}
    assert SCHEMES["github"].event_id == "{{$context.headers.x-github-delivery}}"
    assert SCHEMES["github"].default_max_body == 25 * 1024 * 1024
    assert all(scheme.__doc__ for scheme in SCHEMES.values())


def test_secrets_do_not_show_in_their_repr_or_in_a_refusal():
    secrets = Secrets("s3cret-value", ("older-value",))
    shown = repr(secrets) + str(refusal(hmac_scheme(), with_sign("presented-value"), secrets))
    assert not [value for value in ("s3cret-value", "older-value", "presented-value") if value in shown]
