"""The database: one door for every store, SQLite or PostgreSQL behind it."""

from receiver.storage.engine import Database
from receiver.storage.errors import StoreUnavailable, StoreUnusable

__all__ = ["Database", "StoreUnavailable", "StoreUnusable"]
