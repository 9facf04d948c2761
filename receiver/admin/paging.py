"""Lists in pages: the same shape and the same bounds everywhere."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

Item = TypeVar("Item")

MOST_ITEMS = 200
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=f"Items in a page, at most {MOST_ITEMS}.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item] = Field(description="The items of this page.")
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null at the end.")


def slice_page(items: list[Item], key: str, limit: int, cursor: str | None) -> Page[Item]:
    """The page of a short list that is sorted by the attribute `key`; the cursor is the last item's."""
    rest = [item for item in items if cursor is None or getattr(item, key) > cursor]
    more = len(rest) > limit
    return Page(items=rest[:limit], next_cursor=getattr(rest[limit - 1], key) if more else None)
