import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from receiver.supervisor.failures import CannotRun
from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.home import keep, make_admin_key, open_home
from tests.support.waiting import wait_until


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_home_and_an_old_one_that_was_open_are_private(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    for name in ("new", "old"):
        home = open_home(tmp_path / name)
        assert mode(home.path) == mode(home.logs) == 0o700
        os.close(home.lock)


def test_a_second_up_on_the_same_home_is_refused_with_words(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    with pytest.raises(CannotRun, match=f"Another `webhooks up` .process {os.getpid()}. runs") as refused:
        open_home(tmp_path)
    assert "WEBHOOKS_HOME" in refused.value.next_step
    os.close(home.lock)
    os.close(open_home(tmp_path).lock)


UP_WITH_A_DEAF_PART = """
import sys
from pathlib import Path
from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.home import open_home

home = open_home(Path(sys.argv[1]))
deaf = "import signal, time; signal.signal(15, lambda *_: None); print('deaf', flush=True); time.sleep(60)"
command = Command(argv=(sys.executable, "-c", deaf), held=(home.lock,), lost_grace=1, family_grace=0)
part = GuardedProcess(command, {}, sys.stdout.buffer)
sys.stdin.read()
"""


def test_parts_of_a_killed_up_are_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP_WITH_A_DEAF_PART, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as up:
        assert up.stdout
        assert up.stdout.readline() == b"deaf\n"
        up.kill()
        up.wait()
        home = open_home(tmp_path)  # not refused, though the guard held the lock when this began
        assert up.stdout.read() == b"did not end in time: killed\n"
        os.close(home.lock)


def test_a_file_in_the_place_of_the_home_is_refused_with_words(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(CannotRun, match="cannot be written: File exists"):
        open_home(tmp_path / "home")


def test_a_disk_that_is_nearly_full_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"Only \d+ MiB are free where .* is; 1099511627776 MiB are needed"):
        open_home(tmp_path, least_free=2**60)


def test_a_secret_is_made_once_in_a_private_file(tmp_path: Path) -> None:
    made, is_new = keep(tmp_path / "admin.key", make_admin_key)
    assert is_new
    assert made.startswith("whk_")
    assert mode(tmp_path / "admin.key") == 0o600
    assert keep(tmp_path / "admin.key", make_admin_key) == (made, False)


def test_an_empty_secret_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("\n")
    assert keep(tmp_path / "admin.key", lambda: "new") == ("new", True)


def test_the_lock_does_not_reach_the_part_itself(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    output = tmp_path / "output"
    code = f"import os\ntry: os.fstat({home.lock})\nexcept OSError: print('closed')"
    with output.open("wb") as file:
        process = GuardedProcess(Command(argv=(sys.executable, "-c", code), held=(home.lock,)), {}, file)
    wait_until(lambda: process.poll() is not None)
    process.stop()
    assert output.read_text() == "closed\n"
    os.close(home.lock)
