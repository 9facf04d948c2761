"""The zygote: imports Prefect and the flows' modules once, keeps one thread, opens nothing, forks children on command.

`python -m flows.worker.zygote DESCRIPTOR` with the worker at the other end of that socket. It collects its children's
exit statuses for the worker, kills what a dead child leaves behind, and ends with all of them when the worker does.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import site
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from types import ModuleType

from prefect.logging.configuration import setup_logging

from flows.worker import child, engine, wire

_MODULES = ("prefect.flow_engine", "prefect.task_engine", "prefect.client.orchestration", "prefect.runtime")


def import_flows(entrypoints: list[str]) -> tuple[dict[str, str], list[str]]:
    """Import the modules of `package.module.flow` entrypoints: what failed (entrypoint → message), in which files."""
    failed, files = {}, []
    for entrypoint in entrypoints:
        print(f"Importing {entrypoint}", flush=True)  # noqa: T201 (the worker's log: an import that hangs has a name)
        try:
            importlib.import_module(entrypoint.rpartition(".")[0])
        except BaseException as error:  # noqa: BLE001 (a module may do anything; its runs will say so themselves)
            traceback.print_exc()
            failed[entrypoint] = repr(error)
            files += [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
            files += [error.filename] if isinstance(error, SyntaxError) and error.filename else []
    return failed, files


def watched_files(folder: Path, modules: dict[str, ModuleType], others: list[str]) -> list[str]:
    """The imported source files (and `others`) below `folder` that are the project's own, not installed ones."""
    installed = {Path(path).resolve() for path in [*site.getsitepackages(), sys.prefix] if path}
    names = [*others, *(file for module in modules.values() if (file := getattr(module, "__file__", None)))]
    files = {Path(name).resolve() for name in names if not name.startswith("<")}
    return sorted(
        str(file)
        for file in files
        if file.is_relative_to(folder) and not any(file.is_relative_to(place) for place in installed)
    )


class Zygote:
    """Waits for the worker's commands and its children's ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # process id → the worker's number
        self._life, self._life_kept = os.pipe()

    def serve(self) -> None:
        """Until the worker is gone or says so by closing its end."""
        wake, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while True:
                ready, _, _ = select.select([self._control.fileno(), wake], [], [])
                if wake in ready and signal.SIGTERM in os.read(wake, 4096):
                    return
                self._collect()
                if self._control.fileno() in ready and not self._command():
                    return
        finally:
            for pid in self._children:
                child.end_family_of(pid)

    def _command(self) -> bool:
        message, descriptors = wire.receive_with_descriptors(self._control, 2)
        if message is None:
            return False
        channel, output = descriptors
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._control.close()
            os.close(self._life_kept)
            child.become_a_child(socket.socket(fileno=channel), output, zygote, self._life, message["env"])
        os.close(channel)
        os.close(output)
        self._children[pid] = message["fork"]
        return self._say({"forked": message["fork"], "pid": pid})

    def _collect(self) -> None:
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                child.end_family_of(ended.si_pid)  # before its id is free for others
                _, status = os.waitpid(ended.si_pid, 0)
                number = self._children.pop(ended.si_pid, None)
                if number is not None:
                    self._say({"exited": number, "status": os.waitstatus_to_exitcode(status)})

    def _say(self, message: wire.Message) -> bool:
        try:
            self._control.sendall(wire.encode(message))
        except OSError:
            return False
        return True


def main() -> None:
    """Import everything, say so, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    child.die_with_the_parent(signal.SIGTERM)  # while it imports nobody reads the channel, which also says so
    order = wire.receive(control)
    if order is None:
        return
    lacking = engine.check_prefect()
    if lacking:
        control.sendall(wire.encode({"unfit": lacking}))
        return
    for module in _MODULES:
        importlib.import_module(module)
    failed, broken = import_flows(order["import"])
    setup_logging()  # which Prefect's own command line does
    gc.collect()
    gc.freeze()  # the collector would otherwise write to every page that the children share
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    files = watched_files(Path.cwd().resolve(), dict(sys.modules), broken)
    control.sendall(wire.encode({"ready": {"failed": failed, "files": files, "threads": threads}}))
    Zygote(control).serve()


if __name__ == "__main__":
    main()
