"""The desk: runs in hand, from the claim to the last state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.schemas.objects import FlowRun, State, StateType, WorkPool
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from flows.worker import wire
from flows.worker.crew import Crew, CrewStopping
from flows.worker.handles import Death
from flows.worker.instances import Instance, infrastructure_id, instance_of, left_behind
from flows.worker.lookups import Job, Lookups, needs_a_child_of_its_own, overlay
from flows.worker.pool import Ending, after_death, after_end, claim_token, death_in_words
from flows.worker.reports import Reports

_HOOK_SECONDS = 60.0


@dataclass(eq=False)
class InHand:
    """A run this worker has taken. `claimed_at` is its Pending state's time: older events do not matter."""

    run: FlowRun
    taken: float
    starts: int = 0
    claimed_at: datetime | None = None
    cancelled: bool = False

    def concerns(self, occurred: datetime) -> bool:
        """Whether something that happened then happened to this attempt."""
        return self.claimed_at is not None and occurred >= self.claimed_at


class Desk:
    """Takes runs, has the crew perform them, and finishes what a child could not."""

    def __init__(
        self,
        *,
        crew: Crew,
        lookups: Lookups,
        reports: Reports,
        instance: Instance,
        pool: Callable[[], WorkPool],
        worker: str,
        worker_id: Callable[[], UUID | None],
        on_new_entrypoint: Callable[[str], None],
        log: logging.Logger | logging.LoggerAdapter[logging.Logger],
    ) -> None:
        self._crew, self._lookups, self._reports, self._instance = crew, lookups, reports, instance
        self._pool, self._worker, self._worker_id = pool, worker, worker_id
        self._on_new_entrypoint, self._log = on_new_entrypoint, log
        self.in_hand: dict[UUID, InHand] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    @property
    def room(self) -> int:
        """How many more runs may be claimed now."""
        return 0 if self._stopping else self._crew.options.children - len(self.in_hand)

    def take(self, run: FlowRun, on_left: Callable[[bool], None]) -> bool:
        """Claim and perform it in the background; False when it is in hand already.

        `on_left(claimed)` is called when it has left the desk.
        """
        if run.id in self.in_hand or self._stopping:
            return False
        entry = self.in_hand[run.id] = InHand(run, time.monotonic())
        task = asyncio.create_task(self._see_through(entry))
        self._tasks.add(task)

        def left(done: asyncio.Task[bool]) -> None:
            self._tasks.discard(done)
            if not done.cancelled():  # else Prefect was not told of its end, which the next worker here will do
                self.in_hand.pop(run.id, None)
            if not done.cancelled() and (error := done.exception()):
                self._log.error("Flow run %r is out of hand: %r", run.name, error, exc_info=error)
            on_left(not done.cancelled() and not done.exception() and done.result())

        task.add_done_callback(left)
        return True

    async def _see_through(self, entry: InHand) -> bool:
        looking_up = asyncio.create_task(self._job(entry))  # while Prefect thinks about the claim
        try:
            if not await self._reports.claim(entry.run):
                return False
            state = entry.run.state
            entry.claimed_at = state.timestamp if state else None
            await self.perform(entry, looking_up)
        finally:
            looking_up.cancel()
            await asyncio.gather(looking_up, return_exceptions=True)
        return True

    async def _job(self, entry: InHand) -> Job:
        return await self._reports.looked_up(
            lambda: self._lookups.job(entry.run, self._pool(), self._worker, self._worker_id())
        )

    async def perform(self, entry: InHand, looking_up: Awaitable[Job] | None = None) -> None:
        """A claimed run, to its end."""
        try:
            job = await (looking_up or self._job(entry))
        except ObjectNotFound:
            await self._reports.cancelled(entry.run, "Its deployment no longer exists.")
            return
        except Exception as error:  # noqa: BLE001 (a template or block reference that cannot be resolved)
            await self._reports.crashed(entry.run, f"The run could not be set up: {error!r}")
            return
        if job.refused:
            await self._reports.refused(entry.run, job.refused)
            return
        if job.entrypoint not in self._crew.entrypoints:
            self._on_new_entrypoint(job.entrypoint)
        await self._perform(entry, job)

    async def _perform(self, entry: InHand, job: Job) -> None:
        while True:
            if entry.cancelled:
                ending, words = Ending.CANCELLED, ""
            else:
                entry.starts += 1
                try:
                    answer = await self._have_it_done(entry, job, self._run_order(entry, job))
                except CrewStopping:
                    ending, words = Ending.AGAIN, ""
                else:
                    ending, words = await self._judge(entry, answer)
            if ending is Ending.AGAIN and not self._stopping:
                self._log.warning("Flow run %r never began: giving it to another child", entry.run.name)
                continue
            await self._finish(entry, job, ending, words)
            return

    def _run_order(self, entry: InHand, job: Job) -> wire.Message:
        run = entry.run
        return {
            "do": "run",
            "flow_run": run.model_dump(mode="json"),
            "entrypoint": job.entrypoint,
            "token": str(claim_token(run.id, run.run_count)),
            "label": infrastructure_id(self._instance.id),
        }

    async def _have_it_done(self, entry: InHand, job: Job, order: wire.Message) -> wire.Message | Death:
        configuration = job.configuration
        changes = overlay(configuration.env, self._crew.env)
        settings = changes if needs_a_child_of_its_own(changes) else None
        order |= {
            "env": changes,
            "working_dir": str(configuration.working_dir) if configuration.working_dir else None,
            "memory": configuration.memory_limit,
        }
        prefix = entry.run.name if configuration.stream_output else None
        seconds = configuration.max_run_seconds if order["do"] == "run" else _HOOK_SECONDS
        return await self._crew.perform(order, prefix, env=settings, seconds=seconds)

    async def _judge(self, entry: InHand, answer: wire.Message | Death) -> tuple[Ending, str]:
        if isinstance(answer, Death):
            words, timed_out = death_in_words(answer.status), answer.timed_out
        elif answer["broken"] and answer.get("away"):  # Prefect was, and perhaps the run had not even begun
            words, timed_out = answer["broken"], False
        else:
            return after_end(answer), answer["broken"] or ""
        now = await self._reports.read(entry.run.id)
        if now is None or now.state is None:
            return Ending.NOTHING, ""
        ending = after_death(
            now.state.type.value,
            now.state.name or "",
            starts=entry.starts,
            timed_out=timed_out,
            cancelled=entry.cancelled,
            stopping=self._stopping,
        )
        return ending, words

    async def _finish(self, entry: InHand, job: Job, ending: Ending, words: str) -> None:
        run = entry.run
        if ending is Ending.CRASHED:
            if state := await self._reports.crashed(run, words):
                await self._hooks(entry, job, "crashed", state)
        elif ending is Ending.TIMED_OUT:
            if state := await self._reports.timed_out(run, job.configuration.max_run_seconds or 0.0):
                await self._hooks(entry, job, "failure", state)
        elif ending is Ending.CANCELLED:
            if entry.starts:
                await self._hooks(entry, job, "cancellation", Cancelling())
            await self._reports.cancelled(run, "Cancelled by its warm worker.")
        elif ending is Ending.AGAIN:
            await self._reports.again(run)

    async def _hooks(self, entry: InHand, job: Job, kind: str, state: State[Any]) -> None:
        order = {
            "do": "hooks",
            "kind": kind,
            "flow_run": entry.run.model_dump(mode="json"),
            "state": state.model_dump(mode="json"),
            "entrypoint": job.entrypoint,
        }
        try:
            answer = await self._have_it_done(entry, job, order)
        except CrewStopping:
            answer = Death(None)
        if isinstance(answer, Death):
            self._log.error("Hooks of flow run %r could not be finished", entry.run.name)

    def cancel(self, flow_run_id: UUID, occurred: datetime | None = None) -> None:
        """Prefect has it Cancelling or Cancelled. Told again: nothing more happens."""
        entry = self.in_hand.get(flow_run_id)
        if entry is None or entry.cancelled or (occurred and not entry.concerns(occurred)):
            return
        entry.cancelled = True
        self._crew.tell(str(flow_run_id), {"do": "cancel", "flow_run": str(flow_run_id)})
        asyncio.get_running_loop().call_later(self._crew.options.cancel_grace, self._kill, entry)

    def _kill(self, entry: InHand) -> None:
        if self.in_hand.get(entry.run.id) is entry:
            child = self._crew.tell(str(entry.run.id), {"do": "cancel", "flow_run": str(entry.run.id)})
            if child is not None:
                self._log.warning("Flow run %r did not end when cancelled: killing child %s", entry.run.name, child.pid)
                child.kill()

    def suspended(self, flow_run_id: UUID, state_id: UUID, occurred: datetime) -> None:
        """Prefect has it Suspended, or had: its process must not go on beside the one that resumes it."""
        entry = self.in_hand.get(flow_run_id)
        if entry is not None and entry.concerns(occurred):
            state: State[Any] = State(id=state_id, type=StateType.PAUSED, name="Suspended", timestamp=occurred)
            self._tell_suspended(flow_run_id, state)

    def _tell_suspended(self, flow_run_id: UUID, state: State[Any]) -> None:
        message = {"do": "suspend", "flow_run": str(flow_run_id), "state": state.model_dump(mode="json")}
        self._crew.tell(str(flow_run_id), message)

    async def look_after(self, older_than: float) -> None:
        """The net under the events: read the runs in hand for that many seconds or more."""
        for entry in list(self.in_hand.values()):
            if entry.claimed_at is None or time.monotonic() - entry.taken < older_than:
                continue
            run = await self._reports.read(entry.run.id)
            if run is None or run.state is None:
                continue
            if run.state.is_cancelling() or run.state.is_cancelled():
                self.cancel(run.id)
            elif run.state.is_paused() and run.state.name == "Suspended":
                self._tell_suspended(run.id, run.state)

    async def mend(self, dead: Instance) -> None:
        """Finish what a killed worker has left."""
        for run in await self._reports.unfinished(self._pool().name):
            await self._end_left_behind(run, dead.id, "The worker that ran it was killed.")
        dead.leave()

    async def mend_lost(self, lost: set[str], here: set[str]) -> None:
        """Finish what workers have left whose machines are gone, by their names; not what instances `here` have."""
        for run in await self._reports.unfinished(self._pool().name):
            instance = instance_of(run)
            if instance is None or instance in here:
                continue
            worker = (await self._reports.claimed_by(run.id)).get(instance)
            if worker in lost:
                words = f"Its worker {worker!r} was not heard of any more and is taken for lost with its machine."
                await self._end_left_behind(run, instance, words)

    async def _end_left_behind(self, run: FlowRun, instance: str, words: str) -> None:
        ending = left_behind(run, instance)
        if ending is Ending.NOTHING or run.id in self.in_hand:
            return
        if ending is Ending.AGAIN:
            await self._reports.again(run)
            return
        entry = InHand(run, time.monotonic(), starts=1)
        await self._finish(entry, await self._job(entry), ending, words)

    async def close(self, grace: float, seconds: float) -> None:
        """Take nothing more, let runs finish for `grace` seconds, then report what became of the rest."""
        self._stopping = True
        await self._crew.stop(grace)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
