"""Who calls: the holder of an API key, and what its scope allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from receiver.admin.problems import Problem
from receiver.webhooks.keys import KeyStore, Scope

_LONGEST_KEY = 200
_REALM = 'Bearer realm="webhooks"'


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whoever holds a key: the key's id and name (never the key) and its scope."""

    key_id: str
    name: str
    scope: Scope

    def require(self, scope: Scope) -> None:
        """Raise a 403 when the scope is not enough."""
        if not self.scope.includes(scope):
            raise Problem(
                403,
                f"This needs a key of scope '{scope}'; the key '{self.name}' has '{self.scope}'. "
                f"Make one: webhooks keys create NAME --scope {scope}",
                headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
            )


async def authenticate(authorization: str | None, keys: KeyStore, now: datetime) -> Principal:
    """The holder of the key in `Authorization: Bearer whk_...`; raises a 401."""
    scheme, _, given = (authorization or "").partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer" or not given or len(given) > _LONGEST_KEY:
        raise Problem(401, "Send an API key: Authorization: Bearer whk_...", headers={"WWW-Authenticate": _REALM})
    found = await keys.find(given, now)
    if found is None:
        raise Problem(
            401,
            "This API key is not known or was revoked.",
            headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'},
        )
    return Principal(key_id=found.id, name=found.name, scope=found.scope)
