"""`up` from settings to a supervisor that runs: opens the home, takes the ports, makes the keys, wires the steps."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from dotenv import dotenv_values

from receiver import tls
from receiver.contract.errors import WebhooksError
from receiver.settings import Settings
from receiver.supervisor import plan
from receiver.supervisor.environment import Surroundings
from receiver.supervisor.failures import CannotRun
from receiver.supervisor.home import Home, keep, make_admin_key, make_auth_string, open_home
from receiver.supervisor.http_calls import PrefectApi, ReceiverApi
from receiver.supervisor.panel import Running, next_steps, whereabouts
from receiver.supervisor.postgres import EmbeddedPostgres
from receiver.supervisor.preflight import take_port
from receiver.supervisor.quarters import PostgresUnavailable, installed
from receiver.supervisor.supervise import Supervisor, first_failure
from receiver.supervisor.terminal import PatientConsole, Terminal


def run_up(settings: Settings, project: Path, *, reload: bool = False) -> int:
    """Run everything until a signal ends it. The exit status: 0 after a stop, 1 when it could not run.

    With `reload`, flows are imported again when their code changes.
    """
    terminal = Terminal(PatientConsole(file=sys.stdout))
    try:
        asyncio.run(_run(settings, project, reload, outside_environment(), terminal))
    except (CannotRun, BaseExceptionGroup) as error:
        failure = first_failure(error)
        if failure is None:
            raise
        terminal.failure("webhooks up cannot run", failure.evidence, f"{failure.problem}\n{failure.next_step}")
        return 1
    except KeyboardInterrupt:  # before there was anything to stop
        return 130
    return 0


def outside_environment() -> dict[str, str]:
    """Our environment; what `.env` says of Prefect and of us counts where the environment says nothing."""
    named = {name: value for name, value in dotenv_values(".env").items() if value}
    ours = {name: value for name, value in named.items() if name.startswith(("PREFECT_", "WEBHOOKS_"))}
    return ours | {name: value for name, value in os.environ.items() if value or name not in ours}


async def _run(settings: Settings, project: Path, reload: bool, outside: Mapping[str, str], terminal: Terminal) -> None:
    home = open_home(settings.state.home)
    port = take_port(settings.http.host, settings.http.port, "WEBHOOKS_PORT")
    http = settings.http.model_copy(update={"public_url": None, "port": port})
    if apart := http.admin_port is not None:
        admin_port = take_port(http.admin_host, http.admin_port, "WEBHOOKS_ADMIN_PORT")
        http = http.model_copy(update={"admin_port": admin_port})
    files = {tls.CERTIFICATE: http.tls_certificate, tls.KEY: http.tls_key}
    if http.tls_certificate:
        try:
            tls.check_pair(http.tls_certificate, http.tls_key)
        except WebhooksError as error:
            raise CannotRun(str(error), "Name the files of a certificate and its key, or unset both.") from None
    prefect = _prefect(settings, outside, home)
    if prefect.port in {http.port, http.admin_port} and prefect.port is not None:
        raise CannotRun(
            f"The receiver and Prefect's server cannot both listen on port {prefect.port}.",
            "Set WEBHOOKS_PORT, WEBHOOKS_ADMIN_PORT and WEBHOOKS_PREFECT_PORT to different ports.",
        )
    admin_key, is_new = _admin_key(settings, home)
    around = Surroundings(
        outside=outside,
        home=home.path,
        project=project,
        host=settings.http.host,
        port=port,
        base_url=http.local_url,
        admin_host=http.admin_host,
        admin_port=http.admin_port,
        admin_url=http.admin_url if apart else None,
        certificate=http.admin_certificate,
        tls_files={name: str(file) for name, file in files.items() if file},
        admin_key=admin_key,
        prefect_url=prefect.url,
        prefect_port=prefect.port,
        prefect_auth=prefect.auth,
        reload=reload,
    )
    database = await asyncio.to_thread(_database, settings, outside, home, terminal) if prefect.port else None
    receiver_api, flow_key = (
        ReceiverApi(around.control_url, admin_key, around.certificate),
        FlowKey(home.path / "flows.key"),
    )
    api = PrefectApi(prefect.url, prefect.auth, bearer=outside.get("PREFECT_API_KEY"), trust_env=prefect.port is None)
    deeds = plan.Deeds(
        reach_prefect=api.require,
        make_pool=api.ensure_pool,
        make_flow_key=lambda: flow_key.make(receiver_api),
        flow_key=flow_key.environment,
    )

    async def show_panel(failed: list[str]) -> None:
        running = Running(
            base_url=around.base_url,
            admin_url=around.admin_url,
            prefect_ui=prefect.url.removesuffix("/api"),
            auth_file=home.prefect_auth_file if prefect.auth_is_kept else None,
            admin_key_file=None if settings.http.admin_key else home.admin_key_file,
            new_admin_key=admin_key if is_new and terminal.console.is_terminal else None,
            logs=home.logs,
            webhooks=await receiver_api.webhooks(),
            behind_seconds=await receiver_api.behind_seconds(),
            cwd=Path.cwd(),
            warnings=await receiver_api.warnings(),
        )
        title = f"Running, but without: {', '.join(failed)} (see above)" if failed else "Everything runs"
        terminal.panel(title, whereabouts(running), next_steps(running))

    steps = plan.plan(around, database, deeds, held=(home.lock,))
    await Supervisor(steps, home, terminal, when_up=show_panel).run()


@dataclass(frozen=True, kw_only=True)
class _Prefect:
    """Which Prefect: `port` is None when the server is somebody else's."""

    url: str
    port: int | None
    auth: str | None
    auth_is_kept: bool


def _prefect(settings: Settings, outside: Mapping[str, str], home: Home) -> _Prefect:
    given_auth = outside.get("PREFECT_API_AUTH_STRING")
    if url := outside.get("PREFECT_API_URL"):
        return _Prefect(url=url.rstrip("/"), port=None, auth=given_auth, auth_is_kept=False)
    port = take_port("127.0.0.1", settings.supervisor.prefect_port, "WEBHOOKS_PREFECT_PORT")
    auth = outside.get("PREFECT_SERVER_API_AUTH_STRING") or given_auth
    if kept := not auth:
        auth, _ = keep(home.prefect_auth_file, make_auth_string)
    return _Prefect(url=f"http://127.0.0.1:{port}/api", port=port, auth=auth, auth_is_kept=kept)


def _admin_key(settings: Settings, home: Home) -> tuple[str, bool]:
    if settings.http.admin_key:
        return settings.http.admin_key.get_secret_value(), False
    return keep(home.admin_key_file, make_admin_key)


def _database(settings: Settings, outside: Mapping[str, str], home: Home, terminal: Terminal) -> plan.Database:
    """Somebody's own when the environment names one, else the embedded PostgreSQL, else SQLite."""
    for name in ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"):
        if url := outside.get(name):
            return plan.Database(url=url)
    (home.path / "prefect").mkdir(mode=0o700, exist_ok=True)
    sqlite = plan.Database(url=f"sqlite+aiosqlite:///{home.path / 'prefect' / 'prefect.db'}")
    if settings.supervisor.prefect_database == "sqlite":
        return sqlite
    if installed() is None:
        terminal.note("no PostgreSQL wheel for this system: Prefect runs on SQLite, which is slow under load")
        return sqlite
    postgres = EmbeddedPostgres(home.path / "postgres")
    try:
        postgres.prepare()
    except PostgresUnavailable as error:
        raise CannotRun(
            f"PostgreSQL for Prefect cannot be started: {error}",
            "WEBHOOKS_PREFECT_DATABASE=sqlite does without it (slow under load).",
        ) from error
    return plan.Database(
        url=postgres.url("prefect", "asyncpg"),
        command=postgres.command(held=(home.lock,)),
        env=postgres.environment() | {"WEBHOOKS_HOME": str(home.path)},
        probe=_has_database(postgres),
    )


def _has_database(postgres: EmbeddedPostgres) -> Callable[[], Awaitable[bool]]:
    def ensured() -> bool:
        if not postgres.answers():
            return False
        postgres.ensure_database("prefect")
        return True

    async def probe() -> bool:
        return await asyncio.to_thread(ensured)

    return probe


class FlowKey:
    """The key with scope `read` that flows fetch large bodies with: kept in a file, made anew when it is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = ""

    async def make(self, receiver: ReceiverApi) -> None:
        """Raises CannotRun when the receiver does not give one."""
        try:
            if self._path.is_file() and await receiver.key_works(self._path.read_text(encoding="utf-8").strip()):
                self._key = self._path.read_text(encoding="utf-8").strip()
                return
            made = await receiver.make_read_key("flows")
        except httpx.HTTPError as error:
            raise CannotRun(
                f"The receiver gives flows no key to read with: {error}",
                "The receiver's log tells more. Is the admin key the one it was started with?",
            ) from error
        self._path.unlink(missing_ok=True)
        self._key, _ = keep(self._path, lambda: made)

    def environment(self) -> dict[str, str]:
        """As `blocks.bootstrap` wants it."""
        return {"WEBHOOKS_RECEIVER_KEY": self._key}
