"""Secrets as they were last read from Prefect, kept on disk so that a restart while Prefect is down closes no door.

They are encrypted (Fernet: AES and HMAC) with a key in a file beside them, both for the owner alone: whoever gets one
of the two, in a backup say, gets no secret. A value is used for a week after it was last read, and no longer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from receiver.ingress.verify.base import Secrets

log = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 86400
_NOTED_SECONDS = 3600
"""How often it is written down that an unchanged value was read again."""


@dataclass(frozen=True)
class _Kept:
    secrets: Secrets
    read_at: float


class LastGood:
    """The last good values of secret references, in `home`. Nothing here raises: without the file there is none."""

    def __init__(self, home: Path) -> None:
        self._key_file = home / "secrets.key"
        self._file = home / "secrets.last"
        self._kept: dict[str, _Kept] | None = None
        self._written = True
        self._lock = asyncio.Lock()

    async def get(self, reference: str) -> Secrets | None:
        """The values that reference stood for within the last week."""
        found = (await self._all()).get(reference)
        if found is None or not 0 <= time.time() - found.read_at <= KEPT_SECONDS:
            return None
        return found.secrets

    async def keep(self, reference: str, secrets: Secrets) -> None:
        """Take note of what a reference stands for now."""
        kept, now = await self._all(), time.time()
        known = kept.get(reference)
        if known is None or known.secrets != secrets or now - known.read_at > _NOTED_SECONDS:
            kept[reference] = _Kept(secrets, now)
            await self._write()

    async def drop(self, reference: str) -> None:
        """Forget a reference: its secret was taken away."""
        if (await self._all()).pop(reference, None) is not None:
            await self._write()

    async def _all(self) -> dict[str, _Kept]:
        async with self._lock:
            if self._kept is None:
                self._kept = await asyncio.to_thread(self._read_file)
            return self._kept

    async def _write(self) -> None:
        self._written = False
        async with self._lock:
            if self._written:  # together with the change of somebody who waited before
                return
            self._written = True
            oldest = time.time() - KEPT_SECONDS
            kept = {name: each for name, each in (self._kept or {}).items() if each.read_at > oldest}
            try:
                await asyncio.to_thread(self._write_file, kept)
            except OSError as error:
                log.warning(
                    "the last good secrets cannot be kept in %s (%s): after a restart while Prefect is down, webhooks "
                    "answer 503 until it is back",
                    self._file,
                    error.strerror or type(error).__name__,
                )

    def _read_file(self) -> dict[str, _Kept]:
        try:
            stored = json.loads(Fernet(self._key_file.read_bytes()).decrypt(self._file.read_bytes()))
            return {
                name: _Kept(Secrets(each["current"], tuple(each["previous"])), float(each["read_at"]))
                for name, each in stored.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, InvalidToken, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("%s cannot be read (%s): it is written anew", self._file, type(error).__name__)
            return {}

    def _write_file(self, kept: dict[str, _Kept]) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain = {
            name: {"current": each.secrets.current, "previous": each.secrets.previous, "read_at": each.read_at}
            for name, each in kept.items()
        }
        sealed = Fernet(self._key()).encrypt(json.dumps(plain).encode())
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        _write_private(fresh, sealed)
        fresh.replace(self._file)

    def _key(self) -> bytes:
        """The key of this home, made at first use. Several receivers may make it at once: the first one's counts."""
        try:
            _write_private(self._key_file, Fernet.generate_key())
        except FileExistsError:
            self._key_file.chmod(0o600)
        key = self._key_file.read_bytes()
        try:
            Fernet(key)
        except ValueError:  # damaged, as is then all that was written with it
            self._key_file.unlink()
            _write_private(self._key_file, key := Fernet.generate_key())
        return key


def _write_private(path: Path, content: bytes) -> None:
    """A new file that its owner alone can read; raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
