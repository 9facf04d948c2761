"""A tiny process between a supervisor and one part: whatever happens to the supervisor, all it started ends.

Run by path (`python -I -S guard.py '<json>'`), so it needs the standard library only and starts in some 20 ms. It leads
a session of its own (a terminal's Ctrl-C does not reach the part by itself) and reads its standard input, a pipe from
the supervisor: `s` asks the part to stop, `k` kills it, and the end of the pipe, which the kernel sends also when the
supervisor is killed, stops it with a short grace. It outlives the part until every descendant is gone, those in
sessions of their own included: on Linux orphans are handed to it (child subreaper), elsewhere it remembers the family.
It ends with the part's exit status, or 128 and the number of the signal that ended the part.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any

LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOK_SECONDS = 2.0  # where orphans are not handed to us: how often the family is looked at
_KILL_SECONDS = 10.0  # longest wait for killed processes to vanish (one in the kernel's hands may take its time)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def processes() -> dict[int, tuple[int, str]]:
    """Every process: its id → (its parent's id, when it started, as a token that tells a reused id apart)."""
    table: dict[int, tuple[int, str]] = {}
    if LINUX:
        for name in os.listdir("/proc"):  # noqa: PTH208 (pathlib would double the start-up time)
            if name.isdigit():
                with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 (as above)
                    fields = file.read().rpartition(b")")[2].split()
                    if fields[0] != b"Z":
                        table[int(name)] = (int(fields[1]), fields[19].decode())
        return table
    import subprocess  # here, since it costs the start on Linux more than everything else

    with subprocess.Popen(
        ["/bin/ps", "-axo", "pid=,ppid=,stat=,lstart="], stdout=subprocess.PIPE, text=True
    ) as listing:
        lines = listing.communicate()[0].splitlines()
    for line in lines:
        pid, parent, state, started = line.split(None, 3)
        if not state.startswith("Z") and int(pid) != listing.pid:
            table[int(pid)] = (int(parent), started.strip())
    return table


def family(root: int, table: dict[int, tuple[int, str]]) -> dict[int, str]:
    """Descendants of `root` (itself excluded): id → start token."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found: dict[int, str] = {}
    waiting = [root]
    while waiting:
        for pid in children.get(waiting.pop(), []):
            if pid not in found:
                found[pid] = table[pid][1]
                waiting.append(pid)
    return found


class Guard:
    """Starts the part, listens to the supervisor, ends the family."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.child = 0
        self.status: int | None = None
        self.deadline: float | None = None
        self.hurried = False
        self.known: dict[int, str] = {}

    def start(self) -> None:
        for descriptor in self.config["held"]:
            os.set_inheritable(descriptor, False)
        self.child = os.fork()
        if self.child:
            return
        try:
            self._become_the_part()
        except OSError as error:
            os.write(2, f"{self.config['argv'][0]} could not be started: {error}\n".encode())
        finally:
            os._exit(127)

    def _become_the_part(self) -> None:
        guard = os.getppid()
        os.setpgid(0, 0)
        if self.config["account"]:
            uid, gid = self.config["account"]
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        if LINUX:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which clears it
            if os.getppid() != guard:
                os._exit(127)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored by what a script starts in the background; parts obey it
        os.umask(0o077)
        if self.config["cwd"]:
            os.chdir(self.config["cwd"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execvp(self.config["argv"][0], self.config["argv"])  # noqa: S606 (the supervisor's own command)

    def stop(self, grace: float) -> None:
        """Ask the part to end within `grace` seconds. Asked again: only an earlier deadline counts."""
        deadline = time.monotonic() + grace
        if self.deadline is None:
            self.remember()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, self.config["stop_signal"])
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    def remember(self) -> None:
        self.known.update(family(os.getpid(), processes()))

    def reap(self) -> bool:
        """Collect what ended. False when no child is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self.child:
                    self.status = status
        except ChildProcessError:
            return False

    def watch(self, wake: int) -> None:
        """Return when the part has ended, its time is over, or it is to be killed."""
        sources = [0, wake]
        while self.reap() and self.status is None:
            timeout = None if LINUX else _LOOK_SECONDS
            if self.deadline is not None:
                timeout = max(0.0, self.deadline - time.monotonic())
                if timeout == 0:
                    os.write(2, b"did not end in time: killed\n")
                    return
            ready = select.select(sources, [], [], timeout)[0]
            if not LINUX:
                self.remember()
            if wake in ready and signal.SIGTERM in os.read(wake, 256):
                self.stop(self.config["grace"])
            if 0 in ready:
                words = os.read(0, 64)
                if b"k" in words:
                    self.hurried = True
                    return
                if b"s" in words:
                    self.stop(self.config["grace"])
                if not words:
                    sources.remove(0)
                    self.stop(self.config["lost_grace"])

    def end_family(self) -> None:
        """End every descendant, wait until it is gone: SIGTERM (a flow can still tell Prefect), then SIGKILL."""
        patience = time.monotonic() + (0.0 if self.hurried else self.config["family_grace"])
        limit = patience + _KILL_SECONDS
        asked: set[int] = set()
        while time.monotonic() < limit:
            table = processes()
            left = family(os.getpid(), table)
            left.update({pid: born for pid, born in self.known.items() if pid in table and table[pid][1] == born})
            if not self.reap() and not left:
                return
            killing = time.monotonic() >= patience
            for pid in left if killing else left.keys() - asked:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if killing else signal.SIGTERM)
            asked.update(left)
            time.sleep(0.02)


def main() -> None:
    config = json.loads(sys.argv[1])
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # handled by the wake-up pipe; unlike SIG_IGN not inherited by the part
    if LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    guard = Guard(config)
    guard.start()
    guard.watch(wake)
    guard.end_family()
    status = guard.status if guard.status is not None else signal.SIGKILL
    sys.stdout.flush()
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


if __name__ == "__main__":
    main()
