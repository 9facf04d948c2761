"""The pytest plugin comes with the package, and costs nothing where no test asks for it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import entry_points
from inspect import signature
from typing import Any, cast

import typer

from receiver.cli import app
from receiver.testing import Delivered, deliver
from tests.support.markdown import ROOT, names, table

GUIDE = ROOT / "docs" / "writing-flows.md"

HEAVY = ("prefect", "fastapi", "sqlalchemy", "sqlmodel", "httpx", "uvicorn", "cel", "jsonschema_rs", "rich")


def test_the_plugin_is_known_to_pytest_and_imports_nothing_heavy():
    [plugin] = [each for each in entry_points(group="pytest11") if each.name == "prefect_webhooks"]
    code = f"import sys, {plugin.value}\nassert not {set(HEAVY)!r} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_guide_lists_every_argument_and_everything_a_delivery_has():
    arguments = [name for row in table(GUIDE, "Argument", "Meaning") for name in names(row[0])]
    assert sorted(arguments) == sorted(signature(deliver).parameters)
    listed = [name for row in table(GUIDE, "Of a delivery", "What it is") for name in names(row[0])]
    assert sorted(listed) == sorted(field.name for field in fields(Delivered))
    options = [names(row[0])[0] for row in table(GUIDE, "Option", "Does")]
    command = cast("Any", typer.main.get_command(app)).commands["new"]
    assert sorted(options) == sorted(opt for param in command.params for opt in param.opts if opt.startswith("--"))
