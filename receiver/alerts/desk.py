"""What people ask of the warnings: which there are, whether the channels work, an automation in Prefect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from receiver.alerts.book import Alert
from receiver.alerts.courier import Courier, Tried
from receiver.alerts.store import AlertStore
from receiver.alerts.watch import Watch

MOST_LISTED = 500


class Automations(Protocol):
    """Prefect's automations; `AlertEvents` is one. Raise `PrefectUnavailable`."""

    async def automation(self, *, block: str | None, deployment: str | None) -> dict[str, Any]: ...

    async def put_automation(self, automation: Mapping[str, Any]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class ChannelState:
    """A channel in use. `problem`: why what it was to tell last was not told, empty where it was."""

    name: str
    last_sent_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True)
class AlertDesk:
    """For the admin API. What needs the inbox raises `StoreUnavailable`."""

    watch: Watch
    store: AlertStore
    courier: Courier
    automations: Automations

    async def listed(self, *, over: bool) -> list[Alert]:
        """The warnings that are raised, the latest first; with `over` also what is over, of the last week."""
        if over:
            return await self.store.listed(MOST_LISTED, over=True)
        return (await self.watch.opened())[::-1][:MOST_LISTED]

    async def channels(self) -> list[ChannelState]:
        """The channels in use."""
        known = await self.store.last_problems()
        return [
            ChannelState(name=name, last_sent_at=known.get(name, (None, ""))[0], problem=known.get(name, (None, ""))[1])
            for name in self.courier.names
        ]

    async def test(self, now: datetime) -> Sequence[Tried]:
        """Send a test by every channel."""
        return await self.courier.test(now)

    async def automation(
        self, *, block: str | None, deployment: str | None, save: bool
    ) -> tuple[str | None, dict[str, Any]]:
        """The automation that passes warnings on by a notification block or to a deployment, and with `save` its id."""
        made = await self.automations.automation(block=block, deployment=deployment)
        return (await self.automations.put_automation(made) if save else None), made
