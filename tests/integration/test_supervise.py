"""The supervisor with small parts: order of start and stop, restart, giving up. Real processes, no Prefect."""

import asyncio
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console

from receiver.supervisor.failures import CannotRun
from receiver.supervisor.guarded import Command
from receiver.supervisor.home import Home, open_home
from receiver.supervisor.parts import Action, Job, Part, Step
from receiver.supervisor.supervise import Supervisor, first_failure
from receiver.supervisor.terminal import Terminal
from tests.support.processes import marked
from tests.support.waiting import eventually

MARK = "SUPERVISE_TEST"

PART = """
import os, signal, sys, time
diary, name, farewell = open(sys.argv[1], "a", buffering=1), sys.argv[2], float(sys.argv[3])
def stop(*_):
    diary.write(f"{name} asked\\n")
    time.sleep(farewell)
    diary.write(f"{name} gone\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
diary.write(f"{name} up {os.getpid()}\\n")
print(f"{name} is ready", flush=True)
while True:
    time.sleep(60)
"""


class Stage:
    """A home, a diary that the parts write into, and what the terminal showed."""

    def __init__(self, folder: Path) -> None:
        self.mark = uuid4().hex
        self.home: Home = open_home(folder / "home")
        self.diary = folder / "diary"
        self.diary.touch()
        self.screen = io.StringIO()
        self.terminal = Terminal(Console(file=self.screen, force_terminal=False, width=200))
        self.up = asyncio.Event()
        self.failed: list[str] = []

    async def _when_up(self, failed: list[str]) -> None:
        self.failed = failed
        self.up.set()

    def supervisor(self, *steps: Step) -> Supervisor:
        return Supervisor(steps, self.home, self.terminal, when_up=self._when_up)

    def env(self) -> dict[str, str]:
        return {**os.environ, MARK: self.mark}

    def part(self, name: str, *needs: str, code: str = PART, farewell: float = 0, grace: float = 5) -> Part:
        argv = (sys.executable, "-c", code, str(self.diary), name, str(farewell))
        return Part(
            name=name,
            title=name,
            command=Command(argv=argv, grace=grace, family_grace=0.1),
            env=self.env(),
            needs=needs,
            ready_line="is ready",
        )

    def job(self, name: str, code: str, *needs: str) -> Job:
        command = Command(argv=(sys.executable, "-c", code))
        return Job(name=name, title=name, command=command, env=self.env(), needs=needs, next_step="mend it")

    def entries(self) -> list[str]:
        """The diary without process ids."""
        return [" ".join(line.split()[:2]) for line in self.diary.read_text().splitlines()]

    def pid(self, name: str) -> int:
        return [int(line.split()[2]) for line in self.diary.read_text().splitlines() if line.startswith(f"{name} up")][
            -1
        ]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    os.close(stage.home.lock)
    assert not marked(MARK, stage.mark)


async def test_parts_come_up_in_the_order_of_their_needs_and_stop_intake_first(stage: Stage) -> None:
    async def act() -> None:
        with stage.diary.open("a") as diary:
            diary.write("pool made\n")

    supervisor = stage.supervisor(
        stage.part("worker", "pool"),
        stage.part("receiver", "prefect", farewell=0.3),
        Action(name="pool", title="pool", act=act, needs=("prefect",)),
        stage.part("prefect", "postgres"),
        stage.part("postgres"),
    )
    running = asyncio.create_task(supervisor.run())
    await stage.up.wait()
    assert stage.entries()[:2] == ["postgres up", "prefect up"]
    assert stage.entries().index("pool made") < stage.entries().index("worker up")
    os.kill(os.getpid(), signal.SIGTERM)
    await running
    ends = [entry for entry in stage.entries() if not entry.endswith(("up", "made"))]
    # The receiver is asked first and goes on until it is done, the worker meanwhile; Prefect and its database wait.
    assert sorted(ends[:3]) == ["receiver asked", "worker asked", "worker gone"]
    assert ends[3:] == ["receiver gone", "prefect asked", "prefect gone", "postgres asked", "postgres gone"]


async def test_a_part_that_dies_is_started_again(stage: Stage) -> None:
    supervisor = stage.supervisor(stage.part("worker"))
    running = asyncio.create_task(supervisor.run())
    await stage.up.wait()
    first = stage.pid("worker")
    os.kill(first, signal.SIGKILL)

    async def is_back() -> bool:
        return "worker is ready again" in stage.screen.getvalue()

    await eventually(is_back)
    assert stage.pid("worker") != first
    assert "worker ended by signal 9; again in 0.5 s" in stage.screen.getvalue()
    supervisor.ask_to_stop()
    await running


async def test_a_part_that_does_not_come_up_ends_all_with_its_last_lines(stage: Stage) -> None:
    supervisor = stage.supervisor(
        stage.part("postgres"), stage.part("prefect", "postgres", code="raise SystemExit('no room left on the stage')")
    )
    with pytest.raises((CannotRun, ExceptionGroup)) as raised:
        await supervisor.run()
    failure = first_failure(raised.value)
    assert failure
    assert failure.problem == "prefect does not come up: it ended 2 times in a row, the last time with status 1."
    assert failure.evidence == "no room left on the stage\nno room left on the stage"
    assert str(stage.home.logs / "prefect.log") in failure.next_step
    assert stage.entries()[-1] == "postgres gone"


async def test_an_action_that_fails_ends_all(stage: Stage) -> None:
    async def act() -> None:
        raise CannotRun("Prefect does not answer.", "Start it.")

    supervisor = stage.supervisor(
        stage.part("receiver"), Action(name="pool", title="pool", act=act, needs=("receiver",))
    )
    with pytest.raises(ExceptionGroup) as raised:
        await supervisor.run()
    failure = first_failure(raised.value)
    assert failure
    assert failure.next_step == "Start it."
    assert stage.entries()[-1] == "receiver gone"


async def test_a_job_that_fails_is_shown_with_the_next_step_and_the_rest_goes_on(stage: Stage) -> None:
    supervisor = stage.supervisor(
        stage.part("receiver"), stage.job("webhooks", "raise SystemExit('no such flow [/red]')", "receiver")
    )
    running = asyncio.create_task(supervisor.run())
    await stage.up.wait()
    shown = stage.screen.getvalue()
    assert stage.failed == ["webhooks"]
    assert "webhooks failed (with status 1)" in shown
    assert "no such flow [/red]" in shown
    assert "mend it" in shown
    assert (stage.home.logs / "webhooks.log").read_text() == "no such flow [/red]\n"
    supervisor.ask_to_stop()
    await running


async def test_asked_twice_it_does_not_wait_for_a_slow_farewell(stage: Stage) -> None:
    supervisor = stage.supervisor(stage.part("receiver", farewell=300, grace=300))
    running = asyncio.create_task(supervisor.run())
    await stage.up.wait()
    supervisor.ask_to_stop()

    async def is_asked() -> bool:
        return "receiver asked" in stage.entries()

    await eventually(is_asked)
    supervisor.ask_to_stop()
    await asyncio.wait_for(running, 30)
    assert "receiver gone" not in stage.entries()


async def test_asked_while_parts_come_up_it_stops_those_that_run(stage: Stage) -> None:
    supervisor = stage.supervisor(
        stage.part("prefect"), stage.part("receiver", "prefect", code="import time; time.sleep(600)")
    )
    running = asyncio.create_task(supervisor.run())

    async def is_up() -> bool:
        return "prefect up" in stage.entries()

    await eventually(is_up)
    supervisor.ask_to_stop()
    await asyncio.wait_for(running, 30)
    assert not stage.up.is_set()
    assert stage.entries()[-1] == "prefect gone"


async def test_lines_are_shown_with_the_name_of_their_part_once_all_is_up_and_kept_in_its_log(stage: Stage) -> None:
    code = """
import time
print("INFO early", "WARNING early", "is ready", sep="\\n", flush=True)
while True:
    time.sleep(0.05)
    print("INFO later", flush=True)
"""
    supervisor = stage.supervisor(stage.part("worker", code=code))
    running = asyncio.create_task(supervisor.run())

    async def is_shown() -> bool:
        return "INFO later" in stage.screen.getvalue()

    await eventually(is_shown)
    supervisor.ask_to_stop()
    await running
    shown = stage.screen.getvalue()
    assert "worker     │ WARNING early" in shown
    assert "INFO early" not in shown
    assert (stage.home.logs / "worker.log").read_text().startswith("INFO early\nWARNING early\n")
