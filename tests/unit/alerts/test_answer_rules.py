"""Our own answers: a sender about to give up, a verification that fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from receiver.alerts.answer_rules import sender_gives_up, verification_fails
from receiver.alerts.facts import Answered, SecretChange, WebhookFacts
from receiver.contract.reasons import Reason
from receiver.ingress.verify import SCHEMES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD, WRONG, MISSING = (202, None), (401, Reason.SIGNATURE_MISMATCH), (401, Reason.SIGNATURE_MISSING)
BROKEN, FAILED, HUNG_UP = (503, Reason.SECRET_UNAVAILABLE), (500, None), (None, None)


def webhook(
    scheme: str, *answers: tuple[int | None, Reason | None], known: bool = False, **fields: Any
) -> WebhookFacts:
    """A webhook of that scheme with these answers, the newest first, a minute apart."""
    kind = SCHEMES[scheme]
    told = tuple(
        Answered(at=NOW - timedelta(minutes=number), status=status, reason=reason, known=known)
        for number, (status, reason) in enumerate(answers)
    )
    return WebhookFacts(
        key="orders",
        open=scheme == "none",
        preset=kind.hold_invalid,
        switch_off=kind.switch_off,
        answers=told,
        **fields,
    )


@pytest.mark.parametrize(
    ("facts", "raised"),
    [
        (webhook("gitlab", FAILED, GOOD), False),
        (webhook("gitlab", FAILED, FAILED, GOOD), True),
        (webhook("gitlab", HUNG_UP, BROKEN), True),
        (webhook("gitlab", WRONG, WRONG), True),
        (webhook("gitlab", MISSING, MISSING, MISSING), False),  # anybody may come without
        (webhook("gitlab", MISSING, MISSING, GOOD, known=True), True),
        (webhook("gitlab", GOOD, FAILED, FAILED, FAILED), False),
        (webhook("gitlab", MISSING, FAILED, MISSING, FAILED), True),  # a stranger in between changes nothing
        (webhook("woocommerce", FAILED, FAILED), True),
        (webhook("shopify", *[FAILED] * 3, GOOD), False),
        (webhook("shopify", *[FAILED] * 4), True),
        (webhook("stripe", *[FAILED] * 9), False),
        (webhook("stripe", *[FAILED] * 10), True),
        (webhook("api-key", *[(401, Reason.CREDENTIAL_WRONG)] * 20), False),  # general, and not verified
        (webhook("api-key", *[(422, Reason.SCHEMA_MISMATCH)] * 10), True),
        (webhook("none", *[FAILED] * 20), False),
        (webhook("slack", FAILED, FAILED, FAILED, hour=(100, 40)), False),
        (webhook("slack", FAILED, FAILED, FAILED, hour=(100, 50)), True),
        (webhook("slack", FAILED, hour=(5, 5)), False),
    ],
)
def test_a_sender_is_warned_of_half_way_to_its_giving_up(facts: WebhookFacts, raised: bool):
    assert bool(list(sender_gives_up(facts, NOW, open_=False))) is raised


def test_what_it_does_then_is_told_with_its_source():
    [found] = sender_gives_up(webhook("gitlab", FAILED, BROKEN, FAILED), NOW, open_=False)
    assert "3 requests in a row" in found.summary and "after 4 its sender disables the webhook" in found.summary
    assert "mostly 500, 503 secret_unavailable" in found.summary and "docs.gitlab.com" in found.remedy


def test_a_raised_one_is_over_with_the_first_2xx_and_not_before():
    assert list(sender_gives_up(webhook("gitlab", FAILED, GOOD, GOOD), NOW, open_=True))
    assert not list(sender_gives_up(webhook("gitlab", GOOD, FAILED, FAILED), NOW, open_=True))


def test_failures_of_the_day_before_yesterday_say_nothing_about_now():
    facts = webhook("gitlab", *[FAILED] * 4)
    assert not list(sender_gives_up(facts, NOW + timedelta(days=2), open_=False))


@pytest.mark.parametrize(
    ("answers", "known", "raised"),
    [
        ([WRONG] * 5, False, True),
        ([WRONG] * 4, False, False),
        ([WRONG] * 8 + [GOOD] * 2, False, True),
        ([WRONG] * 7 + [GOOD] * 3, False, False),
        ([MISSING] * 50, False, False),
        ([MISSING] * 5, True, True),
        ([GOOD] * 10, False, False),
    ],
)
def test_a_verification_that_mostly_fails_now_is_told(answers: list[Any], known: bool, raised: bool):
    facts = webhook("github", *answers, known=known, last_verified_at=NOW - timedelta(hours=1))
    assert bool(list(verification_fails(facts, NOW, open_=False))) is raised


def test_what_never_verified_has_not_stopped_to():
    assert not list(verification_fails(webhook("github", *[WRONG] * 10), NOW, open_=False))


@pytest.mark.parametrize(
    ("changed_at", "words"),
    [
        (NOW - timedelta(minutes=10), "the block webhook-secret/orders was changed since"),
        (NOW - timedelta(days=9), "was not changed since"),
        (None, "is not known"),
    ],
)
def test_whether_the_secret_was_changed_meanwhile_is_said(changed_at: datetime | None, words: str):
    secret = SecretChange(name="the block webhook-secret/orders", at=changed_at)
    facts = webhook("github", *[WRONG] * 6, last_verified_at=NOW - timedelta(hours=1), secret=secret)
    [found] = verification_fails(facts, NOW, open_=False)
    assert words in found.summary


def test_every_limit_of_a_sender_has_a_source_and_one_way_of_counting():
    limits = {name: scheme.switch_off for name, scheme in SCHEMES.items() if scheme.switch_off}
    assert set(limits) == {"gitlab", "shopify", "woocommerce", "slack"}
    for limit in limits.values():
        assert limit is not None and limit.source.startswith("https://")
        assert (limit.in_a_row is None) != (limit.share is None)
