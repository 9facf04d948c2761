"""The rows that come behind one in an order: paging that neither skips nor repeats. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, or_

from blocks.errors import InvalidInput
from flows.nodes._inserts import unique_keys
from flows.nodes._values import column, for_column
from flows.nodes._where import Where


def follows(table: Table, order: Sequence[str], after: Mapping[str, Any], where: Where) -> ColumnElement[bool]:
    """The condition that a row comes behind `after` in this order. Raises `UnknownColumn` and `InvalidInput`.

    Only an order that no two rows share has a place behind each row, and a row without a value in one of its columns
    would have none: such a column needs a condition in `where` that leaves those rows out.
    """
    names = [name.removeprefix("-") for name in order]
    for name in names:
        target = column(table, name)
        if after.get(name) is None:
            raise InvalidInput(f"`after` needs a value for {name!r}: give the last row of the page before")
        if target.nullable and not target.primary_key and where.get(name) in (None, {"is_null": True}):
            raise InvalidInput(
                f"`after` would leave out rows without {name!r}: add {{{name!r}: {{'is_null': False}}}} to `where`, "
                "or order by a column that is never null"
            )
    if not any(key <= set(names) for key in unique_keys(table)):
        key = ", ".join(table.primary_key.columns.keys()) or "a unique column"
        raise InvalidInput(f"`after` needs an order that no two rows share: end `order_by` with {key}")
    behind = []
    for place, name in enumerate(names):
        target, value = column(table, name), for_column(column(table, name), after[name])
        same = [column(table, other) == for_column(column(table, other), after[other]) for other in names[:place]]
        behind.append(and_(*same, target < value if order[place].startswith("-") else target > value))
    return or_(*behind)
