"""Which webhook a request is for: found by path, kept current with the database, clashes found when defined.

Two definitions clash when one request could be for both. A custom path replaces the key in the URL.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import unquote

from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.contract.paths import TOKEN_SEGMENT

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 1.0


class Served(Protocol):
    """What the catalog needs to know of a webhook."""

    @property
    def key(self) -> str: ...

    @property
    def path(self) -> str | None: ...


T = TypeVar("T", bound=Served)


@dataclass(frozen=True)
class Found(Generic[T]):
    """The webhook a path belongs to, and the decoded path parameters."""

    webhook: T
    params: Mapping[str, str]


class Routes(Generic[T]):
    """An immutable index of webhooks by path."""

    def __init__(self, webhooks: Iterable[T] = ()) -> None:
        self._exact: dict[str, T] = {}
        self._patterns: dict[int, list[tuple[tuple[str, ...], T]]] = {}
        self._by_key: dict[str, T] = {}
        for webhook in webhooks:
            self._by_key[webhook.key] = webhook
            path = webhook.path or webhook.key
            if "{" in path:
                segments = tuple(path.split("/"))
                self._patterns.setdefault(len(segments), []).append((segments, webhook))
            else:
                self._exact[path] = webhook

    def find(self, raw_path: str) -> Found[T] | None:
        """The webhook for a raw path below `/api/webhooks/`; a trailing slash is another path."""
        if (webhook := self._exact.get(raw_path)) is not None:
            return Found(webhook, {})
        parts = raw_path.split("/")
        decoded = [unquote(part, errors="replace") for part in parts]
        if (webhook := self._exact.get("/".join(decoded))) is not None:
            return Found(webhook, {})
        for segments, candidate in self._patterns.get(len(parts), ()):
            params = {}
            for segment, value in zip(segments, decoded, strict=True):
                if segment.startswith("{"):
                    if not value:
                        break
                    if segment != TOKEN_SEGMENT:
                        params[segment[1:-1]] = value
                elif segment != value:
                    break
            else:
                return Found(candidate, params)
        return None

    def by_key(self, key: str) -> T | None:
        """The webhook with this key, whatever its path."""
        return self._by_key.get(key)

    def all(self) -> list[T]:
        """Every webhook, by key."""
        return [self._by_key[key] for key in sorted(self._by_key)]

    def refuse_clash(self, key: str, path: str | None) -> None:
        """Raise `DefinitionError` when a webhook with this key and path would compete with another for a request."""
        mine = (path or key).split("/")
        for other in self._by_key.values():
            if other.key == key:
                continue
            theirs = (other.path or other.key).split("/")
            if len(mine) == len(theirs) and all(_overlap(a, b) for a, b in zip(mine, theirs, strict=True)):
                raise DefinitionError(
                    "path" if path else "key",
                    f"'{path or key}' clashes with '{other.path or other.key}' of the webhook '{other.key}': "
                    "one request could be for both. Change one of the two.",
                )


def _overlap(a: str, b: str) -> bool:
    return a == b or a.startswith("{") or b.startswith("{")


class Catalog(Generic[T]):
    """The webhooks of this process, at most a second behind the database.

    `version()` is a cheap number that changes with every change; `load()` gives every webhook, compiled.
    """

    def __init__(self, version: Callable[[], Awaitable[int]], load: Callable[[], Awaitable[list[T]]]) -> None:
        self._version = version
        self._load = load
        self._seen: int | None = None
        self._lock = asyncio.Lock()
        self.routes: Routes[T] = Routes()

    async def find(self, raw_path: str) -> Found[T] | None:
        """The webhook for a path; a miss asks the database once whether something changed before it is a miss."""
        routes = self.routes
        found = routes.find(raw_path)
        if found is None:
            await self.refresh()
            # Whoever read the database: while this request waited for its turn, another one may have done so.
            if self.routes is not routes:
                found = self.routes.find(raw_path)
        return found

    async def refresh(self) -> bool:
        """Read the database when it has changed; whether it had."""
        async with self._lock:
            version = await self._version()
            if version == self._seen:
                return False
            self.routes = Routes(await self._load())
            self._seen = version
            return True

    async def run(self) -> None:
        """Keep current until cancelled; a database that does not answer leaves what is known."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            with suppress(WebhooksError):
                await self.refresh()
