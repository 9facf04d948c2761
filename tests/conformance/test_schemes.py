"""One suite for every verification scheme: what each must accept and refuse, whatever it checks."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.contract.errors import DefinitionError, Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.redact import redact
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES, Scheme, Secrets, build_scheme
from receiver.testing.sender import sign as sign_in_a_test
from tests.conformance.schemes import NOW, Recording, load_recordings, make_request, value_at, with_body, with_values

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

IN_PLACES = ("header", "query")
"""Where something may come twice: of a repeated key in a body the last counts, for whoever reads it."""

every_scheme = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.id)
every_timed_scheme = pytest.mark.parametrize("recording", TIMED, ids=lambda recording: recording.id)


@cache
def _scheme(recording_id: str) -> Scheme:
    [recording] = [each for each in RECORDINGS if each.id == recording_id]
    return build_scheme({**recording.verification, "secret": "block:webhook-secret/tests"})


def scheme_of(recording: Recording) -> Scheme:
    return _scheme(recording.id)


def refusal(recording: Recording, request: RawRequest, secrets: Secrets | None = None, after: float = 0) -> Reason:
    """Why a request is refused `after` seconds; fails when it is accepted or another exception comes."""
    with pytest.raises(Unverified) as refused:
        scheme_of(recording).verify(request, secrets or Secrets(recording.secret), NOW + timedelta(seconds=after))
    return refused.value.reason


def bit_changes(text: str, start: int = 0) -> Iterator[str]:
    """The text once for each of its bits, with that bit turned over; of a long one at its start and its end."""
    raw = text.encode("latin-1")
    for position in range(start, len(raw)):
        if 32 <= position < len(raw) - 32:
            continue
        for bit in range(8):
            changed = bytearray(raw)
            changed[position] ^= 1 << bit
            yield changed.decode("latin-1")


def test_every_scheme_with_a_secret_has_a_recording():
    # `test_certificate_schemes.py`, `test_client_certificate.py`, `test_python_function.py`
    elsewhere = {"none", "aws-sns", "paypal", "client-certificate", "python"}
    assert {recording.verification["scheme"] for recording in RECORDINGS} | elsewhere == set(SCHEMES)


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
    for place in recording.signed_places:
        for changed in bit_changes(value_at(request, place)):
            refusal(recording, with_values(request, place, changed))


@every_scheme
def test_every_part_of_a_signed_url_matters(recording: Recording):
    request = recording.signed()
    if recording.signs_url:
        for old, new in (("https:", "http:"), ("hooks.", "hook."), ("/orders", "/order"), ("/orders", "/orders?x=1")):
            assert refusal(recording, replace(request, url=request.url.replace(old, new))) is Reason.SIGNATURE_MISMATCH


@every_scheme
def test_what_is_told_of_a_scheme_is_true(recording: Recording):
    scheme, request = scheme_of(recording), recording.signed()
    assert scheme.about and (scheme.to_enter or not scheme.needs_secret)
    if recording.signs_body:
        other = with_body(request, request.body[:-1] + b"~")
        assert refusal(recording, other) is Reason.SIGNATURE_MISMATCH
    if scheme.guards_replay:
        assert scheme.strength == "signed" and not scheme.id_signed
        assert scheme.event_id is not None
        name = scheme.event_id.removeprefix("{{$context.headers.").removesuffix("}}")
        verify = [
            scheme.verify(with_values(request, ("header", name), value), Secrets(recording.secret), NOW)
            for value in ("id-1", "id-2")
        ]
        assert verify[0].mark == verify[1].mark != b""


@every_scheme
def test_nothing_and_an_empty_text_are_refused_as_missing(recording: Recording):
    request = recording.signed()
    assert refusal(recording, recording.plain) in MISSING
    assert refusal(recording, recording.with_proof(request)) in MISSING
    assert refusal(recording, recording.with_proof(request, "")) in MISSING
    for place in [*(("header", name) for name in recording.signed_headers), *recording.signed_places]:
        refusal(recording, with_values(request, place))
        refusal(recording, with_values(request, place, ""))


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
    if recording.proof[0] not in IN_PLACES:
        return
    good = recording.proof_text(request)
    scheme, secrets = scheme_of(recording), Secrets(recording.secret)
    assert scheme.verify(recording.with_proof(request, good, good), secrets, NOW).secret == "current"
    other = recording.proof_text(recording.signed(recording.other_secret))
    assert refusal(recording, recording.with_proof(request, good, other)) in MALFORMED
    assert refusal(recording, recording.with_proof(request, other, good)) in MALFORMED


@every_scheme
def test_what_is_signed_must_not_come_twice_with_different_values(recording: Recording):
    request, scheme, secrets = recording.signed(), scheme_of(recording), Secrets(recording.secret)
    for place in [*(("header", name) for name in recording.signed_headers), *recording.signed_places]:
        if place[0] in IN_PLACES:
            good = value_at(request, place)
            assert scheme.verify(with_values(request, place, good, good), secrets, NOW).secret == "current"
            refusal(recording, with_values(request, place, good, "1"))
            refusal(recording, with_values(request, place, "1", good))


@every_timed_scheme
def test_a_signature_is_good_for_as_long_as_the_sender_says(recording: Recording):
    scheme, secrets, request = scheme_of(recording), Secrets(recording.secret), recording.signed()
    within, past = timedelta(seconds=recording.tolerance), recording.tolerance + 1
    assert scheme.verify(request, secrets, NOW + within).secret == "current"
    assert refusal(recording, request, after=past) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    assert scheme.verify(request, secrets, NOW - within).secret == "current"
    if recording.refuses_future:
        assert refusal(recording, request, after=-past) is Reason.TIMESTAMP_OUTSIDE_TOLERANCE
    else:
        assert scheme.verify(request, secrets, NOW - timedelta(seconds=past)).secret == "current"


@every_timed_scheme
def test_a_fresh_timestamp_on_an_old_signature_is_a_mismatch(recording: Recording):
    old, fresh = recording.signed(at=NOW - timedelta(hours=1)), recording.signed()
    for name in recording.signed_headers[-1:]:
        mixed = with_values(old, ("header", name), dict(fresh.headers)[name])
        assert refusal(recording, mixed) is Reason.SIGNATURE_MISMATCH
    if not recording.signed_headers and not recording.timed_in_body:
        [separator] = set(recording.proof_text(fresh)) & {",", ";"}
        stamp, signature = (
            recording.proof_text(each).split(separator)[index] for index, each in enumerate((fresh, old))
        )
        mixed = recording.with_proof(old, f"{stamp}{separator}{signature}")
        assert refusal(recording, mixed) is Reason.SIGNATURE_MISMATCH


@every_timed_scheme
def test_a_timestamp_that_is_no_plain_number_is_malformed(recording: Recording):
    signed = recording.signed()
    for absurd in ABSURD_TIMESTAMPS if not recording.timed_in_body else ():
        if recording.signed_headers:
            request = with_values(signed, ("header", recording.signed_headers[-1]), absurd)
        else:
            proof = re.sub(r"(ts?=)\d+", lambda found: f"{found[1]}{absurd}", recording.proof_text(signed))  # noqa: B023
            request = recording.with_proof(signed, proof)
        assert refusal(recording, request) is Reason.TIMESTAMP_MALFORMED, absurd


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


def test_a_test_can_sign_as_every_sender_that_signs_with_a_shared_secret():
    for recording in RECORDINGS:
        if not recording.sender_alone_signs and "headers" not in recording.verification:
            made = sign_in_a_test(recording.plain, scheme_of(recording), NOW)
            assert made is not None, recording.id
            assert scheme_of(recording).verify(*made, NOW).secret == "current", recording.id


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
    if scheme_of(recording).strength != "identifier":
        assert not [part for part in parts if len(part) > 6 and part in kept]
    kind, name = recording.proof
    if kind == "body":
        assert recording.proof_text(replace(request, body=redacted.body)) == "***"
    elif kind in IN_PLACES:
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
def test_whatever_the_bytes_only_unverified_is_raised(recording: Recording):
    chance = random.Random(recording.id)  # the same requests in every run
    scheme, secrets = scheme_of(recording), Secrets(recording.secret, (recording.other_secret,))
    for _ in range(60):
        request = malformed(recording, chance)
        with pytest.raises(Unverified):
            scheme.verify(request, secrets, NOW)


def malformed(recording: Recording, chance: random.Random) -> RawRequest:
    """A signed request with anything in place of its proof, and often of its other parts too."""
    request = recording.signed()
    proof = recording.proof_text(request)

    def anything() -> str:
        kind = chance.choice(("text", "bytes", "digits"))
        if kind == "text":
            return "".join(chr(chance.choice((32, 0x20AC, 0x1F600)) + chance.randrange(90)) for _ in range(20))
        raw = chance.randbytes(chance.randrange(60))
        return raw.decode("latin-1") if kind == "bytes" else raw.hex()

    half_right = proof[: chance.randrange(len(proof) + 1)] + "~" + anything()
    kind, _ = recording.proof
    if kind in {"body", "xml"} and chance.random() < 0.5:
        return with_body(
            request, chance.choice((chance.randbytes(40), b"[" * 5000, b'{"signature": 7}', b"<a/>", b"null"))
        )
    request = recording.with_proof(
        request, *chance.choice(([half_right], [anything() + "~"], [half_right, anything()]))
    )
    for name in [*sorted(scheme_of(recording).carriers().headers), *recording.signed_headers]:
        if ("header", name) != recording.proof and chance.random() < 0.5:
            request = with_values(request, ("header", name), anything())
    if chance.random() < 0.5:
        request = replace(
            request, method=anything(), path=anything(), url=anything(), query_string=request.query_string
        )
    return with_body(request, chance.randbytes(60)) if kind in IN_PLACES and chance.random() < 0.3 else request


@settings(max_examples=40, deadline=None)
@given(recording=st.sampled_from(RECORDINGS), data=st.data())
def test_a_request_of_anything_is_refused_by_whatever_scheme(recording: Recording, data: st.DataObject):
    scheme = scheme_of(recording)
    anything = st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1"))
    names = sorted(scheme.carriers().headers | set(recording.signed_headers))
    headers = data.draw(st.lists(st.tuples(st.sampled_from(names or ["x-other"]), anything), max_size=4))
    body = data.draw(st.binary(max_size=100))
    request = RawRequest(
        method=data.draw(anything),
        path=data.draw(anything),
        query_string=data.draw(anything | anything.map("code={}".format)),
        headers=tuple(headers),
        body=body,
        wire_body=body,
        client_ip="",
        url=data.draw(anything),
        received_at=NOW,
    )
    with pytest.raises(Unverified):
        scheme.verify(request, Secrets(recording.secret, (recording.other_secret,)), NOW)
