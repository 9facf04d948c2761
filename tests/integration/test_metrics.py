"""What Prometheus is told, by a real receiver whose Prefect is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.receiver import ADMIN_KEY
from tests.support.serving import Serving, serving
from tests.support.waiting import wait_until

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home: Path = tmp_path_factory.mktemp("home")
    with serving(home) as started:
        yield started


def told(receiver: Serving) -> dict[tuple[str, ...], float]:
    """Each sample by its name and its labels' values, but for the histogram's buckets."""
    answer = receiver.http.get("/metrics", headers=ADMIN)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    order = ("webhook", "status", "reason", "state")
    return {
        (each.name, *(each.labels[label] for label in order if label in each.labels)): each.value
        for each in samples
        if "le" not in each.labels
    }


def test_requests_are_counted_by_what_became_of_them_and_why(receiver: Serving):
    receiver.define("counted", state="paused")
    for _ in range(2):
        assert receiver.http.post("/api/webhooks/counted", json={}).status_code == 202
    assert receiver.http.put("/api/webhooks/counted", json={}).status_code == 405
    assert receiver.http.get("/api/webhooks/nobody-s").status_code == 404
    long = "GET /health/live HTTP/1.1\r\nHost: a\r\nX-Long: " + "x" * 70_000 + "\r\n\r\n"
    assert receiver.raw(long).startswith(b"HTTP/1.1 431")
    found = told(receiver)
    assert found["webhooks_requests_total", "counted", "queued", "paused"] == 2
    assert found["webhooks_requests_total", "counted", "rejected", "method_not_allowed"] == 1
    assert found["webhooks_requests_total", "", "rejected", "unknown_path"] == 1
    assert found["webhooks_requests_total", "", "rejected", "headers_too_large"] == 1
    assert found["webhooks_answer_seconds_count", "counted"] == 3


def test_what_waits_is_told_and_that_prefect_is_away(receiver: Serving):
    receiver.define("waits")
    assert receiver.http.post("/api/webhooks/waits", json={}).status_code == 202
    found = told(receiver)
    states = {state: found["webhooks_queue_attempts", state] for state in ("waiting", "leased", "later", "parked")}
    assert sum(states.values()) >= 1
    assert found["webhooks_prefect_up",] == 0
    assert sum(found["webhooks_prefect_circuit", state] for state in ("closed", "half-open", "open")) == 1
    assert 1 <= found["webhooks_handovers_at_once",] <= 8


def test_that_the_queue_is_behind_is_told_wherever_one_looks(receiver: Serving):
    receiver.define("behind")
    assert receiver.http.post("/api/webhooks/behind", json={}).status_code == 202

    def is_behind() -> bool:
        queue = receiver.http.get("/api/admin/queue", headers=ADMIN).json()
        return bool(queue["behind_seconds"] >= 1 and queue["circuit"] != "closed")

    wait_until(is_behind, 20, what="the queue is behind")
    assert receiver.http.get("/health/ready").json()["behind_seconds"] >= 1
    assert told(receiver)["webhooks_queue_behind_seconds",] >= 1


def test_nobody_without_a_key_is_told_anything(receiver: Serving):
    answer = receiver.http.get("/metrics")
    assert answer.status_code == 401 and "webhooks_" not in answer.text
