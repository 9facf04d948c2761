"""Gathers what the rules judge: of the inbox, the webhooks, their secrets' blocks, Prefect, this machine."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from receiver.alerts.answer_rules import failing
from receiver.alerts.facts import Answered, MachineFacts, SecretChange, SharedFacts, Silence, WebhookFacts
from receiver.alerts.silence import ENOUGH, LEAST, stretches
from receiver.alerts.tally import Tally
from receiver.deliveries import vital_signs
from receiver.deliveries.vital_signs import AnsweredRequest
from receiver.ingress.webhook import Webhook
from receiver.prefect_gateway import PrefectUnavailable
from receiver.storage import Database

SILENCE_EVERY = timedelta(minutes=5)
"""Silences grow slowly, and each takes several looks."""
_UNSETTLED = timedelta(minutes=3)
"""So long an answer may still change: a synchronous webhook's caller waits for at most two."""
_AT_ONCE = 50
_SECONDS = 15.0


class Prefect(Protocol):
    """What is asked of Prefect; `PrefectGateway` and its `alerts` are one."""

    async def healthy(self) -> bool: ...


class Blocks(Protocol):
    async def block_changed_at(self, block_type: str, name: str) -> datetime | None: ...


@dataclass
class _Read:
    """What was read of a webhook's answers, and up to which request."""

    latest: str
    answers: tuple[Answered, ...]
    last_verified_at: datetime | None
    again: bool


@dataclass(kw_only=True)
class Gatherer:
    """Remembers what it read of each webhook: only those with new requests are read again.

    `machine` is the host's name, `name` tells this receiver from others on it: `host:8000`.
    """

    database: Database
    webhooks: Callable[[], Iterable[Webhook]]
    prefect: Prefect
    blocks: Blocks
    tally: Tally
    home: Path
    machine: str
    name: str
    file_changed_at: Callable[[str], datetime | None] = lambda _reference: None
    _read: dict[str, _Read] = field(default_factory=dict)
    _silence_at: datetime | None = None
    _enabled: dict[str, datetime | None] | None = None
    """The webhooks that are enabled, and since when where that was seen."""

    async def machine_facts(self, storage_problem: str) -> MachineFacts:
        """What concerns this machine. `storage_problem`: why the inbox could not be written just now."""
        return MachineFacts(
            name=self.name,
            disk=f"{self.machine}:{await asyncio.to_thread(_mount, self.home)}",
            refused=self.tally.refused(),
            storage_problem=storage_problem,
            free_bytes=await asyncio.to_thread(_free, self.home),
        )

    async def shared_facts(self, now: datetime) -> SharedFacts:
        """What concerns all receivers. Raises `StoreUnavailable`."""
        prefect_up, oldest_due_at, troubled = await asyncio.gather(
            self._prefect_up(),
            self.database.read(lambda connection: vital_signs.oldest_due(connection, now)),
            self.database.read(lambda connection: vital_signs.troubled_since(connection, now - timedelta(days=1))),
        )
        enabled = {each.key: each for each in self.webhooks() if each.state == "enabled" and not each.problem}
        before = self._enabled
        self._enabled = {key: before.get(key, now) if before is not None else None for key in enabled}
        await self._read_answers(enabled, now)
        with_silence = self._silence_at is None or now - self._silence_at >= SILENCE_EVERY
        if with_silence:
            self._silence_at = now
        facts = []
        for keys in _some_at_once(sorted(enabled)):
            silences = await self._silences(keys, now) if with_silence else {}
            for key in keys:
                held, dead = troubled.get(key, (0, 0))
                facts.append(await self._facts(enabled[key], silences.get(key), held, dead, now))
        return SharedFacts(
            prefect_up=prefect_up, oldest_due_at=oldest_due_at, webhooks=tuple(facts), silence_looked_at=with_silence
        )

    async def _prefect_up(self) -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self.prefect.healthy()
        except TimeoutError:
            return False

    async def _read_answers(self, enabled: dict[str, Webhook], now: datetime) -> None:
        latest = await self.database.read(lambda connection: vital_signs.latest_ids(connection, list(enabled)))
        for gone in self._read.keys() - latest.keys():
            del self._read[gone]
        stale = [
            key
            for key, last in latest.items()
            if (known := self._read.get(key)) is None or known.latest != last or known.again
        ]
        for keys in _some_at_once(stale):
            found = await self.database.read(
                lambda connection, keys=keys: [_answers(connection, key) for key in keys]  # type: ignore[misc]
            )
            for key, (answers, last_verified_at) in zip(keys, found, strict=True):
                fresh = bool(answers) and now - answers[0].at < _UNSETTLED
                self._read[key] = _Read(latest[key], answers, last_verified_at, fresh)

    async def _silences(self, keys: Sequence[str], now: datetime) -> dict[str, Silence]:
        last: dict[str, datetime] = {}
        for key in keys:
            if (read := self._read.get(key)) and (at := read.last_verified_at):
                # What was disabled until just now could get nothing.
                last[key] = max(at, (self._enabled or {}).get(key) or at)

        def look(connection: Connection) -> dict[str, Silence]:
            found = ((key, _silence(connection, key, at, now)) for key, at in last.items() if at < now)
            return {key: silence for key, silence in found if silence is not None}

        return await self.database.read(look)

    async def _facts(
        self, webhook: Webhook, silence: Silence | None, held: int, dead: int, now: datetime
    ) -> WebhookFacts:
        read = self._read.get(webhook.key)
        scheme = webhook.scheme
        answers = read.answers if read else ()
        hour = None
        if scheme.switch_off is not None and scheme.switch_off.share is not None and read is not None:
            since = now - timedelta(hours=1)
            hour = await self.database.read(
                lambda connection: vital_signs.answered_since(connection, webhook.key, since)
            )
        return WebhookFacts(
            key=webhook.key,
            open=webhook.is_open,
            preset=scheme.hold_invalid,
            switch_off=scheme.switch_off,
            answers=answers,
            hour=hour,
            last_verified_at=read.last_verified_at if read else None,
            secret=await self._secret(webhook.secret) if failing(answers, now) else None,
            silence=silence,
            held=held,
            dead=dead,
        )

    async def _secret(self, reference: str | None) -> SecretChange | None:
        """When the secret was changed; asked for only where it matters."""
        if reference is None:
            return None
        kind, _, rest = reference.partition(":")
        if kind == "block":
            block_type, _, name = rest.partition("/")
            try:
                async with asyncio.timeout(_SECONDS):
                    return SecretChange(
                        name=f"the block {rest}", at=await self.blocks.block_changed_at(block_type, name)
                    )
            except (PrefectUnavailable, TimeoutError):
                return SecretChange(name=f"the block {rest}", at=None)
        if kind == "file":
            return SecretChange(name=f"the file {rest}", at=await asyncio.to_thread(self.file_changed_at, rest))
        return SecretChange(name=f"the variable {rest}", at=None)


def _answers(connection: Connection, key: str) -> tuple[tuple[Answered, ...], datetime | None]:
    read = vital_signs.answers(connection, key)
    networks = {_network(each.address) for each in read if each.verified}
    told = tuple(_answered(each, networks) for each in read)
    verified = next((each.at for each in read if each.verified), None)
    return told, verified or (vital_signs.last_traffic(connection, key) if read else None)


def _answered(each: AnsweredRequest, networks: set[str]) -> Answered:
    return Answered(at=each.at, status=each.status, reason=each.reason, known=_network(each.address) in networks)


def _network(address: str) -> str:
    """A sender calls from several addresses of a network: those of a /24, of IPv6 a /48, pass for one."""
    try:
        bits = 24 if ip_address(address).version == 4 else 48
        return str(ip_network(f"{address.partition('%')[0]}/{bits}", strict=False))
    except ValueError:
        return address


def _silence(connection: Connection, key: str, last_at: datetime, now: datetime) -> Silence | None:
    if now - last_at < LEAST:
        return Silence(last_at=last_at)
    first_at = vital_signs.first_traffic(connection, key)
    if first_at is None:
        return None
    counts = (
        vital_signs.traffic(connection, key, since, until, ENOUGH) for since, until in stretches(last_at, now, first_at)
    )
    return Silence(last_at=last_at, earlier=tuple(counts))


def _some_at_once(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _free(home: Path) -> int | None:
    try:
        return shutil.disk_usage(home).free
    except OSError:
        return None


def _mount(home: Path) -> Path:
    """Where the disk begins that the home is on."""
    place = home.absolute()
    try:
        while place != place.parent and place.parent.stat().st_dev == home.stat().st_dev:
            place = place.parent
    except OSError:
        return home
    return place
