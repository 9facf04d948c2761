"""The worker type `warm`: Prefect's worker, with a crew of warm children in the place of a new process a run.

    prefect work-pool create webhooks --type warm
    prefect worker start --pool webhooks

Prefect's events ring a bell; on it, and every `PREFECT_WORKER_QUERY_SECONDS`, the worker asks the pool for what is due
and takes as many runs as it has children. What it heard of and did not find it looks for again (`bells.py`). With
`WEBHOOKS_WARM_RELOAD=1` it watches the project's imported files and renews the zygote when one changes.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio.abc
import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_WORKER_QUERY_SECONDS, get_current_settings

from flows.worker.bells import Bells
from flows.worker.configuration import WarmJobConfiguration, WarmWorkerResult, base_job_template
from flows.worker.crew import Crew
from flows.worker.desk import Desk, InHand
from flows.worker.engine import PrefectSide
from flows.worker.instances import Instance, dead_ones, enter, of_this_machine
from flows.worker.lookups import Lookups, zygote_environment
from flows.worker.pool import PoolOptions
from flows.worker.reports import Reports
from flows.worker.silence import Silence
from flows.worker.watcher import Watcher

RELOAD_VARIABLE = "WEBHOOKS_WARM_RELOAD"
_RELOAD_SECONDS = 0.5
_RENEW_SECONDS = 1.0
_NET_SECONDS = 10.0  # how often runs in hand are read, should an event be missed
_SOON_SECONDS = 0.1
_LOOK_AHEAD = 100
_LAST_WORDS_SECONDS = 3.0


class WarmWorker(PrefectSide):
    """Runs deployments with module entrypoints in warm child processes of this machine."""

    type = "warm"
    job_configuration = WarmJobConfiguration
    _display_name = "Warm"
    _description = (
        "Run flows in processes that have imported them already, on the machine of the worker: a run starts within"
        " milliseconds. For deployments with module entrypoints and without pull steps."
    )
    _documentation_url = "https://docs.prefect.io/v3/concepts/workers"
    _logo_url = ""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._crew: Crew | None = None
        self._desk: Desk | None = None
        self._instance: Instance | None = None
        self._reports: Reports | None = None
        self._bell = asyncio.Event()
        self._alarms: dict[datetime, asyncio.TimerHandle] = {}
        self._importing = self._more = False
        self._limited = True
        self._silence = Silence(PoolOptions().lost_after)
        self._bells = Bells()
        self._later: asyncio.TimerHandle | None = None
        self._wanted: set[str] = set()
        self._background: list[asyncio.Task[None]] = []
        self._renewals: set[asyncio.Task[None]] = set()

    @classmethod
    def get_default_base_job_template(cls) -> dict[str, Any]:
        """What a new pool of this type begins with."""
        return base_job_template()

    async def synced(self) -> None:
        """The pool is known: open everything at first, later take over what its template says now."""
        options = PoolOptions.from_template(self.work_pool.base_job_template, self.limit)
        if self._crew is None:
            await self._open(options)
        else:
            self._crew.options = options
        queues = await self.client.read_work_queues(work_pool_name=self.pool_name)
        limits = [self.work_pool.concurrency_limit, *(queue.concurrency_limit for queue in queues)]
        self._limited = any(limit is not None for limit in limits)  # then an ending run may let another one in
        self._silence.lost_after = options.lost_after
        await self._mend_dead_workers()
        await self._mend_lost_workers()

    async def _open(self, options: PoolOptions) -> None:
        self._instance = enter(self._folder())
        lookups = Lookups(self.client)
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        self._reports = Reports(self.client, self.name, self._instance.id, self.log, self.now)
        crew = self._crew = Crew(
            options,
            zygote_environment(settings, self.name),
            held=(self._instance.descriptor,),
            write_line=lambda line: print(line, flush=True),  # noqa: T201 (what runs print is the worker's output)
            log=self.log,
        )
        desk = self._desk = Desk(
            crew=crew,
            lookups=lookups,
            reports=self._reports,
            instance=self._instance,
            pool=lambda: self.work_pool,
            worker=self.name,
            worker_id=lambda: self.backend_id,
            on_new_entrypoint=self._import_too,
            log=self.log,
        )
        watcher = Watcher(
            self.work_pool.id,
            may_start=self._heard_of,
            claimed=self._bells.answered,
            cancel=desk.cancel,
            suspended=desk.suspended,
            connected=self._look_at_everything,
            log=self.log,
        )
        await crew.start(await lookups.entrypoints(self.pool_name))
        loops = [self._answer_the_bell(), watcher.watch(), self._cast_the_net()]
        if os.environ.get(RELOAD_VARIABLE, "").lower() in ("1", "true", "yes"):
            loops.append(self._watch_files())
        self._background = [asyncio.create_task(loop) for loop in loops]

    def _folder(self) -> Path:
        return (
            get_current_settings().home / "warm-workers" / str(self.work_pool.id)
        )  # a pool's own workers mend its runs

    async def poll(self) -> None:
        """Prefect's own loop: ring for what is due, and set alarms for what will be before the next time."""
        if self._more:  # known to wait; to read all of it again would only hold up those who have room
            self._bell.set()
        else:
            await self._look_ahead(None)

    def _heard_of(self, flow_run_id: UUID) -> None:
        if self._desk is not None and flow_run_id not in self._desk.in_hand:
            self._bells.ring(flow_run_id)
            self._bell.set()

    async def _look_ahead(self, after: datetime | None) -> None:
        """Set alarms for what is due later than the last look, None for all. What is due by now rings at once."""
        try:
            past_the_next_poll = timedelta(seconds=10 + 1.5 * PREFECT_WORKER_QUERY_SECONDS.value())
            horizon = (after or self.now()) + past_the_next_poll
            runs = await self.due_runs(horizon, _LOOK_AHEAD, after)
            now = self.now()
            for run in runs:
                due = run.next_scheduled_start_time or run.expected_start_time or now
                if due not in self._alarms:
                    self._alarms[due] = asyncio.get_running_loop().call_later(
                        (due - now).total_seconds(), self._alarm, due
                    )
        except httpx.HTTPError as error:
            self.log.warning("Prefect could not be asked for runs: %r", error)

    def _alarm(self, due: datetime) -> None:
        self._alarms.pop(due, None)
        self._bell.set()

    async def _answer_the_bell(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()  # whatever rings from here on is answered once more
            try:
                await self._take_what_is_due()
            except httpx.HTTPError as error:
                self.log.warning("Prefect could not be asked for runs: %r", error)
            except Exception:
                self.log.exception("Runs could not be taken")

    async def _take_what_is_due(self) -> None:
        desk = self._desk
        assert desk is not None
        room = desk.room
        if room <= 0:
            self._more = True
            return  # the bell rings when a child is free
        if self._later is not None:
            self._later.cancel()
            self._later = None
        sought = self._bells.ringing
        looked_at = self.now()
        runs = await self.due_runs(looked_at, room)
        self._more = len(runs) >= room
        for run in runs:
            desk.take(run, self._left)
        if self._more:
            return  # those sought may come next
        again, given_up = self._bells.looked(sought, desk.in_hand)
        if again is not None:
            self._look_in(again)
        if given_up:
            self._spawn(self._look_ahead(looked_at))  # it may be due later only, which the bell's query does not show

    def _left(self, claimed: bool) -> None:
        """Look again: at once when more may be waiting, soon when another worker was faster."""
        if claimed and (self._more or self._limited):
            self._bell.set()
        elif self._more:
            self._look_in(_SOON_SECONDS)

    def _look_in(self, seconds: float) -> None:
        if self._later is None:  # else a look comes anyway, and sees to the rest
            self._later = asyncio.get_running_loop().call_later(seconds, self._ring_later)

    def _ring_later(self) -> None:
        self._later = None
        self._bell.set()

    async def _look_at_everything(self) -> None:
        self._bell.set()
        if self._desk:
            await self._desk.look_after(0.0)

    async def _cast_the_net(self) -> None:
        while True:
            await asyncio.sleep(_NET_SECONDS)
            if self._desk:
                with suppress(httpx.HTTPError):
                    await self._desk.look_after(_NET_SECONDS)

    async def _mend_dead_workers(self) -> None:
        assert self._desk is not None
        for dead in dead_ones(self._folder()):
            self.log.warning("Warm worker instance %s was killed: looking after its runs", dead.id)
            try:
                await self._desk.mend(dead)
            except Exception:
                self.log.exception("The runs of a killed worker could not be mended; trying again later")
                os.close(dead.descriptor)

    async def _mend_lost_workers(self) -> None:
        assert self._desk is not None and self._reports is not None
        now = asyncio.get_running_loop().time()
        try:
            lost = self._silence.look(await self._reports.heartbeats(self.pool_name), now) - {self.name}
            if lost and self._silence.speaks(self.name, now):
                self.log.warning("Not heard of any more, looking after their runs: %s", ", ".join(sorted(lost)))
                await self._desk.mend_lost(lost, of_this_machine(self._folder()))
                self._silence.mended(lost)
        except httpx.HTTPError:
            self._silence.interrupted()

    def _import_too(self, entrypoint: str) -> None:
        crew = self._crew
        assert crew is not None

        self._wanted.add(entrypoint)
        if not self._importing:
            self._importing = True
            self._spawn(self._import_wanted(crew))

    async def _import_wanted(self, crew: Crew) -> None:
        try:
            while new := self._wanted - set(crew.entrypoints):
                await asyncio.sleep(_RENEW_SECONDS)  # a deploy brings several
                self.log.info("Renewing the zygote: %s is new", ", ".join(sorted(new)))
                await crew.renew([*await Lookups(self.client).entrypoints(self.pool_name), *self._wanted])
        finally:
            self._importing = False

    async def _watch_files(self) -> None:
        crew = self._crew
        assert crew is not None
        seen = _modified(crew.files)
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            now = _modified(crew.files)
            changed = [name for name, at in now.items() if seen.get(name, at) != at]
            if changed:
                self.log.info("Renewing the zygote: %s has changed", ", ".join(Path(name).name for name in changed))
                before = now
                await crew.renew(crew.entrypoints)
                now = {**_modified(crew.files), **before}  # what changed while it was imported counts the next time
            seen = now

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmJobConfiguration,  # noqa: ARG002 (Prefect's signature; the desk puts together its own)
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmWorkerResult:
        """Perform a run that is Pending already and wait for its end; its job is looked up again."""
        if self._desk is None or self._instance is None:
            raise RuntimeError("The worker has not been started: use it as an async context manager.")
        if task_status is not None:
            task_status.started(os.getpid())
        await self._desk.perform(InHand(flow_run, 0.0))
        return WarmWorkerResult(status_code=0, identifier=self._instance.id)

    async def teardown(self, *exc_info: Any) -> None:
        """Stop taking runs, let those in hand finish for the pool's `stop_grace`, crash or give back the rest."""
        for task in [*self._background, *self._renewals]:
            task.cancel()
        await asyncio.gather(*self._background, *self._renewals, return_exceptions=True)
        for timer in [*self._alarms.values(), *([self._later] if self._later else [])]:
            timer.cancel()
        if self._desk is not None and self._crew is not None and self._instance is not None:
            await self._desk.close(self._crew.options.stop_grace, _LAST_WORDS_SECONDS)
            if self._desk.in_hand:  # Prefect could not be told: the next worker here mends them
                os.close(self._instance.descriptor)
            else:
                self._instance.leave()
        self._crew = self._desk = self._instance = None
        await super().teardown(*exc_info)


def _modified(files: list[str]) -> dict[str, int]:
    found = {}
    for name in files:
        with suppress(OSError):
            found[name] = Path(name).stat().st_mtime_ns
    return found
