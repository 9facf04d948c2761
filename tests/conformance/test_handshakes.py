"""A sender's check of the URL: answered when it is complete, and nothing else is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from receiver.contract.errors import Unverified
from receiver.contract.reasons import Reason
from receiver.ingress.request import RawRequest
from receiver.ingress.verify import SCHEMES, Handshake, Secrets, build_scheme
from tests.conformance.schemes import NOW, load_recordings, make_request

ELSEWHERE = {"aws-sns", "dingtalk", "discord", "feishu", "wecom"}
"""Schemes whose check is encrypted or signed by keys: their own tests know it."""
META = '{"app_secret": "a", "verify_token": "meatyhamhock"}'
HUB = "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token="
LONG = "x" * 1025


def ask(method: str, query: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None) -> RawRequest:
    return replace(make_request(body, headers=headers, query=query), method=method)


def options(origin: str | None, **headers: str) -> RawRequest:
    named = {"webhook-request-origin": origin} if origin is not None else {}
    return ask("OPTIONS", headers={**named, **{name.replace("_", "-"): value for name, value in headers.items()}})


@dataclass(frozen=True, kw_only=True)
class Check:
    """A scheme's check that the sender does not sign. `others` are no checks, `forged` ones are refused."""

    scheme: str
    complete: RawRequest
    answer: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    others: tuple[RawRequest, ...] = ()
    forged: tuple[RawRequest, ...] = ()
    secret: str = "a secret of the tests"
    settings: Mapping[str, Any] = field(default_factory=dict)


CHECKS = (
    Check(
        scheme="dropbox",
        complete=ask("GET", "challenge=abc%3Cb%3E"),
        answer=b"abc<b>",
        others=(ask("GET"), ask("GET", "Challenge=abc"), ask("POST", "challenge=abc")),
        forged=(ask("GET", "challenge="), ask("GET", "challenge=a&challenge=b"), ask("GET", f"challenge={LONG}")),
    ),
    Check(
        scheme="meta",
        secret=META,
        complete=ask("GET", f"{HUB}meatyhamhock"),
        answer=b"1158201444",
        others=(
            ask("GET"),
            ask("GET", HUB.replace("subscribe", "unsubscribe") + "meatyhamhock"),
            ask("GET", "hub.mode=subscribe&hub.verify_token=meatyhamhock"),
            ask("POST", f"{HUB}meatyhamhock"),
        ),
        forged=(
            ask("GET", f"{HUB}wrong"),
            ask("GET", HUB),
            ask("GET", f"{HUB}wrong&hub.verify_token=meatyhamhock"),
            ask("GET", f"{HUB}meatyhamhock".replace("1158201444", LONG)),
        ),
    ),
    Check(
        scheme="microsoft-graph",
        complete=ask("POST", "validationToken=Validation%3A%20Testing+one"),
        answer=b"Validation: Testing one",
        others=(ask("POST", "validationToken=a", b'{"value": []}'), ask("POST"), ask("GET", "validationToken=a")),
        forged=(ask("POST", f"validationToken={LONG}"),),
    ),
    Check(
        scheme="woocommerce",
        complete=ask("POST", body=b"webhook_id=5"),
        others=(
            ask("POST", body=b"webhook_id=5&id=1337&status=completed"),
            ask("POST", body=b"webhook_id=5\n"),
            ask("POST", body=b"webhook_id=" + b"5" * 21),
            ask("PUT", body=b"webhook_id=5"),
        ),
    ),
    Check(scheme="intercom", complete=ask("HEAD"), others=(ask("GET"), ask("POST"))),
    Check(
        scheme="cloudevents",
        complete=options("eventgrid.azure.net", webhook_request_rate="120"),
        headers={
            "webhook-allowed-origin": "eventgrid.azure.net",
            "webhook-allowed-rate": "120",
            "allow": "POST, OPTIONS",
        },
        others=(options(None), ask("POST", headers={"webhook-request-origin": "a"})),
        forged=(options("evil.example"), options("a b"), options("x" * 300)),
        settings={"allowed_origins": ["EventGrid.azure.net"]},
    ),
)


def answer_of(check: Check, request: RawRequest) -> Handshake | None:
    scheme = build_scheme({"scheme": check.scheme, "secret": "block:webhook-secret/x", **check.settings})
    return scheme.handshake(request, Secrets(check.secret), NOW)


def test_every_scheme_with_a_check_of_its_own_has_its_check_here_or_in_its_recording():
    recorded = {each.verification["scheme"] for each in load_recordings() if each.handshake is not None}
    known = {check.scheme for check in CHECKS} | recorded | ELSEWHERE
    assert {name for name, scheme in SCHEMES.items() if scheme.handshake_is} == known & set(SCHEMES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.scheme)
def test_a_check_is_answered_when_it_is_complete_and_by_its_methods(check: Check):
    answer = answer_of(check, check.complete)
    assert answer is not None
    assert (answer.status, answer.content_type, answer.body) == (200, "text/plain", check.answer)
    assert dict(answer.headers) == dict(check.headers)
    scheme = build_scheme({"scheme": check.scheme, "secret": "block:webhook-secret/x"})
    assert check.complete.method in scheme.handshake_methods() | {"POST"}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.scheme)
def test_what_is_no_check_is_none_and_one_that_is_forged_or_absurd_is_refused(check: Check):
    for other in check.others:
        assert answer_of(check, other) is None, other
    for forged in check.forged:
        with pytest.raises(Unverified) as refused:
            answer_of(check, forged)
        assert refused.value.reason in {
            Reason.CREDENTIAL_MALFORMED,
            Reason.CREDENTIAL_MISSING,
            Reason.CREDENTIAL_WRONG,
        }


def test_meta_does_not_confirm_a_url_without_a_verify_token_of_ours():
    [check] = [check for check in CHECKS if check.scheme == "meta"]
    for secret in ('{"app_secret": "a"}', '{"app_secret": "a", "verify_token": " "}', "meatyhamhock"):
        with pytest.raises(Unverified) as refused:
            answer_of(replace(check, secret=secret), check.complete)
        assert refused.value.reason is Reason.SECRET_UNAVAILABLE


def test_cloudevents_of_any_origin_are_wanted_where_none_is_named_and_a_rate_is_told_when_it_is_asked_for():
    [check] = [check for check in CHECKS if check.scheme == "cloudevents"]
    for asked, told in ((None, None), ("*", "*"), ("many", "*"), ("0", "*")):
        request = options("a.example", **({"webhook_request_rate": asked} if asked else {}))
        answer = answer_of(replace(check, settings={}), request)
        assert answer is not None
        assert (answer.headers["webhook-allowed-origin"], answer.headers.get("webhook-allowed-rate")) == (
            "a.example",
            told,
        )
