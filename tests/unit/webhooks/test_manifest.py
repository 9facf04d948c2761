"""Reading prefect.yaml, and which deployment a webhook of the code runs."""

from typing import Any

import pytest

from receiver.contract.errors import DefinitionError
from receiver.webhooks.manifest import Entry, FoundDefinition, bind_deployments, project_name, read_entries

ENTRY = Entry("default", "flows.orders.sync")


def found(key: str = "orders", entrypoint: str = "flows.orders.sync", **definition: Any) -> FoundDefinition:
    return FoundDefinition(entrypoint, "sync-orders", {"key": key, **definition})


def test_entries_are_the_deployments_with_a_name_and_an_entrypoint():
    text = """
    name: shop
    deployments:
      - {name: default, entrypoint: flows.orders.sync, work_pool: {name: local}}
      - {name: null, entrypoint: flows.other.f}
      - name: without-entrypoint
    """
    assert read_entries(text) == [ENTRY]


@pytest.mark.parametrize("text", ["", "name: shop", "deployments:", "- a list"])
def test_a_file_without_deployments_has_no_entries(text):
    assert read_entries(text) == []


def test_a_file_that_is_not_yaml_names_the_line():
    with pytest.raises(DefinitionError, match=r"prefect\.yaml: line 2"):
        read_entries("deployments:\n  - {name: [}\n")


@pytest.mark.parametrize(
    ("text", "name"), [("name: shop", "shop"), ("name: 7", "7"), ("name:", "folder"), ("", "folder"), ("[]", "folder")]
)
def test_a_project_is_called_as_prefect_yaml_says_else_as_its_folder(text, name):
    assert project_name(text, "folder") == name


def test_deployments_that_are_no_list_are_told():
    with pytest.raises(DefinitionError, match="not a list"):
        read_entries("deployments: {a: 1}")


def test_the_only_entry_with_the_entrypoint_is_the_default():
    assert bind_deployments([found()], [ENTRY, Entry("x", "flows.x.x")]) == [
        {"key": "orders", "deployment": "sync-orders/default"}
    ]


def test_a_deployment_named_in_the_definition_stays():
    both = [ENTRY, Entry("nightly", ENTRY.entrypoint)]
    assert bind_deployments([found(deployment="a/b")], both) == [{"key": "orders", "deployment": "a/b"}]


def test_several_entries_are_an_error_that_lists_them():
    with pytest.raises(DefinitionError, match="'sync-orders/default', 'sync-orders/nightly'") as error:
        bind_deployments([found()], [ENTRY, Entry("nightly", ENTRY.entrypoint)])
    assert "deployment='sync-orders/default'" in str(error.value)


def test_two_flows_with_the_same_key_are_an_error():
    other = found(entrypoint="flows.other.f")
    with pytest.raises(DefinitionError, match="two flows define the webhook 'orders'"):
        bind_deployments([found(), other], [ENTRY, Entry("other", "flows.other.f")])
