"""Sets of networks for `ip_allowlist`, kept fresh from files and https addresses; the last good ones stay on disk.

A set that has never been loaded lets nobody in, for now. One that cannot be renewed stays as it was: senders seldom
move, and a door that closes by itself at night is left open for good in the morning.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml  # type: ignore[import-untyped] # it has no types of its own

from receiver.contract.errors import OutboundRefused, WebhooksError
from receiver.contract.fields import SET_NAME
from receiver.contract.outbound import exchange
from receiver.ingress.client_ip import Networks, parse_networks
from receiver.ingress.network_list import check_width, read_list
from receiver.ingress.remote import Fetch

log = logging.getLogger(__name__)

FILE_SECONDS, URL_SECONDS, RETRY_SECONDS = 10.0, 3600.0, 60.0
"""How often files are looked at and addresses asked, and when again after a failure."""
MOST_BYTES, MOST_SECONDS = 4 * 1024 * 1024, 10.0
MOST_SETS = 100
KEPT_FILE = "network-sets.json"


@dataclass(frozen=True)
class Source:
    """Where a set comes from: an https address or a file, and a JSON pointer into it, which may be empty."""

    place: str | Path
    pointer: str = ""

    @property
    def shown(self) -> str:
        """It in words, as the configuration has it."""
        return f"{self.place}#{self.pointer}" if self.pointer else str(self.place)


@dataclass
class _Entry:
    source: Source
    networks: Networks | None = None
    texts: tuple[str, ...] = ()
    loaded_at: float = 0.0
    due: float = 0.0
    seen: tuple[int, int, int] | None = None
    problem: str = "has not been loaded yet"


class NetworkSets:
    """The sets that `WEBHOOKS_NETWORK_SETS` names. `run()` keeps them fresh until cancelled."""

    def __init__(self, sources: Mapping[str, Source], home: Path, fetch: Fetch = exchange) -> None:
        """`fetch` is for tests, whose servers have no public addresses. Reads files, and what is kept in `home`."""
        self._entries = {name: _Entry(source) for name, source in sources.items()}
        self._file = home / KEPT_FILE
        self._fetch = fetch
        self._read_kept()
        for name, entry in self._entries.items():
            if isinstance(entry.source.place, Path):
                self._load_file(name, entry)

    def get(self, name: str) -> Networks | None:
        """The networks of a set; None where there is no such set, or it has never been loaded."""
        entry = self._entries.get(name)
        return entry.networks if entry is not None else None

    def names(self) -> list[str]:
        """Every set's name."""
        return sorted(self._entries)

    def problem(self, name: str) -> str:
        """Why a set lets nobody in, or is as old as it is; empty where it is fresh."""
        entry = self._entries.get(name)
        if entry is None:
            return "there is no such set: name it in the file of WEBHOOKS_NETWORK_SETS"
        return f"{entry.source.shown} {entry.problem}" if entry.problem else ""

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await self.renew()
            await asyncio.sleep(FILE_SECONDS)

    async def renew(self) -> None:
        """Renew every set that is due."""
        now = time.monotonic()
        due = [(name, entry) for name, entry in self._entries.items() if entry.due <= now]
        before = {name: entry.texts for name, entry in due}
        await asyncio.gather(*(self._load(name, entry) for name, entry in due))
        if any(entry.texts != before[name] for name, entry in due):
            await asyncio.to_thread(self._keep)

    async def _load(self, name: str, entry: _Entry) -> None:
        if isinstance(entry.source.place, Path):
            await asyncio.to_thread(self._load_file, name, entry)
        else:
            await self._load_url(name, entry)

    def _load_file(self, name: str, entry: _Entry) -> None:
        entry.due = time.monotonic() + FILE_SECONDS
        try:
            found = Path(entry.source.place).stat()
            if (seen := (found.st_mtime_ns, found.st_size, found.st_ino)) == entry.seen:
                return
            with Path(entry.source.place).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            entry.seen = None
            self._failed(name, entry, f"cannot be read: {error.strerror or type(error).__name__}")
            return
        entry.seen = seen
        try:
            _check_size(content)
            texts = read_list(content, entry.source.pointer)
        except ValueError as error:
            self._failed(name, entry, str(error))
        else:
            self._loaded(name, entry, texts)

    async def _load_url(self, name: str, entry: _Entry) -> None:
        entry.due = time.monotonic() + RETRY_SECONDS
        try:
            request = httpx.Request("GET", str(entry.source.place))
            response, body = await self._fetch(request, seconds=MOST_SECONDS, max_bytes=MOST_BYTES)
            texts = await asyncio.to_thread(_fetched_list, response.status_code, body, entry.source.pointer)
        except ValueError as error:
            self._failed(name, entry, str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OutboundRefused, TimeoutError, ssl.SSLError) as error:
            words = str(error) if isinstance(error, OutboundRefused) else type(error).__name__
            self._failed(name, entry, f"was not fetched: {words}")
        else:
            entry.due = time.monotonic() + URL_SECONDS
            await asyncio.to_thread(self._loaded, name, entry, texts)

    def _loaded(self, name: str, entry: _Entry, texts: tuple[str, ...]) -> None:
        if entry.networks is None or entry.texts != texts:
            entry.networks, entry.texts = parse_networks(texts, name), texts
            log.info("the network set %s has %d networks", name, len(texts))
        entry.problem, entry.loaded_at = "", time.time()

    def _failed(self, name: str, entry: _Entry, problem: str) -> None:
        if problem != entry.problem:
            what = "stays as it was" if entry.networks is not None else "lets nobody in"
            log.warning("the network set %s %s: %s %s", name, what, entry.source.shown, problem)
        entry.problem = problem

    def _read_kept(self) -> None:
        try:
            kept = json.loads(self._file.read_bytes())
            for name, entry in self._entries.items():
                each = kept.get(name)
                # Of another source it says nothing about this one.
                if each is not None and each["source"] == entry.source.shown:
                    entry.networks, entry.texts = parse_networks(each["networks"], name), tuple(each["networks"])
                    entry.loaded_at = float(each["loaded_at"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, LookupError, AttributeError, WebhooksError) as error:
            log.warning("%s cannot be read (%s): it is written anew", self._file, type(error).__name__)

    def _keep(self) -> None:
        kept = {
            name: {"source": entry.source.shown, "loaded_at": entry.loaded_at, "networks": list(entry.texts)}
            for name, entry in self._entries.items()
            if entry.networks is not None
        }
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(json.dumps(kept), encoding="utf-8")
            fresh.replace(self._file)
        except OSError as error:
            log.warning("the network sets cannot be kept in %s: %s", self._file, error.strerror)


def _check_size(content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise ValueError(f"is over {MOST_BYTES} bytes")


def _fetched_list(status: int, body: bytes, pointer: str) -> tuple[str, ...]:
    """What an address answered; raises `ValueError` for what had better not replace what was there."""
    if not 200 <= status < 300:
        raise ValueError(f"answered {status}")
    texts = read_list(body, pointer)
    if not texts:
        # An address that suddenly has none has rather lost its list than its senders.
        raise ValueError("has no networks")
    check_width(texts)
    return texts


def read_sources(file: Path) -> dict[str, Source]:
    """The sets that a YAML or JSON file names: `{name: file or https address, with #/json/pointer}`.

    Files are taken from the folder of this one. Raises `WebhooksError` that names the entry and what to write.
    """
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WebhooksError(f"WEBHOOKS_NETWORK_SETS: {file} cannot be read ({type(error).__name__})") from None
    if not isinstance(given, dict) or len(given) > MOST_SETS:
        raise WebhooksError(f"WEBHOOKS_NETWORK_SETS: {file} maps up to {MOST_SETS} names to a file or an https address")
    return {str(name): _source(file, str(name), place) for name, place in given.items()}


def _source(file: Path, name: str, place: object) -> Source:
    if not SET_NAME.fullmatch(name):
        raise WebhooksError(f"WEBHOOKS_NETWORK_SETS: {name!r} is no name: letters, digits, '-' and '_', in lower case")
    if not isinstance(place, str) or not place.strip():
        raise WebhooksError(
            f"WEBHOOKS_NETWORK_SETS: {name} is a file or an https address, e.g. https://host/list#/hooks"
        )
    where, _, pointer = place.strip().partition("#")
    if "://" not in where:
        return Source(file.parent.absolute() / Path(where).expanduser(), pointer)
    if not where.startswith("https://") or not _is_address(where):
        raise WebhooksError(f"WEBHOOKS_NETWORK_SETS: {name} is no https address without a password in it")
    return Source(where, pointer)


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return bool(url.host) and not url.userinfo
