"""Where flows reach the receiver: the block `webhooks-receiver/default`, which `webhooks deploy` writes when needed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping

from receiver.cli.client import AdminClient, CommandFailed
from receiver.contract.errors import WebhooksError


def give_flows_access(client: AdminClient, environment: Mapping[str, str]) -> bool:
    """Make a key with scope read and write it into the block, unless the block's key is good; whether it was written.

    Flows fetch large bodies and files with it. `environment` names Prefect. Raises `CommandFailed`.
    """
    os.environ.update(environment)  # Prefect reads its settings when it is imported, which happens below
    try:
        written = asyncio.run(_read_block())
    except WebhooksError as error:
        raise CommandFailed(f"Prefect cannot be asked how flows reach the receiver: {error}.") from None
    if written is not None and client.accepts(str(written.get("key", ""))):
        return False
    made = client.request("POST", "/keys", content={"name": "flows", "scope": "read"})
    internal = environment.get("WEBHOOKS_INTERNAL_URL")
    words = ["--receiver-url", internal or client.url]
    if client.certificate and not internal:
        words += ["--receiver-certificate", client.certificate]
    done = subprocess.run(  # noqa: S603 (our own module)
        [sys.executable, "-m", "blocks.bootstrap", *words],
        env={**environment, "WEBHOOKS_RECEIVER_KEY": made["key"]},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(
            "The block webhooks-receiver/default could not be written, see above. Without it flows cannot fetch large "
            "bodies and files; mend it and run `webhooks deploy` again."
        )
    return True


async def _read_block() -> dict[str, object] | None:
    from receiver.prefect_gateway import PrefectGateway

    async with PrefectGateway() as prefect:
        return await prefect.read_block("webhooks-receiver", "default")
