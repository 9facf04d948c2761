"""What the columns of every table are made of."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Index, Integer, MetaData, Text, text
from sqlmodel import SQLModel

Ident: Any = Text().with_variant(Text(collation="C"), "postgresql")
"""An identifier: compared byte by byte on both databases, whatever the language of the server."""
Micros: Any = BigInteger
Serial: Any = BigInteger().with_variant(Integer, "sqlite")
NO_ROWID = {"sqlite_with_rowid": False}
_NAMING = {"pk": "pk_%(table_name)s"}


def partial(name: str, *columns: str, where: str) -> Index:
    """An index of the rows that are so, which a query finds when it says it in the same words."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Base(SQLModel):
    """What every table is."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMING)
