"""What our own answers tell: a sender that is about to give up, a verification that fails. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from receiver.alerts.facts import Answered, SecretChange, WebhookFacts
from receiver.alerts.trouble import Rule, Trouble, moment
from receiver.contract.reasons import Reason

LOOKED_BACK = timedelta(days=1)
"""Older answers say nothing about now."""
UNKNOWN_LIMIT = 10
"""Failures in a row that are worth a word where it is not known when a sender gives up."""
_LEAST_IN_AN_HOUR, _SHARE_OF_LIMIT = 20, 0.5
_JUDGED, _LEAST_FAILED, _SHARE_FAILED = 10, 5, 0.8

WRONG = frozenset(
    {
        *(Reason.CREDENTIAL_WRONG, Reason.SIGNATURE_MISMATCH, Reason.CERTIFICATE_INVALID),
        *(Reason.TIMESTAMP_OUTSIDE_TOLERANCE,),
    }
)
"""A credential was shown, and is not good."""
ANYBODY = frozenset(
    {
        *(Reason.METHOD_NOT_ALLOWED, Reason.ADDRESS_NOT_ALLOWED, Reason.ORIGIN_NOT_ALLOWED),
        *(Reason.INSECURE_TRANSPORT, Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_MALFORMED),
        *(Reason.SIGNATURE_MISSING, Reason.SIGNATURE_MALFORMED, Reason.TIMESTAMP_MISSING, Reason.TIMESTAMP_MALFORMED),
    }
)
"""What a stranger's request meets who has nothing to show."""
UNVERIFIED = (WRONG | ANYBODY) - {Reason.METHOD_NOT_ALLOWED, Reason.ADDRESS_NOT_ALLOWED, Reason.ORIGIN_NOT_ALLOWED}
BEFORE = frozenset(
    {
        *(Reason.BODY_TOO_LARGE, Reason.BODY_INCOMPLETE, Reason.ENCODING_UNSUPPORTED, Reason.ENCODING_INVALID),
        *(Reason.RATE_LIMITED, Reason.SECRET_UNAVAILABLE, Reason.DOCUMENT_UNAVAILABLE, Reason.NETWORKS_UNAVAILABLE),
        *(Reason.DEFINITION_BROKEN, Reason.OVERLOADED),
    }
)
"""What a request may meet before it was verified, whoever sent it."""


def sender_gives_up(webhook: WebhookFacts, now: datetime, *, open_: bool) -> Iterator[Trouble]:
    """The sender got no 2xx several times in a row, half as often as it takes until it calls no more."""
    if webhook.open:
        return
    limit = webhook.switch_off
    least = UNKNOWN_LIMIT if limit is None else max(2, limit.in_a_row // 2) if limit.in_a_row else None
    counted = [each for each in _of_late(webhook.answers, now) if _is_the_senders(each, preset=webhook.preset)]
    failed = next((number for number, each in enumerate(counted) if each.good), len(counted))
    if least is not None and failed >= (1 if open_ else least):
        then = "its sender may give up"
        if limit is not None:
            then = f"after {limit.in_a_row} its sender {limit.then}"
        yield _gives_up(
            webhook, f"{failed} requests in a row were not answered 2xx, {_causes(counted[:failed])}; {then}"
        )
    elif limit is not None and limit.share is not None and webhook.hour is not None:
        total, bad = webhook.hour
        share = limit.share * _SHARE_OF_LIMIT / (2 if open_ else 1)
        if total >= _LEAST_IN_AN_HOUR and bad / total >= share:
            told = f"{bad} of {total} requests within an hour were not answered 2xx, {_causes(counted)}"
            yield _gives_up(webhook, f"{told}; above {limit.share:.0%} its sender {limit.then}")


def verification_fails(webhook: WebhookFacts, now: datetime, *, open_: bool) -> Iterator[Trouble]:
    """Requests used to be verified and most are not any more; tells whether the secret changed meanwhile."""
    if webhook.open or webhook.last_verified_at is None or not failing(webhook.answers, now, open_=open_):
        return
    judged = _judged(webhook.answers, now)
    failed = sum(not _was_verified(each) for each in judged)
    told = f"{failed} of the last {len(judged)} requests were not verified, {_causes(judged)}"
    told += f"; the last one that was came {moment(webhook.last_verified_at)}"
    yield Trouble(
        rule=Rule.VERIFICATION_FAILS,
        subject=webhook.key,
        summary=f"{webhook.key}: {told}. {_secret(webhook.secret, webhook.last_verified_at)}",
        remedy=_mend(webhook.secret, webhook.last_verified_at),
    )


def failing(answers: Sequence[Answered], now: datetime, *, open_: bool = False) -> bool:
    """Whether most of the latest requests whose credential was looked at were refused for it."""
    judged = _judged(answers, now)
    failed = sum(not _was_verified(each) for each in judged)
    share = _SHARE_FAILED / 2 if open_ else _SHARE_FAILED
    return failed >= (1 if open_ else _LEAST_FAILED) and failed >= share * len(judged)


def _of_late(answers: Sequence[Answered], now: datetime) -> list[Answered]:
    return [each for each in answers if now - each.at <= LOOKED_BACK]


def _judged(answers: Sequence[Answered], now: datetime) -> list[Answered]:
    """The latest ones whose credential was looked at, a stranger's left out who showed none."""
    looked_at = (
        each
        for each in _of_late(answers, now)
        if _was_verified(each) or each.reason in WRONG or (each.known and each.reason in UNVERIFIED)
    )
    return [each for each, _ in zip(looked_at, range(_JUDGED), strict=False)]


def _was_verified(each: Answered) -> bool:
    return each.reason not in WRONG | ANYBODY | BEFORE


def _is_the_senders(each: Answered, *, preset: bool) -> bool:
    """Whether an answer went to the sender, as far as one can know."""
    if each.good or each.known or _was_verified(each):
        return True
    return preset and each.reason not in ANYBODY


def _gives_up(webhook: WebhookFacts, told: str) -> Trouble:
    source = f" ({webhook.switch_off.source})" if webhook.switch_off else ""
    return Trouble(
        rule=Rule.SENDER_GIVES_UP,
        subject=webhook.key,
        summary=f"{webhook.key}: {told}",
        remedy=f"webhooks deliveries --webhook {webhook.key}{source}",
    )


def _causes(failed: Sequence[Answered]) -> str:
    """The most frequent causes, with the status of the answer: `401 signature_mismatch, 503 secret_unavailable`."""
    counts: dict[str, int] = {}
    for each in failed:
        if not each.good:
            cause = f"{each.status or 'hung up'} {each.reason or ''}".strip()
            counts[cause] = counts.get(cause, 0) + 1
    return "mostly " + ", ".join(sorted(counts, key=lambda cause: (-counts[cause], cause))[:2])


def _secret(secret: SecretChange | None, verified_at: datetime) -> str:
    if secret is None:
        return "It has no secret of ours."
    if secret.at is None:
        return f"When {secret.name} was changed is not known."
    if secret.at > verified_at:
        return f"{secret.name} was changed since, at {moment(secret.at)}."
    return f"{secret.name} was not changed since (last at {moment(secret.at)}): the sender's side was, or others call."


def _mend(secret: SecretChange | None, verified_at: datetime) -> str:
    if secret is not None and secret.at is not None and secret.at > verified_at:
        return "Give the sender the new secret, or put the one before into the block's `previous` until it has it."
    return "Compare the secret at the sender with the webhook's; `webhooks check` tells whether it can be read."
