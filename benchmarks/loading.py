"""Load from outside: starts the loader as a process and reads what it measured."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from benchmarks.figures import percentile
from benchmarks.loader import Order

SECRET = "for-this-benchmark-only"  # noqa: S105 (of webhooks that live for a minute on loopback)
SIGNATURE_HEADER = "X-Signature"


@dataclass(frozen=True)
class Load:
    """What one loader measured. Times in milliseconds."""

    elapsed: float
    statuses: dict[str, int]
    milliseconds: list[float]
    answers: list[dict[str, Any]]

    @property
    def per_second(self) -> float:
        """Answers with a status of success a second."""
        return self.good / self.elapsed

    @property
    def good(self) -> int:
        """How many answers had a status from 200 to 299."""
        return sum(count for status, count in self.statuses.items() if status.startswith("2"))

    @cached_property
    def p50(self) -> float:
        return percentile(self.milliseconds, 0.5)

    @cached_property
    def p99(self) -> float:
        return percentile(self.milliseconds, 0.99)


class LoadFailed(Exception):
    """The loader ended badly, or hardly anything was answered well: its figures would mean nothing."""


async def output_of(*words: str, what: str, **options: Any) -> bytes:
    """What `python -m words` prints; it does not outlive us. Raises LoadFailed, naming `what`, when it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, **options
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise LoadFailed(f"{what} failed:\n{errors.decode()[-1500:]}")
    return output


async def load(order: Order, *, must_succeed: bool = True) -> Load:
    """Run the loader. Raises LoadFailed when it fails or, if `must_succeed`, when an answer was no success."""
    result = orjson.loads(await output_of("benchmarks.loader", order.to_json(), what=f"the loader at {order.url}"))
    done = Load(result["elapsed"], result["statuses"], result["milliseconds"], result.get("answers", []))
    if not done.milliseconds or (must_succeed and done.good < len(done.milliseconds)):
        raise LoadFailed(f"{order.url} answered {done.statuses or 'nothing'}")
    return done


def body_of(size: int) -> str:
    """A JSON body of about so many bytes, like an order of a shop."""
    lines: list[dict[str, Any]] = []
    document = {"event": "order.created", "id": 4711, "customer": {"name": "Ada Lovelace"}, "lines": lines}
    while len(orjson.dumps(document)) < size - 60:
        lines.append({"sku": f"A-{len(lines):05d}", "quantity": len(lines) % 7 + 1, "price": "19.90"})
    return orjson.dumps(document).decode()


def signed(body: str) -> dict[str, str]:
    """The headers of a request with this body, signed as both endpoints want it."""
    signature = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", SIGNATURE_HEADER: f"sha256={signature}"}
