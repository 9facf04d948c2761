"""Finding a saved block by name, quickly enough to do it in every task."""

from __future__ import annotations

import time
from typing import TypeVar, cast

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from blocks.errors import NotConfigured

BlockT = TypeVar("BlockT", bound=Block)

FRESH_SECONDS = 5.0
"""How long a look-up is believed; a block changed in Prefect's UI takes effect after at most that."""

_found: dict[tuple[str | None, str, str], tuple[float, Block | None]] = {}


async def find(kind: type[BlockT], name: str) -> BlockT | None:
    """The block of that kind and name, or None when nobody has saved one."""
    place = (PREFECT_API_URL.value(), kind.get_block_type_slug(), name)
    now = time.monotonic()
    if (entry := _found.get(place)) and now - entry[0] < FRESH_SECONDS:
        return cast("BlockT | None", entry[1])
    try:
        block: BlockT | None = await kind.aload(name)
    except ValueError as error:
        if not isinstance(error.__cause__, ObjectNotFound):
            raise
        block = None
    _found[place] = (now, block)
    return block


async def get(kind: type[BlockT], name: str) -> BlockT:
    """The block of that kind and name. Raises `NotConfigured` when nobody has saved one."""
    if (block := await find(kind, name)) is None:
        slug = kind.get_block_type_slug()
        raise NotConfigured(
            f"there is no block {slug}/{name}: save one in Prefect's UI under Blocks, or in Python with "
            f"`{kind.__name__}(...).save({name!r})`"
        )
    return block


def forget() -> None:
    """Forget every look-up, so that the next one asks Prefect."""
    _found.clear()
