"""What would keep one webhook from working. Pure: a webhook and the situation in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from shlex import quote

from receiver.checks.caller_rules import RULES as CALLER_RULES
from receiver.checks.finding import Code, Finding, Level
from receiver.checks.situation import Situation, WebhookFacts
from receiver.prefect_gateway.survey import Access

WARM = "warm"
"""The type of work pool whose runs start at once."""

_USUAL_START = "3 to 13 s"
"""How long a run takes to start on a pool that makes a process or a container for each."""


def definition_broken(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """A stored definition that does not compile: template, filter, schema or scheme. Requests get 503."""
    if webhook.definition_problem:
        yield _error(Code.DEFINITION_BROKEN, webhook, webhook.definition_problem, _mend(webhook))


def path_clash(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """One request could be for two webhooks, or another one gets all of this one's."""
    if webhook.taken_by:
        problem = f"every request for its path goes to the webhook '{webhook.taken_by}'"
        yield _error(Code.NEVER_MATCHES, webhook, problem, f"Change the path of one of the two. {_mend(webhook)}")
    elif webhook.clash:
        yield _error(Code.PATH_CLASH, webhook, webhook.clash, _mend(webhook))


def secret_unavailable(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """The secret is missing, empty or unreadable. What Prefect does not tell while it is away is said of Prefect."""
    in_prefect = (webhook.secret or "").startswith("block:")
    if webhook.secret_problem and not (in_prefect and situation.prefect.access is not Access.OPENED):
        problem = f"its secret {webhook.secret} cannot be read"
        yield _error(
            Code.SECRET_UNAVAILABLE, webhook, problem, webhook.secret_problem.removeprefix(f"{webhook.secret}: ")
        )


def secret_unusable(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """The secret can be read, and is not what the scheme needs: a part is missing, or it is written otherwise."""
    enter = f"Mend it where it is kept ({webhook.secret}); `webhooks schemes {webhook.scheme}` says what to enter."
    if webhook.secret_unusable:
        yield _error(Code.SECRET_UNUSABLE, webhook, webhook.secret_unusable, enter)
    elif webhook.secret_gap:
        yield _warning(Code.SECRET_INCOMPLETE, webhook, webhook.secret_gap, enter)


def url_unknown(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """The sender signs the address it calls, and nobody told the receiver which one that is."""
    if webhook.signs_url and not situation.receiver.public_url:
        problem = (
            f"the scheme {webhook.scheme} signs the URL, and WEBHOOKS_PUBLIC_URL is not set: what is signed for "
            "another address than this machine's is refused"
        )
        remedy = "Set WEBHOOKS_PUBLIC_URL to the beginning of the address that the sender calls, and start again."
        yield _warning(Code.URL_UNKNOWN, webhook, problem, remedy)


def deployment_missing(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """Prefect has no such deployment: what comes is stored and waits, dead, for it."""
    if webhook.deployment in situation.prefect.looked_for and situation.deployment_of(webhook) is None:
        remedy = "webhooks deploy"
        if webhook.origin != "code":
            remedy = "`prefect deployment ls` lists those there are; deploy the flow, or bind the webhook to another."
        problem = f"Prefect has no deployment '{webhook.deployment}'"
        yield _error(Code.DEPLOYMENT_MISSING, webhook, problem, remedy)


def deployment_paused(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """For information: a paused deployment makes no runs by its schedules, while a webhook's runs start."""
    deployment = situation.deployment_of(webhook)
    if deployment and deployment.paused:
        problem = f"the deployment '{deployment.name}' is paused: its schedules rest, the webhook's runs start"
        yield _told(Code.DEPLOYMENT_PAUSED, webhook, problem, "")


def deployment_unserved(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """A deployment without a work pool runs only while a process serves it."""
    deployment = situation.deployment_of(webhook)
    if deployment and deployment.pool is None and not deployment.ready:
        problem = f"the deployment '{deployment.name}' has no work pool, and no process serves it"
        remedy = "Name a work pool in its entry of prefect.yaml and run `webhooks deploy`, or start what serves it."
        yield _error(Code.DEPLOYMENT_UNSERVED, webhook, problem, remedy)


def queue_paused(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """The work queue of the deployment is paused, so that no worker gets its runs."""
    deployment, pool = situation.deployment_of(webhook), situation.pool_of(webhook)
    if deployment and pool and deployment.queue in pool.paused_queues:
        problem = f"the work queue '{deployment.queue}' of the pool '{pool.name}' is paused"
        remedy = f"prefect work-queue resume {quote(deployment.queue or '')} --pool {quote(pool.name)}"
        yield _error(Code.QUEUE_PAUSED, webhook, problem, remedy)


def parameters_invalid(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """What the `parameters` give can never be what the deployment takes."""
    if webhook.parameters_problem:
        yield _error(Code.PARAMETERS_INVALID, webhook, webhook.parameters_problem, _mend(webhook))


def sync_on_slow_pool(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """A caller waits, and the pool takes seconds to start anything."""
    deployment, pool = situation.deployment_of(webhook), situation.pool_of(webhook)
    if webhook.mode != "sync" or deployment is None or (pool is not None and pool.type == WARM):
        return
    if pool is None and deployment.pool is not None:
        return  # it was not looked at
    where = f"the pool '{pool.name}' of type {pool.type}" if pool else "a process that serves the deployment"
    yield Finding(
        code=Code.SYNC_ON_SLOW_POOL,
        level=Level.WARNING,
        subject=webhook.subject,
        problem=f"callers wait {webhook.timeout:g} s at most, and a run on {where} takes {_USUAL_START} to start",
        remedy=f"Give the deployment a work pool of type {WARM} in prefect.yaml and run `webhooks deploy`.",
    )


def not_enabled(webhook: WebhookFacts, _: Situation) -> Iterator[Finding]:
    """For information: somebody paused or disabled it."""
    enable = f"webhooks enable {quote(webhook.key)}"
    if webhook.state == "paused":
        yield _told(Code.WEBHOOK_PAUSED, webhook, "is paused: requests are stored and wait", enable)
    elif webhook.state == "disabled":
        yield _told(Code.WEBHOOK_DISABLED, webhook, "is disabled: requests are answered 404", enable)


def deliveries_troubled(webhook: WebhookFacts, situation: Situation) -> Iterator[Finding]:
    """Deliveries that a person has to look at."""
    found = situation.inbox.troubled.get(webhook.key)
    if found is None:
        return
    for status, code, count in (("held", Code.DELIVERIES_HELD, found.held), ("dead", Code.DELIVERIES_DEAD, found.dead)):
        if count:
            told = f"{'over ' if found.more else ''}{count} deliver{'y is' if count == 1 else 'ies are'} {status}"
            yield Finding(
                code=code,
                level=Level.WARNING,
                subject=webhook.subject,
                problem=told,
                remedy=f"webhooks replay --webhook {quote(webhook.key)} --status {status}",
            )


Rule = Callable[[WebhookFacts, Situation], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    path_clash,
    secret_unavailable,
    secret_unusable,
    url_unknown,
    deployment_missing,
    deployment_unserved,
    queue_paused,
    parameters_invalid,
    sync_on_slow_pool,
    deployment_paused,
    *CALLER_RULES,
)
"""What is asked of a definition that compiles."""

ALWAYS: tuple[Rule, ...] = (definition_broken, not_enabled, deliveries_troubled)


def judge_webhook(webhook: WebhookFacts, situation: Situation) -> list[Finding]:
    """Every finding about a webhook. What would not work of a disabled one is a warning: nobody calls it now."""
    rules = ALWAYS if webhook.definition_problem else (*ALWAYS, *RULES)
    found = [finding for rule in rules for finding in rule(webhook, situation)]
    if webhook.state != "disabled":
        return found
    return [replace(each, level=Level.WARNING) if each.level is Level.ERROR else each for each in found]


def _mend(webhook: WebhookFacts) -> str:
    if webhook.origin == "code":
        return "Change the flow's @webhook and run: webhooks deploy"
    return f"Change the definition: PUT /api/admin/webhooks/{webhook.key}"


def _error(code: Code, webhook: WebhookFacts, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, subject=webhook.subject, problem=problem, remedy=remedy)


def _warning(code: Code, webhook: WebhookFacts, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.WARNING, subject=webhook.subject, problem=problem, remedy=remedy)


def _told(code: Code, webhook: WebhookFacts, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.OK, subject=webhook.subject, problem=problem, remedy=remedy)
