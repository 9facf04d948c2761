"""What Prefect tells of one run for a person to read: its states, its tasks, the last lines it logged.

Everything is bounded. Parameters are left out: they hold what the sender sent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log, State, TaskRun
from prefect.client.schemas.sorting import LogSort, TaskRunSort
from prefect.exceptions import ObjectNotFound

MOST_TASK_RUNS = 200
MOST_LINES = 500
MOST_STATES = 100
LONGEST_TEXT = 8 * 1024
_PAGE = 200
"""What Prefect's server gives at once, at most."""


@dataclass(frozen=True, kw_only=True)
class RunStep:
    """A state that a run came to: Prefect's type (`RUNNING`), its name (`AwaitingRetry`) and its words."""

    type: str
    name: str
    message: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """A task of a run. `seconds` is how long it ran, so far when it has not ended."""

    name: str
    state: RunStep | None
    started_at: datetime | None
    seconds: float
    runs: int


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A line that a run logged, cut at 8 KiB. `level` is a word (`INFO`), `logger` the logger's name."""

    at: datetime
    level: str
    logger: str
    message: str


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """A run: its states in order, its first 200 tasks, its last 500 lines."""

    name: str
    states: tuple[RunStep, ...]
    task_runs: tuple[TaskReport, ...]
    logs: tuple[LogLine, ...]
    more_logs: bool


async def read_run(client: PrefectClient, flow_run_id: str) -> RunReport | None:
    """A run as Prefect tells it now, None when it has no such run. Raises what the client raises."""
    identity = UUID(flow_run_id)
    try:
        run = await client.read_flow_run(identity)
        states = await client.read_flow_run_states(identity)
    except ObjectNotFound:
        return None
    tasks = await client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[identity])),
        sort=TaskRunSort.EXPECTED_START_TIME_ASC,
        limit=MOST_TASK_RUNS,
    )
    logs = await _last_logs(client, identity)
    return RunReport(
        name=run.name,
        states=tuple(_step(state) for state in states[-MOST_STATES:]),
        task_runs=tuple(_task(task) for task in tasks),
        logs=tuple(_line(log) for log in reversed(logs[:MOST_LINES])),
        more_logs=len(logs) > MOST_LINES,
    )


async def _last_logs(client: PrefectClient, identity: UUID) -> list[Log]:
    """The last lines, the latest first; one more than are told where there are more."""
    wanted, found = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[identity])), list[Log]()
    while len(found) <= MOST_LINES:
        page = await client.read_logs(wanted, limit=_PAGE, offset=len(found), sort=LogSort.TIMESTAMP_DESC)
        found += page
        if len(page) < _PAGE:
            break
    return found


def _step(state: State) -> RunStep:
    return RunStep(
        type=state.type.value,
        name=state.name or state.type.value.title(),
        message=_cut(state.message or ""),
        at=state.timestamp,
    )


def _task(task: TaskRun) -> TaskReport:
    return TaskReport(
        name=task.name,
        state=_step(task.state) if task.state else None,
        started_at=task.start_time,
        seconds=(task.total_run_time if task.end_time else task.estimated_run_time).total_seconds(),
        runs=task.run_count,
    )


def _line(log: Log) -> LogLine:
    level = logging.getLevelName(log.level)
    return LogLine(at=log.timestamp, level=level, logger=log.name, message=_cut(log.message))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}… ({len(text)} characters)"
