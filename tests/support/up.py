"""`webhooks up` as a process of its own, with a home that vanishes after the test."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from receiver.supervisor.quarters import abandon
from tests.support.ordinary_user import as_ordinary_user
from tests.support.ports import free_ports
from tests.support.prefect import outside_environment
from tests.support.processes import marked
from tests.support.waiting import wait_until

PROJECT = Path(__file__).parents[2]
READY = "Everything runs"
_ARGV = [sys.executable, "-m", "receiver.cli", "up"]


@dataclass
class Up:
    """A started `webhooks up`. `env` is what a shell beside it would have, so that `webhooks list` finds everything."""

    process: subprocess.Popen[bytes]
    log: Path
    home: Path
    port: int
    prefect_port: int
    env: dict[str, str]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def prefect_api(self) -> str:
        return f"http://127.0.0.1:{self.prefect_port}/api"

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    def wait_ready(self, timeout: float = 240) -> None:
        """Until its panel is printed; AssertionError with its output when it ends before or has a failed job."""
        ends = (READY, "Running, but without")
        wait_until(
            lambda: any(end in self.output() for end in ends) or self.process.poll() is not None,
            timeout,
            what="up is ready",
        )
        assert READY in self.output(), self.output()

    def end(self, number: signal.Signals) -> int:
        """Send it a signal and wait for its end and for that of all its processes; its exit status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        wait_until(lambda: not self.processes(), what=f"none is left of {self.processes()}")
        return status

    def processes(self) -> dict[int, str]:
        """Its processes by id, however they were started: all carry the home in their environment."""
        return marked("WEBHOOKS_HOME", str(self.home))

    def admin_key(self) -> str:
        return (self.home / "admin.key").read_text().strip()

    def pasted(self) -> str:
        """The line it asks to paste."""
        found = re.search(r"^curl .*$", self.output(), re.MULTILINE)
        assert found, self.output()
        return found[0]


@contextmanager
def started_up(home: Path, settings: Mapping[str, str] | None = None, *, ordinary_user: bool = False) -> Iterator[Up]:
    """Start it on `home` with free ports; whatever happens inside, nothing of it runs afterwards."""
    port, prefect_port = free_ports(2)
    env = _environment(home, port, prefect_port, settings)
    log = home.parent / f"{home.name}.output"
    with log.open("wb") as output:
        process = subprocess.Popen(
            as_ordinary_user(_ARGV) if ordinary_user else _ARGV,
            env=env,
            cwd=home.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    up = Up(process=process, log=log, home=home, port=port, prefect_port=prefect_port, env=env)
    try:
        yield up
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        wait_until(lambda: not up.processes(), what=f"none is left of {up.processes()}")


def remove_home(home: Path) -> None:
    """Also what PostgreSQL has outside the home when root started it."""
    abandon(home / "postgres")


def run_up_to_its_end(home: Path, settings: Mapping[str, str] | None = None) -> tuple[int, str]:
    """For an `up` that cannot start: its exit status and all it printed."""
    port, prefect_port = free_ports(2)
    done = subprocess.run(
        _ARGV,
        env=_environment(home, port, prefect_port, settings),
        cwd=home.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def _environment(home: Path, port: int, prefect_port: int, settings: Mapping[str, str] | None) -> dict[str, str]:
    return {
        **outside_environment(),
        "WEBHOOKS_HOME": str(home),
        "WEBHOOKS_PROJECT": str(PROJECT),
        "WEBHOOKS_PORT": str(port),
        "WEBHOOKS_PREFECT_PORT": str(prefect_port),
        **(settings or {}),
    }


def command(up: Up, *words: str) -> subprocess.CompletedProcess[str]:
    """`webhooks` beside a running `up`, in the shell of the same person."""
    return subprocess.run(
        [sys.executable, "-m", "receiver.cli", *words],
        env={**up.env, "PATH": os.environ["PATH"]},
        cwd=up.home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
