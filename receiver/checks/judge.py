"""From a situation to its findings, those about what works included. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from receiver.checks.finding import Code, Finding, Level, nothing_wrong, unless_troubled
from receiver.checks.prefect_rules import PREFECT, judge_prefect, subject_of
from receiver.checks.receiver_rules import INBOX, RECEIVER, judge_receiver
from receiver.checks.situation import Situation, WebhookFacts
from receiver.checks.webhook_rules import judge_webhook
from receiver.prefect_gateway.survey import Access


def judge(situation: Situation) -> list[Finding]:
    """Every finding: of the receiver, its inbox, Prefect, the pools, and each webhook by its key."""
    found = [*judge_receiver(situation), *judge_prefect(situation)]
    for webhook in situation.webhooks:
        found += judge_webhook(webhook, situation)
    if situation.asked_for is not None and not situation.webhooks:
        found.append(_unknown(situation.asked_for))
    places = {subject: place for place, subject in enumerate(_subjects(situation))}
    return sorted(unless_troubled(found, _in_order(situation)), key=lambda each: places.get(each.subject, len(places)))


def _subjects(situation: Situation) -> Iterator[str]:
    yield from (RECEIVER, INBOX, PREFECT)
    yield from map(subject_of, situation.prefect.pools.values())
    yield from (webhook.subject for webhook in situation.webhooks)


def _unknown(key: str) -> Finding:
    return Finding(
        code=Code.WEBHOOK_UNKNOWN,
        level=Level.ERROR,
        subject=f"webhook {key}",
        problem="the receiver has no such webhook",
        remedy="`webhooks list` shows those there are; `webhooks deploy` brings those that code defines",
    )


def _in_order(situation: Situation) -> Iterator[Finding]:
    prefect = situation.prefect
    yield nothing_wrong(RECEIVER, "answers")
    yield nothing_wrong(INBOX, f"can be read; its tables are of revision {situation.inbox.revision}")
    yield nothing_wrong(PREFECT, f"answers at {prefect.url}, version {prefect.server_version}")
    for pool in prefect.pools.values():
        workers = "1 worker" if pool.online == 1 else f"{pool.online} workers"
        yield nothing_wrong(subject_of(pool), f"type {pool.type}, {workers} online")
    for webhook in situation.webhooks:
        if webhook.state == "enabled":
            yield nothing_wrong(webhook.subject, _webhook_in_order(webhook, situation))


def _webhook_in_order(webhook: WebhookFacts, situation: Situation) -> str:
    if situation.prefect.access is not Access.OPENED:
        return "nothing wrong with its definition; its deployment is not known while Prefect does not tell"
    secret = "it needs no secret" if webhook.secret is None else "its secret can be read"
    return f"runs {webhook.deployment} ({webhook.mode}), {secret}"
