"""Which workers are dead, and what they owe."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, State, StateType

from flows.worker.instances import claim_message, claimant, dead_ones, enter, infrastructure_id, left_behind
from flows.worker.pool import Ending


def test_a_claim_tells_who_made_it() -> None:
    for name in ("worker-1", "o'neill", "a [0123456789ab]"):
        assert claimant(claim_message(name, "0123456789ab")) == (name, "0123456789ab")
    assert claimant("Claimed by somebody else") is claimant(None) is None


def test_a_living_worker_is_not_found_dead(tmp_path: Path) -> None:
    instance = enter(tmp_path)
    assert list(dead_ones(tmp_path)) == []
    instance.leave()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_is_dead_when_the_last_process_with_its_lock_has_ended(tmp_path: Path) -> None:
    instance = enter(tmp_path)
    heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[instance.descriptor])
    os.close(instance.descriptor)
    assert list(dead_ones(tmp_path)) == []
    heir.communicate(b"\n")
    (dead,) = dead_ones(tmp_path)
    assert dead.id == instance.id
    assert list(dead_ones(tmp_path)) == [], "it is being mended already"
    dead.leave()
    assert list(dead_ones(tmp_path)) == []


def _run(kind: StateType, name: str, *, message: str = "", pid: str | None = None, retry: str | None = None) -> FlowRun:
    state: State[None] = State(type=kind, name=name, message=message, timestamp=datetime.now(UTC))
    policy = FlowRunPolicy.model_validate({"retry_type": retry})
    return FlowRun(flow_id=uuid4(), state=state, infrastructure_pid=pid, empirical_policy=policy)


OURS = infrastructure_id("abc")


@pytest.mark.parametrize(
    ("run", "ending"),
    [
        (_run(StateType.PENDING, "Pending", message=claim_message("w", "abc")), Ending.AGAIN),
        (_run(StateType.PENDING, "Pending", message=claim_message("w", "xyz"), pid=OURS), Ending.NOTHING),
        (_run(StateType.RUNNING, "Running", pid=OURS), Ending.CRASHED),
        (_run(StateType.RUNNING, "Running", pid=infrastructure_id("xyz")), Ending.NOTHING),
        (_run(StateType.CANCELLING, "Cancelling", pid=OURS), Ending.CANCELLED),
        (_run(StateType.SCHEDULED, "AwaitingRetry", pid=OURS, retry="in_process"), Ending.CRASHED),
        (_run(StateType.SCHEDULED, "AwaitingRetry", pid=OURS, retry="reschedule"), Ending.NOTHING),
        (_run(StateType.PAUSED, "Suspended", pid=OURS), Ending.NOTHING),
        (_run(StateType.PAUSED, "Paused", pid=OURS), Ending.CRASHED),
        (_run(StateType.COMPLETED, "Completed", pid=OURS), Ending.NOTHING),
    ],
)
def test_what_a_dead_worker_owes_a_run(run: FlowRun, ending: Ending) -> None:
    assert left_behind(run, "abc") is ending
