"""The secrets of webhooks that are deployed for the first time: made up where it is for us to choose them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from receiver.cli.client import CommandFailed
from receiver.contract.errors import WebhooksError
from receiver.webhooks.deploy_plan import Change, Step

CHOSEN_HERE = frozenset({"api-key", "bearer", "github", "gitlab", "hmac", "url-token"})
"""Schemes whose secret we choose and give to the sender. Others are issued by the sender: a made-up one would turn
its requests away for good, where a missing one is 503 and tried again."""

_BLOCK = "block:webhook-secret/"


def make_first_secrets(steps: Sequence[Step], environment: Mapping[str, str]) -> list[str]:
    """Save a random secret in each block that a created webhook names and nobody has saved; the blocks' names.

    `environment` names Prefect; without one nothing is made. Raises `CommandFailed`.
    """
    wanted = [name for step in steps if step.change is Change.CREATED and (name := secret_to_make(step.definition))]
    if not wanted or not environment.get("PREFECT_API_URL"):
        return []
    os.environ.update(environment)  # Prefect reads its settings when it is imported, which happens below
    try:
        missing = asyncio.run(_missing(list(dict.fromkeys(wanted))))
    except WebhooksError as error:
        raise CommandFailed(f"Prefect cannot be asked for the secrets of new webhooks: {error}.") from None
    if not missing:
        return []
    arguments = [word for name in missing for word in ("--secret", name)]
    done = subprocess.run(  # noqa: S603 (our own module; the names are checked slugs)
        [sys.executable, "-m", "blocks.bootstrap", *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        blocks = ", ".join(f"webhook-secret/{name}" for name in missing)
        raise CommandFailed(f"The secrets {blocks} could not be made, see above. No webhook was changed.")
    return missing


def secret_to_make(definition: Mapping[str, Any] | None) -> str | None:
    """The name of the block `webhook-secret/...` whose value is for us to choose; None where there is none."""
    verification = (definition or {}).get("verification") or {}
    reference = str(verification.get("secret") or "")
    # Keys in another writing than plain text, and GitLab's signing token, are not any random text.
    plain = verification.get("key", "plain") == "plain" and verification.get("token") != "signing"
    if verification.get("scheme") not in CHOSEN_HERE or not plain or not reference.startswith(_BLOCK):
        return None
    return reference.removeprefix(_BLOCK)


async def _missing(names: Sequence[str]) -> list[str]:
    from receiver.prefect_gateway import PrefectGateway

    async with PrefectGateway() as prefect:
        return [name for name in names if await prefect.read_block("webhook-secret", name) is None]
