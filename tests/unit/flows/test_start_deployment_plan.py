"""What `start_deployment` asks Prefect for."""

from datetime import UTC, datetime
from importlib import import_module

import pytest

from blocks.errors import InvalidInput
from flows.nodes import start_deployment

plan = import_module("flows.nodes.start_deployment").plan
NAME = "deploy-site/deploy-site"
SOON = datetime(2026, 3, 1, tzinfo=UTC)


def key(*args, **kwargs) -> str:
    return str(plan(*args, **kwargs)["idempotency_key"])


def test_the_same_start_has_the_same_key_whatever_the_order_of_its_parameters():
    assert key(NAME, {"a": 1, "b": 2}, origin="run") == key(NAME, {"b": 2, "a": 1}, origin="run")


def test_another_run_deployment_parameter_or_key_is_another_start():
    keys = {
        key(NAME, {"a": 1}, origin="run"),
        key(NAME, {"a": 1}, origin="other run"),
        key(NAME, {"a": 2}, origin="run"),
        key("deploy-site/other", {"a": 1}, origin="run"),
        key(NAME, {"a": 1}, origin="run", key="second"),
    }

    assert len(keys) == 5


@pytest.mark.parametrize(
    "parameters",
    [
        {"__prefect_kind": "jinja", "template": "{{ x }}"},
        {"data": {"$ref": {"block_document_id": "1"}}},
        {"list": [[{"__class__": "os.system"}]]},
        {"__exc_type__": "x"},
    ],
)
def test_what_prefect_would_act_upon_is_not_passed(parameters):
    with pytest.raises(InvalidInput, match="a key that Prefect acts upon"):
        plan(NAME, parameters, origin="run")


@pytest.mark.parametrize("name", ["", "deploy-site", "/deploy", "deploy/", "/"])
def test_a_name_is_that_of_a_flow_and_a_deployment(name):
    with pytest.raises(InvalidInput, match="flow-name/deployment-name"):
        plan(name, origin="run")


@pytest.mark.parametrize("value", [float("nan"), object(), b"bytes", {1, 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(InvalidInput, match="what JSON can hold"):
        plan(NAME, {"value": value}, origin="run")


async def test_outside_a_run_there_is_nothing_it_could_belong_to():
    with pytest.raises(InvalidInput, match="runs inside a flow"):
        await start_deployment.fn(NAME)


@pytest.mark.parametrize("options", [{"at": SOON.replace(tzinfo=None)}, {"at": SOON, "wait": True}])
async def test_a_moment_has_a_zone_and_is_not_waited_for(options):
    with pytest.raises(InvalidInput, match="a moment with a zone"):
        await start_deployment.fn(NAME, **options)
