"""What `webhooks show` tells of a delivery, without a receiver."""

from __future__ import annotations

from typing import Any

import pytest

from receiver.cli._story import SHOWN_BODY, Manner, tell
from receiver.cli.next_step import next_step

AT = "2026-03-01T12:00:00Z"
IDENTITY = "019ca945-0a00-7000-8000-00000000002b"
PLAIN = Manner(utc=True, blocks=False, whole_body=False)
NO_RUNS: dict[str, Any] = {"available": True, "problem": "", "attempts": []}
HOSTILE = "\x1b[2J\r\n\u202e\x9b\x00"


def delivery(**fields: Any) -> dict[str, Any]:
    usual = {
        "id": IDENTITY,
        "webhook": "orders",
        "revision": 3,
        "status": "completed",
        "reason": None,
        "detail": "",
        "method": "POST",
        "path": "/api/webhooks/orders",
        "client_ip": "192.0.2.7",
        "body_size": 8,
        "event_id": None,
        "duplicate_of": None,
        "id_conflict": False,
        "attempt": 1,
        "response_status": 202,
        "received_at": AT,
        "receive_ms": 2.0,
        "queue_ms": 8.0,
        "start_ms": 90.0,
        "run_ms": 300.0,
        "headers": {"accept": "a"},
        "query": {},
        "verification": {"scheme": "hmac", "secret": "current"},
        "notes": {},
        "attempts": [],
        "status_changes": [],
    }
    return {**usual, **fields}


def attempt(**fields: Any) -> dict[str, Any]:
    usual = {"number": 1, "status": "failed", "deployment": "orders/main", "flow_run_id": "r", "flow_run_url": None}
    return {**usual, "detail": "", "cause": "request", "actor": None, "edited": False, **fields}


def runs(message: str = "boom", *, logs: int = 0, reply: dict[str, Any] | None = None) -> dict[str, Any]:
    state = {"type": "FAILED", "name": "Failed", "message": message, "at": AT}
    task = {"name": "create", "state": state, "started_at": AT, "seconds": 0.12, "runs": 2}
    lines = [{"at": AT, "level": "INFO", "logger": "x", "message": f"{message} {number}"} for number in range(logs)]
    run = {"name": "orders", "states": [state], "task_runs": [task], "logs": lines, "more_logs": False}
    return {**NO_RUNS, "attempts": [{"attempt": 1, "flow_run_id": "r", "run": run, "reply": reply}]}


def told(row: dict[str, Any], body: bytes = b'{"n": 1}', of: dict[str, Any] = NO_RUNS, manner: Manner = PLAIN) -> str:
    return "\n".join(line.plain for line in tell(row, body, of, manner))


def test_request_judgement_times_and_answer_are_told():
    text = told(delivery(event_id="evt_1", id_conflict=True))
    for words in ("POST /api/webhooks/orders", "accept: a", '"n": 1', "hmac, secret 'current' matched", "revision 3"):
        assert words in text
    assert "evt_1 (it had come with another body before)" in text and "status: 202" in text
    assert [line.split()[0] for line in text.splitlines() if line.rstrip().endswith("#")] == [
        *("receive", "queue", "start", "run")
    ]


def test_states_tasks_and_log_lines_of_the_run_are_told_and_the_cause_at_the_end():
    text = told(delivery(status="failed", attempts=[attempt()]), of=runs("out of stock", logs=60))
    assert "task create  Failed  120 ms, 2 tries" in text
    assert "out of stock 59" in text and "out of stock 9\n" not in text and "the last 50 lines" in text
    assert text.endswith(f"out of stock\n  Run it again once its cause is mended: webhooks replay {IDENTITY}")


def test_an_attempt_tells_why_there_is_one_who_asked_and_that_its_body_was_edited():
    replay = attempt(cause="replay", actor="ci")
    assert "failed  orders/main  started by the request\n" in told(delivery(attempts=[attempt()]), of=runs())
    assert "failed  orders/main  replayed by ci\n" in told(delivery(attempts=[replay]), of=runs())
    edited = told(delivery(attempts=[{**replay, "edited": True}]), of=runs())
    assert "replayed by ci with an edited body\n" in edited


def test_the_reply_of_a_flow_is_told_with_status_headers_and_body():
    reply = {"at": AT, "status": 201, "headers": {"x-a": "b"}, "body": {"id": 7}, "base64": None, "problem": None}
    text = told(delivery(attempts=[attempt()]), of=runs(reply=reply))
    assert "replied 201" in text and "x-a: b" in text and '"id": 7' in text


def test_without_prefect_the_rest_is_told_and_what_is_missing_too():
    text = told(delivery(attempts=[attempt()]), of={"available": False, "problem": "it is away", "attempts": []})
    assert "Prefect does not answer" in text and "it is away" in text and "orders/main" in text


def test_of_a_long_body_the_beginning_is_told_and_the_whole_when_asked_for():
    long = b"x" * (SHOWN_BODY + 100)
    row = delivery(body_size=len(long))
    assert "100 characters more" in told(row, long) and f"webhooks show {IDENTITY} --body" in told(row, long)
    assert "x" * len(long) in told(row, long, manner=Manner(utc=True, blocks=True, whole_body=True))
    assert "bytes that are not text: ff fe" in told(row, b"\xff\xfe")
    assert "8 bytes, 2 of them kept" in told(delivery(), b"{}")


def test_nothing_that_a_sender_or_a_flow_wrote_acts_on_the_terminal():
    names = ("webhook", "detail", "method", "path", "client_ip", "event_id", "duplicate_of", "reason")
    row = delivery(
        **dict.fromkeys(names, HOSTILE),
        headers={HOSTILE: [HOSTILE, HOSTILE]},
        query={HOSTILE: HOSTILE},
        notes={HOSTILE: HOSTILE},
        verification={"scheme": HOSTILE, "secret": HOSTILE},
        attempts=[attempt(deployment=HOSTILE, detail=HOSTILE, flow_run_url=HOSTILE, cause=HOSTILE, actor=HOSTILE)],
        status_changes=[{"at": AT, "from": HOSTILE, "to": HOSTILE, "source": HOSTILE, "detail": HOSTILE}],
        status="failed",
    )
    reply = {
        "at": AT,
        "status": 201,
        "headers": {HOSTILE: HOSTILE},
        "body": HOSTILE,
        "base64": None,
        "problem": HOSTILE,
    }
    for body in (HOSTILE.encode(), b'{"a": "\\u001b[2J\\u202e"}'):
        for line in tell(row, body, runs(HOSTILE, logs=3, reply=reply), PLAIN):
            assert all(character.isprintable() for character in line.plain), line.plain


@pytest.mark.parametrize(
    ("fields", "command"),
    [
        ({"status": "held"}, "webhooks replay"),
        ({"status": "dead"}, "webhooks check orders"),
        ({"status": "rejected"}, "webhooks check orders"),
        ({"status": "crashed"}, "webhooks replay"),
        ({"status": "queued", "reason": "paused"}, "webhooks resume orders"),
        ({"status": "queued"}, "webhooks check orders"),
    ],
)
def test_what_did_not_go_well_names_the_next_command(fields: dict[str, Any], command: str):
    assert command in next_step(delivery(**fields), NO_RUNS)


@pytest.mark.parametrize("status", ["completed", "filtered", "duplicate", "running"])
def test_what_went_well_asks_for_nothing(status: str):
    assert next_step(delivery(status=status), NO_RUNS) == ""
