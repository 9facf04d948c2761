"""What keeps big bodies, each under a key that is used once. Folder, database and remote file systems behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import uuid_utils

from receiver.contract.errors import WebhooksError

_KEY = re.compile(r"\d{4}-\d\d-\d\d/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class BodyGone(WebhooksError):
    """A row names a body that its storage does not have: it was restored without it, or somebody deleted it there."""


class BodyStorage(Protocol):
    """Keeps bodies by key, `2026-11-30/<uuid>`. Each method raises StoreUnavailable while it cannot do its work."""

    async def put(self, key: str, body: bytes) -> None:
        """Keep a body; when it returns, it is as safe there as it will ever be."""

    async def read(self, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` to before `stop`. Raises BodyGone."""

    async def delete(self, key: str) -> None:
        """Delete a body; one that is not there is deleted."""

    async def days(self) -> Sequence[str]:
        """The days of which it has bodies, `2026-11-30`."""

    async def keys(self, day: str) -> Sequence[str]:
        """The keys of a day's bodies."""


@dataclass(frozen=True)
class At:
    """Where a body is: the storage's name, its size in bytes, its key. In a row it is text."""

    place: str
    size: int
    key: str

    def __str__(self) -> str:
        return f"{self.place}#{self.size}#{self.key}"

    @classmethod
    def of(cls, text: str) -> At:
        """What `str()` made. Raises BodyGone for text that names no body."""
        place, _, rest = text.partition("#")
        size, _, key = rest.partition("#")
        if not size.isdecimal() or not is_key(key):
            raise BodyGone("a row names no body that could be anywhere")
        return cls(place, int(size), key)


def fresh_key(now: datetime) -> str:
    """A key that nobody has."""
    return f"{now:%Y-%m-%d}/{uuid_utils.uuid7()}"


def is_key(text: str) -> bool:
    """Whether text is a key: nothing else becomes a path."""
    return _KEY.fullmatch(text) is not None


def is_day(text: str) -> bool:
    """Whether text is the first part of a key."""
    return _DAY.fullmatch(text) is not None


def size_at(text: str) -> int:
    """The bytes of a body by the text of its row. Raises BodyGone for text that names no body."""
    return At.of(text).size


def key_at(text: str) -> str:
    """The key of a body by the text of its row. Raises BodyGone for text that names no body."""
    return At.of(text).key
