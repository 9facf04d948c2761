"""What is wrong with the machine a command runs on: its Python, its Prefect, the home folder, its disk. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote

from receiver.checks.finding import Code, Finding, Level, nothing_wrong, unless_troubled
from receiver.checks.versions import LEAST_PYTHON, SUPPORTED_PREFECT, supports_prefect

INSTALLATION, HOME, FLOWS = "installation", "home folder", "flows"
_COMFORT = 5
"""So many times what a start needs ought to be free: bodies are stored, and Prefect's database grows."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was found. `home_mode` and `free_bytes` are None while there is no home yet.

    `least_free_bytes` is what `webhooks up` needs to start. `hiding` are the files `flows/__init__.py` on the import
    path outside the project.
    """

    python: tuple[int, int]
    prefect: str
    home: str
    home_mode: int | None
    free_bytes: int | None
    least_free_bytes: int
    hiding: tuple[str, ...] = ()


def python_unsupported(machine: Machine) -> Iterator[Finding]:
    """An older Python than the project is for."""
    least = ".".join(map(str, LEAST_PYTHON))
    if machine.python < LEAST_PYTHON:
        found = ".".join(map(str, machine.python))
        remedy = f"Make the virtual environment anew with Python {least} or newer."
        yield _error(Code.PYTHON_UNSUPPORTED, INSTALLATION, f"this is Python {found}", remedy)


def prefect_unsupported(machine: Machine) -> Iterator[Finding]:
    """Another Prefect than the project is for is installed here."""
    if not supports_prefect(machine.prefect):
        problem = f"Prefect {machine.prefect or 'is not'} installed, supported is {SUPPORTED_PREFECT}"
        remedy = f"pip install 'prefect{SUPPORTED_PREFECT}'"
        yield _error(Code.PREFECT_VERSION_UNSUPPORTED, INSTALLATION, problem, remedy)


def home_open(machine: Machine) -> Iterator[Finding]:
    """Others on this machine may look into the folder that holds keys and what senders sent."""
    if machine.home_mode is not None and machine.home_mode & 0o077:
        problem = f"{machine.home} has mode {machine.home_mode:04o}: others may look into it"
        yield _warning(Code.HOME_OPEN, HOME, problem, f"chmod 700 {quote(machine.home)}")


def disk_nearly_full(machine: Machine) -> Iterator[Finding]:
    """Nothing can be stored on a full disk, so nothing is acknowledged."""
    free, least = machine.free_bytes, machine.least_free_bytes
    if free is None or free >= _COMFORT * least:
        return
    problem = f"{free // 2**20} MiB are free where {machine.home} is"
    remedy = "Free some space there, or set WEBHOOKS_HOME to a folder on another disk."
    if free < least:
        needed = f"{problem}; `webhooks up` needs {least // 2**20} to start"
        yield _error(Code.DISK_NEARLY_FULL, HOME, needed, remedy)
    else:
        yield _warning(Code.DISK_NEARLY_FULL, HOME, problem, remedy)


def flows_hidden(machine: Machine) -> Iterator[Finding]:
    """An installed package named `flows` is found instead of ours."""
    for file in machine.hiding:
        problem = f"{file} hides our flows.nodes: both folders must be one namespace package"
        yield _error(Code.FLOWS_HIDDEN, FLOWS, problem, f"Uninstall what put it there, or: rm {quote(file)}")


RULES: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    python_unsupported,
    prefect_unsupported,
    home_open,
    disk_nearly_full,
    flows_hidden,
)


def judge_machine(machine: Machine) -> list[Finding]:
    """Every finding about the machine."""
    found = [finding for rule in RULES for finding in rule(machine)]
    python = ".".join(map(str, machine.python))
    home = f"{machine.home}, {machine.free_bytes // 2**20} MiB free" if machine.free_bytes else "is not made yet"
    in_order = (nothing_wrong(INSTALLATION, f"Python {python}, Prefect {machine.prefect}"), nothing_wrong(HOME, home))
    return unless_troubled(found, in_order)


def _error(code: Code, subject: str, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, subject=subject, problem=problem, remedy=remedy)


def _warning(code: Code, subject: str, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.WARNING, subject=subject, problem=problem, remedy=remedy)
