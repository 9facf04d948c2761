"""What `webhooks check` says of the machine it runs on."""

import tomllib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from receiver.checks.finding import Code, Level
from receiver.checks.machine_rules import Machine, judge_machine
from receiver.checks.versions import LEAST_PYTHON, SUPPORTED_PREFECT, supports_prefect
from receiver.cli.check_here import look_at_machine

MIB = 2**20
GOOD = Machine(
    python=(3, 12),
    prefect="3.8.1",
    home="/srv/my hooks/.webhooks",
    home_mode=0o700,
    free_bytes=5000 * MIB,
    least_free_bytes=200 * MIB,
)


@pytest.mark.parametrize(
    ("machine", "code", "level", "remedy"),
    [
        (replace(GOOD, python=(3, 10)), Code.PYTHON_UNSUPPORTED, Level.ERROR, "Python 3.11"),
        (replace(GOOD, prefect="3.7.9"), Code.PREFECT_VERSION_UNSUPPORTED, Level.ERROR, "pip install 'prefect"),
        (replace(GOOD, prefect=""), Code.PREFECT_VERSION_UNSUPPORTED, Level.ERROR, "pip install 'prefect"),
        (replace(GOOD, home_mode=0o750), Code.HOME_OPEN, Level.WARNING, "chmod 700 '/srv/my hooks/.webhooks'"),
        (replace(GOOD, free_bytes=199 * MIB), Code.DISK_NEARLY_FULL, Level.ERROR, "WEBHOOKS_HOME"),
        (replace(GOOD, free_bytes=999 * MIB), Code.DISK_NEARLY_FULL, Level.WARNING, "WEBHOOKS_HOME"),
        (replace(GOOD, hiding=("/lib/flows/__init__.py",)), Code.FLOWS_HIDDEN, Level.ERROR, "/lib/flows/__init__.py"),
    ],
)
def test_one_thing_wrong_is_one_finding_with_its_remedy(machine, code, level, remedy):
    [found] = [finding for finding in judge_machine(machine) if finding.code != Code.NOTHING_WRONG]
    assert (found.code, found.level) == (code, level)
    assert remedy in found.remedy


@pytest.mark.parametrize("machine", [GOOD, replace(GOOD, home_mode=None, free_bytes=None)])
def test_what_is_in_order_says_so(machine):
    assert [finding.code for finding in judge_machine(machine)] == [Code.NOTHING_WRONG] * 2


def test_the_facts_are_this_machines(tmp_path, monkeypatch):
    (tmp_path / "other" / "flows").mkdir(parents=True)
    hiding = tmp_path / "other" / "flows" / "__init__.py"
    hiding.touch()
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    (tmp_path / "home").mkdir(mode=0o700)
    facts = look_at_machine(tmp_path / "home", tmp_path)
    assert facts.home_mode == 0o700
    assert facts.free_bytes
    assert facts.prefect == version("prefect")
    assert facts.hiding == (str(hiding),)
    assert look_at_machine(tmp_path / "none", tmp_path / "other").hiding == ()
    assert look_at_machine(tmp_path / "none", tmp_path).home_mode is None


def test_the_supported_versions_are_those_that_are_installed_with_the_project():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert f"prefect{SUPPORTED_PREFECT}" in project["dependencies"]
    assert project["requires-python"] == f">={'.'.join(map(str, LEAST_PYTHON))}"


@pytest.mark.parametrize(
    ("text", "supported"),
    [
        *(("3.8.0", True), ("3.8.8", True), ("3.99.1.dev3", True), ("3.10", True)),
        *(("3.7.9", False), ("4.0.0", False), ("2.20.0", False), ("", False), ("x.y", False)),
    ],
)
def test_versions_are_compared_by_number(text, supported):
    assert supports_prefect(text) is supported
