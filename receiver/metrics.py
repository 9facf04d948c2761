"""Figures for Prometheus: what became of this process's requests, how long their answers took, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from receiver.deliveries.views import Backlog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)


class Metrics:
    """Counts requests as their log lines are written. Labels are webhooks' keys and our own words, nothing a sender
    says: how many series there are is bounded by what is defined."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "webhooks_requests",
            "Requests by webhook (empty: none was found), by what became of them, and by the reason.",
            ("webhook", "status", "reason"),
            registry=registry,
        )
        self._seconds = Histogram(
            "webhooks_answer_seconds",
            "From the head of a request to its answer; for a synchronous webhook the run is in it.",
            ("webhook",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue = Gauge(
            "webhooks_queue_attempts",
            "Attempts that have no run in Prefect: waiting, leased, to be tried later, parked at a paused webhook.",
            ("state",),
            registry=registry,
        )
        self._behind = Gauge(
            "webhooks_queue_behind_seconds", "How long the first of what waits has been due.", registry=registry
        )
        self._prefect = Gauge(
            "webhooks_prefect_up", "1 while Prefect answers and lets us in, else 0.", registry=registry
        )
        self._circuit = Gauge(
            "webhooks_prefect_circuit",
            "1 for what the circuit of this process is; while it is open Prefect is probed and not asked.",
            ("state",),
            registry=registry,
        )
        self._at_once = Gauge(
            "webhooks_handovers_at_once",
            "How many hand-overs this process makes at the same time, as Prefect takes them.",
            registry=registry,
        )
        self._alerts = Gauge("webhooks_alerts_open", "Warnings that are raised, by rule.", ("rule",), registry=registry)
        self._series: dict[tuple[str, str, str], Any] = {}

    def count(self, line: dict[str, Any]) -> None:
        """Count a request by its log line."""
        place = (line.get("webhook") or "", str(line.get("status") or ""), str(line.get("reason") or ""))
        series = self._series.get(place)
        if series is None:
            series = self._series[place] = (self._requests.labels(*place), self._seconds.labels(place[0]))
        requests, seconds = series
        requests.inc()
        if (milliseconds := line.get("ms")) is not None:
            seconds.observe(milliseconds / 1000)

    def text(
        self,
        backlog: Backlog,
        *,
        prefect_up: bool,
        circuit: str,
        at_once: int,
        alerts: Mapping[str, int],
        now: datetime,
    ) -> bytes:
        """Everything in Prometheus's text format; `alerts` are the warnings that are raised, by rule."""
        for rule, number in alerts.items():
            self._alerts.labels(rule).set(number)
        for state in ("waiting", "leased", "later", "parked"):
            self._queue.labels(state).set(getattr(backlog, state))
        oldest = backlog.oldest_due_at
        self._behind.set(max((now - oldest).total_seconds(), 0.0) if oldest else 0.0)
        self._prefect.set(prefect_up)
        for state in ("closed", "half-open", "open"):
            self._circuit.labels(state).set(state == circuit)
        self._at_once.set(at_once)
        return generate_latest(self._registry)
