"""What is wrong with Prefect, its work pools and its workers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from shlex import quote

from receiver.checks.finding import Code, Finding, Level
from receiver.checks.situation import Situation
from receiver.checks.versions import SUPPORTED_PREFECT, supports_prefect
from receiver.checks.webhook_rules import WARM
from receiver.prefect_gateway.survey import Access, PoolState, Survey

PREFECT = "Prefect"


def closed(prefect: Survey) -> Iterator[Finding]:
    """It does not answer, or does not let us in: nothing starts, though requests are stored."""
    where = f"Prefect at {prefect.url}"
    match prefect.access:
        case Access.UNREACHABLE:
            problem = f"{where} cannot be reached: {prefect.problem}"
            remedy = "Start it (`webhooks up` starts one), or mend the receiver's PREFECT_API_URL, which ends in /api."
            yield _error(Code.PREFECT_UNREACHABLE, problem, remedy)
        case Access.UNAUTHORIZED:
            remedy = "Set PREFECT_API_AUTH_STRING to what its server has as PREFECT_SERVER_API_AUTH_STRING."
            yield _error(Code.PREFECT_UNAUTHORIZED, f"{where} does not let the receiver in: {prefect.problem}", remedy)
        case Access.OPENED:
            return


def versions(prefect: Survey) -> Iterator[Finding]:
    """Receiver and server ought to have the same version, and one that this project was made for."""
    install = f"pip install 'prefect{SUPPORTED_PREFECT}'"
    sides = {"server": prefect.server_version, "receiver": prefect.client_version}
    strange = {side: version for side, version in sides.items() if not supports_prefect(version)}
    for side, version in strange.items():
        problem = f"the {side} has Prefect {version[:40]}, supported is {SUPPORTED_PREFECT}"
        yield _error(Code.PREFECT_VERSION_UNSUPPORTED, problem, f"Where the {side} is: {install}")
    if not strange and prefect.server_version != prefect.client_version:
        yield Finding(
            code=Code.PREFECT_VERSIONS_DIFFER,
            level=Level.WARNING,
            subject=PREFECT,
            problem=f"the server has {prefect.server_version}, the receiver {prefect.client_version}",
            remedy=f"Install one version in both places: pip install prefect=={prefect.server_version}",
        )


def is_open(prefect: Survey) -> Iterator[Finding]:
    """Its API gives every secret block to whoever asks."""
    if prefect.open:
        yield Finding(
            code=Code.PREFECT_OPEN,
            level=Level.WARNING,
            subject=PREFECT,
            problem="its API answers without credentials: whoever reaches it reads every secret",
            remedy="Start its server with PREFECT_SERVER_API_AUTH_STRING=user:password, "
            "and set PREFECT_API_AUTH_STRING to the same for receiver and workers.",
        )


def pool_stands_still(pool: PoolState, now: datetime) -> Iterator[Finding]:
    """Nobody takes the pool's runs."""
    name = quote(pool.name)
    if pool.paused:
        yield _of_pool(Code.POOL_PAUSED, pool, "is paused", f"prefect work-pool resume {name}")
    if pool.concurrency_limit == 0:
        remedy = f"prefect work-pool clear-concurrency-limit {name}"
        yield _of_pool(Code.POOL_LIMIT_ZERO, pool, "has the concurrency limit 0: nothing may run", remedy)
    if not pool.online and not pool.type.endswith((":push", ":managed")):
        seen = f", the last was heard of {_ago(now, pool.last_heartbeat)}" if pool.last_heartbeat else ""
        own = " (`webhooks up` keeps one running)" if pool.type == WARM else ""
        remedy = f"prefect worker start --pool {name} --type {quote(pool.type)}{own}"
        yield _of_pool(Code.NO_WORKER, pool, f"no worker is online{seen}", remedy)


RULES: tuple[Callable[[Survey], Iterator[Finding]], ...] = (versions, is_open)
"""What is asked of a Prefect that answers."""


def judge_prefect(situation: Situation) -> list[Finding]:
    """Every finding about Prefect and the pools that webhooks use."""
    if situation.prefect.access is not Access.OPENED:
        return list(closed(situation.prefect))
    found = [finding for rule in RULES for finding in rule(situation.prefect)]
    for pool in situation.prefect.pools.values():
        found += pool_stands_still(pool, situation.now)
    return found


def subject_of(pool: PoolState) -> str:
    """What findings about a pool are about."""
    return f"work pool {pool.name}"


def _ago(now: datetime, then: datetime) -> str:
    minutes = max(0, int((now - then).total_seconds() // 60))
    return f"{minutes} min ago" if minutes < 120 else f"{minutes // 60} h ago"


def _of_pool(code: Code, pool: PoolState, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, subject=subject_of(pool), problem=problem, remedy=remedy)


def _error(code: Code, problem: str, remedy: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, subject=PREFECT, problem=problem, remedy=remedy)
