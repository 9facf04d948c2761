"""First start: block types appear in Prefect's UI, and the example workflows have secrets.

`python -m blocks.bootstrap` may run at every start: it never overwrites a secret. With `--receiver-url URL` it also
writes where flows reach the receiver; the key comes in the environment as `WEBHOOKS_RECEIVER_KEY`, for other users of
the machine can read a process's arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Iterable

from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL
from pydantic import SecretStr

import blocks
from blocks import WebhookSecret, WebhooksReceiver, lookup

BLOCK_TYPES: tuple[type[Block], ...] = tuple(getattr(blocks, name) for name in blocks.__all__)

EXAMPLE_SECRETS = ("github", "gitlab", "slack", "contact-form", "order-sync", "crm-sync", "erp-orders", "iot-telemetry")
"""The `webhook-secret` blocks that the example workflows name."""


async def register_block_types() -> list[str]:
    """Register every block type with Prefect; their slugs."""
    for kind in BLOCK_TYPES:
        await kind.aregister_type_and_schema()
    return [kind.get_block_type_slug() for kind in BLOCK_TYPES]


async def make_example_secrets(names: Iterable[str] = EXAMPLE_SECRETS) -> list[str]:
    """Save a random secret under each name that has none; the names that were made. Nothing is overwritten."""
    lookup.forget()
    made = [name for name in names if await lookup.find(WebhookSecret, name) is None and await _save_if_absent(name)]
    lookup.forget()
    return made


async def write_receiver_block(url: str, key: str, name: str = "default", *, certificate: str = "") -> None:
    """Save the receiver's address and key as `webhooks-receiver/<name>`, in place of an earlier one.

    `certificate` is the file with what it shows, for a receiver on the same machine.
    """
    block = WebhooksReceiver(url=url.rstrip("/"), key=SecretStr(key), certificate=certificate)
    await block.asave(name, overwrite=True)


async def _save_if_absent(name: str) -> bool:
    try:
        await WebhookSecret(current=SecretStr(secrets.token_urlsafe(32))).asave(name, overwrite=False)
    except ValueError:  # another process has just saved it
        return False
    return True


async def _bootstrap(receiver_url: str | None, key: str | None, certificate: str, names: Iterable[str]) -> None:
    slugs = await register_block_types()
    made = await make_example_secrets([*EXAMPLE_SECRETS, *names])
    if receiver_url and key:
        await write_receiver_block(receiver_url, key, certificate=certificate)
    sys.stdout.write(f"block types registered: {', '.join(slugs)}\n")
    sys.stdout.writelines(f"secret made: webhook-secret/{name}\n" for name in made)


def main(arguments: list[str] | None = None) -> int:
    """The command line; exit status 2 when something it needs is missing."""
    parser = argparse.ArgumentParser(prog="python -m blocks.bootstrap", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--receiver-url", help="write the block webhooks-receiver/default with this address")
    parser.add_argument("--receiver-certificate", default="", help="and this file with the certificate it shows")
    parser.add_argument("--secret", action="append", default=[], metavar="NAME", help="make webhook-secret/NAME too")
    given = parser.parse_args(arguments)
    receiver_url = given.receiver_url
    key = os.environ.get("WEBHOOKS_RECEIVER_KEY")
    if receiver_url and not key:
        parser.error("WEBHOOKS_RECEIVER_KEY is not set")
    if not PREFECT_API_URL.value():
        parser.error("PREFECT_API_URL is not set: without it Prefect would start a server for this command alone")
    asyncio.run(_bootstrap(receiver_url, key, given.receiver_certificate, given.secret))
    return 0


if __name__ == "__main__":
    sys.exit(main())
