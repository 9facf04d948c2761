"""How a webhook is changed: checked, its secret put away, stored, and live at once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Literal

from receiver.admin.auth import Principal
from receiver.admin.plain_secret import PlainSecret, take_out_secret
from receiver.admin.problems import Problem
from receiver.admin.services import AdminServices
from receiver.admin.webhook_models import TOLD, WebhookView
from receiver.contract.definition import WebhookDefinition, generate_key, parse_definition
from receiver.contract.errors import DefinitionError, WebhooksError
from receiver.contract.secret_reference import Author
from receiver.ingress.parameter_rules import parameter_problems, rules_of
from receiver.prefect_gateway import PrefectUnavailable
from receiver.webhooks.definitions import DefinitionRow
from receiver.webhooks.keys import Scope


class WebhookDesk:
    """The one place of this process that changes webhooks; changes happen one after another."""

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
        async with self._turn:
            if await self._services.definitions.get(str(fields["key"])) is not None:
                raise Problem(409, f"There is a webhook '{fields['key']}' already. Change it with PUT or PATCH.")
            return await self._store(fields, None, who, origin="api")

    async def put(
        self, key: str, given: Mapping[str, Any], who: Principal, *, origin: Literal["api", "code"]
    ) -> tuple[WebhookView, bool]:
        """Make or replace a webhook; whether it was made. Raises a 409 when it belongs to the other origin."""
        if given.get("key") not in {None, key}:
            raise DefinitionError("key", f"the address says '{key}'; leave it out or say the same")
        async with self._turn:
            known = await self._services.definitions.get(key)
            if origin == "code":
                who.require(Scope.ADMIN)
                if known is not None and known.origin != "code":
                    raise Problem(
                        409, f"'{key}' was not made by code. Delete it, or give the flow's webhook another key."
                    )
            elif known is not None:
                _refuse_code(known)
            fields = {**given, "key": key}
            return await self._store(fields, known, who, origin=origin), known is None

    async def patch(self, key: str, changes: Mapping[str, Any], who: Principal) -> WebhookView:
        """Replace some fields. The state alone may be changed whoever made the webhook."""
        async with self._turn:
            known = await self.existing(key)
            if set(changes) == {"state"}:
                return await self._set_state(known, changes["state"])
            _refuse_code(known)
            if changes.get("key") not in {None, key}:
                raise DefinitionError("key", "cannot be changed: make another webhook")
            fields = {**known.definition, **changes, "key": key}
            if "state" not in changes:
                fields.pop("state", None)
            return await self._store(fields, known, who, origin="api")

    async def delete(self, key: str, who: Principal, *, origin: Literal["api", "code"]) -> None:
        """Take a webhook out of force; its deliveries stay."""
        async with self._turn:
            known = await self.existing(key)
            if origin == "code":
                who.require(Scope.ADMIN)
                if known.origin != "code":
                    raise Problem(409, f"'{key}' was not made by code: delete it without ?origin=code.")
            else:
                _refuse_code(known)
            await self._services.definitions.delete(key, self._services.now())
            await self._services.catalog.refresh()

    def view(self, row: DefinitionRow, warnings: list[str] | None = None) -> WebhookView:
        """A webhook as the API tells it."""
        path = row.definition.get("path") or row.key
        told = {
            "key": row.key,
            "url": f"{self._services.base_url}/api/webhooks/{path}",
            "state": row.state,
            "origin": row.origin,
            "revision": row.revision,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "warnings": warnings or [],
        }
        return WebhookView(**{**row.definition, **told})

    async def _set_state(self, known: DefinitionRow, state: object) -> WebhookView:
        if state is None:
            raise DefinitionError("state", "is one of enabled, paused and disabled")
        checked = parse_definition({**known.definition, "state": state}, by="code")
        row = await self._services.definitions.set_state(known.key, checked.state, self._services.now())
        await self._services.catalog.refresh()
        return self.view(row or known)

    async def _store(
        self, given: Mapping[str, Any], known: DefinitionRow | None, who: Principal, *, origin: Literal["api", "code"]
    ) -> WebhookView:
        services = self._services
        fields = {name: value for name, value in given.items() if name not in TOLD}
        safe, plain = await self._without_secret(fields, known) if origin == "api" else (fields, None)
        definition = parse_definition(safe, by=_author(who, origin, known, safe))
        await services.check_definition(definition)
        if plain is not None:
            await self._keep(plain)
        row = await services.definitions.put(
            _to_store(definition, fields), key=definition.key, origin=origin, actor=who.name, now=services.now()
        )
        await services.catalog.refresh()
        return self.view(row, await self._warnings(definition))

    async def _without_secret(
        self, fields: Mapping[str, Any], known: DefinitionRow | None
    ) -> tuple[dict[str, Any], PlainSecret | None]:
        key = str(fields["key"])
        rows = [row for row in await self._services.definitions.all() if row.key != key]
        return take_out_secret(
            fields,
            key=key,
            current=_secret_of(known.definition) if known else None,
            others={secret for row in rows if (secret := _secret_of(row.definition))},
            suffix=secrets.token_hex(4),
        )

    async def _keep(self, plain: PlainSecret) -> None:
        try:
            await self._services.vault.store(plain.block, plain.value)
        except WebhooksError as error:
            problem = f"The secret could not be put into a block, so nothing was changed: {error}"
            raise Problem(503, problem, headers={"Retry-After": "5"}) from None

    async def _warnings(self, definition: WebhookDefinition) -> list[str]:
        if definition.deployment is None:
            return []
        try:
            found = await self._services.deployments.resolve_deployment(definition.deployment)
        except PrefectUnavailable:
            return ["Prefect does not answer now, so it is not known whether the deployment exists."]
        if found is None:
            name = definition.deployment
            return [f"Prefect has no deployment '{name}' yet: what comes is kept, and runs when it appears."]
        return parameter_problems(await asyncio.to_thread(rules_of, found), definition.parameters)


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


def _refuse_code(row: DefinitionRow) -> None:
    if row.origin == "code":
        raise Problem(
            409,
            f"'{row.key}' is defined in code. Change the flow's @webhook and run `webhooks deploy`; here only its "
            "`state` can be changed.",
        )
