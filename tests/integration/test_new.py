"""`webhooks new` as a newcomer meets it: in an empty folder, its test run by pytest, its webhook read by `deploy`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.admin import ServedApi, served_admin_api
from tests.support.commands import run_command
from tests.support.markdown import ROOT, blocks
from tests.support.prefect import PrefectServer, outside_environment


@pytest.fixture
def receiver(tmp_path) -> Iterator[ServedApi]:
    home = tmp_path / "home"
    home.mkdir()
    with served_admin_api(home, outside_environment()) as served:
        yield served


@pytest.fixture
def project(tmp_path) -> Path:
    folder: Path = tmp_path / "shop"
    folder.mkdir()
    return folder


def run(project: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=project,
        env={**outside_environment(), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def new(project: Path, *words: str, exit_code: int = 0) -> Result:
    return run_command(outside_environment(), "new", *words, cwd=project, exit_code=exit_code)


def make_two(project: Path) -> None:
    made = [
        new(project, "orders"),
        new(project, "shop-returns", "--sync", "--scheme", "github", "--path", "shops/{shop_id}/returns"),
    ]
    assert 'webhooks send orders --data \'{"text": ' in made[0].stdout and "make it in Prefect" not in made[0].stdout
    assert "changed prefect.yaml" in made[1].stdout


@pytest.mark.long
def test_what_is_written_passes_its_test_and_so_do_those_of_the_guide(project: Path):
    make_two(project)
    for block in blocks(ROOT / "docs" / "writing-flows.md", "python"):
        (project / block.mark.removeprefix("file=")).write_text(block.text)
    # As a person types it; what pytest-asyncio says of its own default is not about what was written.
    pytest_ = [
        str(Path(sys.executable).with_name("pytest")),
        "-q",
        "-Werror",
        "-Wignore::pytest.PytestDeprecationWarning",
    ]
    tested = subprocess.run(pytest_, cwd=project, env=outside_environment(), capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "7 passed" in tested.stdout


def test_what_is_written_is_tidy_and_can_be_deployed(project: Path, receiver: ServedApi, prefect_server: PrefectServer):
    make_two(project)
    (project / "ruff.toml").write_text(
        'line-length = 120\nlint.select = ["A", "ANN", "B", "E", "F", "I", "N", "RUF", "UP"]'
    )
    for words in (["check"], ["format", "--check"]):
        linted = run(project, "ruff", *words)
        assert linted.returncode == 0, linted.stdout

    prefect = {name: value for name, value in prefect_server.env.items() if name.startswith("PREFECT_")}
    shown = run(project, "receiver.cli", "deploy", "--skip-prefect", **receiver.env, **prefect)
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:]] == [
        ["orders", "created"],
        ["shop-returns", "created"],
    ], shown.stderr
    for name in ("orders", "shop-returns"):
        assert f"Secret made: webhook-secret/{name}." in shown.stderr
    listed = receiver.call("GET", "/webhooks")["items"]
    assert {each["key"]: each["mode"] for each in listed} == {"orders": "async", "shop-returns": "sync"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["json"], "a module of Python's own"),
        (["hello"], "comes with prefect-webhooks"),
        (["orders", "--scheme", "githup"], "There is no scheme 'githup'. Take one of: "),
        (["orders", "--path", "a//{b}c"], "--path "),
    ],
    ids=lambda value: "",
)
def test_what_cannot_be_made_is_told_and_writes_nothing(project: Path, words: list[str], told: str):
    assert told in new(project, *words, exit_code=1).stderr
    assert os.listdir(project) == []


def test_a_folder_that_hides_the_nodes_is_told_as_deploy_tells_it(project: Path):
    (project / "flows").mkdir()
    (project / "flows" / "__init__.py").touch()
    assert "rm flows/__init__.py" in new(project, "orders", exit_code=1).stderr
    assert os.listdir(project) == ["flows"]
