"""The receiver's front door with a real inbox and without Prefect: webhooks are compiled here, secrets in variables."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from receiver.contract.parse import parse_definition
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.tickets import Tickets
from receiver.deliveries.views import DeliveryRecord
from receiver.ingress.answers import Answer
from receiver.ingress.client_ip import Proxies
from receiver.ingress.intake import Intake, Wiring
from receiver.ingress.prove import Prover
from receiver.ingress.rate_limits import MemoryRates
from receiver.ingress.remote import RemoteDocuments
from receiver.ingress.request_log import RequestLog
from receiver.ingress.vault import Vault
from receiver.ingress.webhook import Webhook, compile_webhook
from receiver.storage import Database
from receiver.webhooks.catalog import Catalog

STRANGER = "203.0.113.9"


@dataclass(kw_only=True)
class Came:
    """A request as it came: by default a POST of JSON from a stranger over plain HTTP."""

    raw_path: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    query_string: str = ""
    peer: str = STRANGER
    scheme: str = "http"
    was_read: bool = field(default=False, init=False)

    async def read(self, limit: int) -> bytes:
        self.was_read = True
        return self.body

    def hold(self, size: int) -> None:
        pass

    def let_go(self) -> None:
        pass

    async def hung_up(self) -> None:
        raise AssertionError("nobody waits here")


@dataclass
class FrontDoor:
    """`knock` is a request's answer; `intake` and `store` are what is behind it."""

    intake: Intake
    store: DeliveryStore

    async def knock(self, raw_path: str, **more: Any) -> Answer:
        """The answer to a request; keywords are those of `Came`, `headers` a mapping."""
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return await self.intake.take(Came(raw_path=raw_path, headers=tuple(headers.items()), **more))

    async def recorded(self, answer: Answer) -> DeliveryRecord:
        """The row of a request, by its answer."""
        view = await self.store.get(dict(answer.headers)["webhook-delivery-id"])
        assert view is not None
        return view


@contextlib.asynccontextmanager
async def front_door(home: Path, *definitions: dict[str, Any], **wiring: Any) -> AsyncIterator[FrontDoor]:
    """Open a door with these webhooks (scheme `none` unless they say otherwise); `wiring` replaces parts of it."""
    nothing: Any = None
    usual = {"deployment": "flow/main", "verification": {"scheme": "none"}}
    compiled = [
        compile_webhook(parse_definition({**usual, **each}, by="code"), revision=1, state=each.get("state", "enabled"))
        for each in definitions
    ]

    async def load() -> list[Webhook]:
        return compiled

    async def version() -> int:
        return 1

    database = Database.open(None, home)
    try:
        catalog = Catalog(version, load)
        await catalog.refresh()
        store = DeliveryStore(database)
        usual_wiring: dict[str, Any] = {
            "catalog": catalog,
            "prover": Prover(Vault(nothing), RemoteDocuments()),
            "store": store,
            "tickets": Tickets(b"0" * 32),
            "rendezvous": nothing,
            "proxies": Proxies(),
            "allow_plain_http": False,
            "sets": {},
            "rates": MemoryRates(),
            "failures": None,
            "base_url": "https://hooks.example.com",
            "known_deployment": lambda _name: None,
            "parameter_rules": lambda _name: None,
            "stored": lambda: None,
            "log": RequestLog(io.StringIO()),
        }
        yield FrontDoor(Intake(Wiring(**{**usual_wiring, **wiring})), store)
    finally:
        await database.close()
