"""A file of definitions and what applying it would change."""

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from receiver.contract.errors import DefinitionError
from receiver.contract.parse import parse_definition
from receiver.webhooks.apply_plan import plan_apply, read_definitions_file, to_apply
from receiver.webhooks.deploy_plan import Change

ORDERS: dict[str, Any] = {"key": "orders", "deployment": "orders/default", "verification": {"scheme": "none"}}


def told(**more: Any) -> dict[str, Any]:
    """A webhook as the admin API tells it."""
    stored = parse_definition({**ORDERS, "state": "enabled"}, by="admin").to_json()
    return {**stored, "url": "http://x/api/webhooks/orders", "origin": "api", "revision": 3, "warnings": [], **more}


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(ORDERS),
        yaml.safe_dump([ORDERS]),
        yaml.safe_dump({"webhooks": [ORDERS]}),
        '[{"key": "orders", "deployment": "orders/default", "verification": {"scheme": "none"}}]',
    ],
)
def test_one_definition_a_list_and_json_are_read_alike(text: str):
    assert read_definitions_file(text) == [ORDERS]


def test_several_documents_are_several_webhooks():
    text = yaml.safe_dump_all([ORDERS, {**ORDERS, "key": "returns"}])
    assert [one["key"] for one in read_definitions_file(text)] == ["orders", "returns"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no webhook"),
        ("{a: [", "neither YAML nor JSON"),
        ("- 7", "webhook 1"),
        (yaml.safe_dump({**ORDERS, "key": None}), "needs a `key`"),
        (yaml.safe_dump([ORDERS, ORDERS]), "twice"),
        (yaml.safe_dump({**ORDERS, "methods": ["TRACE"]}), "orders.methods"),
        (yaml.safe_dump({**ORDERS, "verification": {"scheme": "api-key", "secret": "plain"}}), "orders.verification"),
        ("!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
    ],
)
def test_a_file_that_cannot_be_applied_whole_is_refused_with_its_place(text: str, says: str):
    with pytest.raises(DefinitionError, match=says.replace(".", r"\.")):
        read_definitions_file(text)


def test_what_is_told_can_be_applied_again_without_a_change():
    exported = to_apply(told())
    assert read_definitions_file(yaml.safe_dump([exported])) == [exported]
    (step,) = plan_apply([exported], [told()])
    assert (step.change, step.fields) == (Change.UNCHANGED, ())


def test_new_changed_and_foreign_webhooks_are_told_apart_and_the_rest_stays():
    wanted = [{**ORDERS, "mode": "sync"}, {**ORDERS, "key": "new"}, {**ORDERS, "key": "coded"}]
    existing = [told(), told(key="coded", origin="code"), told(key="other")]
    steps = {step.key: step for step in plan_apply(wanted, existing)}
    assert {key: step.change for key, step in steps.items()} == {
        "orders": Change.CHANGED,
        "new": Change.CREATED,
        "coded": Change.CONFLICT,
    }
    assert "mode" in steps["orders"].fields


def test_a_state_that_the_file_leaves_out_is_no_change_and_one_it_names_is():
    (step,) = plan_apply([ORDERS], [told(state="paused")])
    assert step.change is Change.UNCHANGED
    (step,) = plan_apply([{**ORDERS, "state": "enabled"}], [told(state="paused")])
    assert step.fields == ("state",)


def test_an_owner_takes_what_is_nobodys_leaves_what_is_anothers_and_misses_what_was_its_own():
    existing = [
        told(source=None),
        told(key="theirs", source="crm"),
        told(key="gone", source="shop"),
        told(key="coded", source="shop", origin="code"),
        told(key="by-hand", source=None),
    ]
    steps = {step.key: step for step in plan_apply([ORDERS, {**ORDERS, "key": "theirs"}], existing, "shop")}
    assert {key: step.change for key, step in steps.items()} == {
        "orders": Change.CHANGED,
        "theirs": Change.FOREIGN,
        "gone": Change.VANISHED,
    }
    assert (steps["orders"].fields, steps["theirs"].owner) == (("source",), "crm")
