"""Whatever ends the starter, nothing it started stays: real processes, sessions of their own included."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from receiver.supervisor.guarded import Command, GuardedProcess
from tests.support.processes import marked
from tests.support.waiting import wait_until

MARK = "GUARD_TEST"

FAMILY = """
import subprocess, sys, time
# A grandchild in a session of its own whose parent is gone, as a daemon or a worker's flow run may be.
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
orphan = f"import subprocess; subprocess.Popen({sleeper!r}, start_new_session=True)"
subprocess.run([sys.executable, "-c", orphan], check=True)
child = subprocess.Popen(sleeper)
print("up", flush=True)
"""
STAYS = FAMILY + "time.sleep(600)"
DEAF = "import signal\nfor number in (2, 15): signal.signal(number, signal.SIG_IGN)\n" + STAYS

STARTER = """
import os, signal, sys
from receiver.supervisor.guarded import Command, GuardedProcess
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
process = GuardedProcess(
    Command(argv=(sys.executable, "-c", sys.argv[1]), lost_grace=0.5, family_grace=0.2), os.environ, sys.stdout.buffer
)
sys.stdin.read()
"""


@pytest.fixture
def mark() -> Iterator[str]:
    value = uuid4().hex
    yield value
    assert not marked(MARK, value)


def start(code: str, mark: str, output: Path, *, grace: float = 10, family_grace: float = 3) -> GuardedProcess:
    command = Command(argv=(sys.executable, "-c", code), grace=grace, family_grace=family_grace)
    with output.open("wb") as file:
        return GuardedProcess(command, {**os.environ, MARK: mark}, file)


def test_the_exit_status_is_the_parts_own(tmp_path: Path, mark: str) -> None:
    process = start("raise SystemExit(7)", mark, tmp_path / "out")
    wait_until(lambda: process.poll() is not None)
    assert process.stop() == 7


def test_a_part_ended_by_a_signal_is_told_by_its_number(tmp_path: Path, mark: str) -> None:
    process = start("import os; os.kill(os.getpid(), 9)", mark, tmp_path / "out")
    wait_until(lambda: process.poll() is not None)
    assert process.stop() == 128 + signal.SIGKILL


def test_a_command_that_does_not_exist_says_so(tmp_path: Path, mark: str) -> None:
    with (tmp_path / "out").open("wb") as file:
        process = GuardedProcess(Command(argv=("/nowhere/program",)), {MARK: mark}, file)
    wait_until(lambda: process.poll() is not None)
    assert process.stop() == 127
    assert "/nowhere/program could not be started" in (tmp_path / "out").read_text()


def test_the_part_gets_its_stop_signal_and_may_end_by_itself(tmp_path: Path, mark: str) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('said goodbye', flush=True), sys.exit(3)))\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    process = start(code, mark, tmp_path / "out")
    wait_until(lambda: "up" in (tmp_path / "out").read_text())
    assert process.stop() == 3
    assert (tmp_path / "out").read_text() == "up\nsaid goodbye\n"


def test_a_part_obeys_sigint_though_its_starter_ignores_it(tmp_path: Path, mark: str) -> None:
    """As what a script starts in the background does, and all that comes of it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = "import os, time; print('up', flush=True); os.kill(os.getpid(), 2); time.sleep(600)"
        process = start(code, mark, tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, before)
    wait_until(lambda: process.poll() is not None)
    assert process.stop() == 128 + signal.SIGINT


@pytest.mark.parametrize("code", [STAYS, DEAF], ids=["that listens", "deaf to signals"])
def test_stopping_ends_the_whole_family_of_a_part(tmp_path: Path, mark: str, code: str) -> None:
    process = start(code, mark, tmp_path / "out", grace=0.5, family_grace=0.2)
    wait_until(lambda: "up" in (tmp_path / "out").read_text())
    assert len(marked(MARK, mark)) == 4
    process.stop()
    assert not marked(MARK, mark)


def test_a_part_that_ends_by_itself_leaves_nobody_behind(tmp_path: Path, mark: str) -> None:
    process = start(FAMILY, mark, tmp_path / "out", family_grace=0.2)
    wait_until(lambda: process.poll() is not None)
    assert process.stop() == 0
    assert not marked(MARK, mark)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("code", [STAYS, DEAF], ids=["that listens", "deaf to signals"])
def test_a_killed_starter_leaves_nobody_behind(mark: str, code: str, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, code],
        env={**os.environ, MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"up\n"
        starter.send_signal(number)
        starter.wait(60)
        wait_until(lambda: not marked(MARK, mark), what="all processes of the killed starter have ended")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process can ask to be told of its parent's end")
def test_a_killed_guard_takes_its_part_along(tmp_path: Path, mark: str) -> None:
    process = start("print('up', flush=True); import time; time.sleep(600)", mark, tmp_path / "out")
    wait_until(lambda: "up" in (tmp_path / "out").read_text())
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not marked(MARK, mark))
    process.stop()


def test_where_orphans_are_not_handed_over_the_family_is_remembered(tmp_path: Path, mark: str) -> None:
    # The way of systems without a child subreaper, made to run here: the list by `ps`, looked at now and then.
    guard = Path(sys.modules[GuardedProcess.__module__].__file__ or "").with_name("guard.py")
    portable = tmp_path / "guard.py"
    portable.write_text(guard.read_text().replace('LINUX = sys.platform == "linux"', "LINUX = False"))
    argv = list(Command(argv=(sys.executable, "-c", DEAF), grace=0.5, lost_grace=0.5, family_grace=0.2).guarded())
    argv[argv.index(str(guard))] = str(portable)
    with subprocess.Popen(
        argv,
        env={**os.environ, MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        process.wait()
    assert len(marked(MARK, mark)) <= 1
    for pid in marked(MARK, mark):  # the one whose parent was gone before anybody looked
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not marked(MARK, mark))
