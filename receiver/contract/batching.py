"""A run for many deliveries: what its flow takes, and how it tells which of them failed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from receiver.contract.context import Context
from receiver.contract.errors import EnvelopeError, WebhooksError

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MESSAGE = re.compile(
    rf"Flow run encountered an exception: DeliveriesFailed: [0-9]{{1,6}} failed: ({_ID}(?:, {_ID})*)", re.ASCII
)


class Batch(tuple[Context, ...]):
    """The requests of a run for many deliveries, in order of arrival: `batch: Batch` as a flow's parameter."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_validated)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "title": "Batch",
            "type": "object",
            "description": "Requests in their envelopes, as the receiver hands them over.",
            "properties": {
                "v": {"title": "Version", "type": "integer", "const": 1},
                "batch": {"title": "The requests' envelopes", "type": "array", "items": {"type": "object"}},
            },
            "required": ["v"],
        }


class DeliveriesFailed(WebhooksError):
    """Raised at the end of a run for many deliveries: these failed, all others are done.

    `failed` are contexts or delivery ids, at least one.
    """

    def __init__(self, failed: Iterable[Context | str]) -> None:
        self.failed = tuple(dict.fromkeys(each if isinstance(each, str) else each.delivery_id for each in failed))
        if not self.failed:
            raise ValueError("name the deliveries that failed; where none did, return")
        super().__init__(f"{len(self.failed)} failed: {', '.join(self.failed)}")


def failed_deliveries(message: str) -> frozenset[str] | None:
    """The deliveries that a failed state's message names, None for a message of any other kind. Pure.

    Only `DeliveriesFailed` itself is believed: another exception's text may be whatever a sender sent.
    """
    found = _MESSAGE.fullmatch(message)
    return frozenset(found[1].split(", ")) if found else None


def _validated(value: Any) -> Batch:
    from receiver.contract.envelope import decode_batch

    try:
        return value if isinstance(value, Batch) else decode_batch(value)
    except EnvelopeError as error:
        raise ValueError(str(error)) from None
