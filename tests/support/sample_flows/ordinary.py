"""What a well-behaved project has: tasks, retries, sub-flows, artifacts, logs, hooks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import acreate_markdown_artifact
from pydantic import BaseModel


class Order(BaseModel):
    """A parameter with a type of its own."""

    number: int
    due: date


def note(path: str, words: str) -> None:
    """Append a line that a test reads."""
    with Path(path).open("a") as file:
        file.write(f"{words}\n")


@task
async def plus_one(number: int) -> int:
    return number + 1


@flow
async def asynchronous(path: str, number: int = 0) -> int:
    note(path, f"started {time.time()}")
    total = await plus_one(number)
    note(path, f"got {total}")
    return total


@task
def doubled(number: int) -> int:
    return number * 2


@flow
def synchronous(path: str, number: int = 1) -> int:
    note(path, f"started {time.time()}")
    note(path, f"got {doubled(number)}")
    return number


@flow
def with_tasks_at_once(path: str) -> None:
    futures = doubled.map([1, 2, 3])
    note(path, f"got {sum(future.result() for future in futures)}")


@task
def breaking() -> None:
    raise ValueError("the task went wrong")


@flow
def with_a_failing_task(path: str) -> None:
    note(path, "started")
    breaking()


@task(retries=2, retry_delay_seconds=0)
async def third_time_lucky(path: str) -> None:
    note(path, "tried")
    if len(Path(path).read_text().splitlines()) < 3:
        raise RuntimeError("not yet")


@flow
async def with_task_retries(path: str) -> None:
    await third_time_lucky(path)


@flow(retries=1, retry_delay_seconds=0)
def with_flow_retries(path: str) -> None:
    note(path, f"run {runtime.flow_run.run_count}")
    if runtime.flow_run.run_count < 2:
        raise RuntimeError("not yet")


@flow(timeout_seconds=0.5)
async def with_a_timeout(path: str) -> None:
    note(path, "started")
    await asyncio.sleep(60)


@flow(timeout_seconds=0.5)
def with_a_timeout_synchronous(path: str) -> None:
    note(path, "started")
    for _ in range(600):
        time.sleep(0.1)


@flow
def failing(path: str) -> None:
    note(path, "started")
    raise ValueError("it went wrong")


@flow
async def endless(path: str) -> None:
    note(path, "started")
    await asyncio.sleep(600)


@flow
def endless_synchronous(path: str) -> None:
    note(path, "started")
    for _ in range(6000):
        time.sleep(0.1)


@flow
async def inner(number: int) -> int:
    return await plus_one(number)


@flow
def inner_synchronous(number: int) -> int:
    return doubled(number)


@flow
async def with_sub_flows(path: str) -> None:
    note(path, f"{await inner(1)} {inner_synchronous(4)}")


@flow
async def with_an_artifact() -> None:
    await acreate_markdown_artifact(key="what-was-made", markdown="# made")


@flow(log_prints=True)
def talking() -> None:
    print("printed words")  # noqa: T201 (it is what log_prints is for)
    get_run_logger().info("logged words")


@flow
def printing(words: str) -> None:
    os.write(1, f"{words}\n".encode())


@flow
async def knowing_itself(path: str) -> None:
    facts = {
        "flow_run": str(runtime.flow_run.id),
        "name": runtime.flow_run.name,
        "deployment": runtime.deployment.name,
        "parameters": runtime.flow_run.parameters,
        "flow": runtime.flow_run.flow_name,
        "tags": sorted(runtime.flow_run.tags),
    }
    note(path, json.dumps(facts))


@flow
def looking_around(path: str, disturb: bool = False) -> None:
    facts = {
        "color": os.environ.get("SAMPLE_COLOR"),
        "stray": os.environ.get("SAMPLE_STRAY"),
        "folder": str(Path.cwd()),
        "user_signal": str(signal.getsignal(signal.SIGUSR1)),
        "level": logging.getLogger("sample").level,
        "run_id": os.environ.get("PREFECT__FLOW_RUN_ID"),
        "pid": os.getpid(),
        "log_level": __import__("prefect").settings.get_current_settings().logging.level,
    }
    note(path, json.dumps(facts))
    if disturb:
        os.environ["SAMPLE_STRAY"] = "left behind"
        os.chdir("/")
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        logging.getLogger("sample").setLevel(logging.DEBUG)
        logging.disable(logging.CRITICAL)


def _hook(words: str) -> Any:
    def hook(flow: Any, flow_run: Any, state: Any) -> None:
        note(flow_run.parameters["path"], f"hook {words} {state.name}")

    hook.__name__ = f"hook_{words}"
    return hook


@flow(on_completion=[_hook("completion")], on_failure=[_hook("failure")])
def with_hooks(path: str, fail: bool) -> None:
    if fail:
        raise ValueError("for the hook")


@flow(on_cancellation=[_hook("cancellation")])
async def with_a_cancellation_hook(path: str) -> None:
    note(path, "started")
    await asyncio.sleep(600)


@flow
async def taking_an_order(path: str, order: Order, when: date | None = None) -> None:
    note(path, f"{type(order).__name__} {order.number} {order.due.isoformat()} {when!r}")


@flow
async def brief(path: str, seconds: float) -> None:
    note(path, f"started {os.getpid()}")
    await asyncio.sleep(seconds)


@flow
async def brief_and_ended(path: str, seconds: float) -> None:
    note(path, "started")
    await asyncio.sleep(seconds)
    note(path, "ended")


@task
async def step(path: str) -> None:
    note(path, "step")
    await asyncio.sleep(0.1)


@flow
async def step_by_step(path: str) -> None:
    """Steps until a file named `enough` lies beside `path`."""
    while not Path(path).with_name("enough").exists():
        await step(path)
