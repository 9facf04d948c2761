"""What `up` brings up, as values: parts that stay, jobs that end, and what each needs before it starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from receiver.supervisor.guarded import Command

Probe = Callable[[], Awaitable[bool]]
"""Whether a part is ready now; asked again and again."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process that stays. Ready once a line of its output held `ready_line` and `probe` says so, if it has them."""

    name: str
    title: str
    command: Command
    env: Mapping[str, str] = field(repr=False)
    needs: tuple[str, ...] = ()
    probe: Probe | None = None
    ready_line: str | None = None
    ready_within: float = 240.0
    next_step: str = ""
    """What a person can do when it does not come up."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A process that does something and ends. When it fails `up` says so with `next_step` and goes on.

    `late_env` is asked when it starts, for what an earlier step has found out.
    """

    name: str
    title: str
    command: Command
    env: Mapping[str, str] = field(repr=False)
    late_env: Callable[[], Mapping[str, str]] = dict
    needs: tuple[str, ...] = ()
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something `up` does by itself. Raises CannotRun when `up` cannot go on without it."""

    name: str
    title: str
    act: Callable[[], Awaitable[None]]
    needs: tuple[str, ...] = ()


Step = Part | Job | Action
