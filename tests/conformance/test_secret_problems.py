"""What can be said of a webhook's secret and its URL before any request comes, for every scheme."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest

from receiver.contract.errors import DefinitionError, Unverified
from receiver.ingress.verify import Secrets, build_scheme
from receiver.ingress.verify.probe import secret_problem
from tests.conformance.schemes import NOW, Recording, load_recordings

RECORDINGS = load_recordings()
every_scheme = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.id)


def scheme_of(recording: Recording):
    return build_scheme({**recording.verification, "secret": "block:webhook-secret/tests"})


@every_scheme
def test_a_secret_that_is_none_for_the_scheme_is_told_from_one_that_is(recording: Recording):
    scheme = scheme_of(recording)
    assert secret_problem(scheme, Secrets(recording.secret), NOW) == ""
    for bad in ("", " ", *recording.bad_secrets):
        told = secret_problem(scheme, Secrets(bad), NOW)
        assert told, bad
        assert len(bad) < 8 or bad not in told


@pytest.mark.parametrize(
    ("verification", "names"),
    [
        ({"scheme": "dingtalk"}, ("token", "aes_key", "owner_key")),
        ({"scheme": "wecom"}, ("token", "aes_key", "receive_id")),
        ({"scheme": "feishu"}, ("encrypt_key", "verification_token")),
        ({"scheme": "feishu", "callback": "cards"}, ("verification_token",)),
        ({"scheme": "meta"}, ("app_secret",)),
        ({"scheme": "dataverse", "headers": ["key1", "key2"]}, ("key1", "key2")),
    ],
)
def test_a_part_that_is_missing_is_named_and_no_value_is(verification, names):
    whole = dict.fromkeys(("app_secret", "verify_token", *names), "of-nobody-else")
    scheme = build_scheme({**verification, "secret": "block:webhook-secret/tests"})
    for name in names:
        told = secret_problem(scheme, Secrets(json.dumps({**whole, name: ""})), NOW)
        assert f"it has no '{name}'" in told and "of-nobody-else" not in told


def test_meta_says_what_its_secret_lacks_for_the_check_of_the_url():
    scheme = build_scheme({"scheme": "meta", "secret": "block:webhook-secret/tests"})
    for lacking in ("the-app-secret-alone", '{"app_secret": "x"}'):
        assert secret_problem(scheme, Secrets(lacking), NOW) == ""
        assert "'verify_token'" in scheme.secret_gap(Secrets(lacking))
    assert scheme.secret_gap(Secrets('{"app_secret": "x", "verify_token": "y"}')) == ""


@every_scheme
def test_a_scheme_says_that_it_signs_the_url_just_where_another_url_makes_a_request_refused(recording: Recording):
    scheme, secrets = scheme_of(recording), Secrets(recording.secret)
    with suppress(DefinitionError):  # only its sender can sign; none of those signs the address
        signed = scheme.sign(recording.plain, secrets, NOW)
        elsewhere = replace(signed, url=signed.url.replace("hooks.example.com", "127.0.0.1:8000"))
        refused = False
        try:
            scheme.verify(elsewhere, secrets, NOW)
        except Unverified:
            refused = True
        assert scheme.signs_url() is refused
