"""The fixtures that other tests rest on."""

from prefect import flow, task
from prefect.client.orchestration import get_client

from tests.support.prefect import PrefectServer


@task
def one() -> int:
    return 1


@flow
def adds() -> int:
    return one() + 1


def test_a_synchronous_flow_in_the_test_process_runs_against_the_session_server(
    prefect_settings: PrefectServer,
) -> None:
    assert adds() == 2


async def test_an_asynchronous_client_in_the_test_process_uses_the_session_server(
    prefect_settings: PrefectServer,
) -> None:
    async with get_client() as client:
        assert str(client.api_url).rstrip("/") == prefect_settings.api_url
        assert await client.read_flow_runs(limit=1) is not None
