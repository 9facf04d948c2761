"""A child: forked from the zygote, runs what the worker sends, one order after another, until it is told to retire.

The main thread runs flows (Prefect interrupts synchronous flows there only). A second thread reads the worker's
messages, so that a run can be cancelled while it works, and ends the process at once, with all it has started, when
the worker or the zygote is gone.
"""

from __future__ import annotations

import ctypes
import os
import queue
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from flows.worker import wire
from flows.worker.engine import ChildEngine
from flows.worker.surroundings import as_message, given_to_a_run, take_vitals

_PR_SET_PDEATHSIG = 1
_RETRY_SECONDS = 0.02  # between tries to cancel a run that has not reached Prefect's engine yet


def become_a_child(channel: socket.socket, output: int, zygote: int, life: int, env: dict[str, str]) -> NoReturn:
    """Never returns. `zygote` is its process id, `life` a pipe whose other end only the zygote holds."""
    status = 70
    try:
        _leave_the_zygote(output, zygote, env)
        status = Child(channel, life).serve()
    except BaseException:  # noqa: BLE001 (nothing may unwind into the zygote's code, whose copy this process is)
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _leave_the_zygote(output: int, zygote: int, env: dict[str, str]) -> None:
    with suppress(PermissionError):
        os.setpgid(0, 0)  # what a run starts is found by its group
    die_with_the_parent(signal.SIGKILL)
    if os.getppid() != zygote:
        os._exit(70)
    if sys.platform == "linux":
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 (no file but a switch)
            file.write("500")  # when memory is short, a run goes before the worker does
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.update(env)


def die_with_the_parent(number: signal.Signals) -> None:
    """Have the kernel send us `number` when our parent ends, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def end_family_of(leader: int) -> None:
    """Kill what is left in a child's process group, which is named like the child, and the child itself."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


class Child:
    """Receives orders and answers them."""

    def __init__(self, channel: socket.socket, life: int) -> None:
        self._channel = channel
        self._life = life
        self._orders: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        self._engine = ChildEngine()
        self._runs = 0
        self._received: str | None = None  # the run the main thread is at

    def serve(self) -> int:
        """Until told to retire: the exit status."""
        signal.signal(signal.SIGTERM, self._terminated)
        try:
            self._engine.open()
            threading.Thread(target=self._listen, name="warm-orders", daemon=True).start()
            self._say({"ready": as_message(take_vitals(0))})
            while (order := self._orders.get())["do"] != "retire":
                self._obey(order)
        except SystemExit:
            return 128 + signal.SIGTERM
        finally:
            self._engine.flush()
        return 0

    def _terminated(self, *_: object) -> None:
        if self._engine.may_terminate():
            raise SystemExit

    def _say(self, message: wire.Message) -> None:
        self._channel.sendall(wire.encode(message))

    def _obey(self, order: wire.Message) -> None:
        self._received = order["flow_run"]["id"]
        try:
            with given_to_a_run(order["env"], order.get("working_dir"), order.get("memory")):
                outcome = self._perform(order)
        except OSError as error:  # the folder of the run does not exist
            outcome = {"state": None, "broken": f"The run's surroundings could not be made: {error}", "retire": False}
        self._runs += order["do"] == "run"
        vitals = as_message(take_vitals(self._runs))
        self._say({"done": order["flow_run"]["id"], "outcome": outcome, "vitals": vitals})

    def _perform(self, order: wire.Message) -> dict[str, Any]:
        if order["do"] == "run":
            return self._engine.run(order["flow_run"], order["entrypoint"], order["token"], order["label"])
        try:
            self._engine.hooks(order["kind"], order["flow_run"], order["state"], order["entrypoint"])
        except Exception:  # noqa: BLE001 (hooks of a run that is over: they may not keep it from its last state)
            traceback.print_exc()
        return {"state": None, "broken": None, "retire": False}

    def _listen(self) -> None:
        cancelling: str | None = None
        while True:
            ready, _, _ = select.select(
                [self._channel.fileno(), self._life], [], [], _RETRY_SECONDS if cancelling else None
            )
            if ready:
                message = None if self._life in ready else wire.receive(self._channel)
                if message is None:  # the worker or the zygote is gone: nobody may run what they will give to others
                    end_family_of(os.getpid())
                    os._exit(70)
                elif message["do"] == "cancel":
                    cancelling = message["flow_run"]
                elif message["do"] == "suspend":
                    self._engine.suspend(message["flow_run"], message["state"])
                else:
                    self._orders.put(message)
            if cancelling and self._received == cancelling and self._engine.cancel(cancelling):
                cancelling = None
