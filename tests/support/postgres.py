"""A real PostgreSQL with as many empty databases as tests want."""

from dataclasses import dataclass
from itertools import count

from receiver.supervisor.postgres import EmbeddedPostgres

_numbers = count(1)


@dataclass(frozen=True)
class TestPostgres:
    """A started server. Databases are named uniquely and vanish with it."""

    __test__ = False

    server: EmbeddedPostgres

    def create_database(self) -> str:
        """An empty database of one's own: `postgresql://...` for psycopg."""
        name = f"test_{next(_numbers)}"
        self.server.ensure_database(name)
        return self.server.url(name)
