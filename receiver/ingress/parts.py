"""A request with many events: its items, each to be judged as a request of its own. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uuid_utils

from receiver.contract.errors import TemplateError, Unusable
from receiver.contract.reasons import Reason
from receiver.contract.templates import Template
from receiver.deliveries.lifecycle import Status
from receiver.deliveries.records import DeduplicationClaim

MOST_PARTS = 1000
CONTENT_TYPE = "application/json"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What becomes of an item. `body` is the item as JSON, `document` what its flow sees."""

    id: str
    status: Status
    reason: Reason | None = None
    detail: str = ""
    body: bytes
    document: Mapping[str, Any]
    deduplication: DeduplicationClaim | None = None
    ordering_key: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def items_of(template: Template, document: Mapping[str, Any]) -> Sequence[Any]:
    """The items of a request, at most 1,000; a single object is a list of one, since XML cannot tell the two apart.

    A GET or DELETE without a body is one event too: its query tells it. Raises Unusable (`split_error`).
    """
    try:
        items = template.render({"context": document})
    except TemplateError as error:
        raise Unusable(Reason.SPLIT_ERROR, f"split: {error}") from None
    if isinstance(items, Mapping) or (items is None and _tells_by_query(document)):
        return [items]
    if not isinstance(items, list):
        raise Unusable(Reason.SPLIT_ERROR, f"split: gives {type(items).__name__}, not a list of events")
    if len(items) > MOST_PARTS:
        raise Unusable(Reason.SPLIT_ERROR, f"split: {len(items)} events in one request, at most {MOST_PARTS} are taken")
    return items


def _tells_by_query(document: Mapping[str, Any]) -> bool:
    return document["data"] is None and document["method"] in {"GET", "DELETE"}


def body_of(item: Any) -> bytes:
    """An item as the body of a delivery of its own."""
    return json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode()


def fresh_ids(count: int) -> list[str]:
    """So many new delivery ids, in an order that tells the items' order."""
    return sorted(str(uuid_utils.uuid7()) for _ in range(count))
