"""What would keep a webhook's callers out. Pure: a webhook and the situation in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from receiver.checks.finding import Code, Finding, Level
from receiver.checks.situation import CallerFacts, Situation, WebhookFacts

TRUST = "Name the proxy in WEBHOOKS_TRUSTED_PROXIES and start the receiver again."
_CERTIFICATES = "Set WEBHOOKS_CLIENT_CERT_HEADER and WEBHOOKS_TRUSTED_PROXIES and start the receiver again."
_SETS = "See the file of WEBHOOKS_NETWORK_SETS, and that the receiver reaches what it names."


def allowlist_behind_proxy(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """An allowlist that can never match: the receiver sees a proxy that it does not believe."""
    if problem := webhook.callers.proxied:
        told = f"its ip_allowlist can match nobody: {problem}"
        yield _found(Code.ALLOWLIST_BEHIND_PROXY, Level.WARNING, webhook, told, TRUST)


def network_set_unavailable(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """A set that has never been loaded, or that nobody named: its requests get 503."""
    if problem := webhook.callers.lost_sets:
        yield _found(Code.NETWORK_SET_UNAVAILABLE, Level.ERROR, webhook, problem, _SETS)


def network_set_old(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """A set that cannot be renewed: the last good one counts."""
    if problem := webhook.callers.old_sets:
        yield _found(Code.NETWORK_SET_OLD, Level.WARNING, webhook, f"{problem}; the last good one counts", _SETS)


def certificates_unread(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """Client certificates are asked for, and no proxy is believed that passes them on."""
    if webhook.callers.no_certificates:
        problem = "no header is read in which a trusted proxy passes on client certificates: every request gets 401"
        yield _found(Code.CERTIFICATES_UNREAD, Level.ERROR, webhook, problem, _CERTIFICATES)


def warnings_of(callers: CallerFacts) -> list[str]:
    """The same as sentences, for whoever defines the webhook."""
    told = []
    if callers.proxied:
        told.append(f"ip_allowlist can match nobody: {callers.proxied}. {TRUST}")
    if callers.lost_sets:
        told.append(f"Until it is loaded, requests get 503: {callers.lost_sets}.")
    if callers.no_certificates:
        told.append(f"Every request will get 401. {_CERTIFICATES}")
    return told


RULES = (allowlist_behind_proxy, network_set_unavailable, network_set_old, certificates_unread)


def _found(code: Code, level: Level, webhook: WebhookFacts, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=level, subject=webhook.subject, problem=problem, remedy=remedy)
