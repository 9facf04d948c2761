"""A plain secret given to the API goes into a block of its own; the definition keeps the reference alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from receiver.contract.errors import DefinitionError
from receiver.contract.secret_reference import is_secret_reference

_KIND = "block:webhook-secret/"
_LONGEST = 4096
_BLOCK_NAME = 200


@dataclass(frozen=True)
class PlainSecret:
    """A secret to be kept in the block `webhook-secret/<block>`."""

    block: str
    value: str = field(repr=False)

    @property
    def reference(self) -> str:
        """What the definition says instead."""
        return _KIND + self.block


def take_out_secret(
    fields: Mapping[str, Any], *, key: str, current: str | None, others: Collection[str], suffix: str
) -> tuple[dict[str, Any], PlainSecret | None]:
    """The fields with a reference in place of a plain `verification.secret`, and that secret; None when there is none.

    A webhook whose block was made here and is nobody else's keeps it, so that the old value stays good for a while.
    Any other gets a new block, with `suffix` in its name: no name that a caller chooses may overwrite what is there.
    Raises `DefinitionError`.
    """
    verification = fields.get("verification")
    secret = verification.get("secret") if isinstance(verification, Mapping) else None
    if not isinstance(verification, Mapping) or not isinstance(secret, str) or is_secret_reference(secret):
        return dict(fields), None
    if not secret.strip():
        raise DefinitionError("verification.secret", "is empty: an empty secret would let anyone in")
    if len(secret) > _LONGEST:
        raise DefinitionError("verification.secret", f"is over {_LONGEST} characters")
    stem = re.sub("[^a-z0-9]+", "-", key.lower())[:_BLOCK_NAME].strip("-") or "webhook"
    made_here = re.compile(f"{_KIND}({stem}-[0-9a-f]{{8}})")
    own = made_here.fullmatch(current) if current is not None and current not in others else None
    block = own[1] if own else f"{stem}-{suffix}"
    plain = PlainSecret(block, secret)
    return {**fields, "verification": {**verification, "secret": plain.reference}}, plain
