"""The webhooks that occur in a table, found without walking through it."""

from __future__ import annotations

from sqlalchemy import TextClause, text


def each_webhook(table: str, where: str = "") -> TextClause:
    """A query of the keys in `table.webhook`, each once, by one look-up in the index for each.

    `where` is SQL on the table's columns, in the words of the index that is to be used. Both are ours, never a value.
    """
    first = f" WHERE {where}" if where else ""
    further = f"{where} AND " if where else ""
    return text(
        f"WITH RECURSIVE found(webhook) AS (SELECT min(webhook) FROM {table}{first} "  # noqa: S608 (no value in it)
        f"UNION ALL SELECT (SELECT min({table}.webhook) FROM {table} WHERE {further}{table}.webhook > found.webhook) "
        "FROM found WHERE found.webhook IS NOT NULL) SELECT webhook FROM found WHERE webhook IS NOT NULL"
    )
