"""The one file that touches what Prefect does not promise to keep. Tested with Prefect 3.8.

Three borders: `check_prefect` says at start, by name, what another release has moved; `ChildEngine` runs deployment
runs in a process that stays; `PrefectSide` is the part of `BaseWorker` that the warm worker changes. Each use of a
private name says why there is no public way. `tests/unit/worker/test_engine_pins.py` fails loudly when one changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import prefect.flow_engine
import prefect.results
from prefect._flow_run_suspension import mark_flow_run_suspension_requested
from prefect._internal import control_listener
from prefect.client.orchestration import PrefectClient, SyncPrefectClient
from prefect.client.schemas.objects import Flow as ApiFlow
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse, WorkerFlowRunResponse
from prefect.context import AsyncClientContext, SyncClientContext, refresh_global_settings_context
from prefect.events.worker import EventsWorker
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import run_flow
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.logging.handlers import APILogWorker
from prefect.logging.loggers import flow_run_logger
from prefect.runner._hook_runner import _run_hooks
from prefect.utilities.engine import commit_control_intent_and_ack
from prefect.workers.base import BaseJobConfiguration, BaseWorker

from flows.worker.clock import PrefectClock
from flows.worker.heartbeats import Heartbeats
from flows.worker.pins import missing
from flows.worker.pool import step_token
from flows.worker.proposals import propose_until_answered, propose_until_answered_blocking

_USED = {
    "prefect.flow_engine": (
        "observe_flow_run_suspension(flow_run_id, suspension_request, polling_interval)",
        "_send_heartbeats(engine, join_on_exit)",
        "run_flow(flow, flow_run, parameters, wait_for, return_type, error_logger, context)",
    ),
    "prefect.flow_engine:BaseFlowRunEngine": (
        "_build_heartbeat_event_template(self)",
        "_emit_flow_run_heartbeat(self, resource, related)",
    ),
    "prefect.results": (
        "_aread_server_default_result_storage_block_id()",
        "_read_server_default_result_storage_block_id()",
    ),
    "prefect._flow_run_suspension": ("mark_flow_run_suspension_requested(flow_run_id, state)",),
    "prefect._internal.control_listener": (
        "_set_intent(value)",
        "clear_intent()",
        "configure_from_env()",
        "engine_outcome_is_handled()",
        "get_intent()",
        "stop()",
    ),
    "prefect.utilities.engine": (
        "commit_control_intent_and_ack(commit_intent, clear_intent, send_ack, trigger_cancel)",
    ),
    "prefect.runner._hook_runner": ("_run_hooks(hooks, flow_run, flow, state)",),
    "prefect.workers.base:BaseJobConfiguration": (
        "_base_flow_run_environment(flow_run)",
        "_base_attribution_environment(flow_run, deployment, flow, worker_id, worker_name)",
    ),
    "prefect.workers.base:BaseWorker": (
        "get_and_submit_flow_runs(self)",
        "_setup_cancellation_observer(self)",
        "setup(self)",
        "teardown(self, exc_info)",
    ),
}


def check_prefect() -> list[str]:
    """What the installed Prefect lacks of the names and signatures used here; empty when all is there."""
    return missing(_USED)


def run_environment(
    run: FlowRun, deployment: DeploymentResponse | None, flow: ApiFlow, worker: str, worker_id: UUID | None
) -> dict[str, str]:
    """The variables by which a run's process and its requests to Prefect say what they belong to.

    Prefect's worker also puts all its settings in here, which takes 15 ms; ours has given them to the zygote.
    """
    return {
        **BaseJobConfiguration._base_flow_run_environment(run),
        **BaseJobConfiguration._base_attribution_environment(run, deployment, flow, worker_id, worker),
    }


class _OncePerProcess:
    """What Prefect's engine does once per run and costs 0.04 to 1 s each, done once for all runs of this process."""

    STORAGE_SECONDS = 60.0

    def __init__(self) -> None:
        self._heartbeats = Heartbeats()
        self._storage: tuple[float, UUID | None] | None = None
        self._ask_async = prefect.results._aread_server_default_result_storage_block_id
        self._ask_sync = prefect.results._read_server_default_result_storage_block_id

    def install(self) -> None:
        """Take the place of Prefect's functions, in this process only."""
        vars(prefect.flow_engine).update(
            observe_flow_run_suspension=self._observed_by_the_worker, _send_heartbeats=self._send_heartbeats
        )
        vars(prefect.results).update(
            _aread_server_default_result_storage_block_id=self._storage_block_async,
            _read_server_default_result_storage_block_id=self._storage_block,
        )

    @contextlib.contextmanager
    def _observed_by_the_worker(self, *_: object, **__: object) -> Iterator[None]:
        # Stock: a thread, a client and a websocket a run, and 0.2 s to end. The worker watches all runs with one
        # subscription and sends `suspend`, which goes through `mark_flow_run_suspension_requested`.
        yield

    @contextlib.contextmanager
    def _send_heartbeats(self, engine: Any, join_on_exit: bool = True) -> Iterator[None]:  # noqa: ARG002 (its signature)
        # Stock: a thread a run that sleeps in steps of 1 s and that a synchronous flow waits for.
        if engine.heartbeat_seconds is None:
            yield
            return
        context = contextvars.copy_context()  # the run's settings and tags

        def beat() -> None:
            if not engine.state.is_final():
                context.run(lambda: engine._emit_flow_run_heartbeat(*engine._build_heartbeat_event_template()))

        with self._heartbeats.of(beat, engine.heartbeat_seconds):
            yield

    # Stock: a new client (33 ms for its TLS context) and a request at every run, for a value that hardly ever changes.
    async def _storage_block_async(self) -> UUID | None:
        if self._storage is None or self._storage[0] < time.monotonic():
            self._storage = (time.monotonic() + self.STORAGE_SECONDS, await self._ask_async())
        return self._storage[1]

    def _storage_block(self) -> UUID | None:
        if self._storage is None or self._storage[0] < time.monotonic():
            self._storage = (time.monotonic() + self.STORAGE_SECONDS, self._ask_sync())
        return self._storage[1]


class ChildEngine:
    """Runs deployment runs in this process, one at a time, in the main thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._base = contextvars.copy_context()
        self._current: tuple[UUID, UUID, str] | None = None  # flow run, claim token, infrastructure id
        self._lock = threading.Lock()

    def open(self) -> None:
        """Open what all runs share. Settings are read anew: this child's environment may differ from its zygote's."""
        refresh_global_settings_context()  # Prefect's CLI does the same; a forked process has no public way
        _OncePerProcess().install()
        self._base.run(self._enter_sync)
        self._runner.run(self._enter_async(), context=self._base)
        self._base.run(APILogWorker.instance)  # or the first run would wait for their clients
        self._base.run(EventsWorker.instance)

    def _enter_sync(self) -> None:
        context = SyncClientContext().__enter__()
        self._mark_what_it_sends(context.client)

    async def _enter_async(self) -> None:
        context = await AsyncClientContext().__aenter__()
        self._mark_what_it_sends(context.client)

    def _mark_what_it_sends(self, client: PrefectClient | SyncPrefectClient) -> None:
        """States carry tokens of the claim, and the engine's first update the infrastructure id: no call more.

        Prefect's engine takes an error of its server for one of the flow: one that has done its work would be Failed.
        """
        set_state, update = client.set_flow_run_state, client.update_flow_run

        def set_flow_run_state(flow_run_id: UUID, state: State[Any], force: bool = False) -> Any:
            if self._current and str(flow_run_id) == str(self._current[0]):
                run_id, claim, _ = self._current
                token = step_token(claim, final=state.is_final(), running=state.is_running())
                if isinstance(client, SyncPrefectClient):
                    return propose_until_answered_blocking(client, run_id, state, token, force=force)
                return propose_until_answered(client, run_id, state, token, force=force)
            return set_state(flow_run_id, state, force)

        def update_flow_run(flow_run_id: UUID, *args: Any, **changes: Any) -> Any:
            if self._current and flow_run_id == self._current[0] and not args:
                changes.setdefault("infrastructure_pid", self._current[2])
            return update(flow_run_id, *args, **changes)

        vars(client).update(set_flow_run_state=set_flow_run_state, update_flow_run=update_flow_run)

    def run(self, flow_run: dict[str, Any], entrypoint: str, token: str, label: str) -> dict[str, Any]:
        """Run it to its end: `{"state": type of the last state or None, "broken": message or None, "retire", "away"}`.

        `broken` means that Prefect's engine could not report the end, since Prefect was `away` perhaps; `retire` that
        this process should take no more.
        """
        run = FlowRun.model_validate(flow_run)
        logger = flow_run_logger(run)
        try:
            flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        except Exception as error:  # noqa: BLE001 (a module may fail with anything; the run says so)
            self._base.run(logger.exception, "The flow %s could not be loaded", entrypoint)
            return _outcome(broken=f"The flow {entrypoint} could not be loaded: {error!r}", retire=True)
        with self._lock:
            self._current = (run.id, UUID(token), label)
        control_listener.stop()  # forgets the last run's outcome; without a control port nothing is opened again
        control_listener.clear_intent()
        control_listener.configure_from_env()
        try:
            state = self._drive(flow, run, logger)
        except (Abort, Pause):
            return _outcome()
        except BaseException as error:  # noqa: BLE001 (whatever the engine lets through; SIGTERM and SystemExit too)
            # The run was interrupted, and its loop may have lost a callback: another process goes on.
            handled = control_listener.engine_outcome_is_handled() or control_listener.get_intent() is not None
            broken = None if handled else f"The run was interrupted: {error!r}"
            return _outcome(broken=broken, retire=True, away=isinstance(error, httpx.HTTPError))
        finally:
            with self._lock:
                self._current = None
                control_listener.clear_intent()
        return _outcome(state=state.type.value if state else None)

    def _drive(self, flow: Flow[..., Any], run: FlowRun, logger: Any) -> State[Any] | None:
        context = self._base.copy()  # what a run leaves in context variables ends with it
        how: Any = "result" if flow.isgenerator else "state"
        result: Any = context.run(run_flow, flow, flow_run=run, error_logger=logger, return_type=how)
        if inspect.isasyncgen(result):
            self._complete(_exhaust(result), context)
        elif inspect.isgenerator(result):
            context.run(lambda: [None for _ in result])
        elif inspect.iscoroutine(result):
            result = self._complete(result, context)
        return result if isinstance(result, State) else None

    def _complete(self, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context) -> Any:
        try:
            return self._runner.run(coroutine, context=context)
        finally:
            loop = self._runner.get_loop()
            if left := asyncio.all_tasks(loop):  # as at the end of `asyncio.run`: the run's own task, or ones it leaked
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    def hooks(self, kind: str, flow_run: dict[str, Any], state: dict[str, Any], entrypoint: str) -> None:
        """Run the `on_<kind>` hooks of a run whose own process could not: kind is crashed, cancellation or failure."""
        flow: Flow[..., Any] = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
        hooks = getattr(flow, f"on_{kind}_hooks") or []
        # Prefect's own order, threads and log lines of hooks, which it runs from a runner's process.
        self._complete(
            _run_hooks(hooks, FlowRun.model_validate(flow_run), flow, State.model_validate(state)), self._base.copy()
        )

    def cancel(self, flow_run_id: str) -> bool:
        """From another thread: interrupt the run in the main thread, as Prefect's runner would by signal.

        False while the run is not far enough into Prefect's engine to be interrupted: ask again in a moment.
        """
        with self._lock:
            if self._current is None or str(self._current[0]) != flow_run_id or control_listener.get_intent():
                return True
            return commit_control_intent_and_ack(
                commit_intent=lambda: control_listener._set_intent("cancel"),
                clear_intent=control_listener.clear_intent,
                send_ack=lambda: None,
                trigger_cancel=lambda: os.kill(os.getpid(), signal.SIGTERM),
            )

    def suspend(self, flow_run_id: str, state: dict[str, Any]) -> None:
        """From another thread: stop at the next step of the flow, with this Suspended state of Prefect's."""
        mark_flow_run_suspension_requested(UUID(flow_run_id), State.model_validate(state))

    def may_terminate(self) -> bool:
        """Whether a SIGTERM that no run took is meant for the process: not when it is a late cancellation."""
        return control_listener.get_intent() is None

    def flush(self, seconds: float = 5.0) -> None:
        """Send the logs and events that still wait."""
        for service in (APILogWorker, EventsWorker):
            with contextlib.suppress(Exception):  # the process ends anyway
                self._base.run(service.drain_all, timeout=seconds)


def _outcome(
    *, state: str | None = None, broken: str | None = None, retire: bool = False, away: bool = False
) -> dict[str, Any]:
    return {"state": state, "broken": broken, "retire": retire, "away": away}


async def _exhaust(generator: AsyncIterator[Any]) -> None:
    async for _ in generator:
        pass


class PrefectSide(BaseWorker[Any, Any, Any], ABC):
    """What the warm worker needs of `BaseWorker`, under names of our own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._clock = PrefectClock()

    @abstractmethod
    async def poll(self) -> None: ...
    @abstractmethod
    async def synced(self) -> None: ...

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Prefect's polling loop calls this every `PREFECT_WORKER_QUERY_SECONDS`."""
        if self._has_successfully_synced:
            await self.poll()
        self._last_polled_time = datetime.now().astimezone()  # what `--with-healthcheck` looks at
        return []

    async def _setup_cancellation_observer(self) -> None:
        # Called once the pool is known, and at each heartbeat. Prefect's observer sees only pending runs.
        if self._work_pool is not None:
            await self.synced()

    @property
    def pool_name(self) -> str:
        return self._work_pool_name

    @property
    def log(self) -> Any:
        return self._logger

    @property
    def limit(self) -> int | None:
        """`--limit` of the command line."""
        return self._limit

    def now(self) -> datetime:
        """The time by Prefect's clock, which says what is due: ours may be wrong by as much as it tells."""
        return self._clock.now()

    async def due_runs(self, before: datetime, limit: int, after: datetime | None = None) -> list[FlowRun]:
        """Runs that the pool may start, by priority and time; its limits, queues and pauses are in Prefect's query.

        The client's own method has no limit and answers with up to 200 runs whatever there is room for.
        """
        body: dict[str, Any] = {"scheduled_before": before.isoformat(), "limit": limit}
        if after:
            body["scheduled_after"] = after.isoformat()
        if self._work_queues:
            body["work_queue_names"] = sorted(self._work_queues)
        asked_at = datetime.now(UTC)
        response = await self.client.request(
            "POST",
            "/work_pools/{name}/get_scheduled_flow_runs",
            path_params={"name": self._work_pool_name},
            json=body,
        )
        if self._clock.hear(response.headers.get("date"), asked_at):
            off = self._clock.off.total_seconds()
            self.log.warning("Prefect's clock is %+.0f s from this machine's: going by Prefect's", off)
        return [WorkerFlowRunResponse.model_validate(one).flow_run for one in response.json()]
