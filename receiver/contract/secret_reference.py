"""References to secrets: a definition names where a secret is kept, never the secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Author = Literal["code", "admin", "write"]
"""Who gives a definition: the project's code, an API key with scope `admin`, one with scope `write`."""

_FORMS = "block:webhook-secret/<name>, block:secret/<name>, env:NAME or file:PATH"


@dataclass(frozen=True)
class SecretReference:
    """Where a secret is kept. `kind` is `webhook-secret`, `secret` (Prefect blocks), `env` or `file`."""

    kind: Literal["webhook-secret", "secret", "env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.kind in {"env", "file"} else f"block:{self.kind}/{self.name}"


def is_secret_reference(text: str) -> bool:
    """Whether a text is meant as a reference: a secret given in plain words has to be put into a block first."""
    return text.startswith(("block:", "env:", "file:"))


def parse_secret_reference(text: str, *, by: Author) -> SecretReference:
    """The reference a text is. Raises ValueError, which never repeats the text: it may be a secret."""
    scheme, _, rest = text.partition(":")
    if scheme == "block":
        return _block(rest)
    if scheme in {"env", "file"}:
        if by == "write":
            raise ValueError(f"{scheme}: references are taken from code and from API keys with scope admin only")
        return _environment(rest) if scheme == "env" else _file(rest)
    raise ValueError(
        f"is not a reference to a secret ({_FORMS}). Put the value into a block of type webhook-secret in Prefect and "
        "name that block here; a definition never holds the secret itself"
    )


def _block(rest: str) -> SecretReference:
    kind, _, name = rest.partition("/")
    if kind not in {"webhook-secret", "secret"}:
        raise ValueError(
            "names a kind of block that holds no secret; use block:webhook-secret/<name> or block:secret/<name>"
        )
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,254}", name):
        raise ValueError("names no block: block names have lower-case letters, digits and hyphens")
    return SecretReference("webhook-secret" if kind == "webhook-secret" else "secret", name)


def _environment(name: str) -> SecretReference:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name):
        raise ValueError("names no environment variable: letters, digits and underscores after env:")
    if name.upper().startswith(("WEBHOOKS_", "PREFECT_")):
        raise ValueError("may not name a variable of the receiver's or of Prefect's (WEBHOOKS_*, PREFECT_*)")
    return SecretReference("env", name)


def _file(name: str) -> SecretReference:
    path = PurePosixPath(name)
    if not name or "\0" in name or "\\" in name or path.is_absolute() or ".." in path.parts or path == PurePosixPath():
        raise ValueError("is a path below WEBHOOKS_SECRETS_DIR: relative, without '..'")
    return SecretReference("file", name)
