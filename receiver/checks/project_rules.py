"""What is wrong with a project: its entries, its webhooks, and what of them the receiver does not have yet. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from receiver.checks.finding import Code, Finding, Level, nothing_wrong, unless_troubled
from receiver.contract.errors import DefinitionError
from receiver.webhooks.deploy_plan import Change, Step, plan_deploy
from receiver.webhooks.manifest import Entry, FoundDefinition, bind_deployments

PROJECT = "project"

Webhooks = Sequence[Mapping[str, Any]]
"""As the admin API tells them."""


def judge_project(
    entries: Sequence[Entry],
    found: Sequence[FoundDefinition],
    existing: Webhooks | None,
    key: str | None,
    source: str | None = None,
) -> list[Finding]:
    """Every finding. `existing` is None when no receiver told; with `key` only what concerns that webhook.

    `source` is the project's name: webhooks of other projects are none of its concern.
    """
    try:
        wanted = bind_deployments(found, entries)
    except DefinitionError as error:
        return [project_broken(str(error))]
    findings = [] if key is not None else list(_without_webhook(entries, found, existing or ()))
    if existing is not None:
        steps = [step for step in plan_deploy(wanted, existing, source) if key in {None, step.key}]
        findings += [finding for step in steps for finding in _undone(step)]
    count = len(wanted)
    told = f"{len(entries)} deployments in prefect.yaml, {count} webhook{'' if count == 1 else 's'} in its code"
    return unless_troubled(findings, [nothing_wrong(PROJECT, told)])


def project_broken(problem: str) -> Finding:
    """Nothing of the project can be deployed."""
    return Finding(
        code=Code.PROJECT_BROKEN,
        level=Level.ERROR,
        subject=PROJECT,
        problem=problem,
        remedy="Mend it, then: webhooks deploy --dry-run",
    )


def _without_webhook(
    entries: Sequence[Entry], found: Sequence[FoundDefinition], existing: Webhooks
) -> Iterator[Finding]:
    """For information: a flow that no webhook starts may well be started otherwise."""
    with_webhook = {each.entrypoint for each in found}
    bound = {str(webhook.get("deployment")).partition("/")[2] for webhook in existing}
    for entry in entries:
        if entry.entrypoint not in with_webhook and entry.name not in bound:
            yield Finding(
                code=Code.ENTRY_WITHOUT_WEBHOOK,
                level=Level.OK,
                subject=PROJECT,
                problem=f"no webhook starts the deployment '{entry.name}' ({entry.entrypoint})",
                remedy="If one is to: put @webhook on its flow and run `webhooks deploy`.",
            )


def _undone(step: Step) -> Iterator[Finding]:
    """What `webhooks deploy` would do about a webhook."""
    subject = f"webhook {step.key}"
    match step.change:
        case Change.CONFLICT:
            yield Finding(
                code=Code.WEBHOOK_CONFLICT,
                level=Level.ERROR,
                subject=subject,
                problem="code defines it, and the receiver has one of that key that was not made by code",
                remedy="Give the flow's webhook another key, or delete the one there is.",
            )
        case Change.FOREIGN:
            yield Finding(
                code=Code.WEBHOOK_CONFLICT,
                level=Level.ERROR,
                subject=subject,
                problem=f"code defines it, and the receiver has it from the project '{step.owner}'",
                remedy="Give the flow's webhook another key, or, if it moved here: webhooks deploy --take-over",
            )
        case Change.CREATED:
            yield _not_deployed(subject, "code defines it, and the receiver does not have it", "webhooks deploy")
        case Change.CHANGED:
            fields = ", ".join(step.fields)
            yield _not_deployed(subject, f"code and receiver differ in: {fields}", "webhooks deploy")
        case Change.VANISHED:
            problem = "the receiver has it from code, where it is no more"
            yield _not_deployed(subject, problem, "webhooks deploy --prune")
        case Change.UNCHANGED:
            return


def _not_deployed(subject: str, problem: str, remedy: str) -> Finding:
    return Finding(code=Code.NOT_DEPLOYED, level=Level.WARNING, subject=subject, problem=problem, remedy=remedy)
