"""The envelope: request data crosses to Prefect as text alone, since Prefect evaluates what it finds in parameters."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from receiver.contract.templates import Template


def encode_envelope(document: Mapping[str, Any], *, delivery_id: str, attempt: int) -> dict[str, Any]:
    """`{"v": 1, "delivery_id", "attempt", "json": "<ASCII JSON>"}`. Raises EnvelopeError for what JSON cannot hold."""
    raise NotImplementedError


def reference_envelope(*, delivery_id: str, attempt: int) -> dict[str, Any]:
    """`{"v": 1, "delivery_id", "attempt", "ref": true}`: the flow's wrapper fetches the document."""
    raise NotImplementedError


def render_parameters(
    template: Template,
    document: Mapping[str, Any],
    *,
    delivery_id: str,
    attempt: int,
    by_reference: bool,
    now: datetime | None = None,
) -> dict[str, Any]:
    """The flow run's parameters. Raises Unusable whose problems name the parameter."""
    raise NotImplementedError
