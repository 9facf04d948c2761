"""From facts to what is wrong. Pure.

What was raised is over only when it is better by a margin than what would raise it; `opened` says what was raised.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from receiver.alerts.answer_rules import sender_gives_up, verification_fails
from receiver.alerts.facts import MachineFacts, SharedFacts, WebhookFacts
from receiver.alerts.silence import webhook_silent
from receiver.alerts.trouble import Limits, Place, Rule, Trouble, moment, told

_REFUSED = 5
"""Requests in five minutes that there was no room for: fewer are no more than a moment's."""
_MARGIN = 1.25
"""So much more than the least ought to be free before a warning of a full disk is over."""


def judge_shared(facts: SharedFacts, limits: Limits, opened: Collection[Place], now: datetime) -> list[Trouble]:
    """What is wrong with webhooks, queue and Prefect."""
    found = [*_prefect_away(facts), *_queue_behind(facts, limits, opened, now)]
    for webhook in facts.webhooks:
        found += _judge_webhook(webhook, limits, opened, now)
    return found


def judge_machine(facts: MachineFacts, limits: Limits, opened: Collection[Place]) -> list[Trouble]:
    """What is wrong with the machine of a receiver, and with its way to the database."""
    return [*_storage_refuses(facts), *_disk_low(facts, limits, opened)]


def _judge_webhook(
    webhook: WebhookFacts, limits: Limits, opened: Collection[Place], now: datetime
) -> Iterator[Trouble]:
    def is_open(rule: Rule) -> bool:
        return (rule, webhook.key) in opened

    yield from webhook_silent(webhook, limits, now, open_=is_open(Rule.WEBHOOK_SILENT))
    yield from sender_gives_up(webhook, now, open_=is_open(Rule.SENDER_GIVES_UP))
    yield from verification_fails(webhook, now, open_=is_open(Rule.VERIFICATION_FAILS))
    yield from _deliveries_troubled(webhook, limits, open_=is_open(Rule.DELIVERIES_TROUBLED))


def _deliveries_troubled(webhook: WebhookFacts, limits: Limits, *, open_: bool) -> Iterator[Trouble]:
    least = (limits.troubled + 1) // 2 if open_ else limits.troubled
    if webhook.held + webhook.dead >= least:
        counts = [(webhook.dead, "dead"), (webhook.held, "held")]
        what = " and ".join(f"{count} {status}" for count, status in counts if count)
        yield Trouble(
            rule=Rule.DELIVERIES_TROUBLED,
            subject=webhook.key,
            summary=f"{webhook.key}: {what} deliveries within a day, which somebody has to look at",
            remedy=f"webhooks deliveries --webhook {webhook.key} --status {'dead' if webhook.dead else 'held'}",
        )


def _prefect_away(facts: SharedFacts) -> Iterator[Trouble]:
    if not facts.prefect_up:
        yield Trouble(
            rule=Rule.PREFECT_AWAY,
            summary="Prefect does not answer, or does not let the receiver in: deliveries are kept and nothing runs",
            remedy="See that Prefect's server and its database run; `webhooks check` names the cause.",
        )


def _queue_behind(facts: SharedFacts, limits: Limits, opened: Collection[Place], now: datetime) -> Iterator[Trouble]:
    if facts.oldest_due_at is None:
        return
    behind, trouble = now - facts.oldest_due_at, (Rule.QUEUE_BEHIND, "")
    if behind >= (limits.queue / 2 if trouble in opened else limits.queue):
        yield Trouble(
            rule=Rule.QUEUE_BEHIND,
            summary=f"deliveries wait for Prefect since {moment(facts.oldest_due_at)}, {told(behind)} by now",
            remedy="webhooks stats shows what waits; is Prefect well, and takes it as much as comes?",
        )


def _storage_refuses(facts: MachineFacts) -> Iterator[Trouble]:
    if facts.storage_problem or facts.refused >= _REFUSED:
        told_count = f"{facts.refused} requests of the last minutes were answered 503" if facts.refused else ""
        cause = f"the inbox cannot be written: {facts.storage_problem}" if facts.storage_problem else ""
        yield Trouble(
            rule=Rule.STORAGE_REFUSES,
            subject=facts.name,
            summary=f"{facts.name}: {'; '.join(filter(None, (cause, told_count)))}",
            remedy="See that the database runs and that its disk has space; senders try again until then.",
        )


def _disk_low(facts: MachineFacts, limits: Limits, opened: Collection[Place]) -> Iterator[Trouble]:
    least = limits.disk_bytes * (_MARGIN if (Rule.DISK_LOW, facts.disk) in opened else 1)
    if facts.free_bytes is not None and facts.free_bytes < least:
        yield Trouble(
            rule=Rule.DISK_LOW,
            subject=facts.disk,
            summary=f"{facts.disk}: {facts.free_bytes // 2**20} MiB are free where the receiver keeps its state",
            remedy="Free some space, or move WEBHOOKS_HOME; on a full disk requests are answered 503.",
        )


def patience(limits: Limits) -> dict[Rule, timedelta]:
    """How long something has to last before it is raised, where that is not in its nature."""
    return {Rule.PREFECT_AWAY: limits.prefect, Rule.STORAGE_REFUSES: timedelta(seconds=30)}
