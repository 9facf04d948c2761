"""The folder of state: private, locked by one `up` at a time, with the keys that are made once."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from receiver.supervisor.failures import CannotRun

LEAST_FREE_BYTES = 200 * 1024 * 1024
"""What has to be free on the home's disk to start."""

_ENDING_SECONDS = 40.0


class Home:
    """The folder `WEBHOOKS_HOME`, opened by `open_home`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock
        """The open lock file; whoever holds it open keeps others out."""

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def admin_key_file(self) -> Path:
        return self.path / "admin.key"

    @property
    def prefect_auth_file(self) -> Path:
        return self.path / "prefect.auth"


def open_home(path: Path, least_free: int = LEAST_FREE_BYTES) -> Home:
    """Make the folder (mode 0700) and lock it.

    Raises CannotRun: not writable, another's, in use, or with fewer than `least_free` bytes left on its disk.
    """
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(0o700)
        (path / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = os.open(path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRun(
            f"The folder of state {path} cannot be written: {error.strerror}.",
            "Give it to this user, or set WEBHOOKS_HOME to a folder that can be written.",
        ) from None
    free = shutil.disk_usage(path).free
    if free < least_free:
        os.close(lock)
        raise CannotRun(
            f"Only {free // 2**20} MiB are free where {path} is; {least_free // 2**20} MiB are needed to start.",
            "Free some space there, or set WEBHOOKS_HOME to a folder on another disk.",
        )
    _take(lock, path)
    return Home(path, lock)


def keep(path: Path, make: Callable[[], str]) -> tuple[str, bool]:
    """The secret in the file `path`, made (mode 0600) when there is none; and whether it was made now."""
    try:
        if kept := path.read_text(encoding="utf-8").strip():
            return kept, False
    except FileNotFoundError:
        pass
    value = make()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")
    unfinished.rename(path)
    return value, True


def make_admin_key() -> str:
    """A new API key."""
    return f"whk_{secrets.token_urlsafe(32)}"


def make_auth_string() -> str:
    """A new auth string for Prefect's API."""
    return f"webhooks:{secrets.token_urlsafe(24)}"


def _take(lock: int, path: Path) -> None:
    """Lock, or say who has it. Parts of an `up` that was killed hold it until they have ended: wait for those."""
    deadline = time.monotonic() + _ENDING_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(lock, 20, 0) or b"0")
            if _runs(holder) or time.monotonic() > deadline:
                os.close(lock)
                raise CannotRun(
                    f"Another `webhooks up` (process {holder}) runs on {path}.",
                    f"Stop it with `kill {holder}`, or set WEBHOOKS_HOME to another folder.",
                ) from None
            time.sleep(0.1)
            continue
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
