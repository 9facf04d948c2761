"""The one thread that writes. What waits together is committed together, and each caller resumes after its own commit.

An event loop hands its work over by a queue and is woken once per commit, not once per caller. Where other processes
write too, each single operation has a commit of its own: two groups that touch the same rows in another order would
wait for each other until the database ends one of them.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from receiver.storage.errors import StoreUnavailable
from receiver.storage.faults import describe, is_for_another_try, is_unavailable

log = logging.getLogger(__name__)

MAX_GROUP = 512
MAX_GROUP_BYTES = 32 * 1024 * 1024
MAX_WAITING = 10_000
MAX_WAITING_BYTES = 256 * 1024 * 1024
_TRIES = 4
"""Of a transaction that the database ended because it and another one waited for each other."""


@dataclass(slots=True, eq=False)
class _Job:
    """`work(connection)`, or with `batched` `work(connection, [item, ...])` for all jobs of the same work."""

    work: Callable[..., Any]
    item: Any
    batched: bool
    size: int
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Owns the connection that writes. `start()` it; `submit()` from any event loop; `stop()` drains it.

    `shared`: whether other processes may write to the same database.
    """

    def __init__(self, engine: Engine, *, shared: bool) -> None:
        self._engine = engine
        self._shared = shared
        self._connection: Connection | None = None
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._waiting_bytes = 0
        self._closed = False
        self._healthy = True
        self._thread = threading.Thread(target=self._run, name="inbox writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, work: Callable[..., Any], item: Any, *, batched: bool, size: int = 0) -> asyncio.Future[Any]:
        """Queue work; the future resolves after its commit. Raises StoreUnavailable when too much is waiting."""
        job = _Job(work, item, batched, size, asyncio.get_running_loop().create_future())
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the inbox is closed")
            if self._waiting >= MAX_WAITING or (self._waiting and self._waiting_bytes + size > MAX_WAITING_BYTES):
                raise StoreUnavailable("too much is waiting to be stored")
            self._waiting += 1
            self._waiting_bytes += size
            self._queue.put(job)
        return job.future

    def stop(self) -> None:
        """Take no more, commit what was taken, end. Blocks; a second call only waits."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._take()
            for part in self._commits(group):
                self._write(part)
                self._wake(part)
        self._discard()

    def _take(self) -> tuple[list[_Job], bool]:
        """What is waiting, at least one job; and whether it was the last."""
        job = self._queue.get()
        group: list[_Job] = []
        size = 0
        while job is not None:
            group.append(job)
            size += job.size
            if len(group) >= MAX_GROUP or size >= MAX_GROUP_BYTES:
                break
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
        return group, job is None

    def _commits(self, group: list[_Job]) -> list[list[_Job]]:
        if not group or not self._shared:
            return [group] if group else []
        batched = [job for job in group if job.batched]
        return [*([batched] if batched else []), *([job] for job in group if not job.batched)]

    def _write(self, group: Sequence[_Job], *, again: bool = True, tries: int = _TRIES) -> None:
        """Commit a group and put each job's result or error on it. One that is wrong fails alone."""
        committing = False
        try:
            connection = self._connect()
            with connection.begin() as transaction:
                _perform(connection, group)
                committing = True
                transaction.commit()
        except Exception as error:  # noqa: BLE001 (whatever a job raises goes to its caller, not to this thread)
            if is_for_another_try(error) and tries > 1:
                self._write(group, again=again, tries=tries - 1)
            elif is_unavailable(error):
                self._discard()
                lost = isinstance(error, DBAPIError) and error.connection_invalidated
                if lost and again and not committing:
                    # The connection died while it was idle: nothing was done, so a new one may do it.
                    self._write(group, again=False)
                    return
                self._report(error)
                for job in group:
                    job.error = StoreUnavailable(f"the inbox cannot be written: {describe(error)}")
                    job.error.__cause__ = error
            elif len(group) == 1:
                group[0].error = error
            else:
                for job in group:
                    self._write([job])
        else:
            self._report(None)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _discard(self) -> None:
        """Forget the connection: the next group opens a new one, and so heals by itself."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except Exception as error:  # noqa: BLE001 (it is broken already)
                log.debug("a broken connection could not be closed: %s", describe(error))

    def _report(self, error: BaseException | None) -> None:
        healthy = error is None
        if healthy != self._healthy:
            self._healthy = healthy
            if error is None:
                log.warning("the inbox can be written again")
            else:
                log.error("the inbox cannot be written, requests get 503 until it can: %s", describe(error))

    def _wake(self, group: Sequence[_Job]) -> None:
        with self._lock:
            self._waiting -= len(group)
            self._waiting_bytes -= sum(job.size for job in group)
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        for job in group:
            by_loop.setdefault(job.future.get_loop(), []).append(job)
        for loop, jobs in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, jobs)
            except RuntimeError:
                log.debug("an event loop ended before %d of its writes were told", len(jobs))


def _perform(connection: Connection, group: Sequence[_Job]) -> None:
    """All batches first, each as a whole, then the single operations in their order."""
    batches: dict[Callable[..., Any], list[_Job]] = {}
    for job in group:
        if job.batched:
            batches.setdefault(job.work, []).append(job)
    for work, jobs in batches.items():
        results = work(connection, [job.item for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            job.result = result
    for job in group:
        if not job.batched:
            job.result = job.work(connection)


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # its caller was cancelled; what it asked for is stored all the same
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)
