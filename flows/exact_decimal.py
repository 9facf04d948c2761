"""A column for amounts that stay exact on every database. No I/O."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, String, TypeDecorator
from sqlalchemy.types import TypeEngine


class Exact(TypeDecorator[Decimal]):
    """A decimal with four places that stays exact: `NUMERIC`, and text on SQLite, which would keep a float."""

    impl = Numeric(18, 4)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type in that database."""
        return dialect.type_descriptor(String(24) if dialect.name == "sqlite" else Numeric(18, 4))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Four places, on SQLite as text."""
        places = None if value is None else value.quantize(Decimal("0.0001"))
        return f"{places:f}" if places is not None and dialect.name == "sqlite" else places

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 (SQLAlchemy's)
        """The decimal again."""
        return None if value is None else Decimal(value)
