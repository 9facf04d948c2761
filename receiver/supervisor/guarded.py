"""A process under a guard (`guard.py`): it ends when we end, however we end, and takes its descendants along."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_GUARD = Path(__file__).with_name("guard.py")


@dataclass(frozen=True, kw_only=True)
class Account:
    """A system account that a command runs as; only root can start such a command."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run and how it ends: `stop_signal`, then `grace` seconds of time.

    What is left of it and its descendants then gets SIGTERM, and `family_grace` seconds later SIGKILL. `lost_grace`
    takes the place of `grace` when the starter is gone. `held` are open files (a lock) that the guard keeps open until
    the last descendant has ended.
    """

    argv: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    lost_grace: float = 4.0
    family_grace: float = 3.0
    cwd: Path | None = None
    account: Account | None = None
    held: tuple[int, ...] = ()

    def guarded(self) -> tuple[str, ...]:
        """The command line of the guard for this command. Give it a pipe as standard input and a new session."""
        config = {
            "argv": self.argv,
            "stop_signal": int(self.stop_signal),
            "grace": self.grace,
            "lost_grace": self.lost_grace,
            "family_grace": self.family_grace,
            "cwd": str(self.cwd) if self.cwd else None,
            "account": (self.account.uid, self.account.gid) if self.account else None,
            "held": self.held,
        }
        return (sys.executable, "-I", "-S", str(_GUARD), json.dumps(config))


class GuardedProcess:
    """A running command, for synchronous callers. `output` takes its standard output and error."""

    def __init__(self, command: Command, env: Mapping[str, str], output: IO[bytes]) -> None:
        self._command = command
        self._process = subprocess.Popen(  # noqa: S603 (the caller's own command)
            command.guarded(),
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=command.held,
        )

    @property
    def pid(self) -> int:
        """The guard's process id; the command is its child."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status (128 + signal when killed by one), None while it runs."""
        return self._process.poll()

    def stop(self) -> int:
        """End it and its descendants, kindly and then by force; returns the exit status. Harmless when it has ended."""
        assert self._process.stdin is not None
        if self._process.poll() is None:
            try:
                self._process.stdin.write(b"s")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # it ended between the look and the word
        status = self._process.wait()
        self._process.stdin.close()
        return status
