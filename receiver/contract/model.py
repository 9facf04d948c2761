"""The fields of a webhook's definition, as pydantic keeps them. Make one with `parse_definition`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)

from receiver.contract import fields
from receiver.contract.paths import check_path, served_path
from receiver.contract.quantities import format_duration
from receiver.contract.reply import check_status_and_body
from receiver.contract.templates import Template, compile_template

DEFAULT_MAX_BODY = 1024 * 1024
"""Bytes a body may have where neither the definition nor its scheme says otherwise."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Deduplication(_Frozen):
    """Which event id tells a repetition, and for how long it is remembered."""

    key: Annotated[str, BeforeValidator(fields.check_key_template)] = Field(
        description="Template of the sender's event id, e.g. `{{$context.headers.x-event-id}}`."
    )
    window: Annotated[
        timedelta, BeforeValidator(fields.check_window), PlainSerializer(format_duration, return_type=str)
    ] = Field(default=timedelta(days=4), description="How long an id is remembered, e.g. `4d`.")

    def key_template(self) -> Template:
        """The compiled `key`; its one root is `context`."""
        return compile_template(self.key, roots=fields.KEY_ROOTS)


class BatchRule(_Frozen):
    """How many deliveries share a run."""

    max_size: int = Field(default=100, ge=2, le=fields.MAX_BATCH, description="Deliveries in a run, 2-1000.")
    max_wait: Annotated[
        timedelta, BeforeValidator(fields.check_max_wait), PlainSerializer(format_duration, return_type=str)
    ] = Field(default=timedelta(seconds=2), description="How long the first waits for others, e.g. `2s`.")


Age = Annotated[timedelta, BeforeValidator(fields.check_age), PlainSerializer(format_duration, return_type=str)]


class Retention(_Frozen):
    """How long deliveries are kept that are neither unfinished nor held."""

    body: Age = Field(default=timedelta(days=30), description="Bodies and what was replied, e.g. `30d`.")
    row: Age = Field(default=timedelta(days=400), description="Everything else, e.g. `400d`.")

    @model_validator(mode="after")
    def _in_this_order(self) -> Self:
        if self.row < self.body:
            raise ValueError("keeps a body longer than its row: give row at least as long")
        return self


class ResponseTemplate(_Frozen):
    """The answer of an accepted request. Header values and body are templates over `$context` and `$now`."""

    status: int = Field(default=200, ge=200, le=599, description="HTTP status, 200-599.")
    headers: Annotated[dict[str, str], BeforeValidator(fields.check_response_headers)] = Field(
        default_factory=dict, description="Headers by name; values are templates."
    )
    body: Annotated[Any, BeforeValidator(fields.check_response_body)] = Field(
        default=None, description="Text or any JSON value with templates in its strings."
    )

    @model_validator(mode="after")
    def _has_a_body_where_it_may(self) -> Self:
        check_status_and_body(self.status, self.body)
        return self

    def headers_template(self) -> Template:
        """The compiled headers; roots are `context` and `now`."""
        return compile_template(dict(self.headers), roots=fields.SYNC_RESPONSE_ROOTS)

    def body_template(self) -> Template:
        """The compiled body; roots are `context` and `now`."""
        return compile_template(self.body, roots=fields.SYNC_RESPONSE_ROOTS)


class WebhookDefinition(_Frozen):
    """One webhook, checked. Make it with `parse_definition`; `to_json()` gives what that takes back.

    None in `on_invalid`, `max_body` and `deduplicate` leaves the choice to the verification scheme's preset.
    """

    key: Annotated[str, BeforeValidator(fields.check_key)] = Field(
        description="Slug in the URL `/api/webhooks/<key>`: 1-64 lower-case letters, digits, `-` and `_`."
    )
    path: Annotated[str, BeforeValidator(check_path)] | None = Field(
        default=None, description="Custom path with parameters, e.g. `shops/{shop_id}/orders/{order_id}`."
    )
    methods: Annotated[tuple[fields.Method, ...], BeforeValidator(fields.check_methods)] = Field(
        default=("POST",), description="Methods that are answered."
    )
    mode: Literal["async", "sync"] = Field(
        default="async",
        description="`async`: acknowledged as soon as stored; `sync`: answered with the flow's reply.",
    )
    deployment: Annotated[str, BeforeValidator(fields.check_deployment)] | None = Field(
        default=None, description="Prefect deployment, `flow-name/deployment-name`."
    )
    parameters: Annotated[dict[str, Any], BeforeValidator(fields.check_parameters)] = Field(
        default={"context": "{{$context}}"}, description="Templates of the flow's parameters, by name."
    )
    payload: Literal["value", "reference"] = Field(
        default="value",
        description="`reference`: Prefect is given the delivery's id alone, and the flow fetches the request.",
    )
    state: Literal["enabled", "paused", "disabled"] = Field(
        default="enabled", description="`paused`: stored but not started; `disabled`: 404."
    )
    verification: dict[str, Any] = Field(description="`scheme`, `secret` (a reference) and the scheme's own options.")
    ip_allowlist: Annotated[tuple[str, ...], BeforeValidator(fields.check_networks)] | None = Field(
        default=None, description="Addresses, CIDRs and `set:NAME` (sets of networks) that may call; any when left out."
    )
    filter: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None, description="CEL expression over `context`; false: filtered, no run."
    )
    split: Annotated[str, BeforeValidator(fields.check_split)] | None = Field(
        default=None, description="Template of a list in the request; each item becomes a delivery of its own."
    )
    batch: BatchRule | None = Field(
        default=None, description="Many deliveries in one run: how many, and how long to wait."
    )
    ordering_key: Annotated[str, BeforeValidator(fields.check_ordering_key)] | None = Field(
        default=None, description="Template; deliveries with the same key run one after another."
    )
    deduplicate: Annotated[Deduplication | Literal[False] | None, BeforeValidator(fields.check_deduplicate)] = Field(
        default=None, description="The sender's event id and how long it is remembered; `false`: never."
    )
    response: ResponseTemplate | None = Field(default=None, description="The answer of an accepted request.")
    timeout: Annotated[float, BeforeValidator(fields.check_timeout)] | None = Field(
        default=None,
        description="Seconds a caller waits in sync mode, at most 120; the sender's or 10 if left out.",
    )
    on_timeout: Literal[202, 504] | None = Field(
        default=None,
        description="The answer when the time is over: 202 with a status URL (if left out) or 504. The run goes on.",
    )
    on_invalid: Literal["reject", "hold"] | None = Field(
        default=None, description="What a verified request that cannot be used gets."
    )
    on_crash: Literal["fail", "retry"] = Field(
        default="fail",
        description="What follows when a run's process dies: `crashed`, or up to three more runs (at least once).",
    )
    expires: (
        Annotated[timedelta, BeforeValidator(fields.check_expires), PlainSerializer(format_duration, return_type=str)]
        | None
    ) = Field(default=None, description="How late a run may begin, e.g. `10m`; later the delivery is not run.")
    max_body: Annotated[int, BeforeValidator(fields.check_size)] | None = Field(
        default=None, description="Largest body in bytes or as `1MiB`; at most 25 MiB."
    )
    rate_limit: Annotated[str, BeforeValidator(fields.check_rate)] | None = Field(
        default=None, description="Verified requests that are taken in a time, e.g. `100/minute`; past it 429."
    )
    body_schema: Annotated[dict[str, Any], BeforeValidator(fields.check_schema)] | None = Field(
        default=None, alias="schema", description="JSON Schema of the body."
    )
    cors: Annotated[tuple[str, ...], BeforeValidator(fields.check_cors)] | None = Field(
        default=None, description="Origins whose pages may call from a browser, or `*` for an open webhook."
    )
    retention: Retention | None = Field(
        default=None, description="How long deliveries are kept: `body` 30d and `row` 400d if left out."
    )

    @property
    def scheme(self) -> str:
        """The verification scheme's name."""
        return str(self.verification["scheme"])

    @property
    def served_path(self) -> str | None:
        """The path that requests come to, None where it is the key; `{}` is where a token stands."""
        return served_path(self.key, {"path": self.path, "verification": self.verification})

    @property
    def secret(self) -> str | None:
        """The reference to the secret, e.g. `block:webhook-secret/contact-form`."""
        return self.verification.get("secret")

    @property
    def scheme_options(self) -> dict[str, Any]:
        """What the scheme's constructor takes: `verification` without `scheme` and `secret`."""
        return {name: value for name, value in self.verification.items() if name not in {"scheme", "secret"}}

    def split_template(self) -> Template | None:
        """The compiled `split`; its one root is `context`."""
        return compile_template(self.split, roots=fields.KEY_ROOTS) if self.split else None

    def ordering_template(self) -> Template | None:
        """The compiled `ordering_key`; its one root is `context`."""
        return compile_template(self.ordering_key, roots=fields.KEY_ROOTS) if self.ordering_key else None

    def parameters_template(self) -> Template:
        """The compiled `parameters`, for `render_parameters`; roots are `context` and `now`."""
        return compile_template(self.parameters, roots=fields.PARAMETER_ROOTS)

    def to_json(self) -> dict[str, Any]:
        """The definition as plain JSON, without what was left to defaults of the scheme (no nulls)."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
