"""What is wrong with how the receiver is set up, and with its inbox. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from shlex import quote
from urllib.parse import urlsplit

from receiver.checks.finding import Code, Finding, Level
from receiver.checks.situation import Situation
from receiver.prefect_gateway.survey import Access

RECEIVER, INBOX = "receiver", "inbox"
_SKEW_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
"""A delivery that waits longer for its hand-over is worth a word."""
_SOON = timedelta(days=14)


def admin_not_apart(situation: Situation) -> Iterator[Finding]:
    """The receiver is meant for the public, and its admin API listens on the same port."""
    if situation.receiver.public_url and not situation.receiver.admin_apart:
        yield Finding(
            code=Code.ADMIN_NOT_APART,
            level=Level.WARNING,
            subject=RECEIVER,
            problem="WEBHOOKS_PUBLIC_URL is set, and the admin API listens on the same port as the webhooks",
            remedy="Give it a port of its own with WEBHOOKS_ADMIN_PORT; or let the proxy pass /api/webhooks/, "
            "/api/deliveries/ and /api/approvals/ and nothing else.",
        )


def public_url_plain(situation: Situation) -> Iterator[Finding]:
    """Senders would send secrets and data for everybody on the way to read."""
    address = urlsplit(situation.receiver.public_url or "")
    if address.scheme == "http" and address.hostname not in {"localhost", "127.0.0.1", "::1"}:
        yield Finding(
            code=Code.PUBLIC_URL_PLAIN,
            level=Level.WARNING,
            subject=RECEIVER,
            problem="WEBHOOKS_PUBLIC_URL begins with http://: what is sent there can be read on its way",
            remedy="Let the proxy speak TLS, or the receiver by WEBHOOKS_TLS_CERTIFICATE, and set "
            f"WEBHOOKS_PUBLIC_URL=https://{address.hostname}",
        )


def warns_nobody(situation: Situation) -> Iterator[Finding]:
    """The receiver is meant for the public, and nobody hears when something goes wrong."""
    if situation.receiver.public_url and not situation.receiver.warns:
        yield Finding(
            code=Code.WARNS_NOBODY,
            level=Level.WARNING,
            subject=RECEIVER,
            problem="WEBHOOKS_PUBLIC_URL is set, and warnings go to Prefect's events alone, which may be what is down",
            remedy="Set WEBHOOKS_ALERT_URL, or WEBHOOKS_ALERT_SMTP_URL and WEBHOOKS_ALERT_EMAIL_TO, then "
            "`webhooks alerts --test`",
        )


def clock_skew(situation: Situation) -> Iterator[Finding]:
    """Clocks that differ spoil signatures with a time, run times and the order of states."""
    if situation.prefect.access is Access.OPENED:
        yield from _skew("Prefect", situation.prefect.clock_ahead)
    if situation.inbox.clock_ahead is not None:
        yield from _skew(INBOX, situation.inbox.clock_ahead)


def inbox_unavailable(situation: Situation) -> Iterator[Finding]:
    """Requests are answered 503."""
    if situation.inbox.problem:
        remedy = "See that the database runs, has space and is where WEBHOOKS_DATABASE_URL says."
        yield Finding(
            code=Code.INBOX_UNAVAILABLE,
            level=Level.ERROR,
            subject=INBOX,
            problem=situation.inbox.problem,
            remedy=remedy,
        )


def database_revision(situation: Situation) -> Iterator[Finding]:
    """The tables are not those that this receiver's code was written for: another version has been at work."""
    inbox = situation.inbox
    if not inbox.problem and inbox.revision != inbox.head:
        yield Finding(
            code=Code.DATABASE_NEWER if inbox.newer else Code.DATABASE_BEHIND,
            level=Level.ERROR,
            subject=INBOX,
            problem=f"its tables are of revision {inbox.revision}, this receiver's code is of {inbox.head}",
            remedy="Install one version of prefect-webhooks everywhere and start every receiver again.",
        )


def deliveries_wait(situation: Situation) -> Iterator[Finding]:
    """What is due for its hand-over waits for long."""
    since = situation.inbox.oldest_due_at
    if since is not None and (situation.now - since).total_seconds() > _PATIENCE_SECONDS:
        count = situation.inbox.waiting
        yield Finding(
            code=Code.DELIVERIES_WAIT,
            level=Level.WARNING,
            subject=INBOX,
            problem=f"{count} deliver{'y waits' if count == 1 else 'ies wait'} to be handed over to Prefect, "
            f"the first since {_moment(since)}",
            remedy="webhooks deliveries --status queued",
        )


def key_expires(situation: Situation) -> Iterator[Finding]:
    """Whatever uses the key is answered 401 then."""
    for key in situation.keys:
        if key.expires_at - situation.now <= _SOON:
            over = key.expires_at <= situation.now
            renew = f"webhooks keys create {quote(key.name)} --scope {key.scope} --expires 90d"
            yield Finding(
                code=Code.KEY_EXPIRES,
                level=Level.WARNING,
                subject=f"key {key.name}",
                problem=f"expire{'d' if over else 's'} {_moment(key.expires_at)}: what uses it "
                f"{'is' if over else 'will be'} answered 401",
                remedy=f"`{renew}`, give what uses it the new one, then `webhooks keys revoke {key.id}`",
            )


RULES: tuple[Callable[[Situation], Iterator[Finding]], ...] = (
    admin_not_apart,
    public_url_plain,
    warns_nobody,
    inbox_unavailable,
    database_revision,
    clock_skew,
    deliveries_wait,
    key_expires,
)


def judge_receiver(situation: Situation) -> list[Finding]:
    """Every finding about the receiver and its inbox."""
    return [finding for rule in RULES for finding in rule(situation)]


def _skew(subject: str, ahead: float) -> Iterator[Finding]:
    if abs(ahead) > _SKEW_SECONDS:
        yield Finding(
            code=Code.CLOCK_SKEW,
            level=Level.WARNING,
            subject=subject,
            problem=f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the receiver's",
            remedy="Keep both machines' clocks by NTP; `timedatectl` tells whether one is.",
        )


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
