"""How a webhook is changed: checked, its secret put away, stored, and live at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from receiver.admin.auth import Principal
from receiver.admin.plain_secret import PlainSecret, take_out_secret
from receiver.admin.problems import Problem
from receiver.admin.services import AdminServices
from receiver.admin.webhook_models import WebhookView
from receiver.admin.webhook_owner import refuse_moved, refuse_other_origin, refuse_other_source
from receiver.contract.definition import WebhookDefinition, generate_key, parse_definition
from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.contract.paths import shown_path
from receiver.contract.secret_reference import Author, is_secret_reference
from receiver.ingress.parameter_rules import parameter_problems, rules_of
from receiver.prefect_gateway import PrefectUnavailable
from receiver.webhooks.apply_plan import TOLD
from receiver.webhooks.audit import Action
from receiver.webhooks.definitions import ABSENT, DefinitionMoved, DefinitionRow
from receiver.webhooks.keys import Scope

T = TypeVar("T")

_TRIES = 5
"""How often a change is tried anew when other processes change the same webhook meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Give:
    """How a definition is given: `origin` and `source` say on whose behalf, `revision` what it has to replace.

    `take_over` gives a webhook of another source to this one; a `dry_run` checks everything and changes nothing.
    """

    origin: Literal["api", "code"] = "api"
    source: str | None = None
    take_over: bool = False
    revision: int | None = None
    dry_run: bool = False


_BY_HAND = Give()


class WebhookDesk:
    """The one place of this process that changes webhooks; changes happen one after another.

    Another process may change the same webhook: each change is stored only if what it was judged by is still in force,
    and else judged again.
    """

    def __init__(self, services: AdminServices) -> None:
        self._services = services
        self._turn = asyncio.Lock()

    async def existing(self, key: str) -> DefinitionRow:
        """The webhook with this key; raises a 404."""
        row = await self._services.definitions.get(key)
        if row is None:
            raise Problem(404, f"There is no webhook '{key[:100]}'. GET /api/admin/webhooks lists them.")
        return row

    async def create(self, given: Mapping[str, Any], who: Principal) -> WebhookView:
        """Make a webhook; raises a 409 when its key is taken."""
        fields = {**given, "key": given.get("key") or generate_key()}
        taken = Problem(409, f"There is a webhook '{str(fields['key'])[:100]}' already. Change it with PUT or PATCH.")
        async with self._turn:
            if await self._services.definitions.get(str(fields["key"])) is not None:
                raise taken
            try:
                row = await self._store(fields, None, who, Give(), suffix=_suffix())
            except DefinitionMoved:
                raise taken from None
        return await self._told(row)

    async def put(
        self, key: str, given: Mapping[str, Any], who: Principal, how: Give = _BY_HAND
    ) -> tuple[WebhookView, bool]:
        """Make or replace a webhook; whether it was made. Raises a 409 when it belongs to somebody else."""
        if given.get("key") not in {None, key}:
            raise DefinitionError("key", f"the address says '{key}'; leave it out or say the same")
        if how.origin == "code":
            who.require(Scope.ADMIN)
        suffix = _suffix()

        async def once() -> tuple[DefinitionRow, bool]:
            known = await self._services.definitions.get(key)
            refuse_moved(known, how.revision)
            if known is not None:
                refuse_other_origin(known, how.origin)
                if not how.take_over:
                    refuse_other_source(known, how.source)
            return await self._store({**given, "key": key}, known, who, how, suffix=suffix), known is None

        row, made = await self._in_turn(key, once)
        return await self._told(row), made

    async def patch(
        self, key: str, changes: Mapping[str, Any], who: Principal, revision: int | None = None
    ) -> WebhookView:
        """Replace some fields. The state alone may be changed whoever made the webhook."""
        suffix, state_alone = _suffix(), set(changes) == {"state"}

        async def once() -> DefinitionRow:
            known = await self.existing(key)
            refuse_moved(known, revision)
            if state_alone:
                return await self._set_state(known, changes["state"], who)
            refuse_other_origin(known, "api")
            if changes.get("key") not in {None, key}:
                raise DefinitionError("key", "cannot be changed: make another webhook")
            fields = {**known.definition, **changes, "key": key}
            if "state" not in changes:
                fields.pop("state", None)
            return await self._store(fields, known, who, Give(), suffix=suffix)

        row = await self._in_turn(key, once)
        return self.view(row) if state_alone else await self._told(row)

    async def delete(self, key: str, who: Principal, how: Give = _BY_HAND) -> None:
        """Take a webhook out of force; its deliveries stay."""
        if how.origin == "code":
            who.require(Scope.ADMIN)

        async def once() -> None:
            known = await self.existing(key)
            refuse_moved(known, how.revision)
            refuse_other_origin(known, how.origin)
            if how.source is not None and known.source != how.source:
                raise Problem(409, f"'{key}' does not belong to '{how.source}', so that may not delete it.")
            by, now = who.by(how.origin), self._services.now()
            await self._services.definitions.delete(key, by, now, expect=known.revision)
            await self._services.catalog.refresh()

        await self._in_turn(key, once)

    async def _in_turn(self, key: str, once: Callable[[], Awaitable[T]]) -> T:
        """The change, judged anew when another process changed the webhook between the judging and the storing."""
        async with self._turn:
            for _ in range(_TRIES):
                with suppress(DefinitionMoved):
                    return await once()
        raise Problem(409, f"'{key[:100]}' is being changed by others all the time. Try again.")

    def view(self, row: DefinitionRow, warnings: list[str] | None = None) -> WebhookView:
        """A webhook as the API tells it."""
        path = shown_path(row.served_path or row.key)
        told = {
            "key": row.key,
            "url": f"{self._services.base_url}/api/webhooks/{path}",
            "state": row.state,
            "origin": row.origin,
            "source": row.source,
            "revision": row.revision,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "warnings": warnings or [],
        }
        return WebhookView(**{**row.definition, **told})

    async def _told(self, row: DefinitionRow) -> WebhookView:
        """The webhook with what would not work yet. Prefect is asked, which may take seconds: in nobody's turn."""
        warnings = await self._warnings(row)
        if self._services.callers is not None:
            warnings += await self._services.callers(parse_definition(row.definition, by="code"))
        return self.view(row, warnings)

    async def _set_state(self, known: DefinitionRow, state: object, who: Principal) -> DefinitionRow:
        if state is None:
            raise DefinitionError("state", "is one of enabled, paused and disabled")
        checked = parse_definition({**known.definition, "state": state}, by="code")
        definitions, now = self._services.definitions, self._services.now()
        row = await definitions.set_state(known.key, checked.state, who.by(), now)
        await self._services.catalog.refresh()
        if row is None:
            raise DefinitionMoved(known.key, ABSENT)
        return row

    async def _store(
        self, given: Mapping[str, Any], known: DefinitionRow | None, who: Principal, how: Give, *, suffix: str
    ) -> DefinitionRow:
        services = self._services
        fields = {name: value for name, value in given.items() if name not in TOLD}
        safe, plain = await self._without_secret(fields, known, suffix) if how.origin == "api" else (fields, None)
        definition = parse_definition(safe, by=_author(who, how.origin, known, safe))
        await services.check_definition(definition)
        if how.dry_run:
            stated = fields.get("state") is not None and how.origin == "api"
            state = definition.state if stated or known is None else known.state
            return _as_it_would_be(definition, known, how, state, services.now())
        if plain is not None:
            await self._keep(plain, definition.key, who)
        row = await services.definitions.put(
            _to_store(definition, fields),
            key=definition.key,
            origin=how.origin,
            source=how.source,
            by=who.by(how.origin),
            now=services.now(),
            expect=ABSENT if known is None else known.revision,
        )
        await services.catalog.refresh()
        return row

    async def _without_secret(
        self, fields: Mapping[str, Any], known: DefinitionRow | None, suffix: str
    ) -> tuple[dict[str, Any], PlainSecret | None]:
        key, secret = str(fields["key"]), _secret_of(fields)
        if secret is None or is_secret_reference(secret):
            return dict(fields), None  # as nearly always: then no other webhook has to be read
        rows = [row for row in await self._services.definitions.all() if row.key != key]
        return take_out_secret(
            fields,
            key=key,
            current=_secret_of(known.definition) if known else None,
            others={other for row in rows if (other := _secret_of(row.definition))},
            suffix=suffix,
        )

    async def _keep(self, plain: PlainSecret, key: str, who: Principal) -> None:
        try:
            await self._services.vault.store(plain.block, plain.value)
        except WebhooksError as error:
            problem = f"The secret could not be put into a block, so nothing was changed: {error}"
            raise Problem(503, problem, headers={"Retry-After": "5"}) from None
        # By itself: where the block stays the same, the definition does too.
        services, change = self._services, (None, plain.reference)
        await services.audit.note(who.by(), Action.WEBHOOK_SECRET, key, services.now(), secret=change)

    async def _warnings(self, row: DefinitionRow) -> list[str]:
        name = row.definition.get("deployment")
        if name is None:
            return []
        try:
            found = await self._services.deployments.resolve_deployment(name)
        except PrefectUnavailable:
            return ["Prefect does not answer now, so it is not known whether the deployment exists."]
        if found is None:
            return [f"Prefect has no deployment '{name}' yet: what comes is kept, and runs when it appears."]
        return parameter_problems(await asyncio.to_thread(rules_of, found), row.definition["parameters"])


def _to_store(definition: WebhookDefinition, given: Mapping[str, Any]) -> dict[str, Any]:
    stored = definition.to_json()
    if given.get("state") is None:
        del stored["state"]  # whoever does not speak of the state does not change it
    return stored


def _author(
    who: Principal, origin: Literal["api", "code"], known: DefinitionRow | None, fields: Mapping[str, Any]
) -> Author:
    """By whose right the definition is given: a reference that an administrator set may stay in other hands."""
    if origin == "code":
        return "code"
    kept = known is not None and _secret_of(known.definition) == _secret_of(fields)
    return "admin" if who.scope is Scope.ADMIN or kept else "write"


def _secret_of(definition: Mapping[str, Any]) -> str | None:
    verification = definition.get("verification")
    secret = verification.get("secret") if isinstance(verification, Mapping) else None
    return secret if isinstance(secret, str) else None


def _as_it_would_be(
    definition: WebhookDefinition, known: DefinitionRow | None, how: Give, state: str, now: datetime
) -> DefinitionRow:
    """What a dry run tells. The revision is the one in force: nothing was changed."""
    return DefinitionRow(
        key=definition.key,
        definition=definition.to_json(),
        revision=ABSENT if known is None else known.revision,
        origin=how.origin,
        state=state,
        state_by_operator=known is not None and known.state_by_operator,
        created_at=now if known is None else known.created_at,
        updated_at=now if known is None else known.updated_at,
        source=how.source if how.source is not None or known is None else known.source,
    )


def _suffix() -> str:
    """Of the block that a plain secret goes into; once a request, so that a change tried anew leaves one block."""
    return secrets.token_hex(4)
