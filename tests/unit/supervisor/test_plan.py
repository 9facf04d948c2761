from dataclasses import replace
from pathlib import Path

import pytest

from receiver.supervisor.guarded import Command
from receiver.supervisor.parts import Job, Part, Step
from receiver.supervisor.plan import (
    INTAKE,
    STOP_ORDER,
    Database,
    Deeds,
    flows_access,
    flows_reach,
    plan,
    worker_limit,
)
from tests.unit.supervisor.test_environment import OUTSIDE, around


def test_flows_reach_the_admin_port_unless_they_are_told_another_address() -> None:
    assert flows_reach(around(admin_url="http://127.0.0.1:9000")) == "http://127.0.0.1:9000"
    outside = {**OUTSIDE, "WEBHOOKS_INTERNAL_URL": "http://10.0.0.5:9000"}
    assert flows_reach(around(outside=outside, admin_url="http://127.0.0.1:9000")) == "http://10.0.0.5:9000"


def test_flows_are_told_which_certificate_our_own_address_shows() -> None:
    tls = around(base_url="https://127.0.0.1:8123", certificate=Path("/tls/server.pem"))
    assert flows_access(tls)[2:] == ("--receiver-certificate", "/tls/server.pem")
    elsewhere = around(
        outside={**OUTSIDE, "WEBHOOKS_INTERNAL_URL": "https://hooks.example.com"}, certificate=Path("/x")
    )
    assert flows_access(elsewhere) == ("--receiver-url", "https://hooks.example.com")


async def nothing() -> None:
    return None


DEEDS = Deeds(reach_prefect=nothing, make_pool=nothing, make_flow_key=nothing, flow_key=dict)
POSTGRES = Database(url="postgresql+asyncpg://postgres:db-password@/prefect", command=Command(argv=("postgres",)))
PLANS = {
    "embedded PostgreSQL": plan(around(), POSTGRES, DEEDS, held=(7,)),
    "SQLite": plan(around(), Database(url="sqlite+aiosqlite:///x"), DEEDS, held=(7,)),
    "a server of somebody else's": plan(around(prefect_port=None), None, DEEDS, held=(7,)),
}


def before(steps: list[Step], name: str) -> set[str]:
    """Everything that is done before the step `name` begins."""
    needs = {step.name: step.needs for step in steps}
    found: set[str] = set()
    waiting = list(needs[name])
    while waiting:
        step = waiting.pop()
        found.add(step)
        waiting.extend(needs[step])
    return found


@pytest.mark.parametrize("kind", PLANS)
def test_every_need_is_a_step_and_no_step_needs_itself(kind: str) -> None:
    names = {step.name for step in PLANS[kind]}
    for step in PLANS[kind]:
        assert set(step.needs) <= names
        assert step.name not in before(PLANS[kind], step.name)


def test_the_order_is_database_prefect_pool_deployments_receiver_definitions() -> None:
    steps = PLANS["embedded PostgreSQL"]
    assert before(steps, "prefect") == {"postgres"}
    assert before(steps, "deployments") == {"postgres", "prefect", "pool"}
    assert before(steps, "worker") == {"postgres", "prefect", "pool"}
    assert before(steps, "receiver") == {"postgres", "prefect"}
    assert before(steps, "webhooks") >= {"receiver", "deployments", "blocks"}


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("embedded PostgreSQL", {"postgres", "prefect", "receiver", "worker"}),
        ("SQLite", {"prefect", "receiver", "worker"}),
        ("a server of somebody else's", {"receiver", "worker"}),
    ],
)
def test_only_what_is_ours_is_started(kind: str, parts: set[str]) -> None:
    assert {step.name for step in PLANS[kind] if isinstance(step, Part)} == parts


def test_the_stop_order_knows_every_part_and_ends_intake_first() -> None:
    assert set(STOP_ORDER) == {step.name for step in PLANS["embedded PostgreSQL"] if isinstance(step, Part)}
    assert INTAKE in STOP_ORDER
    assert STOP_ORDER.index("worker") < STOP_ORDER.index("receiver") < STOP_ORDER.index("prefect")
    assert STOP_ORDER[-1] == "postgres"


@pytest.mark.parametrize("kind", PLANS)
def test_no_secret_is_in_a_command_line_or_a_printed_plan(kind: str) -> None:
    text = repr(PLANS[kind])
    assert "whk_admin" not in text
    assert "webhooks:auth" not in text
    assert "db-password" not in text


def test_every_process_of_ours_holds_the_home_locked_until_it_is_gone() -> None:
    steps = plan(around(), replace(POSTGRES, command=Command(argv=("postgres",), held=(7,))), DEEDS, held=(7,))
    for step in steps:
        if isinstance(step, Part | Job):
            assert step.command.held == (7,)


def test_flows_reach_the_receiver_where_the_settings_say() -> None:
    assert flows_reach(around()) == "http://127.0.0.1:8123"
    inside = around(outside={**OUTSIDE, "WEBHOOKS_INTERNAL_URL": "http://receiver:8000"})
    assert flows_reach(inside) == "http://receiver:8000"


def test_the_worker_is_bounded_by_the_machine() -> None:
    assert worker_limit(1) == 4
    assert worker_limit(16) == 32
