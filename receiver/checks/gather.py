"""Gathers what the rules judge, of a running receiver: its webhooks, its inbox, its secrets, Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from receiver.checks.callers import Callers
from receiver.checks.finding import Finding
from receiver.checks.judge import judge
from receiver.checks.situation import (
    CallerFacts,
    InboxFacts,
    KeyFacts,
    ReceiverFacts,
    Situation,
    Troubled,
    WebhookFacts,
)
from receiver.contract.errors import DefinitionError
from receiver.deliveries.store import DeliveryStore
from receiver.deliveries.troubled import COUNTED, held_and_dead
from receiver.ingress.parameter_rules import ParameterRules, parameter_problems
from receiver.ingress.vault import SecretUnavailable, Vault
from receiver.ingress.verify.base import Secrets
from receiver.ingress.verify.probe import secret_problem
from receiver.ingress.webhook import Webhook
from receiver.prefect_gateway.survey import survey
from receiver.storage import Database, StoreUnavailable
from receiver.storage.condition import read_condition
from receiver.webhooks.catalog import Catalog, Routes
from receiver.webhooks.definitions import DefinitionStore
from receiver.webhooks.keys import KeyStore

_SECONDS = 4.0
"""No part of the receiver's may keep a check waiting for longer; all are asked at once."""

_ANY_WORD = "-any-word-of-a-path-"
"""In place of a parameter; no path says it in so many words."""


@dataclass(frozen=True, kw_only=True)
class Checkup:
    """Checks a running receiver. `await checkup()` gives every finding, `await checkup(key)` those for one webhook.

    `parameter_rules` gives those by which requests are judged now, by the deployment's name; None while not known.
    """

    catalog: Catalog[Webhook]
    definitions: DefinitionStore
    deliveries: DeliveryStore
    database: Database
    keys: KeyStore
    vault: Vault
    callers: Callers
    parameter_rules: Callable[[str], ParameterRules | None]
    receiver: ReceiverFacts
    now: Callable[[], datetime]

    async def __call__(self, key: str | None = None) -> list[Finding]:
        """The findings. Takes about 4 s at most, whoever does not answer."""
        routes = self.catalog.routes
        webhooks = [each for each in routes.all() if key in {None, each.key}]
        prefect, inbox, origins, secrets, keys, callers = await asyncio.gather(
            survey((each.deployment for each in webhooks if not each.problem), within=_SECONDS),
            self._inbox([each.key for each in webhooks]),
            self._origins(),
            self._secrets(webhooks),
            self._keys() if key is None else _nothing(),
            self._callers(webhooks),
        )
        facts = (
            replace(self._facts(each, routes, origins, secrets), callers=callers.get(each.key, CallerFacts()))
            for each in webhooks
        )
        return judge(
            Situation(
                now=self.now(),
                receiver=self.receiver,
                prefect=prefect,
                inbox=inbox,
                webhooks=tuple(facts),
                keys=keys,
                asked_for=key,
            )
        )

    async def _inbox(self, keys: Sequence[str]) -> InboxFacts:
        now = self.now()
        try:
            async with asyncio.timeout(_SECONDS):
                condition = await self.database.read(read_condition)
                backlog = await self.deliveries.backlog(now)
                troubled = await self.database.read(lambda connection: held_and_dead(connection, keys))
        except StoreUnavailable as error:
            return InboxFacts(problem=str(error))
        except TimeoutError:
            return InboxFacts(problem=f"the database did not answer within {_SECONDS:g} s")
        return InboxFacts(
            revision=condition.revision,
            head=condition.head,
            newer=not condition.known,
            waiting=backlog.waiting,
            oldest_due_at=backlog.oldest_due_at,
            clock_ahead=(condition.clock - now).total_seconds() if condition.clock else None,
            troubled={
                key: Troubled(held=held, dead=dead, more=max(held, dead) >= COUNTED)
                for key, (held, dead) in troubled.items()
            },
        )

    async def _origins(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(_SECONDS):
                return {row.key: row.origin for row in await self.definitions.all()}
        except (StoreUnavailable, TimeoutError):
            return {}  # which is said of the inbox

    async def _keys(self) -> tuple[KeyFacts, ...]:
        try:
            async with asyncio.timeout(_SECONDS):
                rows = await self.keys.list()
        except (StoreUnavailable, TimeoutError):
            return ()  # which is said of the inbox
        return tuple(
            KeyFacts(id=row.id, name=row.name, scope=row.scope.value, expires_at=row.expires_at)
            for row in rows
            if row.expires_at is not None
        )

    async def _secrets(self, webhooks: Sequence[Webhook]) -> dict[str, Secrets | str]:
        """Each secret by its reference, or why it cannot be read."""
        references = sorted({each.secret for each in webhooks if each.secret and not each.problem})
        return dict(zip(references, await asyncio.gather(*map(self._secret, references)), strict=True))

    async def _callers(self, webhooks: Sequence[Webhook]) -> dict[str, CallerFacts]:
        """What keeps callers out, by the webhook's key."""
        asked = [each for each in webhooks if not each.problem]
        facts = await asyncio.gather(*map(self.callers.facts, asked))
        return {each.key: found for each, found in zip(asked, facts, strict=True)}

    async def _secret(self, reference: str) -> Secrets | str:
        try:
            async with asyncio.timeout(_SECONDS):
                return await self.vault.resolve(reference)
        except SecretUnavailable as error:
            return str(error)
        except TimeoutError:
            return f"it took over {_SECONDS:g} s: see that Prefect is well, and check again"

    def _facts(
        self, webhook: Webhook, routes: Routes[Webhook], origins: Mapping[str, str], known: Mapping[str, Secrets | str]
    ) -> WebhookFacts:
        facts = WebhookFacts(
            key=webhook.key,
            origin=origins.get(webhook.key, "api"),
            state=webhook.state,
            mode=webhook.mode,
            timeout=webhook.timeout,
            deployment=webhook.deployment,
            definition_problem=webhook.problem,
        )
        if webhook.problem:
            return facts
        secret = known.get(webhook.secret) if webhook.secret else None
        return replace(
            facts,
            scheme=webhook.scheme.name,
            signs_url=webhook.scheme.signs_url(),
            secret=webhook.secret,
            secret_problem=secret if isinstance(secret, str) else "",
            secret_unusable=secret_problem(webhook.scheme, secret, self.now()) if isinstance(secret, Secrets) else "",
            secret_gap=webhook.scheme.secret_gap(secret) if isinstance(secret, Secrets) else "",
            clash=_clash(webhook, routes),
            taken_by=_taken_by(webhook, routes),
            parameters_problem=_parameters_problem(webhook, self.parameter_rules(webhook.deployment)),
        )


async def _nothing() -> tuple[KeyFacts, ...]:
    return ()


def _parameters_problem(webhook: Webhook, rules: ParameterRules | None) -> str:
    """What no request can mend; a schema that cannot be used is no problem of the webhook's: Prefect checks by it."""
    if rules is None:
        return ""
    return " ".join(parameter_problems(replace(rules, problem=""), webhook.parameters.children()))


def _clash(webhook: Webhook, routes: Routes[Webhook]) -> str:
    try:
        routes.refuse_clash(webhook.key, webhook.path)
    except DefinitionError as error:
        return str(error)
    return ""


def _taken_by(webhook: Webhook, routes: Routes[Webhook]) -> str:
    """The key of the webhook that gets a request for this one's path, when that is another."""
    segments = (webhook.path or webhook.key).split("/")
    found = routes.find("/".join(_ANY_WORD if segment.startswith("{") else segment for segment in segments))
    return "" if found is None or found.webhook.key == webhook.key else found.webhook.key
