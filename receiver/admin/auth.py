"""Who calls: the holder of an API key, and what its scope allows."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from receiver.admin.problems import Problem
from receiver.webhooks.audit import By
from receiver.webhooks.keys import ExpiredKey, KeyStore, Scope

_LONGEST_KEY = 200
_REALM = 'Bearer realm="webhooks"'
_INVALID = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
_BROWSERS_REALM = 'Basic realm="an API key as the password", charset="UTF-8"'


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Whoever holds a key: the key's id and name (never the key), its scope, and the address it is used from."""

    key_id: str
    name: str
    scope: Scope
    address: str = ""

    def by(self, origin: Literal["api", "code"] = "api") -> By:
        """The same as the audit log names it."""
        return By(key_id=self.key_id, name=self.name, address=self.address, origin=origin)

    def require(self, scope: Scope) -> None:
        """Raise a 403 when the scope is not enough."""
        if not self.scope.includes(scope):
            raise Problem(
                403,
                f"This needs a key of scope '{scope}'; the key '{self.name}' has '{self.scope}'. "
                f"Make one: webhooks keys create NAME --scope {scope}",
                headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
            )


async def authenticate(
    authorization: str | None, keys: KeyStore, now: datetime, *, address: str = "", in_a_browser: bool = False
) -> Principal:
    """The holder of the key in `Authorization: Bearer whk_...`, who sends from `address`; raises a 401.

    `in_a_browser`: it may be the password of HTTP Basic instead, and the 401 makes a browser ask for it. Only for what
    changes nothing: a browser sends such a password along by itself, also when another site leads it there.
    """
    try:
        return await _holder(_password(authorization) if in_a_browser else authorization, keys, now, address)
    except Problem as problem:
        if in_a_browser:
            problem.headers["WWW-Authenticate"] = f"{_BROWSERS_REALM}, {_REALM}"
        raise


def _password(authorization: str | None) -> str | None:
    """The same header with a password of HTTP Basic in place of its bearer; anything else as it came."""
    scheme, _, given = (authorization or "").partition(" ")
    if scheme.lower() != "basic" or len(given) > 2 * _LONGEST_KEY:
        return authorization
    try:
        return f"Bearer {base64.b64decode(given.strip(), validate=True).decode().partition(':')[2]}"
    except (binascii.Error, UnicodeDecodeError):
        return None


async def _holder(authorization: str | None, keys: KeyStore, now: datetime, address: str) -> Principal:
    scheme, _, given = (authorization or "").partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer" or not given or len(given) > _LONGEST_KEY:
        raise Problem(401, "Send an API key: Authorization: Bearer whk_...", headers={"WWW-Authenticate": _REALM})
    found = await keys.find(given, now)
    if found is None:
        raise Problem(401, "This API key is not known or was revoked.", headers=_INVALID)
    if isinstance(found, ExpiredKey):
        problem = (
            f"The API key '{found.name}' expired on {found.expired_at:%Y-%m-%d at %H:%M} UTC. Make another: "
            f"webhooks keys create NAME --scope {found.scope} --expires 90d"
        )
        raise Problem(401, problem, headers=_INVALID)
    return Principal(key_id=found.id, name=found.name, scope=found.scope, address=address)
