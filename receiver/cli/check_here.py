"""What only a shell on this machine can see: that no receiver is there, and what would keep one from starting."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from receiver.checks.finding import Code, Finding, Level
from receiver.checks.machine_rules import Machine
from receiver.cli.client import CommandFailed
from receiver.contract.errors import WebhooksError

if TYPE_CHECKING:
    from receiver.settings import Settings

INBOX, RECEIVER = "inbox", "receiver"


def look_at_machine(home: Path, project: Path) -> Machine:
    """The facts about this machine. `project` is left out of the folders whose `flows` may hide ours."""
    from receiver.supervisor.home import LEAST_FREE_BYTES

    there = home.is_dir()
    return Machine(
        python=(sys.version_info.major, sys.version_info.minor),
        prefect=_installed("prefect"),
        home=str(home),
        home_mode=stat.S_IMODE(home.stat().st_mode) if there else None,
        free_bytes=shutil.disk_usage(home).free if there else None,
        least_free_bytes=LEAST_FREE_BYTES,
        hiding=tuple(str(file) for file in _hiding(project)),
    )


def absent(failure: CommandFailed, settings: Settings) -> Iterator[Finding]:
    """No receiver answers: why one could not start here, and what therefore was not looked at."""
    problem, remedy = two_parts(str(failure))
    yield _error(Code.RECEIVER_ABSENT, RECEIVER, problem, remedy)
    yield Finding(
        code=Code.NOT_LOOKED_AT,
        level=Level.WARNING,
        subject="webhooks, Prefect and its workers",
        problem="were not looked at: a running receiver does that",
        remedy="webhooks up",
    )
    if not os.environ.get("WEBHOOKS_URL"):  # else the receiver is, or ought to be, somewhere else
        yield from _certificate(settings)
        yield from _ports(settings)
        yield from _database(settings)


def refused(failure: CommandFailed) -> Finding:
    """A receiver answers, and not what was asked for."""
    problem, remedy = two_parts(str(failure))
    return _error(Code.RECEIVER_REFUSES, RECEIVER, problem, remedy)


def two_parts(message: str) -> tuple[str, str]:
    """What is wrong and what to do: commands say the one in their message's first sentence, the other after it."""
    first, _, rest = message.partition("\n") if "\n" in message else message.partition(". ")
    return first, rest


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _hiding(project: Path) -> Iterator[Path]:
    for folder in dict.fromkeys(Path(entry or ".").resolve() for entry in sys.path):
        file = folder / "flows" / "__init__.py"
        if folder != project and file.is_file():
            yield file


def _certificate(settings: Settings) -> Iterator[Finding]:
    if settings.http.tls_certificate is not None:
        from receiver.tls import check_pair

        try:
            check_pair(settings.http.tls_certificate, settings.http.tls_key)
        except WebhooksError as error:
            yield _error(Code.SETTINGS_INVALID, RECEIVER, str(error), "Name the files of a certificate and its key.")


def _ports(settings: Settings) -> Iterator[Finding]:
    from receiver.supervisor.failures import CannotRun
    from receiver.supervisor.preflight import take_port

    wanted = [(settings.http.host, settings.http.port, "WEBHOOKS_PORT")]
    if settings.http.admin_port is not None:
        wanted.append((settings.http.admin_host, settings.http.admin_port, "WEBHOOKS_ADMIN_PORT"))
    if not os.environ.get("PREFECT_API_URL"):  # else `up` starts none
        wanted.append(("127.0.0.1", settings.supervisor.prefect_port, "WEBHOOKS_PREFECT_PORT"))
    for host, port, setting in wanted:
        try:
            take_port(host, port, setting)
        except CannotRun as error:
            yield _error(Code.PORT_TAKEN, RECEIVER, error.problem, error.next_step)


def _database(settings: Settings) -> Iterator[Finding]:
    from receiver.storage.condition import look_at

    url = settings.state.database_url
    try:
        found = look_at(url.get_secret_value() if url else None, settings.state.home)
    except WebhooksError as error:
        remedy = "See that it runs, and that WEBHOOKS_DATABASE_URL is right."
        yield _error(Code.INBOX_UNAVAILABLE, INBOX, str(error), remedy)
        return
    if found is None or found.revision == found.head:
        return
    if not found.known:
        problem = f"a newer prefect-webhooks made its tables (revision {found.revision})"
        yield _error(Code.DATABASE_NEWER, INBOX, problem, "Install that version: pip install -U prefect-webhooks")
    else:
        yield Finding(
            code=Code.DATABASE_BEHIND,
            level=Level.WARNING,
            subject=INBOX,
            problem=f"its tables are of revision {found.revision or 'none'}, this code brings them to {found.head}",
            remedy="webhooks up (or `webhooks serve`) does so when it starts; back the database up before",
        )


def _error(code: Code, subject: str, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, subject=subject, problem=problem, remedy=remedy)
