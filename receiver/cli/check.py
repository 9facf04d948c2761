"""`webhooks check`: what would not work, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from receiver.checks.finding import Code, Finding, Level, fails
from receiver.cli import app
from receiver.cli.check_here import absent, look_at_machine, refused, two_parts
from receiver.cli.client import CommandFailed, ReceiverAbsent, open_client
from receiver.cli.deploy import FlowsTooSlow, find_definitions, read_name, refuse_hidden_flows
from receiver.cli.output import print_json, print_rich, printable, printable_lines
from receiver.contract.errors import WebhooksError

if TYPE_CHECKING:
    from receiver.settings import Settings
    from receiver.webhooks.manifest import Entry, FoundDefinition

_SECONDS = 8.0
"""The receiver is asked and the project's flows are imported at the same time, each for no longer than this."""

_MARKS = {Level.ERROR: ("✗", "bold red"), Level.WARNING: ("!", "yellow"), Level.OK: ("·", "dim")}
_IN_ORDER = ("✓", "green")


@app.command()
def check(
    key: Annotated[str | None, typer.Argument(help="Only what concerns the webhook with this key.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what would not work, each finding with the command or line that mends it.

    Works when nothing runs. Changes nothing. Exit code 1 with an error, 0 with warnings alone.

    Example: webhooks check orders
    """
    findings = examine(key)
    failed = fails(findings, strict=strict)
    if as_json:
        counts = {f"{level}s": sum(each.level is level for each in findings) for level in (Level.ERROR, Level.WARNING)}
        print_json({"good": not failed, **counts, "findings": [asdict(each) for each in findings]})
    else:
        _print(findings)
    if failed:
        raise typer.Exit(1)


def examine(key: str | None) -> list[Finding]:
    """Every finding that can be had from here: this machine's, the receiver's, the project's."""
    from receiver.checks.machine_rules import judge_machine
    from receiver.settings import load_settings

    try:
        settings = load_settings()
    except WebhooksError as error:
        return [
            _finding(Code.SETTINGS_INVALID, Level.ERROR, "settings", str(error), "Mend it in the environment or .env."),
            _finding(Code.NOT_LOOKED_AT, Level.WARNING, "everything else", "needs the settings", "webhooks check"),
        ]
    project = settings.supervisor.project.resolve()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_read_project, project)
        told, webhooks = _ask_receiver(key, settings)
        machine = judge_machine(look_at_machine(settings.state.home, project))
        return [*machine, *told, *_judge(project, reading.result(), webhooks, key)]


def _ask_receiver(key: str | None, settings: Settings) -> tuple[list[Finding], list[dict[str, Any]] | None]:
    """What the receiver found, and its webhooks; None of these when it does not tell."""
    try:
        with open_client(_SECONDS) as client:
            found = [_received(each) for each in client.get("/check", webhook=key)["findings"]]
            return found, list(client.pages("/webhooks", limit=100))
    except ReceiverAbsent as failure:
        return list(absent(failure, settings)), None
    except CommandFailed as failure:
        return [refused(failure)], None
    except (KeyError, TypeError, ValueError):
        return [refused(CommandFailed("The receiver answers otherwise. Install this version of it there."))], None


def _received(each: dict[str, str]) -> Finding:
    return Finding(**{**each, "level": Level(each["level"])})  # type: ignore[arg-type]  # a wrong field is a TypeError


_Project = tuple[list["Entry"], list["FoundDefinition"]]


def _read_project(project: Path) -> _Project | Finding:
    """Entries and definitions of the project, or why there are none."""
    from receiver.checks.project_rules import PROJECT, project_broken

    if not (project / "prefect.yaml").is_file():
        problem = f"was not looked at: there is no prefect.yaml in {project}"
        remedy = "Run this in the project's folder, or set WEBHOOKS_PROJECT to it."
        return _finding(Code.NOT_LOOKED_AT, Level.OK, PROJECT, problem, remedy)
    try:
        refuse_hidden_flows(project)
    except CommandFailed as failure:
        return _finding(Code.FLOWS_HIDDEN, Level.ERROR, PROJECT, *two_parts(str(failure)))
    try:
        return find_definitions(project, _SECONDS)
    except FlowsTooSlow as slow:
        problem = f"was not looked at: {two_parts(str(slow))[0]}"
        return _finding(Code.NOT_LOOKED_AT, Level.WARNING, PROJECT, problem, "webhooks deploy --dry-run")
    except (CommandFailed, WebhooksError) as failure:
        return project_broken(str(failure))


def _judge(
    project: Path, read: _Project | Finding, webhooks: list[dict[str, Any]] | None, key: str | None
) -> list[Finding]:
    from receiver.checks.project_rules import judge_project

    return [read] if isinstance(read, Finding) else judge_project(*read, webhooks, key, read_name(project))


def _finding(code: Code, level: Level, subject: str, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=level, subject=subject, problem=problem, remedy=remedy)


def _print(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for name in ("subject", "mark", "finding"):
        table.add_column(name, overflow="fold", no_wrap=name == "mark")
    for subject in dict.fromkeys(each.subject for each in findings):
        title = printable(subject)
        for each in findings:
            if each.subject == subject:
                mark, style = _IN_ORDER if each.code == Code.NOTHING_WRONG else _MARKS[each.level]
                words = Text(printable_lines(each.problem))
                if each.remedy:
                    words.append(f"\n→ {printable_lines(each.remedy)}", style="cyan")
                table.add_row(Text(title, style="bold"), Text(mark, style=style), words)
                title = ""
    print_rich(table)
    print(f"\n{_summary(findings)}")


def _summary(findings: Sequence[Finding]) -> str:
    errors, warnings = (sum(each.level is level for each in findings) for level in (Level.ERROR, Level.WARNING))
    if not errors and not warnings:
        return "Nothing found that would not work."
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
