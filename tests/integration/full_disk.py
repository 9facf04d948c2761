"""Fills what it may write, then gets more room: `full_disk.py HOME`. Prints what became of each step."""

import asyncio
import resource
import sys
from pathlib import Path

from receiver.deliveries.store import DeliveryStore
from receiver.storage import Database, StoreUnavailable
from tests.support.inbox import NOW, new_delivery


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def main(home: str) -> None:
    store = DeliveryStore(db := Database.open(None, Path(home)))
    stored: list[str] = []
    # A file may grow to one MiB from here on: the system refuses what would go past it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, resource.RLIM_INFINITY))
    try:
        while len(stored) < 100:
            new = new_delivery(body=b"x" * 100_000)
            await store.accept(new, NOW)
            stored.append(new.id)
    except StoreUnavailable:
        say("unavailable")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    new = new_delivery()
    await store.accept(new, NOW)
    stored.append(new.id)
    found = [await store.get(delivery_id) for delivery_id in stored]
    say("whole" if len(found) > 1 and None not in found else "lost")
    say(f"{(await store.stats('orders'))['total'] - len(stored)} too many")
    await db.close()


asyncio.run(main(*sys.argv[1:]))
