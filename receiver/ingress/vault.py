"""Secrets by reference: read from Prefect blocks, the environment or files, remembered, never shown.

A value is fresh for a few seconds. An older one is used while a new one is fetched; a much older one (its webhook was
idle) only if that takes long. The last good one stays while Prefect is down, over a restart too (`last_good.py`). A
reference that never resolved is `SecretUnavailable`, which is a 503 and never a 401.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from receiver.contract.errors import WebhooksError
from receiver.ingress.last_good import LastGood
from receiver.ingress.verify.base import Secrets
from receiver.prefect_gateway import PrefectUnavailable

log = logging.getLogger(__name__)

_FRESH_SECONDS = 3.0
_RETRY_SECONDS = 1.0
_OLD_SECONDS, _PATIENCE_SECONDS = 15.0, 2.0
_LARGEST_FILE = 64 * 1024


class SecretUnavailable(WebhooksError):
    """A secret reference cannot be resolved now. The message names the reference and what to do, never a value."""


class Blocks(Protocol):
    """What the vault needs of Prefect; `PrefectGateway` is one."""

    async def read_block(self, block_type: str, name: str) -> dict[str, Any] | None: ...

    async def write_block(self, block_type: str, name: str, data: dict[str, Any]) -> None: ...


@dataclass
class _Entry:
    secrets: Secrets | None = None
    problem: str = ""
    fetched: float = float("-inf")
    refreshing: asyncio.Task[None] | None = None


class Vault:
    """Resolves secret references. One per receiver."""

    def __init__(self, blocks: Blocks, *, secrets_dir: Path | None = None, last_good: LastGood | None = None) -> None:
        self._blocks = blocks
        self._last_good = last_good
        self._secrets_dir = secrets_dir
        self._entries: dict[str, _Entry] = {}

    async def resolve(self, reference: str) -> Secrets:
        """The values behind a reference; raises `SecretUnavailable`.

        Waits for Prefect at the first use, and a little after a long pause.
        """
        entry = self._entries.setdefault(reference, _Entry())
        wait = _FRESH_SECONDS if entry.secrets is not None else _RETRY_SECONDS
        age = time.monotonic() - entry.fetched
        if age > wait and entry.refreshing is None:
            entry.refreshing = asyncio.create_task(self._refresh(reference, entry), name=f"secret {reference}")
        if entry.secrets is None and entry.refreshing is not None:
            # Shielded: a sender that hangs up must not end the fetch that others wait for.
            await asyncio.shield(entry.refreshing)
        elif entry.refreshing is not None and age > _OLD_SECONDS:
            # Else a secret that was withdrawn long ago would open the door once more.
            await asyncio.wait({entry.refreshing}, timeout=_PATIENCE_SECONDS)
        if entry.secrets is None:
            raise SecretUnavailable(entry.problem)
        return entry.secrets

    async def store(self, name: str, value: str) -> str:
        """Keep a plain secret in the block `webhook-secret/<name>`; the reference to it.

        What was current there becomes a previous value, so that a rotation refuses nobody.
        """
        existing = await self._blocks.read_block("webhook-secret", name) or {}
        earlier = [v for v in (existing.get("current"), *existing.get("previous", [])) if v and v != value]
        await self._blocks.write_block("webhook-secret", name, {"current": value, "previous": earlier[:2]})
        reference = f"block:webhook-secret/{name}"
        self._entries.pop(reference, None)
        return reference

    async def _refresh(self, reference: str, entry: _Entry) -> None:
        try:
            entry.secrets = await self._read(reference)
            entry.problem = ""
            await self._keep(reference, entry.secrets)
        except (SecretUnavailable, PrefectUnavailable) as error:
            entry.problem = f"{reference}: {error}"
            if isinstance(error, PrefectUnavailable) and entry.secrets is None and self._last_good is not None:
                entry.secrets = await self._last_good.get(reference)
            log.warning("a secret cannot be read%s: %s", ", the last good one is used" if entry.secrets else "", error)
            if isinstance(error, SecretUnavailable):
                entry.secrets = None  # it was taken away, which is not the same as Prefect being down
                await self._keep(reference, None)
        except Exception as error:
            # Whatever it is, it must not reach the sender, whose request waits for this.
            entry.problem = f"{reference}: cannot be read ({type(error).__name__}); the receiver's log says more"
            log.exception("the secret %s cannot be read", reference)
        finally:
            entry.fetched = time.monotonic()
            entry.refreshing = None

    async def _keep(self, reference: str, secrets: Secrets | None) -> None:
        """On disk, of blocks alone: environment and files are there after a restart anyway."""
        if self._last_good is None or not reference.startswith("block:"):
            return
        if secrets is None:
            await self._last_good.drop(reference)
        else:
            await self._last_good.keep(reference, secrets)

    async def _read(self, reference: str) -> Secrets:
        kind, _, rest = reference.partition(":")
        match kind:
            case "block":
                return await self._read_block(rest)
            case "env":
                if not (value := os.environ.get(rest)):
                    raise SecretUnavailable(f"set the environment variable {rest} of the receiver")
                return Secrets(value)
            case "file":
                return Secrets(await asyncio.to_thread(self._read_file, rest))
            case _:
                raise SecretUnavailable(f"'{kind}:' is no kind of secret reference")

    async def _read_block(self, slug: str) -> Secrets:
        block_type, _, name = slug.partition("/")
        data = await self._blocks.read_block(block_type, name)
        if data is None:
            raise SecretUnavailable(f"make the block {slug} in Prefect's UI, under Blocks")
        current = data.get("current") if block_type == "webhook-secret" else data.get("value")
        previous = [value for value in data.get("previous") or () if isinstance(value, str)]
        if not isinstance(current, str) or not current:
            raise SecretUnavailable(f"the block {slug} holds no text: set it in Prefect's UI")
        return Secrets(current, tuple(previous))

    def _read_file(self, name: str) -> str:
        if self._secrets_dir is None:
            raise SecretUnavailable("set WEBHOOKS_SECRETS_DIR to the folder whose files may be read")
        folder = self._secrets_dir.resolve()
        path = (folder / name).resolve()
        if not path.is_relative_to(folder):
            raise SecretUnavailable(f"the file is not below WEBHOOKS_SECRETS_DIR ({folder})")
        try:
            with path.open(encoding="utf-8") as file:
                value = file.read(_LARGEST_FILE).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnavailable(f"{name} cannot be read: {type(error).__name__}") from None
        if not value:
            raise SecretUnavailable(f"{name} is empty")
        return value
