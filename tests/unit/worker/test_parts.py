"""Small parts: heartbeats, environments, the zygote's imports."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from flows.worker import heartbeats
from flows.worker.lookups import merged, needs_a_child_of_its_own, overlay, zygote_environment
from flows.worker.zygote import import_flows, watched_files


def test_heartbeats_beat_while_the_block_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "FIRST_SECONDS", 0.01)
    beats, failing = threading.Semaphore(0), threading.Event()

    def broken() -> None:
        failing.set()
        raise RuntimeError("a beat that fails stops no other")

    parts = heartbeats.Heartbeats()
    with parts.of(lambda: beats.release(), 0.01), parts.of(broken, 0.01):
        assert failing.wait(10)
        assert all(beats.acquire(timeout=10) for _ in range(3))
    with parts.of(lambda: beats.release(), 600):
        assert beats.acquire(timeout=10), "the thread goes on for the next one"


def test_what_is_short_beats_never() -> None:
    beaten = threading.Event()
    with heartbeats.Heartbeats().of(beaten.set, 30):
        pass
    assert not beaten.is_set()


def test_a_runs_variables_go_over_its_deployments_and_change_neither() -> None:
    deployment = {"env": {"A": "1", "B": "1"}, "working_dir": "/x"}
    run = {"env": {"B": "2"}, "stream_output": False}
    values = merged(deployment, run)
    assert values == {"env": {"A": "1", "B": "2"}, "working_dir": "/x", "stream_output": False}
    values["env"]["A"] = "changed"
    assert deployment == {"env": {"A": "1", "B": "1"}, "working_dir": "/x"}


def test_only_what_differs_is_sent_to_a_child() -> None:
    assert overlay({"A": "1", "B": "2", "C": None}, {"A": "1", "B": "1", "C": "1"}) == {"B": "2"}


def test_only_settings_of_prefect_ask_for_a_child_of_its_own() -> None:
    assert needs_a_child_of_its_own({"PREFECT_LOGGING_LEVEL": "DEBUG"})
    assert not needs_a_child_of_its_own({"PREFECT__FLOW_RUN_ID": "x", "COLOR": "red"})


def test_the_zygote_has_the_workers_settings_and_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "of another")
    env = zygote_environment({"PREFECT_API_URL": "http://127.0.0.1:1/api"}, "w")
    assert env["PREFECT_API_URL"] == "http://127.0.0.1:1/api"
    assert env["PREFECT__WORKER_NAME"] == "w"
    assert "PREFECT__FLOW_RUN_ID" not in env


def test_a_module_that_cannot_be_imported_is_named_with_the_file_to_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sample_broken_flow.py").write_text("def broken(:\n")
    (tmp_path / "sample_leaving_flow.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    failed, files = import_flows(["sample_broken_flow.flow", "sample_leaving_flow.flow", "json.dumps"])
    assert set(failed) == {"sample_broken_flow.flow", "sample_leaving_flow.flow"}
    assert {str(tmp_path / "sample_broken_flow.py"), str(tmp_path / "sample_leaving_flow.py")} <= set(files)
    assert "Importing json.dumps" in capsys.readouterr().out


def test_only_the_projects_own_files_are_watched(tmp_path: Path) -> None:
    mine, installed, nowhere = ModuleType("mine"), ModuleType("installed"), ModuleType("nowhere")
    mine.__file__ = str(tmp_path / "mine.py")
    installed.__file__ = str(Path(sys.prefix) / "lib" / "installed.py")
    modules = {module.__name__: module for module in (mine, installed, nowhere)}
    found = watched_files(tmp_path, modules, [str(tmp_path / "broken.py"), "<string>"])
    assert found == [str(tmp_path / "broken.py"), str(tmp_path / "mine.py")]
