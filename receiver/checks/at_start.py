"""What a receiver looks at once when it starts; `webhooks check` looks at everything."""

from __future__ import annotations

import logging

from receiver.checks.versions import SUPPORTED_PREFECT, supports_prefect
from receiver.prefect_gateway.survey import server_version

log = logging.getLogger(__name__)


async def warn_of_version() -> None:
    """Log a warning when Prefect's server is of a version that is not supported. One that does not answer passes."""
    version = await server_version()
    if version is not None and not supports_prefect(version):
        log.warning(
            "Prefect's server has version %s, supported is %s. Next: webhooks check", version[:40], SUPPORTED_PREFECT
        )
