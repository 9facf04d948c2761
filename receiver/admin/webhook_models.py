"""Webhooks as the admin API takes and tells them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import Body, Header, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from receiver.contract.definition import WebhookDefinition
from receiver.contract.errors import DefinitionError

_EXAMPLE: dict[str, Any] = {"key": "crm", "deployment": "crm-sync/crm-sync", "verification": {"scheme": "none"}}


class _DefinitionShape:
    """Describes a plain object as a definition in OpenAPI; `parse_definition` judges it, in better words."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema
        return handler(WebhookDefinition.__pydantic_core_schema__)


Definition = Annotated[
    dict[str, Any],
    _DefinitionShape(),
    Body(
        description="The definition. A plain `verification.secret` is put into a Prefect block, and only the reference "
        "to it is kept.",
        examples=[_EXAMPLE],
    ),
]
Changes = Annotated[
    dict[str, Any],
    Body(
        description="Fields of the definition, each to be replaced whole; null takes one away. Others stay.",
        examples=[{"state": "paused"}],
    ),
]
Origin = Annotated[
    Literal["api", "code"], Query(description="`code` is for `webhooks deploy` and needs a key of scope admin.")
]
Source = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        description="The project or set of files that owns the webhook: no other one replaces or deletes it.",
    ),
]
TakeOver = Annotated[bool, Query(description="Replace it although another `source` owns it.")]
DryRun = Annotated[bool, Query(description="Check everything, answer as if it were done, and change nothing.")]
IfMatch = Annotated[
    str | None,
    Header(
        max_length=100,
        description='The revision that has to be in force, as ETag names it: `"3"`. Else 412.',
    ),
]
Key = Annotated[str, Path(max_length=200, description="The webhook's key.")]


def etag(revision: int) -> str:
    """A revision as the header ETag."""
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int | None:
    """The revision a header If-Match names, None without one; raises `DefinitionError`."""
    if if_match is None:
        return None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', if_match.strip())
    if found is None:
        raise DefinitionError("If-Match", 'is the revision you read, in quotes: "3"')
    return int(found[1])


class Stats(BaseModel):
    """How many deliveries there are."""

    total: int = Field(description="All of them, refused ones too.")
    by_status: dict[str, int] = Field(description="By status, only those that occur.")


class WebhookView(BaseModel):
    """A webhook: the fields of its definition, and what the receiver knows of it."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    **_EXAMPLE,
                    "methods": ["POST"],
                    "state": "enabled",
                    "url": "https://hooks.example.com/api/webhooks/crm",
                    "origin": "api",
                    "source": None,
                    "revision": 1,
                    "created_at": "2026-11-24T08:00:00Z",
                    "updated_at": "2026-11-24T08:00:00Z",
                    "warnings": [],
                    "stats": None,
                }
            ]
        },
    )

    key: str = Field(description="The webhook's key.")
    url: str = Field(description="Where it is called; braces stand for path parameters.")
    state: str = Field(description="`enabled`, `paused` or `disabled`.")
    origin: str = Field(description="`code` when a flow's decorator defines it, else `api`.")
    source: str | None = Field(default=None, description="The project or set of files that owns it; null: nobody does.")
    revision: int = Field(description="Grows with each change of the definition; deliveries name it.")
    created_at: AwareDatetime = Field(description="When it was made.")
    updated_at: AwareDatetime = Field(description="When it was last changed.")
    warnings: list[str] = Field(default=[], description="What would not work yet.")
    stats: Stats | None = Field(default=None, description="Its deliveries; told when one webhook is asked for.")


class FieldChange(BaseModel):
    """A field that differs from the revision before."""

    field: str = Field(description="The field, dotted where an object changed in part: `verification.scheme`.")
    before: Any = Field(default=None, description="What it was; null when there was no such field.")
    after: Any = Field(default=None, description="What it became; null when it was taken away.")


class Revision(BaseModel):
    """A definition as it once was."""

    revision: int = Field(description="Its number; deliveries name it.")
    created_at: AwareDatetime = Field(description="When the webhook became so.")
    actor: str = Field(description="Name of the API key that made it so.")
    origin: str = Field(description="`code` or `api`.")
    changes: list[FieldChange] = Field(description="What differs from the revision before; empty for the first.")
    definition: dict[str, Any] = Field(description="The definition without its `state`, which has no revisions.")


class SampleRequest(BaseModel):
    """A request to be signed and sent to the webhook."""

    model_config = ConfigDict(extra="forbid")

    method: str | None = Field(
        default=None, pattern="^[A-Za-z]{1,20}$", description="The method; default the webhook's first."
    )
    headers: list[tuple[str, str]] = Field(default=[], max_length=100, description="Pairs of name and value.")
    params: dict[str, str] = Field(
        default={}, max_length=20, description="Values of the parameters of the webhook's path, by name."
    )
    query: str = Field(default="", max_length=8000, description="The raw query without `?`.")
    body_base64: str | None = Field(default=None, description="The body's bytes in Base64.")
    example: str | None = Field(default=None, max_length=100, description="An example to start from, by name.")


class SampleAnswer(BaseModel):
    """What a sender would have got."""

    status: int = Field(description="The HTTP status.")
    headers: list[tuple[str, str]] = Field(description="Pairs of name and value.")
    body: str | None = Field(description="The body, null where it is not text.")
    body_base64: str | None = Field(description="The body's bytes where they are not text.")
    delivery_id: str | None = Field(description="The delivery that was stored.")
