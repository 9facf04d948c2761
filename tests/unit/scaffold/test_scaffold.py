"""What `webhooks new` would write, and what keeps it from writing anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from receiver.contract.errors import DefinitionError
from receiver.scaffold.manifest import new_manifest, with_entry
from receiver.scaffold.names import module_name
from receiver.scaffold.project import InTheWay, plan, write
from receiver.scaffold.templates import Scaffold, source_of_flow, source_of_test, trial

ENTRY = {"name": "orders", "entrypoint": "flows.orders.orders", "work_pool": {"name": "webhooks"}}
KEY = {"scheme": "api-key", "secret": "block:webhook-secret/orders"}


def scaffold(**more) -> Scaffold:
    given = {"key": "orders", "module": "orders", "path": None, "sync": False, "verification": KEY, **more}
    return Scaffold(**given)


@pytest.mark.parametrize(("key", "name"), [("orders", "orders"), ("shop-orders", "shop_orders"), ("a_b", "a_b")])
def test_a_key_becomes_a_name_of_python(key, name):
    assert module_name(key) == name


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("Orders", "lower-case letters"),
        ("a/b", "lower-case letters"),
        ("", "lower-case letters"),
        ("2-orders", "begins with a digit"),
        ("class", "a word of Python's"),
        ("json", "a module of Python's"),
        ("print", "a function of Python's"),
        ("worker", "comes with prefect-webhooks"),
        ("nodes", "comes with prefect-webhooks"),
        ("hello", "comes with prefect-webhooks"),
        ("send-email", "the new files use"),
        ("mail", "the new files use"),
    ],
)
def test_a_name_that_would_spoil_something_is_refused(key, why):
    with pytest.raises(DefinitionError, match=f"^name: .*{why}"):
        module_name(key, {"hello"})


BEFORE = """# ours
deployments:
  # the first one
  - name: a
    entrypoint: flows.a.a
    work_pool: *pool

  # that was the last one
pull: []  # after
"""


@pytest.mark.parametrize(
    "text",
    [
        new_manifest("My Shop"),
        "",
        "name: x",
        "deployments: []\n",
        "deployments:\n",
        "x: &pool {name: webhooks}\n" + BEFORE,
        "deployments:\n- name: a\n  entrypoint: flows.a.a\nname: x\n",
        "deployments:\n      -   name: a\n          entrypoint: flows.a.a",
        "deployments:\r\n  - {name: a, entrypoint: flows.a.a}\r\n",
        "deployments:\n  - name: a\n    description: |\n      deployments:\n\n      more\n",
    ],
)
def test_an_entry_is_put_in_and_everything_else_stays_as_it_was(text):
    made = with_entry(text, "orders", "orders")
    old, new = yaml.safe_load(text) or {}, yaml.safe_load(made)
    assert new == {**old, "deployments": [*(old.get("deployments") or []), ENTRY]}
    kept = iter(made.splitlines())
    assert all(line in kept for line in text.splitlines() if line != "deployments: []"), "every line, in order"
    ends = made.count("\r\n")
    assert ends == (made.count("\n") if "\r" in text else 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("deployments: [{name: a, entrypoint: flows.a.a}]\n", "Add this to its deployments:\n- name: orders"),
        ("- a\n", "Add this"),
        ("deployments: [\n", "line 2"),
        ("deployments:\n  - {name: orders, entrypoint: x.y}\n", "the deployment 'orders' already"),
        ("deployments:\n  - {name: o, entrypoint: flows.orders.orders}\n", "the deployment 'o' already"),
    ],
)
def test_a_manifest_that_cannot_take_the_entry_is_told(text, told):
    with pytest.raises(DefinitionError, match=r"prefect\.yaml") as error:
        with_entry(text, "orders", "orders")
    assert told in str(error.value)


@pytest.mark.parametrize(
    "wanted",
    [
        scaffold(),
        scaffold(sync=True, path="shops/{shop_id}/orders"),
        scaffold(verification={"scheme": "none"}),
        scaffold(verification={"scheme": "hmac", "secret": "block:webhook-secret/orders", "header": "X-Signature"}),
    ],
    ids=["plain", "sync with a path", "open", "hmac"],
)
def test_what_is_written_is_python_and_says_what_was_asked_for(wanted):
    flow, test = source_of_flow(wanted), source_of_test(wanted)
    compile(flow, "flow", "exec")
    compile(test, "test", "exec")
    assert ('mode="sync"' in flow) is ("== 201" in test) is wanted.sync
    assert ("ip_allowlist" in flow) is wanted.is_open
    has_path = wanted.path is not None
    assert ('params={"shop_id": "1"}' in test) is ("--path-param shop_id=1" in trial(wanted)) is has_path
    assert max(map(len, (flow + test).splitlines())) <= 120


def written(project: Path) -> set[str]:
    return {str(file.relative_to(project)) for file in project.rglob("*") if file.is_file()}


def test_an_empty_folder_becomes_a_project_and_a_second_workflow_is_added(tmp_path):
    write(plan(tmp_path, scaffold()))
    assert written(tmp_path) == {"flows/orders.py", "tests/test_orders.py", "conftest.py", "prefect.yaml"}
    (tmp_path / "conftest.py").write_text("# mine\n")
    write(plan(tmp_path, scaffold(key="returns", module="returns")))
    names = [entry["name"] for entry in yaml.safe_load((tmp_path / "prefect.yaml").read_text())["deployments"]]
    assert names == ["orders", "returns"] and (tmp_path / "conftest.py").read_text() == "# mine\n"


@pytest.mark.parametrize("there", ["flows/orders.py", "tests/test_orders.py", "flows/orders/x.py"])
def test_a_file_in_the_way_is_named_and_nothing_is_written(tmp_path, there):
    file = tmp_path / there
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(InTheWay, match="is there already"):
        plan(tmp_path, scaffold())
    assert written(tmp_path) == {there} and file.read_text() == "mine"


def test_a_write_that_fails_half_way_takes_back_what_it_wrote(tmp_path):
    files = plan(tmp_path, scaffold())
    (tmp_path / "conftest.py").write_text("came in between")
    with pytest.raises(InTheWay, match=r"conftest.py cannot be written .*Nothing was changed"):
        write(files)
    assert written(tmp_path) == {"conftest.py"} and not (tmp_path / "flows").exists()
    assert (tmp_path / "conftest.py").read_text() == "came in between"


def test_a_manifest_that_is_a_link_stays_one_and_keeps_its_mode(tmp_path):
    real = tmp_path / "shared.yaml"
    real.write_text("deployments: []\n")
    real.chmod(0o640)
    project = tmp_path / "project"
    project.mkdir()
    (project / "prefect.yaml").symlink_to(real)
    write(plan(project, scaffold()))
    assert (project / "prefect.yaml").is_symlink() and real.stat().st_mode & 0o777 == 0o640
    assert yaml.safe_load(real.read_text())["deployments"] == [ENTRY]
