"""What a run changes is put back."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from flows.worker.surroundings import given_to_a_run, take_vitals


def test_a_run_gets_its_environment_and_folder_and_leaves_none_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMPLE_KEPT", "before")
    here = Path.cwd()
    with given_to_a_run({"SAMPLE_NEW": "1", "SAMPLE_KEPT": "during"}, str(tmp_path), None):
        assert (os.environ["SAMPLE_NEW"], os.environ["SAMPLE_KEPT"], Path.cwd()) == ("1", "during", tmp_path)
        os.environ["SAMPLE_STRAY"] = "2"
    assert "SAMPLE_NEW" not in os.environ
    assert "SAMPLE_STRAY" not in os.environ
    assert (os.environ["SAMPLE_KEPT"], Path.cwd()) == ("before", here)


def test_without_a_folder_a_run_has_a_temporary_one_that_vanishes() -> None:
    with given_to_a_run({}, None, None):
        folder = Path.cwd()
        Path("left").write_text("behind")
    assert not folder.exists()


def test_a_folder_that_does_not_exist_is_an_os_error(tmp_path: Path) -> None:
    here = Path.cwd()
    with pytest.raises(OSError, match="absent"), given_to_a_run({}, str(tmp_path / "absent"), None):
        pass
    assert Path.cwd() == here


def test_signals_loggers_path_streams_and_umask_are_put_back() -> None:
    handler, level, path, out = (
        signal.getsignal(signal.SIGUSR1),
        logging.getLogger("sample").level,
        list(sys.path),
        sys.stdout,
    )
    mask = os.umask(0o022)
    root_handlers = list(logging.getLogger().handlers)
    with given_to_a_run({}, None, None):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 600)
        logging.getLogger("sample").setLevel(logging.DEBUG)
        logging.getLogger("sample.made.by.the.run").setLevel(logging.DEBUG)
        logging.getLogger("sample.made.by.the.run").addHandler(logging.StreamHandler())
        logging.getLogger().addHandler(logging.NullHandler())
        logging.disable(logging.CRITICAL)
        sys.path.insert(0, "/nowhere")
        sys.stdout = sys.stderr
        os.umask(0o077)
    assert (signal.getsignal(signal.SIGUSR1), sys.path, sys.stdout) == (handler, path, out)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert (logging.getLogger("sample").level, logging.root.manager.disable) == (level, 0)
    assert logging.getLogger().handlers == root_handlers
    made = logging.getLogger("sample.made.by.the.run")
    assert (made.level, made.handlers) == (logging.NOTSET, [])
    assert os.umask(mask) == 0o022


def test_all_is_put_back_when_the_run_ends_in_an_error() -> None:
    here = Path.cwd()
    with pytest.raises(SystemExit), given_to_a_run({"SAMPLE_NEW": "1"}, None, None):
        raise SystemExit
    assert "SAMPLE_NEW" not in os.environ
    assert Path.cwd() == here


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mapped memory on Linux only")
def test_the_memory_limit_holds_during_the_run_only() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with given_to_a_run({}, None, 200), pytest.raises(MemoryError):
        bytearray(2**30)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_vitals_are_those_of_this_process() -> None:
    vitals = take_vitals(3)
    assert vitals.runs == 3
    assert 10 < vitals.memory < 10_000
    assert vitals.threads >= 1
    assert vitals.descriptors >= 3
