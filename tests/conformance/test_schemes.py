"""One suite for every verification scheme: what each must accept and refuse, whatever it checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.redact import redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES, Scheme, Secrets, build_scheme
from tests.conformance.schemes import NOW, Recording, load_recordings, make_request, with_body, with_values

RECORDINGS = load_recordings()
TIMED = [recording for recording in RECORDINGS if recording.moment]
MALFORMED = {Reason.SIGNATURE_MALFORMED, Reason.CREDENTIAL_MALFORMED, Reason.TIMESTAMP_MALFORMED}
MISSING = {Reason.SIGNATURE_MISSING, Reason.CREDENTIAL_MISSING}
ABSURD_TIMESTAMPS = [
    "9" * 400,
    "-1",
    "1e9",
    "١٧٧٣٥٠٠٩٦٦".encode().decode("latin-1"),
    "²",
    "NaN",
    "0x1",
    " ",
    "1.5",
    "+1",
]

every_scheme = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.id)
every_timed_scheme = pytest.mark.parametrize("recording", TIMED, ids=lambda recording: recording.id)


def scheme_of(recording: Recording) -> Scheme:
    return build_scheme({**recording.verification, "secret": "block:webhook-secret/tests"})


def refusal(recording: Recording, request: RawRequest, secrets: Secrets | None = None, after: float = 0) -> Reason:
    """Why a request is refused `after` seconds; fails when it is accepted or another exception comes."""
    with pytest.raises(Unverified) as refused:
        scheme_of(recording).verify(request, secrets or Secrets(recording.secret), NOW + timedelta(seconds=after))
    return refused.value.reason


def bit_changes(text: str, start: int = 0) -> Iterator[str]:
    """The text once for each of its bits, with that bit turned over."""
    raw = text.encode("latin-1")
    for position in range(start, len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            yield changed.decode("latin-1")


def test_every_scheme_but_the_open_one_has_a_recording():
    assert {recording.verification["scheme"] for recording in RECORDINGS} | {"none"} == set(SCHEMES)


def test_the_open_scheme_accepts_anything_and_signs_nothing():
    scheme = build_scheme({"scheme": "none"})
    request = make_request(b"\xff\x00")
    assert scheme.verify(request, None, NOW).secret is None
    assert scheme.sign(request, None, NOW) is request
    assert redact(request, scheme.carriers()).body is request.body


@every_scheme
def test_a_request_as_the_sender_sends_it_is_accepted(recording: Recording):
    verified = scheme_of(recording).verify(recording.signed(), Secrets(recording.secret), NOW)
    assert (verified.scheme, verified.secret) == (recording.verification["scheme"], "current")


@every_scheme
def test_header_names_count_in_any_case_and_query_names_as_they_are(recording: Recording):
    request = recording.signed()
    shouted = replace(request, headers=tuple((name.upper(), value) for name, value in request.headers))
    assert scheme_of(recording).verify(shouted, Secrets(recording.secret), NOW).secret == "current"
    if recording.proof[0] == "query":
        name = recording.proof[1]
        renamed = replace(request, query_string=request.query_string.replace(f"{name}=", f"{name.upper()}="))
        assert refusal(recording, renamed) in MISSING


@every_scheme
def test_every_single_bit_of_the_signature_or_credential_matters(recording: Recording):
    request = recording.signed()
    for changed in bit_changes(recording.proof_text(request), recording.ignored_start):
        refusal(recording, recording.with_proof(request, changed))


@every_scheme
def test_every_single_bit_of_what_is_signed_matters(recording: Recording):
    request = recording.signed()
    if recording.signs_body:
        for body in bit_changes(request.body.decode("latin-1")):
            assert refusal(recording, with_body(request, body.encode("latin-1"))) is Reason.SIGNATURE_MISMATCH
    for name in recording.signed_headers:
        for changed in bit_changes(dict(request.headers)[name]):
            refusal(recording, with_values(request, ("header", name), changed))


@every_scheme
def test_nothing_and_an_empty_text_are_refused_as_missing(recording: Recording):
    request = recording.signed()
    assert refusal(recording, recording.plain) in MISSING
    assert refusal(recording, recording.with_proof(request)) in MISSING
    assert refusal(recording, recording.with_proof(request, "")) in MISSING
    for name in recording.signed_headers:
        refusal(recording, with_values(request, ("header", name)))
        refusal(recording, with_values(request, ("header", name), ""))


@every_scheme
def test_another_secret_is_refused(recording: Recording):
    assert refusal(recording, recording.signed(recording.other_secret)) in {
        Reason.SIGNATURE_MISMATCH,
        Reason.CREDENTIAL_WRONG,
    }


@every_scheme
def test_previous_secrets_are_accepted_under_their_label(recording: Recording):
    rotated = Secrets(recording.other_secret, ("", recording.secret))
    assert scheme_of(recording).verify(recording.signed(), rotated, NOW).secret == "previous-2"


@every_scheme
def test_without_a_usable_secret_the_door_is_closed_also_for_who_signs_with_it(recording: Recording):
    for useless in ("", " ", "\n", *recording.bad_secrets):
        try:
            request = recording.signed(useless)
        except (ValueError, LookupError, TypeError):  # no secret to sign with
            request = recording.signed()
        closed = refusal(recording, request, Secrets(useless, ("",)))
        assert closed is Reason.SECRET_UNAVAILABLE
        assert scheme_of(recording).verify(recording.signed(), Secrets(useless, (recording.secret,)), NOW).secret
    with pytest.raises(Unverified):
        scheme_of(recording).verify(recording.signed(), None, NOW)


@every_scheme
def test_the_same_place_twice_must_say_the_same(recording: Recording):
    request = recording.signed()
    good = recording.proof_text(request)
    scheme, secrets = scheme_of(recording), Secrets(recording.secret)
    assert scheme.verify(recording.with_proof(request, good, good), secrets, NOW).secret == "current"
    other = recording.proof_text(recording.signed(recording.other_secret))
    assert refusal(recording, recording.with_proof(request, good, other)) in MALFORMED
    assert refusal(recording, recording.with_proof(request, other, good)) in MALFORMED


@every_timed_scheme
def test_a_signature_is_good_for_five_minutes(recording: Recording):
    scheme, secrets, request = scheme_of(recording), Secrets(recording.secret), recording.signed()
    assert scheme.verify(request, secrets, NOW + timedelta(seconds=300)).secret == "current"
    assert refusal(recording, request, after=301) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    assert scheme.verify(request, secrets, NOW - timedelta(seconds=300)).secret == "current"
    if recording.refuses_future:
        assert refusal(recording, request, after=-301) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    else:
        assert scheme.verify(request, secrets, NOW - timedelta(seconds=301)).secret == "current"


@every_timed_scheme
def test_a_fresh_timestamp_on_an_old_signature_is_a_mismatch(recording: Recording):
    old, fresh = recording.signed(at=NOW - timedelta(hours=1)), recording.signed()
    for name in recording.signed_headers[-1:]:
        mixed = with_values(old, ("header", name), dict(fresh.headers)[name])
        assert refusal(recording, mixed) is Reason.SIGNATURE_MISMATCH
    if not recording.signed_headers:
        stamp, signature = recording.proof_text(fresh).split(",")[0], recording.proof_text(old).split(",")[1]
        assert refusal(recording, recording.with_proof(old, f"{stamp},{signature}")) is Reason.SIGNATURE_MISMATCH


@every_timed_scheme
@pytest.mark.parametrize("absurd", ABSURD_TIMESTAMPS)
def test_a_timestamp_that_is_no_plain_number_is_malformed(recording: Recording, absurd: str):
    request = recording.signed()
    if recording.signed_headers:
        request = with_values(request, ("header", recording.signed_headers[-1]), absurd)
    else:
        request = recording.with_proof(
            request, re.sub(r"t=\d+", lambda _: f"t={absurd}", recording.proof_text(request))
        )
    assert refusal(recording, request) is Reason.TIMESTAMP_MALFORMED


@every_scheme
def test_what_we_sign_is_what_the_sender_signs(recording: Recording):
    scheme, secrets = scheme_of(recording), Secrets(recording.secret, (recording.other_secret,))
    if recording.sender_alone_signs:
        with pytest.raises(DefinitionError, match="replay"):
            scheme.sign(recording.plain, secrets, NOW)
        return
    signed = scheme.sign(recording.plain, secrets, NOW)
    assert scheme.verify(signed, secrets, NOW).secret == "current"
    if recording.varies:
        return
    expected = recording.signed()
    assert recording.proof_text(signed) == recording.proof_text(expected)
    assert sorted(signed.headers) == sorted(expected.headers)
    assert scheme.sign(signed, secrets, NOW).headers == signed.headers


@every_scheme
def test_signing_without_a_secret_is_refused(recording: Recording):
    with pytest.raises(Unverified):
        scheme_of(recording).sign(recording.plain, Secrets(""), NOW)


@every_scheme
def test_neither_credential_nor_signature_is_left_once_masked(recording: Recording):
    request = recording.signed()
    redacted = redact(request, scheme_of(recording).carriers())
    kept = repr(redacted)
    proof = recording.proof_text(request)
    parts = {proof, *re.split("[ ,]", proof), proof.partition("=")[2], recording.secret}
    assert not [part for part in parts if len(part) > 6 and part in kept]
    kind, name = recording.proof
    assert (redacted.headers if kind == "header" else redacted.query)[name] == "***"
    assert b"legacy-5a1b" not in redacted.body
    assert redacted.headers["content-type"] == dict(request.headers)["content-type"]


@every_scheme
def test_a_handshake_is_answered_when_it_is_proven_and_nothing_else_is_one(recording: Recording):
    scheme, secrets = scheme_of(recording), Secrets(recording.secret)
    assert scheme.handshake(recording.signed(), secrets, NOW) is None
    if recording.handshake is not None:
        answer = scheme.handshake(recording.signed(plain=recording.handshake), secrets, NOW)
        assert answer is not None
        assert (answer.status, answer.body) == (200, recording.handshake_answer)
        for forged in (recording.handshake, recording.signed(recording.other_secret, plain=recording.handshake)):
            with pytest.raises(Unverified):
                scheme.handshake(forged, secrets, NOW)


@every_scheme
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_the_bytes_only_unverified_is_raised(recording: Recording, data: st.DataObject):
    scheme = scheme_of(recording)
    anything = st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
    proof = recording.proof_text(recording.signed())
    half_right = st.builds(lambda start, tail: proof[:start] + tail, st.integers(0, len(proof)), anything)
    half_right = half_right.filter(lambda text: text.strip() != proof.strip())  # wholly right is rightly accepted
    names = sorted(scheme.carriers().headers | set(recording.signed_headers))
    headers = st.lists(st.tuples(st.sampled_from(names or ["x-other"]), anything | half_right), max_size=4)
    request = RawRequest(
        method=data.draw(anything),
        path=data.draw(anything),
        query_string=data.draw(anything | anything.map("code={}".format)),
        headers=tuple(data.draw(headers)),
        body=data.draw(st.binary(max_size=100)),
        wire_body=data.draw(st.binary(max_size=100)),
        client_ip="",
        url=data.draw(anything),
        received_at=NOW,
    )
    with pytest.raises(Unverified):
        scheme.verify(request, Secrets(recording.secret, (recording.other_secret,)), NOW)
