"""`expires`: a delivery that did not begin in time is worthless, and does not begin. Pure but for Prefect's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from receiver.contract.context import Context


def expires_at(received_at: datetime, attempt: int, expires: timedelta | None) -> datetime | None:
    """Until when an attempt may begin; None for ever. What runs again, by a person or after a crash, never expires."""
    return None if expires is None or attempt != 1 else received_at + expires


def too_late(contexts: Sequence[Context], now: datetime | None = None) -> Any:
    """Prefect's Cancelled state for the end of a run whose every request has expired, None for one that may begin."""
    moments = [_moment(context.document) for context in contexts]
    until = [moment for moment in moments if moment is not None]
    if not until or len(until) < len(moments) or max(until) >= (now or datetime.now(UTC)):
        return None
    from prefect.states import Cancelled

    return Cancelled(message=f"Expired: it was to begin by {max(until).isoformat(timespec='seconds')}.")


def _moment(document: Mapping[str, Any]) -> datetime | None:
    text = document.get("expires_at")
    return None if text is None else datetime.fromisoformat(text)
