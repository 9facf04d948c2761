"""A webhook that is silent when it used not to be. Pure.

The rhythm is learned from the webhook's own past: a silence is compared with the same stretch of the week before, and
of the weeks before that. Nights, week-ends and reports on the first of a week are so part of it. A webhook of few
requests is silent for longer before that tells anything, and one of very few is never missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from receiver.alerts.facts import WebhookFacts
from receiver.alerts.trouble import Limits, Rule, Trouble, moment, told

WEEK = timedelta(days=7)
WEEKS = 4
"""How many earlier stretches are looked at."""
LEAST = timedelta(minutes=15)
"""No silence is shorter."""
ENOUGH = 5
"""Requests in a stretch that make none in it strange."""
_LEAST_WEEKS = 2


def stretches(last_at: datetime, now: datetime, first_at: datetime) -> list[tuple[datetime, datetime]]:
    """The same stretch of earlier weeks as from `last_at` to `now`, the latest first; none from before `first_at`.

    A silence of over a week is compared with as many whole weeks as it touches.
    """
    shift = max(1, ceil((now - last_at) / WEEK)) * WEEK
    found = [(last_at - number * shift, now - number * shift) for number in range(1, WEEKS + 1)]
    return [(since, until) for since, until in found if since >= first_at]


def webhook_silent(webhook: WebhookFacts, limits: Limits, now: datetime, *, open_: bool) -> Iterator[Trouble]:
    """No request for longer than there was ever none in the same stretch of the week, or than was set."""
    silence = webhook.silence
    if silence is None:
        return
    since = now - silence.last_at
    own = limits.silence or {}
    if webhook.key in own:
        longest = own[webhook.key]
        if longest is not None and since >= longest:
            yield _silent(webhook.key, silence.last_at, now, f"longer than the {told(longest)} that were set")
    elif limits.silence_learned and (open_ or _is_strange(silence.earlier)) and since >= LEAST:
        # Once raised it ends with a request: a long silence is soon longer than anything to compare it with.
        counts = ", ".join(f"{count}+" if count >= ENOUGH else str(count) for count in silence.earlier)
        usual = f"in the same stretch of earlier weeks came {counts}" if counts else "it used to have traffic"
        yield _silent(webhook.key, silence.last_at, now, usual)


def _is_strange(earlier: tuple[int, ...]) -> bool:
    """Requests came in every earlier week; of three and more, one may have been a holiday."""
    enough = sum(count >= ENOUGH for count in earlier)
    return enough >= max(_LEAST_WEEKS, len(earlier) - 1)


def _silent(key: str, last_at: datetime, now: datetime, why: str) -> Trouble:
    return Trouble(
        rule=Rule.WEBHOOK_SILENT,
        subject=key,
        summary=f"{key}: no request for {told(now - last_at)}, since {moment(last_at)}; {why}",
        remedy="See at the sender whether the webhook is on and what it says of its last deliveries; for another time "
        f"set WEBHOOKS_ALERT_SILENCE={key}=1d, for none {key}=off.",
    )
