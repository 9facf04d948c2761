"""What a worker must survive: flows that take their process down or never end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import Any

from prefect import flow

from tests.support.sample_flows.ordinary import note


def _crash_hook(flow: Any, flow_run: Any, state: Any) -> None:
    note(flow_run.parameters["path"], f"hook crashed {state.name}")


@flow(on_crashed=[_crash_hook])
def ending_the_interpreter(path: str, status: int = 3) -> None:
    note(path, "started")
    os._exit(status)


@flow
async def segfaulting(path: str) -> None:
    note(path, "started")
    os.kill(os.getpid(), signal.SIGSEGV)


@flow
def greedy(path: str, mebibytes: int) -> None:
    note(path, "started")
    held = [bytearray(2**20) for _ in range(mebibytes)]
    note(path, f"got {len(held)}")


@flow
def deaf(path: str) -> None:
    """Busy for ever, and no signal is heard."""
    note(path, "started")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        time.sleep(0.05)


@flow
def with_a_process_of_its_own(path: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note(path, f"process {process.pid}")
    time.sleep(600)


@flow
def leaking(path: str, mebibytes: int) -> None:
    kept.append(bytearray(mebibytes * 2**20))
    note(path, f"pid {os.getpid()}")


kept: list[bytearray] = []
