"""Reading the webhooks of a project's code, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAD = """
from prefect import flow
from receiver import Context, webhook
"""
ORDERS = """
@webhook("orders", verification={"scheme": "none"})
@flow(name="sync-orders")
async def sync(context: Context) -> None: ...
"""


def read(project: Path, *entrypoints: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "receiver.webhooks.read_definitions", *entrypoints]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def project(tmp_path):
    (tmp_path / "flows").mkdir()
    return tmp_path


def write(project: Path, name: str, text: str) -> None:
    (project / "flows" / name).write_text(text)


def test_each_kind_of_entrypoint_is_read_and_what_flows_print_is_kept_out_of_the_answer(project):
    write(project, "orders_by_module.py", HEAD + 'print("imported")\nimport os; os.write(1, b"raw")\n' + ORDERS)
    write(project, "orders_by_path.py", HEAD + "import beside\n" + ORDERS)
    write(project, "beside.py", "")
    write(project, "plain.py", "from prefect import flow\n@flow\ndef plain(): ...\n")
    answer = read(
        project,
        "flows.orders_by_module.sync",
        "flows.orders_by_module:sync",
        "flows/orders_by_path.py:sync",
        "flows.plain.plain",
        "flows.orders_by_module.sync",
    )
    assert answer["failed"] == []
    assert [each["entrypoint"] for each in answer["found"]] == [
        "flows.orders_by_module.sync",
        "flows.orders_by_module:sync",
        "flows/orders_by_path.py:sync",
    ]
    for each in answer["found"]:
        assert each["flow_name"] == "sync-orders"
        assert each["definition"]["key"] == "orders"
        assert "deployment" not in each["definition"]


def test_an_import_that_fails_names_file_line_and_message_and_hides_no_other(project):
    write(project, "good_orders.py", HEAD + ORDERS)
    write(project, "missing_import.py", "import json\nimport nothing_of_that_name\n")
    write(project, "not_python.py", "def f(:\n")
    write(project, "exits.py", "import sys\nsys.exit(3)\n")
    write(project, "bad_definition.py", HEAD + ORDERS.replace('"scheme": "none"', '"shceme": "none"'))
    answer = read(
        project,
        "flows.missing_import.f",
        "flows.not_python.f",
        "flows.exits.f",
        "flows.bad_definition.sync",
        "flows.good_orders.nobody",
        "flows.nowhere.f",
        "flows.good_orders.sync",
    )
    assert [each["entrypoint"] for each in answer["found"]] == ["flows.good_orders.sync"]
    problems = {each["entrypoint"].split(".")[1]: each["problem"] for each in answer["failed"]}
    assert problems["missing_import"] == (
        "flows/missing_import.py:2: ModuleNotFoundError: No module named 'nothing_of_that_name'"
    )
    assert problems["not_python"].startswith("flows/not_python.py:1: SyntaxError: ")
    assert problems["exits"] == "flows/exits.py:2: SystemExit: 3"
    assert problems["bad_definition"].startswith("flows/bad_definition.py:5: DefinitionError: verification.scheme: ")
    assert "has no attribute 'nobody'" in problems["good_orders"]
    assert "No module named 'flows.nowhere'" in problems["nowhere"]
