"""What a deploy changes, and what it leaves alone."""

from typing import Any

from receiver.webhooks.deploy_plan import Change, Step, plan_deploy

ORDERS = {"key": "orders", "deployment": "orders/default", "methods": ["POST"], "state": "enabled"}


def existing(**changes: Any) -> dict[str, Any]:
    return {**ORDERS, "origin": "code", "url": "http://x/api/webhooks/orders", "revision": 3, **changes}


def only(steps: list[Step]) -> Step:
    (step,) = steps
    return step


def test_a_webhook_that_is_not_there_is_created():
    step = only(plan_deploy([ORDERS], []))
    assert (step.key, step.change, step.definition) == ("orders", Change.CREATED, ORDERS)


def test_fields_that_differ_are_named():
    step = only(plan_deploy([ORDERS], [existing(methods=["GET"], deployment="orders/old")]))
    assert (step.change, step.fields) == (Change.CHANGED, ("deployment", "methods"))


def test_an_equal_one_is_unchanged():
    assert only(plan_deploy([ORDERS], [existing()])).change is Change.UNCHANGED


def test_an_operators_pause_is_no_difference():
    assert only(plan_deploy([ORDERS], [existing(state="paused")])).change is Change.UNCHANGED


def test_a_webhook_of_code_that_the_code_no_longer_has_vanished():
    step = only(plan_deploy([], [existing()]))
    assert (step.change, step.definition) == (Change.VANISHED, None)


def test_webhooks_made_by_hand_never_vanish():
    assert plan_deploy([], [existing(origin="api")]) == []


def test_a_key_that_was_made_by_hand_is_a_conflict():
    assert only(plan_deploy([ORDERS], [existing(origin="api")])).change is Change.CONFLICT


def test_a_field_that_was_taken_out_of_the_code_is_a_difference():
    step = only(plan_deploy([ORDERS], [existing(filter="context.data.paid")]))
    assert (step.change, step.fields) == (Change.CHANGED, ("filter",))


def test_a_project_neither_replaces_nor_prunes_what_is_anothers():
    step = only(plan_deploy([ORDERS], [existing(source="shop"), existing(key="other", source="shop")], "crm"))
    assert (step.key, step.change, step.owner) == ("orders", Change.FOREIGN, "shop")
    taken = only(plan_deploy([ORDERS], [existing(source="shop")], "crm", take_over=True))
    assert (taken.change, taken.fields) == (Change.CHANGED, ("source",))


def test_what_is_no_projects_becomes_the_ones_that_defines_it_and_is_pruned_by_nobody():
    unowned = [existing(source=None), existing(key="other", source=None)]
    step = only(plan_deploy([ORDERS], unowned, "crm"))
    assert (step.key, step.fields) == ("orders", ("source",))


def test_steps_come_by_key():
    wanted = [{**ORDERS, "key": key} for key in ("c", "a")]
    assert [step.key for step in plan_deploy(wanted, [existing(key="b")])] == ["a", "b", "c"]
