"""Named texts that Prefect keeps for a flow run, each written once, and going on with a run that waits."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from receiver.prefect_gateway.values import PrefectUnavailable


class RunInputs:
    """The inputs of flow runs, by the gateway's client. All raise `PrefectUnavailable`."""

    def __init__(self, client: PrefectClient) -> None:
        self._client = client

    async def read(self, flow_run_id: str, name: str) -> str | None:
        """The text of that name, None when there is none."""
        try:
            return await self._client.read_flow_run_input(UUID(flow_run_id), name)
        except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as error:
            if _status(error) == httpx.codes.NOT_FOUND:
                return None
            raise PrefectUnavailable(f"an input of a run cannot be read: {type(error).__name__}") from None

    async def claim(self, flow_run_id: str, name: str, text: str) -> bool:
        """Write the text; False when there was one of that name: of two at the same moment, one gets True."""
        try:
            await self._client.create_flow_run_input(UUID(flow_run_id), name, text)
        except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as error:
            if _status(error) == httpx.codes.CONFLICT:
                return False
            raise PrefectUnavailable(f"an input of a run cannot be written: {type(error).__name__}") from None
        return True

    async def resume(self, flow_run_id: str) -> None:
        """Let a run that waits go on; one that does not wait is left as it is."""
        try:
            await self._client.resume_flow_run(UUID(flow_run_id))
        except (httpx.HTTPError, PrefectHTTPStatusError, ObjectNotFound) as error:
            raise PrefectUnavailable(f"a run cannot be resumed: {type(error).__name__}") from None


def _status(error: Exception) -> int | None:
    if isinstance(error, ObjectNotFound):
        return httpx.codes.NOT_FOUND
    return error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
