"""The requests of webhooks with a rate limit, counted: in memory, or for all receivers together in Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from receiver.contract.errors import WebhooksError
from receiver.ingress.rate import Rate, Windows

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

PATIENCE_SECONDS, PAUSE_SECONDS = 0.5, 5.0
"""How long a request waits for Redis at most, and how long Redis is left alone once it did not answer."""
MOST_CONNECTIONS = 32
_PREFIX = "webhooks:rate:"
# A list of the times of the latest requests, the latest first; Redis's own clock, which all receivers share.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local count, seconds = tonumber(ARGV[1]), tonumber(ARGV[2])
local first = redis.call('LINDEX', KEYS[1], count - 1)
if first then
  local wait = tonumber(first) + seconds - now
  if wait > 0 then return tostring(wait) end
end
redis.call('LPUSH', KEYS[1], string.format('%.6f', now))
redis.call('LTRIM', KEYS[1], 0, count - 1)
redis.call('EXPIRE', KEYS[1], seconds + 1)
return '0'
"""


class MemoryRates:
    """Counts in this process alone."""

    def __init__(self) -> None:
        self._windows = Windows()

    async def take(self, key: str, rate: Rate) -> float:
        """Count a request: 0 when there was room for it, else the seconds until there is."""
        return self._windows.take(key, rate, time.monotonic())

    async def close(self) -> None:
        """Nothing is open."""


class SharedRates:
    """Counts in Redis, for all receivers together; in memory while Redis is away, which is logged once."""

    def __init__(self, url: str) -> None:
        """Connects at the first request. Raises `WebhooksError` for what is no Redis address; never repeats it."""
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=MOST_CONNECTIONS,
                timeout=PATIENCE_SECONDS,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=PATIENCE_SECONDS,
                socket_connect_timeout=PATIENCE_SECONDS,
            )
        except ValueError:
            raise WebhooksError("WEBHOOKS_RATE_LIMIT_URL is an address such as redis://host:6379/0") from None
        self._redis: Redis = Redis.from_pool(pool)
        self._take: Any = self._redis.register_script(_TAKE)
        self._memory = MemoryRates()
        self._asked_again_at = float("-inf")
        self._away = False

    async def take(self, key: str, rate: Rate) -> float:
        """Count a request: 0 when there was room for it, else the seconds until there is."""
        from redis.exceptions import RedisError

        if time.monotonic() < self._asked_again_at:
            return await self._memory.take(key, rate)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                wait = float(await self._take(keys=[_PREFIX + key], args=[rate.count, rate.seconds]))
        except (RedisError, OSError, TimeoutError) as error:
            self._asked_again_at = time.monotonic() + PAUSE_SECONDS
            if not self._away:
                self._away = True
                log.warning("Redis does not count (%s): each receiver keeps to rate_limit alone", type(error).__name__)
            return await self._memory.take(key, rate)
        if self._away:
            self._away = False
            log.info("Redis counts again: receivers keep to rate_limit together")
        return wait

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
