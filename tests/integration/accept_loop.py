"""Accepts deliveries until it is killed and prints each id once `accept` has returned: `accept_loop.py HOME [URL]`."""

import asyncio
import sys
from pathlib import Path

from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database
from tests.support.inbox import NOW, new_delivery


async def main(home: str, url: str | None = None) -> None:
    store = DeliveryStore(Database.open(url, Path(home)))

    async def client(number: int) -> None:
        for turn in range(1_000_000):
            stored = await store.accept(new_delivery(event=f"{number} {turn}"), NOW)
            sys.stdout.write(f"{stored.id}\n")
            sys.stdout.flush()

    await asyncio.gather(*(client(number) for number in range(16)))


asyncio.run(main(*sys.argv[1:]))
