"""Every node keeps the same rules: found by its file, so that a new one is held to them too."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prefect import Task
from prefect.cache_policies import NO_CACHE

import flows.nodes
from blocks.errors import Failed, TryAgain
from flows.nodes._node import worth_retrying

FOLDER = Path(flows.nodes.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def module(name: str) -> ModuleType:
    return import_module(f"flows.nodes.{name}")


def task_of(name: str) -> Task[Any, Any]:
    task = getattr(module(name), name, None)
    assert isinstance(task, Task), f"flows/nodes/{name}.py defines no task {name}"
    return task


def test_nodes_are_found():
    assert {"create_record", "http_request", "when"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_exported_beside_the_others(name):
    assert name in flows.nodes.__all__
    assert getattr(flows.nodes, name) is task_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_retries_with_growing_pauses_and_jitter_for_what_passes_alone(name):
    task = task_of(name)

    assert task.retries >= 2
    assert isinstance(task.retry_delay_seconds, list)
    assert task.retry_delay_seconds == sorted(set(task.retry_delay_seconds))
    assert task.retry_jitter_factor
    assert task.retry_condition_fn is worth_retrying
    assert not issubclass(Failed, TryAgain)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_timeout_a_readable_name_and_no_cache(name):
    task = task_of(name)

    assert task.timeout_seconds and task.timeout_seconds > 0
    assert callable(task.task_run_name)
    assert task.cache_policy is NO_CACHE


@pytest.mark.parametrize("name", NAMES)
def test_it_is_async(name):
    assert inspect.iscoroutinefunction(task_of(name).fn)


@pytest.mark.parametrize("name", NAMES)
def test_its_plan_decides_without_waiting_or_asking_the_clock(name):
    plan = module(name).plan
    assert inspect.isfunction(plan)
    assert not inspect.iscoroutinefunction(plan)

    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(inspect.getsource(plan)))
        if isinstance(node, ast.Call)
    }

    assert not called & {"now", "today", "utcnow", "time", "open", "connect", "get_client", "uuid4", "run", "getenv"}


@pytest.mark.parametrize("name", NAMES)
def test_its_plan_shows_an_example_that_is_true(name):
    plan = module(name).plan
    [found] = doctest.DocTestFinder(recurse=False).find(plan, f"{name}.plan", module(name))
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)

    assert found.examples, f"plan of {name} has no example"
    result = runner.run(found, out=said.append)
    assert result.failed == 0, "".join(said)


@pytest.mark.parametrize("name", NAMES)
def test_its_docstring_shows_a_call_that_fits_and_says_what_it_raises(name):
    task = task_of(name)
    text = inspect.getdoc(task.fn) or ""
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    calls = [
        node
        for example in examples
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]

    assert calls, f"{name} shows no example of a call"
    for call in calls:
        arguments = [object() for _ in call.args]
        inspect.signature(task.fn).bind(*arguments, **{keyword.arg or "": object() for keyword in call.keywords})
    for section in ("Args:", "Returns:", "Raises:"):
        assert section in text
    for parameter in inspect.signature(task.fn).parameters:
        assert re.search(rf"^    {parameter}: ", text, re.MULTILINE), f"{name} does not say what {parameter} is"


def test_no_module_of_ours_hides_one_of_the_standard_librarys():
    ours = {path.stem for path in FOLDER.parent.rglob("*.py")} - {"__init__"}

    assert not ours & sys.stdlib_module_names
    assert not (FOLDER.parent / "__init__.py").exists(), "flows is a namespace package, shared with the user's own"
